# SPDX-License-Identifier: Apache-2.0
"""mice-find on judged collections, and how fast it is.

    bench/find.py quality PROGRAM FOLDER... [--queries N]    nDCG@10 of each way to fuse both stages
    bench/find.py margin PROGRAM FOLDER... [--queries N]     nDCG@10 of `search` and of `query`
    bench/find.py speed PROGRAM FOLDER [--queries N]         cold questions, updates, room on disk

FOLDER holds corpus.jsonl {"_id","title","text"}, queries.jsonl {"_id","text"} and qrels.tsv
(query-id, corpus-id, grade). Each document becomes a Markdown file. An index made before is used
again: it lies in FOLDER.find beside FOLDER."""

import argparse
import csv
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import time

DEPTH = 100


def records(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def write_files(folder, root):
    """The documents as files; gives the id of each file's name. Equal files are one document of an
    index, so they have the id of the first one."""
    ids, first = {}, {}
    root.mkdir(parents=True, exist_ok=True)
    for number, record in enumerate(records(folder / "corpus.jsonl")):
        name = f"d{number:06}.md"
        title = record.get("title", "").strip()
        ids[name] = first.setdefault((title, record["text"]), record["_id"])
        path = root / f"{number % 97:02}" / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text((f"# {title}\n\n" if title else "") + record["text"] + "\n",
                            encoding="utf-8")
    return ids


def run(program, index, command, *arguments, given=None):
    done = subprocess.run([program, command, "--index", index, *arguments], input=given,
                          capture_output=True, check=False)
    if done.returncode not in (0, 2):
        raise SystemExit(done.stderr.decode())
    return done.stdout


def prepared(program, folder):
    place = folder.with_name(folder.name + ".find")
    ids = write_files(folder, place / "files")
    if (place / "index").exists():
        report = json.loads(run(program, place / "index", "update", "--json", "--usual-priority"))
    else:
        report = json.loads(run(program, place / "index", "add", place / "files", "--json",
                                "--usual-priority"))
    print(f"{folder.name}: {report['added']} files added, {report['encoded']} passages encoded in "
          f"{report['seconds']:.1f} s ({report['encoding_seconds']:.1f} s encoding)", flush=True)
    return place / "index", ids


# ---- quality ----

def ndcg(ranked, grades, depth=10):
    gain = sum(grades.get(each, 0) / math.log2(i + 2) for i, each in enumerate(ranked[:depth]))
    ideal = sorted(grades.values(), reverse=True)[:depth]
    best = sum(grade / math.log2(i + 2) for i, grade in enumerate(ideal))
    return gain / best if best > 0 else 0


def standardised(values):
    mean = statistics.fmean(values)
    deviation = statistics.pstdev(values)
    return [(value - mean) / deviation if deviation > 0 else 0 for value in values]


def ranks(values):
    order = sorted(range(len(values)), key=lambda i: -values[i])
    places = [0] * len(values)
    for place, i in enumerate(order, 1):
        places[i] = place
    return places


def orders(hits):
    """The ways to fuse: name -> the documents in that order."""
    words = [hit["explain"]["words_score"] for hit in hits]
    model = [hit["explain"]["model_score"] for hit in hits]

    def by(scores):
        return sorted(range(len(hits)), key=lambda i: -scores[i])
    made = {"words": by(words), "model": by(model)}
    if not hits:
        return made
    a, b = standardised(words), standardised(model)
    for weight in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        made[f"z-scores {weight}"] = by([weight * x + (1 - weight) * y for x, y in zip(a, b)])
    a, b = ranks(words), ranks(model)
    for weight in (0.1, 0.2, 0.3, 0.5):
        made[f"reciprocal {weight}"] = by(
            [weight / (60 + x) + (1 - weight) / (60 + y) for x, y in zip(a, b)])
    return made


def judged_queries(folder, most, ids):
    """Some queries, shuffled, and the grades of documents for each; equal ones are one."""
    ones = {record["_id"]: ids[f"d{number:06}.md"]
            for number, record in enumerate(records(folder / "corpus.jsonl"))}
    grades = {}
    with open(folder / "qrels.tsv", encoding="utf-8", newline="") as file:
        for row in list(csv.reader(file, delimiter="\t"))[1:]:
            of_query, document = grades.setdefault(row[0], {}), ones.get(row[1], row[1])
            of_query[document] = max(of_query.get(document, 0), int(float(row[2])))
    queries = [each for each in records(folder / "queries.jsonl")
               if any(grades.get(each["_id"], {}).values())]
    random.Random(1).shuffle(queries)
    return queries[:most], grades


def measure_quality(program, folder, most):
    index, ids = prepared(program, folder)
    queries, grades = judged_queries(folder, most, ids)
    sums = {}
    for query in queries:
        out = run(program, index, "query", "-", "--json", "--explain", "-n", str(DEPTH), "-C",
                  str(DEPTH), given=query["text"].encode())
        hits = json.loads(out)
        docs = [ids[os.path.basename(hit["file"])] for hit in hits]
        for way, order in orders(hits).items():
            value = ndcg([docs[i] for i in order], grades[query["_id"]])
            sums.setdefault(way, []).append(value)
        sums.setdefault("as printed", []).append(ndcg(docs, grades[query["_id"]]))
    return {way: 100 * sum(values) / len(queries) for way, values in sums.items()}


def quality(options):
    tables = {folder.name: measure_quality(options.program, folder, options.queries)
              for folder in options.folders}
    ways = list(next(iter(tables.values())))
    print("| fusion | " + " | ".join(tables) + " | mean |")
    print("| --- |" + " --- |" * (len(tables) + 1))
    for way in ways:
        values = [table[way] for table in tables.values()]
        print(f"| {way} | " + " | ".join(f"{value:.2f}" for value in values) +
              f" | {statistics.fmean(values):.2f} |")


def interval(differences, draws=2000):
    """The middle 95% of the means of samples drawn with replacement."""
    chance = random.Random(2)
    means = sorted(statistics.fmean(chance.choices(differences, k=len(differences)))
                   for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws) - 1]


