# SPDX-License-Identifier: Apache-2.0
"""Writes what bench/python_peers.py ranks with, seeded random weights in the folders that the packages read. Nothing
is downloaded.

    python_peers_models.py FOLDER VOCABULARY.txt

minilm-l6/    a cross-encoder of 6 layers of 384, for sentence-transformers, for mice-convert and, as
              onnx/model.onnx in f32, for fastembed
flashrank/    one of 2 layers of 128, with dynamically quantised weights as FlashRank's own, which have 4 MB
"""
import json
import logging
import sys
import warnings
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import BertWordPieceTokenizer
from transformers import PreTrainedTokenizerFast

from backbones import BACKBONES, Backbone
from peer_models import cross_encoder, example_inputs

MINILM = BACKBONES["minilm"]
TINY = Backbone("bert", layers=2, width=128, heads=2, inner=512, vocabulary=MINILM.vocabulary, positions=512,
                cut="1+1", cross_encoders={"ce-l2": 2}, deviation=0.05)
SPECIAL = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
           "mask_token": "[MASK]"}


class Logits(torch.nn.Module):
    """A model with a tensor as result, which is what the exporter wants."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits


def save_tokenizer(folder, vocabulary):
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=BertWordPieceTokenizer(str(vocabulary), lowercase=True)._tokenizer,
        model_max_length=MINILM.positions, model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **SPECIAL)
    tokenizer.save_pretrained(folder)
    (folder / "special_tokens_map.json").write_text(json.dumps(SPECIAL), encoding="utf-8")


def export(backbone, model, path):
    inputs = example_inputs(backbone)
    axes = {name: {0: "batch", 1: "tokens"} for name in inputs}
    torch.onnx.export(Logits(model), tuple(inputs.values()), path, input_names=list(inputs), output_names=["logits"],
                      opset_version=17, dynamo=False, dynamic_axes={**axes, "logits": {0: "batch"}})


def make(backbone, group, folder, vocabulary, file):
    model = cross_encoder(backbone, group, "eager").bert
    folder.mkdir(parents=True)
    save_tokenizer(folder, vocabulary)
    model.config.pad_token_id = 0
    model.config.save_pretrained(folder)
    (folder / file).parent.mkdir(exist_ok=True)
    export(backbone, model, folder / file)
    return model


def main():
    folder, vocabulary = map(Path, sys.argv[1:])
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    make(MINILM, "ce-l6", folder / "minilm-l6", vocabulary, "onnx/model.onnx").save_pretrained(folder / "minilm-l6")
    tiny, name = folder / "flashrank" / "ms-marco-TinyBERT-L-2-v2", "flashrank-TinyBERT-L-2-v2.onnx"
    make(TINY, "ce-l2", tiny, vocabulary, "plain.onnx")
    quantize_dynamic(tiny / "plain.onnx", tiny / name, weight_type=QuantType.QInt8)
    (tiny / "plain.onnx").unlink()


if __name__ == "__main__":
    main()
