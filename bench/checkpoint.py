#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a MICE checkpoint with seeded random weights, for speed alone: speed does not depend on the values.

    checkpoint.py minilm FOLDER --vocabulary-of MODEL.safetensors [--cut 3+3]
    checkpoint.py ettin-150m FOLDER [--cut 11+3] [--window 64]

BERT in the vanilla order (the paper's first version), with the vocabulary of a mice model file; ModernBERT in the
inverted order of the later public runs, with made-up words and, where asked for, the backbone's sliding window in the
contextualization layers. mice-convert reads the folder.
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from backbones import BACKBONES, parse_cut
from byte_bpe import tokenizer_json
from model_file import vocabulary


class Tensors:
    """Every tensor's shape by name."""

    def __init__(self, backbone, cut):
        self.width, self.inner = backbone.width, backbone.inner
        self.shapes = {}
        self.embeddings(backbone)
        for stack, count in zip(("bottom_layers", "top_layers"), cut):
            for i in range(count):
                self.layer(stack, i)
        self.head()

    def matrix(self, name, rows, columns):
        self.shapes[name + ".weight"] = (rows, columns)

    def linear(self, name, rows, columns):
        self.matrix(name, rows, columns)
        self.shapes[name + ".bias"] = (rows,)


class Bert(Tensors):
    def norm(self, name):
        self.shapes[name + ".weight"] = self.shapes[name + ".bias"] = (self.width,)

    def attention(self, name):
        for each in ("query", "key", "value"):
            self.linear(f"{name}.self.{each}", self.width, self.width)
        self.linear(name + ".output.dense", self.width, self.width)
        self.norm(name + ".output.LayerNorm")

    def embeddings(self, backbone):
        for table, rows in (("word", backbone.vocabulary), ("position", backbone.positions), ("token_type", 2)):
            self.matrix(f"embeddings.{table}_embeddings", rows, self.width)
        self.norm("embeddings.LayerNorm")

    def layer(self, stack, index):
        name = f"{stack}.{index}"
        self.attention(name + ".attention")
        if stack == "top_layers":
            self.attention(name + ".crossattention")
        self.linear(name + ".intermediate.dense", self.inner, self.width)
        self.linear(name + ".output.dense", self.width, self.inner)
        self.norm(name + ".output.LayerNorm")

    def head(self):
        self.linear("pooler.dense", self.width, self.width)
        self.linear("classifier", 1, self.width)


class ModernBert(Tensors):
    def norm(self, name):
        self.shapes[name + ".weight"] = (self.width,)

    def embeddings(self, backbone):
        self.matrix("embeddings.tok_embeddings", backbone.vocabulary, self.width)
        self.norm("embeddings.norm")

    def layer(self, stack, index):
        name = f"{stack}.{index}"
        if (stack, index) != ("bottom_layers", 0):  # the backbone's first layer has none
            self.norm(name + ".attn_norm")
        self.matrix(name + ".attn.Wqkv", 3 * self.width, self.width)
        self.matrix(name + ".attn.Wo", self.width, self.width)
        if stack == "top_layers":
            for each in ("q_proj", "k_proj", "v_proj", "Wo"):
                self.matrix(f"{name}.crossattention.{each}", self.width, self.width)
        self.norm(name + ".mlp_norm")
        self.matrix(name + ".mlp.Wi", 2 * self.inner, self.width)
        self.matrix(name + ".mlp.Wo", self.width, self.inner)

    def head(self):
        self.norm("final_norm")
        self.matrix("head.dense", self.width, self.width)
        self.norm("head.norm")
        self.linear("classifier", 1, self.width)


def make_config(backbone, cut, window):
    config = {
        "model_type": backbone.family, "hidden_size": backbone.width, "num_attention_heads": backbone.heads,
        "intermediate_size": backbone.inner, "num_hidden_layers": backbone.layers,
        "vocab_size": backbone.vocabulary, "max_position_embeddings": backbone.positions,
        "n_contextualization_layers": cut[0], "n_interaction_layers": cut[1], "mask_query_to_cls": True}
    if backbone.family == "bert":
        return {**config, "hidden_act": "gelu", "type_vocab_size": 2, "layer_norm_eps": 1e-12,
                "cross_attn_first": False, "cls_cross_attention": "mean"}
    return {**config, "hidden_activation": "gelu", "norm_eps": 1e-5, "classifier_pooling": "cls",
            "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
            "ctx_sliding_window": window, "cross_attn_first": True, "cls_cross_attention": "full",
            "max_query_length": backbone.positions, "max_document_length": backbone.positions}


def make_weights(shapes, deviation):
    chance = np.random.default_rng(1)
    weights = {}
    for name, shape in shapes.items():
        if name.endswith(("LayerNorm.weight", "norm.weight")):
            weights[name] = np.ones(shape, np.float32)
        else:
            weights[name] = chance.standard_normal(shape, np.float32) * np.float32(deviation)
    return weights


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbone", choices=BACKBONES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cut", help="contextualization + interaction layers, such as 11+3")
    parser.add_argument("--window", type=int, default=0, help="tokens that a sliding layer sees on each side; 0: all")
    parser.add_argument("--vocabulary-of", help="a mice model file")
    options = parser.parse_args()
    backbone, folder = BACKBONES[options.backbone], options.folder
    cut = parse_cut(options.cut or backbone.cut)
    if sum(cut) > backbone.layers:
        sys.exit(f"{options.backbone} has {backbone.layers} layers, not {sum(cut)}")
    folder.mkdir(parents=True, exist_ok=True)
    if backbone.family == "bert":
        tokens = vocabulary(options.vocabulary_of)
        if len(tokens) != backbone.vocabulary:
            sys.exit(f"{options.vocabulary_of} has {len(tokens)} tokens, not {backbone.vocabulary}")
        (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    else:
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(backbone.vocabulary)), encoding="utf-8")
    tensors = (Bert if backbone.family == "bert" else ModernBert)(backbone, cut)
    save_file(make_weights(tensors.shapes, backbone.deviation), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(make_config(backbone, cut, options.window)), encoding="utf-8")


if __name__ == "__main__":
    main()
