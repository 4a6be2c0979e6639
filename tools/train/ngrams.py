# SPDX-License-Identifier: Apache-2.0
"""Character n-grams for BM25 in every language: trigrams of words; bigrams where no spaces stand between words."""
import re
import unicodedata

WORD = re.compile(r"\w+")
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def grams(text):
    """The n-grams of a text, lower-cased and in NFKC"""
    found = []
    for word in WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        size = 2 if UNSPACED.search(word) else 3
        found += [word] if len(word) <= size else [word[i:i + size] for i in range(len(word) - size + 1)]
    return found


def plain(text):
    """The form that two spellings of a query share"""
    return " ".join(WORD.findall(unicodedata.normalize("NFKC", text).lower()))