def margin(options):
    """Words alone against words and model, both as a person asks."""
    print("| collection | queries | search | query | difference | 95% interval |")
    print("| --- | --- | --- | --- | --- | --- |")
    for folder in options.folders:
        index, ids = prepared(options.program, folder)
        queries, grades = judged_queries(folder, options.queries, ids)
        values = {"search": [], "query": []}
        for query in queries:
            for command, each in values.items():
                out = run(options.program, index, command, "-", "--json", "-n", "10",
                          given=query["text"].encode())
                docs = [ids[os.path.basename(hit["file"])] for hit in json.loads(out)]
                each.append(100 * ndcg(docs, grades[query["_id"]]))
        gained = [b - a for a, b in zip(values["search"], values["query"])]
        low, high = interval(gained)
        print(f"| {folder.name} | {len(queries)} | {statistics.fmean(values['search']):.2f} | "
              f"{statistics.fmean(values['query']):.2f} | {statistics.fmean(gained):+.2f} | "
              f"[{low:+.1f}, {high:+.1f}] |", flush=True)


# ---- speed ----

def seconds(program, index, command, *arguments, given=None):
    began = time.perf_counter()
    run(program, index, command, *arguments, given=given)
    return time.perf_counter() - began


def speed(options):
    folder = options.folders[0]
    index, _ = prepared(options.program, folder)
    texts = [each["text"] for each in records(folder / "queries.jsonl")][: options.queries]
    for command, flags in (("search", ()), ("query", ())):
        took = [seconds(options.program, index, command, "-", "--json", *flags,
                        given=text.encode()) for text in texts]
        took.sort()
        print(f"{command}: median {1000 * statistics.median(took):.0f} ms, 95th percentile "
              f"{1000 * took[int(0.95 * (len(took) - 1))]:.0f} ms of {len(took)} cold questions")
    print(f"update without changes: {seconds(options.program, index, 'update'):.2f} s")
    status = json.loads(run(options.program, index, "status", "--json"))
    print(f"{status['files']} files, {status['passages']} passages, {status['text_bytes']} bytes "
          f"of text, {status['disk_bytes']} bytes on disk")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quality", "margin", "speed"])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    options.program = options.program.resolve()
    {"quality": quality, "margin": margin, "speed": speed}[options.what](options)


if __name__ == "__main__":
    main()
