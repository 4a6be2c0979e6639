# SPDX-License-Identifier: Apache-2.0
"""A byte-level BPE tokenizer with made-up words, as ModernBERT has one with those of English: every word of three or
four letters in its vocabulary is one token, put together by as many merges."""
from itertools import chain, product
from string import ascii_lowercase

SPACE = "\u0120"  # how a token writes the space before a word
SPECIAL = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
FIRST_SPECIAL = 50280  # their ids in ModernBERT


def byte_characters():
    """The 256 characters of GPT-2's alphabet, in the order of bytes."""
    itself = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in itself else next(others)) for byte in range(256)]


def made_of_merges(count):
    """The first `count` pairs to be merged. Each begins with the space and what was merged to it before, so that
    the words of a text have no other way to go."""
    of = [["".join(letters) for letters in product(ascii_lowercase, repeat=length)] for length in range(4)]
    shorter = ((SPACE + start, letter) for starts in of[:3] for start in starts for letter in ascii_lowercase)
    longer = ((SPACE + start, letter) for letter in ascii_lowercase for start in of[3])
    return [pair for pair, _ in zip(chain(shorter, longer), range(count))]


def tokenizer_json(size):
    """The content of a tokenizer.json with a vocabulary of `size` tokens."""
    tokens = byte_characters()
    merges = made_of_merges(FIRST_SPECIAL - len(tokens))
    tokens += [left + right for left, right in merges]
    tokens += SPECIAL
    tokens += [f"[unused{i}]" for i in range(size - len(tokens))]
    ids = {token: i for i, token in enumerate(tokens)}

    def marker(name, kind=0):
        return {"SpecialToken": {"id": name, "type_id": kind}}

    def text(name, kind=0):
        return {"Sequence": {"id": name, "type_id": kind}}

    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": ids[name], "content": name, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for name in SPECIAL],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [marker("[CLS]"), text("A"), marker("[SEP]")],
            "pair": [marker("[CLS]"), text("A"), marker("[SEP]"), text("B", 1), marker("[SEP]", 1)],
            "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]}
                               for name in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": ids,
                  "merges": [list(pair) for pair in merges]},
    }
