# SPDX-License-Identifier: Apache-2.0
"""Cross-encoders and MICE in OpenVINO: f32, bf16, and int8 by NNCF (weights and activations, the rest in the
plugin's own precision). Several documents run under the throughput hint, one alone under the latency hint."""
import numpy as np
import openvino

from model_file import read_config
from peer_common import Work, cached, file_hash, parts

SAMPLES = 64  # that NNCF sets the ranges of activations by
LIBRARIES = ("torch", "transformers", "openvino", "nncf")


def export(module, example, path):
    openvino.save_model(openvino.convert_model(module, example_input=example), path, compress_to_fp16=False)


def export_cross_encoder(backbone, group, path):
    from peer_models import cross_encoder, example_inputs

    export(cross_encoder(backbone, group), example_inputs(backbone), path)


def export_mice(part, model_file, setting, path):
    """part: "encode" ids [batch, tokens] -> states; "stored" query [1, rows, width], documents' states -> scores;
    "not-stored" the same from the documents' ids."""
    import torch
    from torch_mice import load

    mice = load(model_file)
    ids = torch.from_numpy(setting.others(3))
    states = torch.randn(*ids.shape, mice.c["hidden_size"])
    query = torch.randn(1, setting.query.shape[1], mice.c["hidden_size"])

    class Encoder(torch.nn.Module):
        def forward(self, ids):
            return mice.encode(ids)

    class Scorer(torch.nn.Module):
        def forward(self, query, documents):
            return mice.interact(query, documents if part == "stored" else mice.stored(mice.encode(documents)))

    with torch.no_grad():
        if part == "encode":
            export(Encoder().eval(), {"ids": ids}, path)
        else:
            export(Scorer().eval(), {"query": query, "documents": states if part == "stored" else ids}, path)


def quantise(source, samples, path):
    import nncf

    made = nncf.quantize(openvino.Core().read_model(source), nncf.Dataset(samples),
                         model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples))
    openvino.save_model(made, path, compress_to_fp16=False)


def one_by_one(inputs, shared=None):
    """The rows of inputs [samples, ...] as inputs of their own, each with the shared ones."""
    count = len(next(iter(inputs.values())))
    return [{**(shared or {}), **{key: each[i:i + 1] for key, each in inputs.items()}} for i in range(count)]


def as_stored(states, config):
    """As torch_mice.Model.stored, without PyTorch."""
    if config["model_type"] != "modernbert":
        return states
    spread = np.sqrt(states.var(-1, keepdims=True) + config["layer_norm_eps"])
    return (states - states.mean(-1, keepdims=True)) / spread


class Peer:
    def __init__(self, setting):
        self.setting = setting
        self.core = openvino.Core()

    def make(self, name):
        group, engine = name.split("/")
        precision = engine.split("-")[1]
        return self.mice(group, precision) if group.endswith("stored") else self.cross_encoder(group, precision)

    def cross_encoder(self, group, precision):
        inputs = self.setting.joint(self.setting.documents)
        backbone = self.setting.backbone
        path = self.exported(group, (backbone, inputs["input_ids"].shape[1]),
                             lambda made: export_cross_encoder(backbone, group, made), precision,
                             lambda: one_by_one(self.setting.joint(self.setting.others(SAMPLES))))
        score = self.scorer(path, precision, inputs)
        return Work(lambda batch, count: score(batch, count, {}))

    def mice(self, part, precision):
        encode = self.encoder(precision)
        exact = self.encoder("f32")
        other = self.setting.others(SAMPLES)

        def documents_of(ids):
            if part == "not-stored":
                return ids
            return as_stored(np.concatenate([exact(row[None]) for row in ids]), read_config(self.setting.model))

        path = self.exported_mice(part, precision, lambda: one_by_one(
            {"documents": documents_of(other)}, {"query": exact(self.setting.query)}))
        score = self.scorer(path, precision, {"documents": documents_of(self.setting.documents)})
        return Work(lambda batch, count: score(batch, count, {"query": encode(self.setting.query)}))

    def encoder(self, precision):
        """ids [1, tokens] -> states [1, tokens, width]"""
        path = self.exported_mice("encode", precision, lambda: one_by_one({"ids": self.setting.others(SAMPLES)}))
        request = self.compiled(path, precision, "LATENCY").create_infer_request()

        def encode(ids):
            request.infer({"ids": ids})
            return request.get_output_tensor(0).data.copy()

        return encode

    # ---- models ----

    def exported(self, name, key, build, precision, samples):
        """The path of a model that build(path) exports; samples() gives the inputs to quantise it by."""
        plain = cached(self.setting.cache, f"{name}.xml", LIBRARIES, key, build)
        if precision != "int8":
            return plain
        return cached(self.setting.cache, f"{name}-int8.xml", LIBRARIES, (key, SAMPLES),
                      lambda path: quantise(plain, samples(), path))

    def exported_mice(self, part, precision, samples):
        model = self.setting.model
        key = (file_hash(model), self.setting.query.shape[1], self.setting.documents.shape[1])
        return self.exported(f"mice-{part}", key, lambda path: export_mice(part, model, self.setting, path),
                             precision, samples)

    # ---- running ----

    def compiled(self, path, precision, hint):
        options = {"PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": self.setting.threads}
        if precision != "int8":  # which computes the rest in what the plugin prefers
            options["INFERENCE_PRECISION_HINT"] = precision
        return self.core.compile_model(path, "CPU", options)

    def scorer(self, path, precision, inputs):
        """inputs by name, [documents, ...] each -> score(batch, count, shared), where `shared` are further inputs,
        the same for all documents."""
        alone = len(next(iter(inputs.values()))) == 1
        queue = openvino.AsyncInferQueue(self.compiled(path, precision, "LATENCY" if alone else "THROUGHPUT"))
        found = {}

        def done(request, start):
            found[start] = request.get_output_tensor(0).data.reshape(-1).copy()

        queue.set_callback(done)

        def score(batch, count, shared):
            found.clear()
            for rows in parts(count, batch):
                queue.start_async({**{key: each[rows] for key, each in inputs.items()}, **shared}, rows.start)
            queue.wait_all()
            return np.concatenate([found[start] for start in sorted(found)])

        return score
