# SPDX-License-Identifier: Apache-2.0
"""MICE in PyTorch from a mice model file, in the usual batched form: the peer in PyTorch, and what the peer in
OpenVINO is exported from. Both orders, no rare options."""
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


def load(path, dtype=torch.float32):
    weights, config = read_model(path)
    return (ModernBert if config["model_type"] == "modernbert" else Bert)(weights, config, dtype)


class Model:
    """Batched inference; every document has the same number of tokens, so nothing is padded."""

    def __init__(self, weights, config, dtype):
        plain = (config.get("kind", "mice") == "mice" and not config["global_cls_token"]
                 and not config["extra_attn_bias"] and config["use_self_attention"]
                 and config["bound_bottom_layers"] and config["cls_cross_attention"] in ("full", "mean")
                 and config["embedding_size"] == config["hidden_size"])
        if not plain or not self.supports(config):
            raise ValueError("torch_mice.py: the benchmark's peer does not have this model's options")
        self.w = {name: value.to(dtype) for name, value in weights.items()}
        self.c = config
        self.heads = config["num_attention_heads"]

    def linear(self, name, x):
        return F.linear(x, self.w[name + ".weight"], self.w.get(name + ".bias"))

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w.get(name + ".bias"),
                            self.c["layer_norm_eps"])

    def split(self, x):
        """[batch, rows, width] -> [batch, heads, rows, width of a head]"""
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    @staticmethod
    def attend(queries, keys, values, mask=None):
        """Of split rows, one query's or as many as there are documents -> [batch, rows, width]"""
        batch = max(queries.shape[0], keys.shape[0])
        out = F.scaled_dot_product_attention(*(each.expand(batch, -1, -1, -1) for each in (queries, keys, values)),
                                             attn_mask=mask)
        return out.transpose(1, 2).reshape(batch, out.shape[2], -1)

    def encode(self, ids):
        """ids [batch, tokens] -> states [batch, tokens, width]"""
        x = self.embed(ids)
        for i in range(self.c["n_contextualization_layers"]):
            name = f"bottom_layers.{i}"
            x = self.feed_forward(name, self.self_attention(name, i, x))
        return x

    def interact(self, x, documents):
        """One query's states x [1, rows, width], documents' as `stored` makes them -> scores [batch]"""
        rows = x.shape[1]
        mask = torch.ones(rows, rows, dtype=torch.bool)
        if self.c["mask_query_to_cls"]:
            mask[1:, 0] = False
        row_scale = None
        if self.c["cls_cross_attention"] == "mean":  # a query of zeros attends to all tokens alike
            row_scale = torch.ones(rows, 1, dtype=x.dtype)
            row_scale[0] = 0
        for i in range(self.c["n_interaction_layers"]):
            name, layer = f"top_layers.{i}", self.c["n_contextualization_layers"] + i
            if self.c["cross_attn_first"]:
                x = self.cross_attention(name, x, documents, row_scale)
                x = self.self_attention(name, layer, x, mask)
            else:
                x = self.self_attention(name, layer, x, mask)
                x = self.cross_attention(name, x, documents, row_scale)
            x = self.feed_forward(name, x)
        return self.head(x)


