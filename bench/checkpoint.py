#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a MICE checkpoint with seeded random weights, for speed alone: speed does not depend on the values.

    checkpoint.py TOKENIZER-OF.safetensors FOLDER

l3+3 of MiniLM's width in the vanilla order (the paper's first version). The vocabulary comes out of a mice model
file. mice-convert reads the folder.
"""
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from model_file import vocabulary

DEVIATION = 0.05
CONFIG = {
    "model_type": "bert", "hidden_act": "gelu", "hidden_size": 384, "num_attention_heads": 12,
    "intermediate_size": 1536, "num_hidden_layers": 12, "vocab_size": 30522, "max_position_embeddings": 512,
    "type_vocab_size": 2, "layer_norm_eps": 1e-12, "n_contextualization_layers": 3, "n_interaction_layers": 3,
    "cross_attn_first": False, "mask_query_to_cls": True, "cls_cross_attention": "mean",
}


def shapes():
    """Every tensor's shape by name."""
    width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    made = {}

    def linear(name, rows, columns):
        made[name + ".weight"], made[name + ".bias"] = (rows, columns), (rows,)

    def norm(name):
        made[name + ".weight"] = made[name + ".bias"] = (width,)

    def attention(name):
        for each in ("query", "key", "value"):
            linear(f"{name}.self.{each}", width, width)
        linear(name + ".output.dense", width, width)
        norm(name + ".output.LayerNorm")

    for table, rows in (("word", "vocab_size"), ("position", "max_position_embeddings"),
                        ("token_type", "type_vocab_size")):
        made[f"embeddings.{table}_embeddings.weight"] = (CONFIG[rows], width)
    norm("embeddings.LayerNorm")
    for stack, count in (("bottom_layers", "n_contextualization_layers"), ("top_layers", "n_interaction_layers")):
        for i in range(CONFIG[count]):
            name = f"{stack}.{i}"
            attention(name + ".attention")
            if stack == "top_layers":
                attention(name + ".crossattention")
            linear(name + ".intermediate.dense", inner, width)
            linear(name + ".output.dense", width, inner)
            norm(name + ".output.LayerNorm")
    linear("pooler.dense", width, width)
    linear("classifier", 1, width)
    return made


def main():
    tokens, folder = vocabulary(sys.argv[1]), Path(sys.argv[2])
    if len(tokens) != CONFIG["vocab_size"]:
        sys.exit(f"{sys.argv[1]} has {len(tokens)} tokens, not {CONFIG['vocab_size']}")
    chance = np.random.default_rng(1)
    weights = {}
    for name, shape in shapes().items():
        if name.endswith("LayerNorm.weight"):
            weights[name] = np.ones(shape, np.float32)
        else:
            weights[name] = chance.standard_normal(shape, np.float32) * np.float32(DEVIATION)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
