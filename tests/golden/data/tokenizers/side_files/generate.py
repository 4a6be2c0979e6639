# SPDX-License-Identifier: Apache-2.0
"""Writes cases.json: what transformers makes of texts with a vocab.txt and the files beside it.

    pip install transformers==5.24.0; python generate.py cases.json

Version 4.57.6 gives the same for all of them.
"""
import json
import pathlib
import sys
import tempfile

from transformers import BertTokenizerFast

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "cov", "##id",
              "##token", "foo", "bar", "##bar", "a", "b", "##c", "!", "e", "##e"]
TEXTS = ["hello covidtoken world", "COVIDTOKEN hello", "foobar FOOBAR foo bar", "foobars xfoobar foobar!",
         " [E1] hello[E1]", "a [E2]  b", "a  [MASK]  b", "hello<s>world", "covidtokencovidtoken", "Éé [E1][E2]",
         "", "bar\tcovidtoken\nfoobar"]


def token(content, **switches):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": False} | switches


def without_special(described):
    return {key: value for key, value in described.items() if key != "special"}


N = len(VOCABULARY)
CASES = {
    "added_tokens.json alone": {"added_tokens.json": {"covidtoken": N}},
    "several, not in order, one of the vocabulary": {
        "added_tokens.json": {"foobar": N + 1, "Covidtoken": N, "hello": 5}},
    "a special one of special_tokens_map.json": {
        "added_tokens.json": {"[E1]": N, "covidtoken": N + 1},
        "special_tokens_map.json": {"mask_token": without_special(token("[MASK]", lstrip=True)),
                                    "cls_token": "[CLS]", "unk_token": "[UNK]", "bos_token": "[E1]"}},
    "further special tokens without ids": {
        "special_tokens_map.json": {"bos_token": "<s>", "eos_token": without_special(token("[E2]", rstrip=True))}},
    "additional_special_tokens of tokenizer_config.json": {
        "tokenizer_config.json": {"additional_special_tokens": ["[E1]", "[E2]"], "do_lower_case": False}},
    "special_tokens_map.json goes before tokenizer_config.json": {
        "tokenizer_config.json": {"cls_token": "[CLS]", "sep_token": "[SEP]", "tokenizer_class": "BertTokenizer"},
        "special_tokens_map.json": {"cls_token": "foo", "sep_token": "bar"}},
    "added_tokens_decoder with every switch": {
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "added_tokens_decoder": {
            "4": token("[MASK]", special=True, lstrip=True), str(N): token("foobar", single_word=True),
            str(N + 1): token("[E2]", lstrip=True, rstrip=True), str(N + 2): token("covidtoken", normalized=True),
            str(N + 3): token("[E1]", special=True)}}},
    "added_tokens_decoder silences the other files": {
        "tokenizer_config.json": {"added_tokens_decoder": {str(N): token("covidtoken")}},
        "added_tokens.json": {"foobar": N}, "special_tokens_map.json": {"bos_token": "<s>"}},
}


def main(path):
    cases = []
    for name, files in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                (pathlib.Path(folder) / file).write_text(json.dumps(content))
            (pathlib.Path(folder) / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
            tokenizer = BertTokenizerFast.from_pretrained(folder)
            cases.append({"name": name, "files": files,
                          "ids": [tokenizer(text)["input_ids"] for text in TEXTS]})
    result = {"vocabulary": VOCABULARY, "texts": TEXTS, "cases": cases}
    pathlib.Path(path).write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")


main(sys.argv[1])
