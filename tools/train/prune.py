#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a backbone with fewer tokens, for small models, and tokenises candidate lists for it.

The tokens that the lists use most stay, with every single character that they use, so that no word is
lost: one that has no token of its own any more is cut into pieces. The lists' teacher scores stay.
"""
import argparse
import json
import os

import numpy as np
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from train_data import Texts

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def kept_tokens(vocabulary, counts, wanted):
    """Ids in their old order: special tokens, single characters that occur, then the most frequent."""
    kept = {vocabulary[each] for each in SPECIAL}
    frequent = sorted(vocabulary.values(), key=lambda each: -counts[each])
    characters = {token: number for token, number in vocabulary.items() if len(token.removeprefix("##")) == 1}
    used = {token.removeprefix("##") for token, number in characters.items() if counts[number] > 0 or token.isascii()}
    kept |= {number for token, number in characters.items() if token.removeprefix("##") in used}
    if len(kept) > wanted:
        raise SystemExit(f"--tokens {wanted}: special tokens and single characters alone are {len(kept)}")
    for number in frequent:
        if len(kept) == wanted:
            break
        kept.add(number)
    return sorted(kept)


def smaller_tokenizer(names, lower_case):
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.decoder = decoders.WordPiece()  # so that lists in these tokens can be cut again
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def tokenized(old, new, ids, offsets, limit):
    texts = old.decode_batch([ids[first:last].tolist() for first, last in zip(offsets, offsets[1:])])
    rows = [each.ids for each in new.encode_batch(texts)]
    cut = Texts.of(rows, limit)
    return cut.ids, cut.offsets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", required=True, help="folder: config.json, model.safetensors, tokenizer.json")
    parser.add_argument("--lists", required=True, help="candidate lists of that backbone's tokens")
    parser.add_argument("--tokens", type=int, required=True, help="size of the new vocabulary")
    parser.add_argument("--out", required=True, help="folder of the new backbone")
    parser.add_argument("--out-lists", required=True, help="the lists in the new tokens, .npz")
    options = parser.parse_args()
    old = Tokenizer.from_file(os.path.join(options.backbone, "tokenizer.json"))
    old.no_truncation()
    old.no_padding()
    with open(os.path.join(options.backbone, "tokenizer.json"), encoding="utf-8") as file:
        lower_case = json.load(file)["normalizer"]["lowercase"]
    with np.load(options.lists, allow_pickle=False) as stored:
        lists = dict(stored)
    vocabulary = old.get_vocab()
    size = max(vocabulary.values()) + 1
    counts = np.bincount(lists["p_tok"], minlength=size) + np.bincount(lists["q_tok"], minlength=size)
    kept = kept_tokens(vocabulary, counts, options.tokens)
    by_id = {number: token for token, number in vocabulary.items()}
    names = [by_id[number] for number in kept]
    new = smaller_tokenizer(names, lower_case)
    os.makedirs(options.out, exist_ok=True)
    new.save(os.path.join(options.out, "tokenizer.json"))
    with open(os.path.join(options.out, "vocab.txt"), "w", encoding="utf-8") as file:
        file.writelines(name + "\n" for name in names)
    with open(os.path.join(options.backbone, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    config["vocab_size"] = len(kept)
    config["pad_token_id"] = names.index("[PAD]")
    with open(os.path.join(options.out, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    tensors = load_file(os.path.join(options.backbone, "model.safetensors"))
    name = next(each for each in tensors if each.endswith("embeddings.word_embeddings.weight"))
    tensors[name] = tensors[name][kept].contiguous()
    save_file(tensors, os.path.join(options.out, "model.safetensors"), metadata={"format": "pt"})
    before = len(lists["p_tok"])
    lists["p_tok"], lists["p_off"] = tokenized(old, new, lists["p_tok"], lists["p_off"], 512)
    lists["q_tok"], lists["q_off"] = tokenized(old, new, lists["q_tok"], lists["q_off"], 64)
    np.savez(options.out_lists, **lists)
    print(f"{options.out}: {len(kept)} tokens, {counts[kept].sum() / counts.sum():.1%} of those in the lists; "
          f"passages are {len(lists['p_tok']) / before - 1:+.1%} tokens longer")


if __name__ == "__main__":
    main()
