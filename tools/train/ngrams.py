# SPDX-License-Identifier: Apache-2.0
"""BM25 over character n-grams, for every language: trigrams of words; bigrams where no spaces stand between words."""
import re
import unicodedata
from collections import Counter

import numpy as np
import scipy.sparse

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


class NgramBM25:
    """Lucene's form, as ranking.BM25 has it over English words."""

    def __init__(self, texts, k1=0.9, b=0.4):
        self.numbers = {}
        rows, columns, counts = [], [], []
        lengths = np.zeros(len(texts), np.float32)
        for number, text in enumerate(texts):
            frequencies = Counter(grams(text))
            lengths[number] = sum(frequencies.values())
            for gram, count in frequencies.items():
                rows.append(self.numbers.setdefault(gram, len(self.numbers)))
                columns.append(number)
                counts.append(count)
        shape = (len(self.numbers), len(texts))
        weights = scipy.sparse.csr_matrix((np.array(counts, np.float32), (rows, columns)), shape=shape)
        found = np.diff(weights.indptr)
        idf = np.log(1 + (len(texts) - found + 0.5) / (found + 0.5)).astype(np.float32)
        norm = k1 * (1 - b + b * lengths / max(lengths.mean(), 1e-9))
        weights.data = weights.data / (weights.data + norm[weights.indices]) * np.repeat(idf, found)
        self.weights = weights

    def scores(self, text):
        """-> float32 [texts]"""
        rows = [self.numbers[gram] for gram in grams(text) if gram in self.numbers]
        if not rows:
            return np.zeros(self.weights.shape[1], np.float32)
        return np.asarray(self.weights[rows].sum(0), np.float32).ravel()
