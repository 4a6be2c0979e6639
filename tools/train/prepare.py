#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the candidate lists that train.py learns from.

    prepare.py lists  collections of pairs or judged collections -> lists: for each query its relevant passages and
                      hard negatives from BM25 and a bi-encoder, less those that look relevant, with a teacher's score
    prepare.py weak   lists -> the same lists and more: sentences, passages' keywords and runs of sentences as queries
    prepare.py texts  collections -> token ids of passages and queries, of such queries made of passages too, and which passage
                      answers which query: for train_joint.py, which finds candidates and scores by itself
    prepare.py tokens texts -> the same in the tokens of another tokenizer (a small model's)

The teacher is the bi-encoder's similarity and BM25, both standardised over BM25's best hundred.
"""
import argparse
import concurrent.futures
import multiprocessing
import os
import re
import time

import numpy as np
import torch
from tokenizers import Tokenizer

from mice_model import Mice
from prune import tokenized
from ranking import BM25, STOP_WORDS, WORD, Collection, best
from train_data import StateCache, Texts

SPREAD = 2.0  # the teacher's standard deviation over BM25's best hundred: its softmax is neither flat nor one-hot


class BiEncoder:
    """Mean-pooled embeddings of unit length by a BERT backbone with its tokenizer.json."""

    def __init__(self, folder, workers):
        self.folder, self.workers = folder, workers
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def tokenize(self, texts, limit):
        return Texts.of([each.ids for each in self.tokenizer.encode_batch(texts)], limit)

    def embed(self, texts):
        """Texts -> float32 [n, d]"""
        order = np.argsort(texts.lengths, kind="stable")
        parts = [order[first:first + 64] for first in range(0, len(order), 64)]
        context = multiprocessing.get_context("spawn")
        result = None
        start = time.monotonic()
        with concurrent.futures.ProcessPoolExecutor(self.workers, context, start_worker, (self.folder,)) as pool:
            batches = (texts.padded(part) for part in parts)
            for number, (part, rows) in enumerate(zip(parts, pool.map(embed_batch, batches, chunksize=1))):
                if result is None:
                    result = np.zeros((len(texts), rows.shape[1]), np.float32)
                result[part] = rows
                if number % 20 == 0 or number + 1 == len(parts):
                    print(f"\rembedded {100 * (number + 1) / len(parts):.0f}% of {len(texts)} texts, "
                          f"{time.monotonic() - start:.0f} s", end="", flush=True)
        print()
        return result


def start_worker(folder):
    global encoder
    torch.set_num_threads(1)
    encoder = Mice.encoder_of(folder)


def embed_batch(batch):
    ids, mask = batch
    with torch.no_grad():
        states = encoder.encode(ids, mask, torch.bfloat16).float()
        mean = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return torch.nn.functional.normalize(mean, dim=1).numpy()


def teacher_scores(similarity, bm25, weight):
    """float [texts] each -> the teacher's scores of all texts"""
    hundred = best(bm25, 100)
    score = np.zeros(len(bm25), np.float32)
    for part, factor in ((similarity, 1.0), (bm25, weight)):
        score += factor * (part - part[hundred].mean()) / (part[hundred].std() + 1e-6)
    return score * (SPREAD / (score[hundred].std() + 1e-6))


class Lists:
    """Collects lists one after the other; passages are numbered across all collections."""

    def __init__(self, length):
        self.length = length
        self.candidates, self.labels, self.teacher = [], [], []

    def add(self, passages, relevant, scores):
        """Passage numbers, which of them are relevant, the teacher's scores."""
        row = lambda values, empty, kind: np.array([*values, *[empty] * (self.length - len(values))], kind)
        self.candidates.append(row(passages, -1, np.int32))
        self.labels.append(row(relevant, 0, np.int8))
        self.teacher.append(row(scores, 0, np.float16))


def candidates(bm25, similarity, length, rng):
    """A third each: the bi-encoder's best, BM25's best, and others of BM25's best hundred."""
    third = length // 3
    hundred = best(bm25, 100)
    others = rng.permutation(hundred[third:])[:length - 2 * third]
    return list(dict.fromkeys(int(each) for each in (*best(similarity, third), *hundred[:third], *others)))


def make_lists(options):
    encoder = BiEncoder(options.backbone, options.workers)
    rng = np.random.default_rng(options.seed)
    lists = Lists(options.list)
    passages, queries = [], []
    for folder in options.collections:
        collection = Collection(folder)
        ids = list(collection.passages)
        place = {each: number for number, each in enumerate(ids)}
        texts = [collection.passages[each] for each in ids]
        asked = [list(collection.queries)[i] for i in rng.permutation(len(collection.queries))[:options.max_queries]]
        asked_texts = [collection.queries[each] for each in asked]
        passage_rows = encoder.embed(encoder.tokenize(texts, options.max_document_tokens))
        query_rows = encoder.embed(encoder.tokenize(asked_texts, options.max_query_tokens))
        index, base, dropped = BM25(texts), len(passages), 0
        for number, query in enumerate(asked):
            similarity, words = passage_rows @ query_rows[number], index.scores(asked_texts[number])
            scores = teacher_scores(similarity, words, options.bm25_weight)
            relevant = [place[each] for each in collection.judged[query]][:4]
            top = max(scores[each] for each in relevant)
            if (scores > top).sum() > 50 and (words > words[relevant].max()).sum() > 50:
                dropped += 1  # found by neither: the question lost its context
                continue
            # what scores far above a relevant passage is more likely an unlabelled one
            found = [each for each in candidates(words, similarity, options.list, rng)
                     if each not in relevant and scores[each] < top + options.false_negative_margin]
            found = (relevant + found)[:options.list]
            lists.add([base + each for each in found], [each in relevant for each in found], scores[found])
            queries.append(asked_texts[number])
        passages += texts
        print(f"{collection.name}: {len(texts)} passages, {len(asked)} queries, {dropped} dropped", flush=True)
    write(options.out, encoder.tokenize(passages, 512), encoder.tokenize(queries, 64), lists)


def weak_query(text, rarity, rng):
    """A query from a passage, or None if the passage is too short."""
    sentences = [each for each in re.split(r"(?<=[.!?])\s+", text) if 5 <= len(each.split()) <= 40]
    kind = rng.random()
    if kind < 0.4 and sentences:
        return sentences[rng.integers(len(sentences))]
    if kind < 0.6 and len(sentences) > 2:
        first = rng.integers(len(sentences) - 1)
        return " ".join(sentences[first:first + rng.integers(2, 5)])
    found = [each for each in dict.fromkeys(WORD.findall(text.lower())) if each not in STOP_WORDS and len(each) > 2]
    if len(found) < 4:
        return None
    weights = np.array([rarity(each) for each in found]) ** 2 + 1e-3
    count = min(int(rng.integers(2, 9)), len(found))
    return " ".join(found[i] for i in np.sort(rng.choice(len(found), count, replace=False, p=weights / weights.sum())))


def pooled_states(path, texts, width):
    """Embeddings from the states of all the backbone's layers that train.py cached."""
    cache = StateCache(path, texts, width)
    cache.open("c")
    means = torch.stack([cache[number].float().mean(0) for number in range(len(texts))])
    return torch.nn.functional.normalize(means, dim=1).numpy()


def add_weak(options):
    encoder = BiEncoder(options.backbone, options.workers)
    rng = np.random.default_rng(options.seed)
    with np.load(options.lists, allow_pickle=False) as stored:
        old = dict(stored)
    passages = Texts(old["p_tok"], old["p_off"], options.max_document_tokens)
    texts = encoder.tokenizer.decode_batch([passages[i].tolist() for i in range(len(passages))])
    index = BM25(texts)
    queries, sources = [], []
    for number in rng.permutation(len(texts)):
        query = weak_query(texts[number], index.rarity, rng)
        if query is not None:
            queries.append(query)
            sources.append(number)
        if len(queries) == options.queries:
            break
    asked = encoder.tokenize(queries, 64)
    query_rows = encoder.embed(asked)
    passage_rows = pooled_states(options.states, passages, query_rows.shape[1]) if options.states else encoder.embed(passages)
    lists = Lists(old["cand"].shape[1])
    start = time.monotonic()
    for first in range(0, len(queries), 256):
        block = query_rows[first:first + 256] @ passage_rows.T
        for number, similarity in enumerate(block, first):
            words = index.scores(queries[number])
            scores = teacher_scores(similarity, words, options.bm25_weight)
            found = candidates(words, similarity, lists.length, rng)
            if rng.random() < 0.7:  # its own passage is too easy to find
                found = [each for each in found if each != sources[number]]
            lists.add(found, [False] * len(found), scores[found])
        print(f"\r{min(first + 256, len(queries))} of {len(queries)} lists, {time.monotonic() - start:.0f} s", end="", flush=True)
    print()
    old["q_off"] = np.concatenate([old["q_off"], old["q_off"][-1] + asked.offsets[1:]])
    old["q_tok"] = np.concatenate([old["q_tok"], asked.ids])
    for key, rows in (("cand", lists.candidates), ("label", lists.labels), ("teach", lists.teacher)):
        old[key] = np.concatenate([old[key], np.stack(rows).astype(old[key].dtype)])
    np.savez(options.out, **old)


def make_texts(options):
    tokenizer = BiEncoder(options.backbone, options.workers)
    rng = np.random.default_rng(options.seed)
    excluded = {plain(query) for folder in options.exclude for query in Collection(folder).queries.values()}
    passages, queries, relevant, skipped = {}, {}, set(), 0
    for folder in options.collections:
        collection = Collection(folder)
        place = {each: passages.setdefault(text.strip(), len(passages)) for each, text in collection.passages.items()}
        for query, text in collection.queries.items():
            if plain(text) in excluded:
                skipped += 1
                continue
            number = queries.setdefault(text, len(queries))
            relevant.update((number, place[each]) for each in list(collection.judged[query])[:4])
        print(f"{collection.name}: {len(collection.passages)} passages, {len(collection.queries)} queries", flush=True)
    texts, labelled = list(passages), len(queries)
    index = BM25(texts)
    queries = list(queries)
    for number, text in enumerate(texts):
        for query in dict.fromkeys(weak_query(text, index.rarity, rng) for _ in range(options.weak_queries)):
            if query is not None and plain(query) not in excluded:
                relevant.add((len(queries), number))
                queries.append(query)
    p, q = tokenizer.tokenize(texts, options.max_document_tokens), tokenizer.tokenize(queries, options.max_query_tokens)
    np.savez(options.out, p_tok=p.ids, p_off=p.offsets, q_tok=q.ids, q_off=q.offsets,
             relevant=np.array(sorted(relevant), np.int32), labelled=np.int64(labelled))
    print(f"{len(texts)} passages of {len(p.ids)} tokens, {labelled} labelled queries and {len(queries) - labelled} made of passages; "
          f"{skipped} queries of the collections to exclude were left out")


def make_tokens(options):
    """The same texts in other tokens, with the same numbers."""
    with np.load(options.texts, allow_pickle=False) as stored:
        texts = dict(stored)
    old, new = (BiEncoder(folder, 1).tokenizer for folder in (options.backbone, options.tokenizer))
    for name, limit in (("p", options.max_document_tokens), ("q", options.max_query_tokens)):
        before = len(texts[f"{name}_tok"])
        texts[f"{name}_tok"], texts[f"{name}_off"] = tokenized(old, new, texts[f"{name}_tok"], texts[f"{name}_off"], limit)
        print(f"{'passages' if name == 'p' else 'queries'}: {len(texts[f'{name}_tok']) / before - 1:+.1%} tokens")
    np.savez(options.out, **texts)


def plain(text):
    """The form that two spellings of a query share"""
    return " ".join(WORD.findall(text.lower()))


def write(path, passages, queries, lists):
    np.savez(path, p_tok=passages.ids, p_off=passages.offsets, q_tok=queries.ids, q_off=queries.offsets,
             cand=np.stack(lists.candidates), label=np.stack(lists.labels), teach=np.stack(lists.teacher))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("lists", "weak", "texts", "tokens"):
        command = commands.add_parser(name)
        command.add_argument("--backbone", required=True, help="folder of the bi-encoder: config.json, model.safetensors, tokenizer.json")
        command.add_argument("--out", required=True, help="the lists or texts, .npz")
        command.add_argument("--max-document-tokens", type=int, default=256 if name in ("texts", "tokens") else 160)
        command.add_argument("--max-query-tokens", type=int, default=64)
        command.add_argument("--workers", type=int, default=os.cpu_count())
        command.add_argument("--seed", type=int, default=1)
    for name in ("lists", "weak"):
        commands.choices[name].add_argument("--bm25-weight", type=float, default=0.5, help="of BM25 beside the bi-encoder in the teacher")
    for name in ("lists", "texts"):
        commands.choices[name].add_argument("collections", nargs="+", help="folders with pairs.jsonl, or corpus, queries and qrels")
    commands.choices["texts"].add_argument("--exclude", nargs="*", default=[], metavar="COLLECTION",
                                           help="judged collections whose queries may not be learned")
    commands.choices["texts"].add_argument("--weak-queries", type=int, default=2, help="to make of each passage")
    commands.choices["tokens"].add_argument("--texts", required=True, help="in the tokens of --backbone")
    commands.choices["tokens"].add_argument("--tokenizer", required=True, help="folder of the other tokenizer.json")
    commands.choices["lists"].add_argument("--list", type=int, default=24, help="candidates of a query")
    commands.choices["lists"].add_argument("--max-queries", type=int, default=20000, help="of a collection")
    commands.choices["lists"].add_argument("--false-negative-margin", type=float, default=1.5,
                                           help="a candidate that the teacher scores so far above the relevant ones is left out")
    commands.choices["weak"].add_argument("--lists", required=True, help="what `prepare.py lists` wrote")
    commands.choices["weak"].add_argument("--states", help="passages-*.states of train.py with all the backbone's layers frozen: saves "
                                          "encoding the passages again")
    commands.choices["weak"].add_argument("--queries", type=int, default=60000, help="queries to add")
    options = parser.parse_args()
    {"lists": make_lists, "weak": add_weak, "texts": make_texts, "tokens": make_tokens}[options.command](options)


if __name__ == "__main__":
    main()
