# SPDX-License-Identifier: Apache-2.0
"""Cross-encoders in ONNX Runtime: its BERT fusions in f32, and the same with dynamically quantised weights."""
import numpy as np
import onnxruntime

from peer_common import Work, cached, parts

LIBRARIES = ("torch", "transformers", "onnx", "onnxruntime")


def export(group, path):
    import torch
    from peer_bert import INPUTS, CrossEncoder

    example = tuple(torch.ones(2, 16, dtype=torch.int64) for _ in INPUTS)
    axes = {name: {0: "batch", 1: "tokens"} for name in INPUTS}
    # The exporter and the form of attention that the fusions know.
    torch.onnx.export(CrossEncoder(group, "eager"), example, path, input_names=list(INPUTS), output_names=["scores"],
                      opset_version=17, dynamo=False, dynamic_axes={**axes, "scores": {0: "batch"}})


def fuse(source, path):
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    made = optimizer.optimize_model(str(source), model_type="bert", num_heads=12, hidden_size=384, opt_level=0,
                                    use_gpu=False, optimization_options=FusionOptions("bert"))
    found = made.get_fused_operator_statistics()
    if not found["Attention"] or not found["SkipLayerNormalization"]:
        raise RuntimeError(f"ONNX Runtime fused nothing: {found}")
    made.save_model_to_file(str(path))


def quantise(source, path):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, path, weight_type=QuantType.QInt8,
                     extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


class Peer:
    def __init__(self, setting):
        self.setting = setting

    def model(self, group, precision):
        folder = self.setting.cache
        plain = cached(folder, f"{group}.onnx", LIBRARIES, "plain", lambda path: export(group, path))
        fused = cached(folder, f"{group}-fused.onnx", LIBRARIES, "fused", lambda path: fuse(plain, path))
        if precision == "f32":
            return fused
        return cached(folder, f"{group}-int8.onnx", LIBRARIES, "int8", lambda path: quantise(fused, path))

    def make(self, name):
        group, engine = name.split("/")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.setting.threads, 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(self.model(group, engine.split("-")[1]), options,
                                               providers=["CPUExecutionProvider"])
        joint = self.setting.joint(self.setting.documents)
        inputs = {each.name: joint[each.name] for each in session.get_inputs()}

        def run(batch, count):
            return np.concatenate([session.run(None, {key: each[rows] for key, each in inputs.items()})[0]
                                   for rows in parts(count, batch)])

        return Work(run)
