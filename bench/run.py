#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mice in every precision beside PyTorch on the same model and inputs, in one interleaved run; prints a Markdown table.

    bench/run.py [--threads 2] [--documents 100] [--tokens 128] [--query-tokens 12] [--rounds 3]

Sets up what it needs: builds the benchmark programs into build/bench/ and installs PyTorch from PyPI
into build/bench/venv/. Let nothing else use the CPU meanwhile.
"""
import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
from pathlib import Path

from model_file import read_header

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
TORCH = ["torch==2.13.0", "numpy"]
PRECISIONS = ["f32", "bf16", "int8"]  # of mice


def build():
    """The benchmark programs, with this machine's instruction set, and the peer's environment."""
    subprocess.run([ROOT / "scripts/packages.sh", "develop"], check=True)
    configure = ["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                 "-DMICE_NATIVE=ON", "-DMICE_BUILD_BENCH=ON", "-DMICE_BUILD_TESTS=OFF",
                 "-DMICE_BUILD_TOOLS=OFF", "-DMICE_BUILD_EXAMPLES=OFF"]
    for command in (configure, ["cmake", "--build", BUILD]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout)
    python = BUILD / "venv/bin/python"
    if not (BUILD / "venv/ready").exists():
        subprocess.run([sys.executable, "-m", "venv", BUILD / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *TORCH], check=True)
        (BUILD / "venv/ready").touch()
    return python


def vocabulary(model):
    """The model's tokens in id order."""
    with open(model, "rb") as file:
        begin, end = read_header(file)["tokenizer.vocabulary"]["data_offsets"]
        file.seek(begin, os.SEEK_CUR)
        return file.read(end - begin).decode("utf-8").split("\0")[:-1]


def make_input(model, options):
    """Seeded texts of whole words that are one token each, with their ids for the peer."""
    tokens = vocabulary(model)
    words = [i for i, t in enumerate(tokens) if t.isascii() and t.isalpha() and t.islower() and len(t) > 2]
    cls, sep = tokens.index("[CLS]"), tokens.index("[SEP]")
    chance = random.Random(1)

    def text(count):
        return [chance.choice(words) for _ in range(count - 2)]

    query = text(options.query_tokens)
    documents = [text(options.tokens) for _ in range(options.documents)]

    def spell(ids):
        return " ".join(tokens[i] for i in ids)

    return {"tokens": options.tokens, "query": spell(query), "documents": [spell(d) for d in documents],
            "query_ids": [cls, *query, sep], "document_ids": [[cls, *d, sep] for d in documents]}


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def run(command, threads):
    limited = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=limited).stdout
    return [json.loads(line) for line in lines.splitlines()]


def collect(commands, options):
    """All rounds, program after program, so that a slow spell of the machine meets every one."""
    results = {}
    for _ in range(options.rounds):
        for command in commands:
            for line in run(command, options.threads):
                entry = results.setdefault((line["case"], line["peer"]), {"seconds": []})
                entry["seconds"] += line["seconds"]
                entry["scores"] = line["scores"]
    return results


def largest_difference(scores, others):
    return max(abs(a - b) for a, b in zip(scores, others))


def report(results, options):
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    print(f"{options.documents} documents x {options.tokens} tokens, query of {options.query_tokens} tokens, "
          f"{options.threads} threads, {processor()}, load {load}\n")
    print(f"| documents | engine | median | fastest | slowest | pairs/s | mice in {', '.join(PRECISIONS)} is "
          "| largest score difference from PyTorch f32 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for case in ("stored", "not stored"):
        ours = [results[case, f"mice {each}"] for each in PRECISIONS]
        reference = results[case, "PyTorch f32"]["scores"]
        for (_, peer), entry in (item for item in results.items() if item[0][0] == case):
            median = statistics.median(entry["seconds"])
            ratios = ", ".join(f"{median / statistics.median(each['seconds']):.2f}" for each in ours)
            difference = largest_difference(entry["scores"], reference)
            print(f"| {case} | {peer} | {median * 1e3:.1f} ms | {min(entry['seconds']) * 1e3:.1f} ms "
                  f"| {max(entry['seconds']) * 1e3:.1f} ms | {options.documents / median:.0f} "
                  f"| {ratios} times as fast | {difference:.1e} |")
        if largest_difference(ours[0]["scores"], reference) > 1e-3:
            sys.exit("mice and PyTorch do not compute the same scores: the times mean nothing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--query-tokens", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, default=ROOT / "models/mice-minilm-l6x2-int8.safetensors")
    options = parser.parse_args()
    python = build()
    data = BUILD / "input.json"
    data.write_text(json.dumps(make_input(options.model, options)), encoding="utf-8")
    common = [str(options.model), str(data), str(options.threads), "5"]
    commands = [[str(BUILD / "bin/bench_rerank"), *common],
                [str(python), str(ROOT / "bench/torch_mice.py"), *common]]
    report(collect(commands, options), options)


if __name__ == "__main__":
    main()
