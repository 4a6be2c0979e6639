#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nDCG@10 of a checkpoint on judged collections, beside BM25's, a bi-encoder's and a cross-encoder's.

All re-rank the same candidates: the lists of TREC runs, COLLECTION.trec in --runs. `mice eval` measures a converted
model on the same lists; this one serves while a model is in training.
"""
import argparse
import json
import os

import numpy as np
import torch

from cross_encoder import CrossEncoder
from device_texts import DeviceTexts
from mice_model import Mice
from prepare import BiEncoder
from ranking import Collection, ndcg, read_run
from train_data import cached_states, equal_tokens


def score_list(model, queries, number, texts, cache, numbers):
    """Scores of one query's candidates, float32 [n]"""
    count = len(numbers)
    with torch.no_grad():
        ids, there = queries.padded(np.array([number]))
        states = model.encode(ids, there, torch.bfloat16)
        order = np.argsort(cache.lengths[numbers], kind="stable")
        groups, matches, first = [], [], 0
        for part in np.array_split(order, max(1, count // 32)):
            groups.append((first, first + len(part), *cache.padded(numbers[part])))
            if model.config.extra_attn_bias:
                asked = np.full(len(part), number)
                matches.append(equal_tokens(queries, asked, texts, numbers[part], states.shape[1]))
            first += len(part)
        scores = model.interact(states.expand(count, -1, -1), there.expand(count, -1), groups, matches).numpy()
    result = np.empty(count, np.float32)
    result[order] = scores
    return result


def score_pairs(cross_encoder, queries, number, texts, numbers):
    """The same for a cross-encoder"""
    with torch.no_grad():
        return cross_encoder.scores(queries, np.array([[number]]), texts, numbers[None], torch.bfloat16,
                                    max(1, len(numbers) // 16)).flatten().numpy()


def interval(differences, rng, rounds=2000):
    """95% bootstrap interval of a mean over queries"""
    means = differences[rng.integers(len(differences), size=(rounds, len(differences)))].mean(1)
    return np.percentile(means, [2.5, 97.5])


def gains(passages, scores, grades):
    order = np.argsort(-scores, kind="stable")
    return 100 * ndcg([passages[i] for i in order], grades)


def measure(options, model, cross_encoder, encoder, folder):
    """-> {system: [nDCG@10 of each query]}"""
    collection = Collection(folder)
    run = read_run(os.path.join(options.runs, f"{collection.name}.trec"))
    asked = [each for each in run if each in collection.queries]
    if options.max_queries and len(asked) > options.max_queries:
        chosen = np.random.default_rng(options.seed).permutation(len(asked))[:options.max_queries]
        asked = [asked[i] for i in sorted(chosen)]
    needed = sorted({passage for query in asked for passage, _ in run[query]})
    place = {passage: number for number, passage in enumerate(needed)}
    texts = encoder.tokenize([collection.passages[each] for each in needed], model.config.max_document_length)
    queries = encoder.tokenize([collection.queries[each] for each in asked], model.config.max_query_length)
    cache = cached_states(options.cache, collection.name, model, texts)
    result = {"bm25": [], "mice": []}
    if options.bi_encoder:
        result["bi-encoder"] = []
        passage_rows, query_rows = encoder.embed(texts), encoder.embed(queries)
    if cross_encoder:
        result["cross-encoder"] = []
        pair_queries, pair_texts = (DeviceTexts(each, torch.device("cpu")) for each in (queries, texts))
    for number, query in enumerate(asked):
        passages = [passage for passage, _ in run[query]]
        numbers = np.array([place[each] for each in passages])
        grades = collection.judged[query]
        result["bm25"].append(gains(passages, np.array([score for _, score in run[query]]), grades))
        result["mice"].append(gains(passages, score_list(model, queries, number, texts, cache, numbers), grades))
        if options.bi_encoder:
            result["bi-encoder"].append(gains(passages, passage_rows[numbers] @ query_rows[number], grades))
        if cross_encoder:
            scores = score_pairs(cross_encoder, pair_queries, number, pair_texts, numbers)
            result["cross-encoder"].append(gains(passages, scores, grades))
    return collection.name, {name: np.array(each) for name, each in result.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="checkpoint folder")
    parser.add_argument("--backbone", required=True, help="folder with the tokenizer.json, of the bi-encoder with --bi-encoder")
    parser.add_argument("--runs", required=True, help="folder of TREC runs, one for each collection")
    parser.add_argument("--bi-encoder", action="store_true", help="the backbone's embeddings too")
    parser.add_argument("--cross-encoder", help="checkpoint folder of train_joint.py --cross-encoder: that one too")
    parser.add_argument("--max-queries", type=int, default=0, help="of a collection, drawn by --seed (default: all)")
    parser.add_argument("--cache", default="build/train/eval", help="folder for documents' states")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="write the figures there as well")
    parser.add_argument("collections", nargs="+", help="folders of corpus.jsonl, queries.jsonl and qrels.tsv")
    options = parser.parse_args()
    model = Mice.load(options.model).eval()
    cross_encoder = CrossEncoder.load(options.cross_encoder).eval() if options.cross_encoder else None
    encoder = BiEncoder(options.backbone, options.workers)
    rng = np.random.default_rng(options.seed)
    table = {}
    for folder in options.collections:
        name, result = measure(options, model, cross_encoder, encoder, folder)
        table[name] = {system: round(float(each.mean()), 2) for system, each in result.items()}
        others = "".join(f"  mice less {system} [{low:+.1f}, {high:+.1f}]" for system in result if system != "mice"
                         for low, high in [interval(result["mice"] - result[system], rng)])
        print(f"{name:16} {len(result['mice']):4} queries  " + "  ".join(
            f"{system} {value:.2f}" for system, value in table[name].items()) + others, flush=True)
    mean = {system: round(float(np.mean([each[system] for each in table.values()])), 2)
            for system in next(iter(table.values()))}
    print("mean             " + "  ".join(f"{system} {value:.2f}" for system, value in mean.items()))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({**table, "mean": mean}, file, indent=1)


if __name__ == "__main__":
    main()
