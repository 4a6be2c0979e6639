# SPDX-License-Identifier: Apache-2.0
"""Judged collections, question-passage pairs, BM25 and nDCG for training and evaluation."""
import json
import math
import os
import re
from collections import Counter, defaultdict

import numpy as np
import scipy.sparse

WORD = re.compile(r"[a-z0-9]+")
STOP_WORDS = frozenset(
    "a an and are as at be but by can did do does for from has have he how if in into is it its no not of on or s such t "
    "that the their then there these they this to was were what when where which who why will with you".split())
SUFFIXES = ("ing", "edly", "ies", "ed", "es", "ly", "s")


def records(path):
    """The objects of a JSON Lines file."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as error:
                    raise SystemExit(f"{path}:{number}: no JSON: {error}") from error


def joined(title, text):
    """A passage as models read it: title, then text, unless the text starts with the title."""
    title, text = (title or "").strip(), (text or "").strip()
    return text if not title or text.startswith(title) else f"{title} {text}".strip()


class Collection:
    """Passages {id: text}, queries {id: text} and judgements {query: {passage: grade > 0}} of a folder.

    The folder holds corpus.jsonl, queries.jsonl and qrels.tsv, or pairs.jsonl with "query", "positive" and, if
    there are any, "title" and "negatives".
    """

    def __init__(self, folder):
        self.name = os.path.basename(os.path.normpath(folder))
        self.passages, self.queries, self.judged = {}, {}, defaultdict(dict)
        if os.path.exists(os.path.join(folder, "qrels.tsv")):
            self.read_judged(folder)
        elif os.path.exists(os.path.join(folder, "pairs.jsonl")):
            self.read_pairs(os.path.join(folder, "pairs.jsonl"))
        else:
            raise SystemExit(f"{folder}: neither qrels.tsv nor pairs.jsonl is there")

    def read_judged(self, folder):
        for each in records(os.path.join(folder, "corpus.jsonl")):
            self.passages[str(each["_id"])] = joined(each.get("title"), each.get("text"))
        queries = {str(each["_id"]): each["text"].strip() for each in records(os.path.join(folder, "queries.jsonl"))}
        path = os.path.join(folder, "qrels.tsv")
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                fields = line.rstrip("\n").split("\t")
                if number == 1 and fields[-1].strip().lower() in ("score", "grade", "relevance", "label"):
                    continue  # the header
                try:
                    query, passage, written = fields
                    grade = int(float(written))  # some tools write 2.0
                    if grade != float(written):
                        raise ValueError(written)
                except (ValueError, OverflowError) as error:
                    raise SystemExit(f"{path}:{number}: not query, passage and a whole grade") from error
                if grade > 0 and query in queries:
                    self.judged[query][passage] = grade
        self.queries = {query: queries[query] for query in self.judged}

    def read_pairs(self, path):
        ids, queries = {}, {}
        for each in records(path):
            query = queries.setdefault(each["query"].strip(), f"q{len(queries)}")
            texts = [joined(each.get("title"), each["positive"]), *(each.get("negatives") or [])[:8]]
            for place, text in enumerate(texts):
                passage = ids.setdefault(text.strip(), f"d{len(ids)}")
                if place == 0:
                    self.judged[query][passage] = 1
        self.passages = {passage: text for text, passage in ids.items()}
        self.queries = {query: text for text, query in queries.items()}


def read_run(path):
    """A TREC run -> {query: [(passage, score), ...]}, in the file's order"""
    lists = defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            fields = line.split()
            if len(fields) != 6:
                raise SystemExit(f"{path}:{number}: not the six fields of a TREC run")
            lists[fields[0]].append((fields[2], float(fields[4])))
    return dict(lists)


def stem(word):
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[:-len(suffix)] + ("y" if suffix == "ies" else "")
    return word


def words(text):
    return [stem(word) for word in WORD.findall(text.lower()) if word not in STOP_WORDS]


class BM25:
    """Lucene's form over what `terms` finds in a text; without it, over stemmed words."""

    def __init__(self, texts, k1=0.9, b=0.4, terms=words):
        self.terms = terms
        self.vocabulary = {}
        rows, columns, counts = [], [], []
        lengths = np.zeros(len(texts), np.float32)
        for number, text in enumerate(texts):
            frequencies = Counter(self.terms(text))
            lengths[number] = sum(frequencies.values())
            for word, count in frequencies.items():
                rows.append(self.vocabulary.setdefault(word, len(self.vocabulary)))
                columns.append(number)
                counts.append(count)
        shape = (len(self.vocabulary), len(texts))
        weights = scipy.sparse.csr_matrix((np.array(counts, np.float32), (rows, columns)), shape=shape)
        found = np.diff(weights.indptr)
        self.idf = np.log(1 + (len(texts) - found + 0.5) / (found + 0.5)).astype(np.float32)
        norm = k1 * (1 - b + b * lengths / max(lengths.mean(), 1e-9))
        weights.data = weights.data / (weights.data + norm[weights.indices]) * np.repeat(self.idf, found)
        self.weights = weights

    def rarity(self, word):
        """The weight of a word; 0 if no passage has it"""
        return float(self.idf[self.vocabulary[word]]) if word in self.vocabulary else 0.0

    def scores(self, text):
        """-> float32 [texts]"""
        rows = [self.vocabulary[word] for word in self.terms(text) if word in self.vocabulary]
        result = np.zeros(self.weights.shape[1], np.float32)
        for row in rows:
            part = slice(self.weights.indptr[row], self.weights.indptr[row + 1])
            result[self.weights.indices[part]] += self.weights.data[part]
        return result


def best(scores, count):
    """The places of the `count` highest scores, best first; ties keep their order."""
    count = min(count, len(scores))
    places = np.sort(np.argpartition(-scores, count - 1)[:count]) if count < len(scores) else np.arange(count)
    return places[np.argsort(-scores[places], kind="stable")]


def ndcg(ranked, grades, depth=10):
    """trec_eval's ndcg_cut: linear gain; ranked ids, grades {id: grade}."""
    gain = sum(grades.get(each, 0) / math.log2(place + 2) for place, each in enumerate(ranked[:depth]))
    ideal = sum(grade / math.log2(place + 2) for place, grade in enumerate(sorted(grades.values(), reverse=True)[:depth]))
    return gain / ideal if ideal else 0.0
