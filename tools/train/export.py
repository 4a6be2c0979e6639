#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the checkpoint directory that mice-convert reads: weights, configuration and tokenizer.

    export.py --model RUN --tokenizer BACKBONE --out CHECKPOINT
    mice-convert CHECKPOINT -o model.safetensors --weights int8 --self-test 8
"""
import argparse
import os

import torch
from safetensors.torch import load_file, save_file

from mice_model import Config
from train_data import copy_tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder that train.py wrote")
    parser.add_argument("--tokenizer", required=True, help="folder with tokenizer.json and vocab.txt")
    parser.add_argument("--out", required=True, help="the checkpoint directory")
    parser.add_argument("--f32", action="store_true", help="keep float32 weights, not float16")
    parser.add_argument("--max-query-length", type=int, help="limit in tokens (default: the model's)")
    parser.add_argument("--max-document-length", type=int, help="limit in tokens (default: the model's)")
    options = parser.parse_args()
    config = Config.read(os.path.join(options.model, "config.json"))
    for key in ("max_query_length", "max_document_length"):
        limit = getattr(options, key)
        if limit is not None:
            if not 3 <= limit <= config.max_position_embeddings:
                raise SystemExit(f"--{key.replace('_', '-')}: 3 to {config.max_position_embeddings} tokens")
            setattr(config, key, limit)
    tensors = load_file(os.path.join(options.model, "model.safetensors"))
    if not options.f32:
        tensors = {name: tensor.to(torch.float16) for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise SystemExit(f"{options.model}: {name} has values that are not finite" + (
                "" if options.f32 else " in float16; try --f32"))
    os.makedirs(options.out, exist_ok=True)
    save_file(tensors, os.path.join(options.out, "model.safetensors"), metadata={"format": "pt"})
    config.write(os.path.join(options.out, "config.json"))
    copy_tokenizer(options.tokenizer, options.out)
    parameters = sum(tensor.numel() for tensor in tensors.values())
    print(f"{options.out}: {parameters / 1e6:.1f} M parameters; next: mice-convert {options.out} -o model.safetensors")


if __name__ == "__main__":
    main()
