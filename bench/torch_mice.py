# SPDX-License-Identifier: Apache-2.0
"""The PyTorch peer of bench/run.py: the same MICE model, the same inputs, the usual batched form.

Reads a mice model file (BERT family, inverted or vanilla order, no rare options), runs the same query
against the same documents as bench_rerank, and prints the same JSON lines.
"""
import json
import sys
import time

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

    def __init__(self, weights, config, dtype):
        plain = (config["compress_dim"] == 1 and not config["global_cls_token"]
                 and not config["extra_attn_bias"] and config["use_self_attention"]
                 and config["bound_bottom_layers"] and config["cls_cross_attention"] == "full"
                 and config["pooler"] and config["embedding_size"] == config["hidden_size"])
        if not plain:
            sys.exit("torch_mice.py: the benchmark's peer has only the default model's options")
        self.w = {name: value.to(dtype) for name, value in weights.items()}
        self.c = config
        self.heads = config["num_attention_heads"]

    def linear(self, name, x):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"],
                            self.c["layer_norm_eps"])

    def attention(self, name, x, states, mask=None):
        batch = max(x.shape[0], states.shape[0])

        def split(y):
            return y.view(y.shape[0], y.shape[1], self.heads, -1).transpose(1, 2).expand(batch, -1, -1, -1)

        out = F.scaled_dot_product_attention(
            split(self.linear(name + ".self.query", x)), split(self.linear(name + ".self.key", states)),
            split(self.linear(name + ".self.value", states)), attn_mask=mask)
        out = out.transpose(1, 2).reshape(batch, x.shape[1], -1)
        return self.norm(name + ".output.LayerNorm", x + self.linear(name + ".output.dense", out))

    def feed_forward(self, name, x):
        inner = F.gelu(self.linear(name + ".intermediate.dense", x))
        return self.norm(name + ".output.LayerNorm", x + self.linear(name + ".output.dense", inner))

    def encode(self, ids):
        x = (self.w["embeddings.word_embeddings.weight"][ids]
             + self.w["embeddings.position_embeddings.weight"][: ids.shape[1]]
             + self.w["embeddings.token_type_embeddings.weight"][0])
        x = self.norm("embeddings.LayerNorm", x)
        for i in range(self.c["n_contextualization_layers"]):
            name = f"bottom_layers.{i}"
            x = self.feed_forward(name, self.attention(name + ".attention", x, x))
        return x

    def interact(self, x, documents):
        rows = x.shape[1]
        mask = torch.ones(rows, rows, dtype=torch.bool)
        if self.c["mask_query_to_cls"]:
            mask[1:, 0] = False
        for i in range(self.c["n_interaction_layers"]):
            name = f"top_layers.{i}"
            if self.c["cross_attn_first"]:
                x = self.attention(name + ".crossattention", x, documents)
                x = self.attention(name + ".attention", x, x, mask)
            else:
                x = self.attention(name + ".attention", x, x, mask)
                x = self.attention(name + ".crossattention", x, documents)
            x = self.feed_forward(name, x)
        pooled = torch.tanh(self.linear("pooler.dense", x[:, 0]))
        return self.linear("classifier", pooled)[:, 0]


def best_batch(score, count):
    """The batch size that scores fastest, tried once each after a warm-up."""
    times = {}
    for batch in sorted({8, 32, count}):
        if batch <= count:
            score(batch)
            start = time.perf_counter()
            score(batch)
            times[batch] = time.perf_counter() - start
    return min(times, key=times.get)


def main():
    model_path, input_path, threads, repetitions = sys.argv[1:5]
    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    with open(input_path, encoding="utf-8") as file:
        data = json.load(file)
    query = torch.tensor([data["query_ids"]])
    documents = torch.tensor(data["document_ids"])
    weights, config = read_model(model_path)
    for peer, dtype in (("PyTorch f32", torch.float32), ("PyTorch bf16", torch.bfloat16)):
        model = Model(weights, config, dtype)
        states = torch.cat([model.encode(part) for part in documents.split(32)])

        def stored(batch):
            encoded = model.encode(query)
            return torch.cat([model.interact(encoded, part) for part in states.split(batch)])

        def not_stored(batch):
            encoded = model.encode(query)
            return torch.cat([model.interact(encoded, model.encode(part)) for part in documents.split(batch)])

        for case, score in (("stored", stored), ("not stored", not_stored)):
            batch = best_batch(score, len(documents))
            seconds = []
            for _ in range(int(repetitions)):
                start = time.perf_counter()
                scores = score(batch)
                seconds.append(time.perf_counter() - start)
            print(json.dumps({"peer": peer, "case": case, "batch": batch, "seconds": seconds,
                              "scores": scores.float().tolist()}), flush=True)


if __name__ == "__main__":
    main()