class Bert(Model):
    """BERT: a norm behind each block, positions in the embeddings."""

    @staticmethod
    def supports(config):
        return config["compress_dim"] == 1 and config["pooler"]

    def attention(self, name, x, states, mask=None, row_scale=None):
        """x [1 or batch, rows, width]; states [batch, tokens, width]; row_scale [rows, 1] multiplies the queries."""
        queries = self.linear(name + ".self.query", x)
        if row_scale is not None:
            queries = queries * row_scale
        out = self.attend(self.split(queries), self.split(self.linear(name + ".self.key", states)),
                          self.split(self.linear(name + ".self.value", states)), mask)
        return self.norm(name + ".output.LayerNorm", x + self.linear(name + ".output.dense", out))

    def self_attention(self, name, layer, x, mask=None):
        return self.attention(name + ".attention", x, x, mask)

    def cross_attention(self, name, x, documents, row_scale):
        return self.attention(name + ".crossattention", x, documents, row_scale=row_scale)

    def feed_forward(self, name, x):
        inner = F.gelu(self.linear(name + ".intermediate.dense", x))
        return self.norm(name + ".output.LayerNorm", x + self.linear(name + ".output.dense", inner))

    def embed(self, ids):
        x = (self.w["embeddings.word_embeddings.weight"][ids]
             + self.w["embeddings.position_embeddings.weight"][: ids.shape[1]]
             + self.w["embeddings.token_type_embeddings.weight"][0])
        return self.norm("embeddings.LayerNorm", x)

    @staticmethod
    def stored(states):
        return states

    def head(self, x):
        pooled = torch.tanh(self.linear("pooler.dense", x[:, 0]))
        return self.linear("classifier", pooled)[:, 0]


class ModernBert(Model):
    """ModernBERT: a norm before each block, rotary positions, gated feed-forward blocks, no biases."""

    @staticmethod
    def supports(config):
        return (not config["lexical_bias"] and config["sliding_window"] == 0
                and config["classifier_pooling"] == "cls" and config["n_contextualization_layers"] > 0)

    def __init__(self, weights, config, dtype):
        super().__init__(weights, config, dtype)
        angles = {kind: self.angles_of(config[key]) for kind, key in
                  (("full_attention", "global_rope_theta"), ("sliding_attention", "local_rope_theta"))}
        self.turns = {kind: (each.cos().to(dtype), each.sin().to(dtype)) for kind, each in angles.items()}

    def angles_of(self, theta):
        """[positions, half a head's width]"""
        half = self.c["hidden_size"] // self.heads // 2
        steps = theta ** (-torch.arange(half, dtype=torch.float64) / half)
        return torch.outer(torch.arange(self.c["max_position_embeddings"], dtype=torch.float64), steps)

    def rotate(self, layer, x):
        """Split rows x, turned by their positions."""
        cosine, sine = (each[: x.shape[2]] for each in self.turns[self.c["layer_types"][layer]])
        first, second = x.chunk(2, -1)
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)

    def before_attention(self, name, x):
        name += ".attn_norm"
        return self.norm(name, x) if name + ".weight" in self.w else x  # the backbone's first layer has none

    def self_attention(self, name, layer, x, mask=None):
        rows = self.linear(name + ".attn.Wqkv", self.before_attention(name, x))
        queries, keys, values = (self.split(each) for each in rows.chunk(3, -1))
        out = self.attend(self.rotate(layer, queries), self.rotate(layer, keys), values, mask)
        return x + self.linear(name + ".attn.Wo", out)

    def cross_attention(self, name, x, documents, row_scale):
        """The weight of the norm is in the file's matrices of keys and values."""
        queries = self.linear(name + ".crossattention.q_proj", self.before_attention(name, x))
        if row_scale is not None:
            queries = queries * row_scale
        out = self.attend(self.split(queries), self.split(self.linear(name + ".crossattention.k_proj", documents)),
                          self.split(self.linear(name + ".crossattention.v_proj", documents)))
        return x + self.linear(name + ".crossattention.Wo", out)

    def feed_forward(self, name, x):
        inner, gate = self.linear(name + ".mlp.Wi", self.norm(name + ".mlp_norm", x)).chunk(2, -1)
        return x + self.linear(name + ".mlp.Wo", F.gelu(inner) * gate)

    def embed(self, ids):
        return self.norm("embeddings.norm", self.w["embeddings.tok_embeddings.weight"][ids])

    def stored(self, states):
        """What all interaction layers start from: normalised rows, without any layer's weight."""
        return F.layer_norm(states, states.shape[-1:], eps=self.c["layer_norm_eps"])

    def head(self, x):
        pooled = F.gelu(self.linear("head.dense", self.norm("final_norm", x[:, 0])))
        return self.linear("classifier", self.norm("head.norm", pooled))[:, 0]
