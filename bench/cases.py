# SPDX-License-Identifier: Apache-2.0
"""What bench/run.py measures: every case by name, with its words in tables."""
from dataclasses import dataclass
from fnmatch import fnmatchcase

GROUPS = {
    "ce-l12": "cross-encoder, 12 layers",
    "ce-l6": "cross-encoder, 6 layers",
    "ce-mb22": "ModernBERT cross-encoder, 22 layers",
    "stored": "MICE, states stored",
    "kv": "MICE, keys and values stored",
    "not-stored": "MICE, nothing stored",
    "colbert": "ColBERT, vectors stored",
    "maxsim": "ColBERT, the MaxSim alone",
}
ENGINES = {"torch": "PyTorch", "onnx": "ONNX Runtime", "openvino": "OpenVINO", "mice": "mice",
           "eigen": "mice on its kernels in Eigen"}
GEMM = "gemm"  # the matrix product has a table of its own
GEMM_PRECISIONS = ("f32", "bf16", "int8")
GEMM_ENGINES = {"mice": "mice", "oneDNN": "oneDNN", "eigen_set": "mice in Eigen", "eigen": "Eigen"}
GEMM_THREADS = (1, 2)
GEMM_SHAPES = tuple((rows, k, n) for rows in (192, 1280) for k, n in ((384, 384), (384, 1536), (1536, 384)))


@dataclass(frozen=True)
class Case:
    """One engine at one task."""
    group: str
    engine: str
    precision: str
    codec: str = ""  # of an index, in the group kv

    @property
    def name(self):
        return f"{self.group}/{self.engine}-{self.precision}" + (f"-{self.codec}" if self.codec else "")

    @property
    def title(self):
        return f"{ENGINES[self.engine]} {self.precision}" + (f", {self.codec}" if self.codec else "")

    @property
    def exact(self):
        """Whether its scores must be those of PyTorch in f32."""
        return self.precision == "f32" and not self.codec

    @property
    def reference(self):
        """The name of the case to compare its scores with."""
        return ("stored" if self.group in ("kv", "not-stored") else self.group) + "/torch-f32"


def every_case(backbone):
    cases = []

    def add(group, engine, *precisions):
        cases.extend(Case(group, engine, each) for each in precisions)

    for group in backbone.cross_encoders:
        add(group, "torch", "f32", "bf16")
        add(group, "onnx", "f32", "int8")
        add(group, "openvino", "f32", "bf16", "int8")
    for group in ("stored", "not-stored"):
        add(group, "torch", "f32", "bf16")
        add(group, "openvino", "f32", "bf16", "int8")
        add(group, "mice", "f32", "bf16", "int8")
        add(group, "eigen", "f32", "bf16", "int8")
        if group == "stored":
            cases.extend(Case("kv", "mice", each, codec) for each in ("f32", "bf16", "int8")
                         for codec in ("kv-int16", "kv-int8"))
    if backbone.others:
        add("colbert", "torch", "f32")
        add("maxsim", "torch", "f32")
    return cases


def matches(name, patterns):
    """Whether one of the comma-separated globs fits a name, or its part before or behind the slash."""
    return any(fnmatchcase(part, pattern.strip()) for pattern in patterns.split(",")
               for part in (name, *name.split("/")))
