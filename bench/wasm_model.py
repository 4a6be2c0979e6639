# SPDX-License-Identifier: Apache-2.0
"""Writes a BERT cross-encoder with random weights as ONNX, with the fused operators that ONNX Runtime
has for it: layers as those of the small model (2 of a text, 2 of both), its width, heads and words.
Arguments: the file in f32, the one with dynamically quantised weights. Needs onnx and onnxruntime.

    python bench/wasm_model.py cross.onnx cross-int8.onnx
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

LAYERS, WIDTH, INNER, HEADS = 4, 384, 768, 12
VOCABULARY, POSITIONS, EPSILON = 7500, 512, 1e-12
FUSED = "com.microsoft"


def cross_encoder(layers=LAYERS, width=WIDTH, inside=INNER, heads=HEADS):
    random = np.random.default_rng(1)
    weights, nodes = [], []

    def weight(name, *shape, base=0.0):
        values = base + 0.02 * random.standard_normal(shape)
        weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def norm(name):
        return [weight(f"{name}.weight", width, base=1.0), weight(f"{name}.bias", width)]

    def linear(x, name, rows, columns):
        return node("MatMul", [x, weight(f"{name}.weight", rows, columns)], f"{name}.product")

    words = node("Gather", [weight("words", VOCABULARY, width), "ids"], "embedded")
    # positions 0 .. tokens - 1, and the types
    shape = node("Shape", ["ids"], "shape")
    weights.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    weights.append(numpy_helper.from_array(np.array([2], np.int64), "two"))
    weights.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
    tokens = node("Slice", [shape, "one", "two", "zero"], "tokens")
    places = node("Slice", [weight("positions", POSITIONS, width), "zero", tokens, "zero"], "places")
    types = node("Gather", [weight("types", 2, width), "types_of"], "typed")
    x = node("Add", [node("Add", [words, places], "sum.places"), types], "sum.types")
    x = node("LayerNormalization", [x, *norm("embeddings")], "x", axis=-1, epsilon=EPSILON)
    for i in range(layers):
        packed = [weight(f"{i}.attention", width, 3 * width), weight(f"{i}.attention.bias", 3 * width)]
        seen = node("Attention", [x, *packed], f"{i}.seen", domain=FUSED, num_heads=heads)
        out = linear(seen, f"{i}.out", width, width)
        x = node("SkipLayerNormalization", [out, x, *norm(f"{i}.norm"), weight(f"{i}.out.bias", width)],
                 f"{i}.x", domain=FUSED, epsilon=EPSILON)
        inner = linear(x, f"{i}.inner", width, inside)
        inner = node("BiasGelu", [inner, weight(f"{i}.inner.bias", inside)], f"{i}.gelu", domain=FUSED)
        out = linear(inner, f"{i}.outer", inside, width)
        x = node("SkipLayerNormalization", [out, x, *norm(f"{i}.norm2"), weight(f"{i}.outer.bias", width)],
                 f"{i}.y", domain=FUSED, epsilon=EPSILON)
    weights.append(numpy_helper.from_array(np.array(0, np.int64), "first"))
    first = node("Gather", [x, "first"], "cls", axis=1)
    pooled = node("Tanh", [node("Gemm", [first, weight("pooler", width, width), weight("pooler.bias", width)],
                                "pooled")], "tanh")
    node("Gemm", [pooled, weight("head", width, 1), weight("head.bias", 1)], "scores")
    shaped = ["batch", "tokens"]
    graph = helper.make_graph(
        nodes, "cross_encoder",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shaped) for name in ("ids", "types_of")],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 1])], weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def main():
    onnx.save(cross_encoder(), sys.argv[1])
    quantize_dynamic(sys.argv[1], sys.argv[2], weight_type=QuantType.QInt8,
                     extra_options={"DefaultTensorType": TensorProto.FLOAT})


if __name__ == "__main__":
    main()
