# SPDX-License-Identifier: Apache-2.0
"""Cross-encoders in ONNX Runtime: with fused operators in f32, and the same with dynamically quantised weights."""
import numpy as np
import onnxruntime

from peer_common import Work, cached, parts

LIBRARIES = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")


def export_bert(backbone, group, path):
    import torch
    from peer_models import cross_encoder, example_inputs

    inputs = example_inputs(backbone)
    axes = {name: {0: "batch", 1: "tokens"} for name in inputs}
    # The exporter and the form of attention that the fusions know.
    torch.onnx.export(cross_encoder(backbone, group, "eager"), tuple(inputs.values()), path, input_names=list(inputs),
                      output_names=["scores"], opset_version=17, dynamo=False,
                      dynamic_axes={**axes, "scores": {0: "batch"}})


def fuse_bert(backbone, source, path):
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    made = optimizer.optimize_model(str(source), model_type="bert", num_heads=backbone.heads,
                                    hidden_size=backbone.width, opt_level=0, use_gpu=False,
                                    optimization_options=FusionOptions("bert"))
    found = made.get_fused_operator_statistics()
    if not found["Attention"] or not found["SkipLayerNormalization"]:
        raise RuntimeError(f"ONNX Runtime fused nothing: {found}")
    made.save_model_to_file(str(path))


def export_modernbert(backbone, group, path):
    """ONNX Runtime has no fusions for ModernBERT, but since version 23 of the operators ONNX itself has its attention
    and its rotary embedding, which the newer exporter writes."""
    import onnx
    import torch
    from peer_models import cross_encoder, example_inputs

    inputs = example_inputs(backbone)
    axes = {0: torch.export.Dim("batch", max=1024), 1: torch.export.Dim("tokens", min=3, max=backbone.positions)}
    torch.onnx.export(cross_encoder(backbone, group), tuple(inputs.values()), path, input_names=list(inputs),
                      output_names=["scores"], opset_version=23, dynamo=True, dynamic_shapes=(axes,) * len(inputs),
                      external_data=False, verbose=False)
    found = {node.op_type for node in onnx.load(path).graph.node}
    if not found >= {"Attention", "RotaryEmbedding", "LayerNormalization", "Gelu"}:
        raise RuntimeError(f"not the operators that ONNX Runtime has kernels for: {sorted(found)}")


def quantise(backbone, source, path):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # It takes ONNX's attention for the one of its own that fuse_bert makes, whose weights are inputs.
    operators = ["MatMul", "Gather"] if backbone.family == "modernbert" else None
    quantize_dynamic(source, path, weight_type=QuantType.QInt8, op_types_to_quantize=operators,
                     extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


class Peer:
    def __init__(self, setting):
        self.setting = setting

    def made(self, name, build):
        return cached(self.setting.cache, f"{name}.onnx", LIBRARIES, self.setting.backbone, build)

    def fused(self, group):
        backbone = self.setting.backbone
        if backbone.family == "modernbert":
            return self.made(group, lambda path: export_modernbert(backbone, group, path))
        plain = self.made(group, lambda path: export_bert(backbone, group, path))
        return self.made(f"{group}-fused", lambda path: fuse_bert(backbone, plain, path))

    def model(self, group, precision):
        fused = self.fused(group)
        if precision == "f32":
            return fused
        return self.made(f"{group}-int8", lambda path: quantise(self.setting.backbone, fused, path))

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
