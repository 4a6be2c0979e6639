# SPDX-License-Identifier: Apache-2.0
"""MICE in PyTorch from a mice model file, in the usual batched form: the peer in PyTorch, and what the peer in
OpenVINO is exported from. BERT family, both orders, no rare options."""
import json

import numpy as np
import torch
import torch.nn.functional as F

from model_file import read_header


def read_model(path):
    """Weights as float32 tensors by name, and the configuration."""
    with open(path, "rb") as file:
        header = read_header(file)
        data = file.read()
    meta = header.pop("__metadata__")
    numpy_types = {"F32": np.float32, "F16": np.float16, "I8": np.int8, "U8": np.uint8, "I32": np.int32}
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(data[begin:end], numpy_types[entry["dtype"]]).reshape(entry["shape"])
    weights = {}
    for name, array in arrays.items():
        if name.endswith(".scale") or name.startswith(("tokenizer.", "selftest.")):
            continue
        values = array.astype(np.float32)
        if array.dtype == np.int8:
            values *= arrays[name + ".scale"][:, None]
        weights[name] = torch.from_numpy(values)
    return weights, json.loads(meta["mice.config"])


class Model:
    """Batched inference; every document has the same number of tokens, so nothing is padded."""

    def __init__(self, weights, config, dtype=torch.float32):
        plain = (config["compress_dim"] == 1 and not config["global_cls_token"]
                 and not config["extra_attn_bias"] and config["use_self_attention"]
                 and config["bound_bottom_layers"] and config["cls_cross_attention"] in ("full", "mean")
                 and config["pooler"] and config["embedding_size"] == config["hidden_size"])
        if not plain:
            raise ValueError("torch_mice.py: the benchmark's peer does not have this model's options")
        self.w = {name: value.to(dtype) for name, value in weights.items()}
        self.c = config
        self.heads = config["num_attention_heads"]

    def linear(self, name, x):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"],
                            self.c["layer_norm_eps"])

    def attention(self, name, x, states, mask=None, row_scale=None):
        """x [1 or batch, rows, width]; states [batch, tokens, width]; row_scale [rows, 1] multiplies the queries."""
        batch = max(x.shape[0], states.shape[0])

        def split(y):
            return y.view(y.shape[0], y.shape[1], self.heads, -1).transpose(1, 2).expand(batch, -1, -1, -1)

        queries = self.linear(name + ".self.query", x)
        if row_scale is not None:
            queries = queries * row_scale
        out = F.scaled_dot_product_attention(
            split(queries), split(self.linear(name + ".self.key", states)),
            split(self.linear(name + ".self.value", states)), attn_mask=mask)
        out = out.transpose(1, 2).reshape(batch, x.shape[1], -1)
        return self.norm(name + ".output.LayerNorm", x + self.linear(name + ".output.dense", out))

    def feed_forward(self, name, x):
        inner = F.gelu(self.linear(name + ".intermediate.dense", x))
        return self.norm(name + ".output.LayerNorm", x + self.linear(name + ".output.dense", inner))

    def encode(self, ids):
        """ids [batch, tokens] -> states [batch, tokens, width]"""
        x = (self.w["embeddings.word_embeddings.weight"][ids]
             + self.w["embeddings.position_embeddings.weight"][: ids.shape[1]]
             + self.w["embeddings.token_type_embeddings.weight"][0])
        x = self.norm("embeddings.LayerNorm", x)
        for i in range(self.c["n_contextualization_layers"]):
            name = f"bottom_layers.{i}"
            x = self.feed_forward(name, self.attention(name + ".attention", x, x))
        return x

    def interact(self, x, documents):
        """One query's states x [1, rows, width], documents' [batch, tokens, width] -> scores [batch]"""
        rows = x.shape[1]
        mask = torch.ones(rows, rows, dtype=torch.bool)
        if self.c["mask_query_to_cls"]:
            mask[1:, 0] = False
        row_scale = None
        if self.c["cls_cross_attention"] == "mean":  # a query of zeros attends to all tokens alike
            row_scale = torch.ones(rows, 1, dtype=x.dtype)
            row_scale[0] = 0
        for i in range(self.c["n_interaction_layers"]):
            name = f"top_layers.{i}"
            if self.c["cross_attn_first"]:
                x = self.attention(name + ".crossattention", x, documents, row_scale=row_scale)
                x = self.attention(name + ".attention", x, x, mask)
            else:
                x = self.attention(name + ".attention", x, x, mask)
                x = self.attention(name + ".crossattention", x, documents, row_scale=row_scale)
            x = self.feed_forward(name, x)
        pooled = torch.tanh(self.linear("pooler.dense", x[:, 0]))
        return self.linear("classifier", pooled)[:, 0]
