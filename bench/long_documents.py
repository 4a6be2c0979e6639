#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of encoding long documents with a ModernBERT MICE of all 22 layers.

    bench/long_documents.py                         512 to 8192 tokens in int8, with and without a sliding window
    bench/long_documents.py --precision f32 --tokens 1024,8192
    bench/long_documents.py --quick                 a test of this program: short documents

Builds what bench/run.py builds. Each row is a process of its own on one thread; it writes a Markdown table and the raw
figures into the output folder. Memory is what the process needs beyond the loaded model while it encodes, the
document's states (3 KB a token) among it; "each more" is what a token adds to it from one row to the next, which stays
the same where memory is linear in tokens. Linux alone can tell.
"""
import argparse
import json
import sys
from pathlib import Path

from backbones import BACKBONES, WINDOW
from report import table, time_text
from run import BUILD, build, install_peers, make_models, run, say

ATTENTION = {0: "full", WINDOW: f"{WINDOW} tokens on each side in two layers of three"}


def measure(models, options, raw):
    """Measurements by (window, tokens)."""
    found = {}
    for window, files in models.items():
        model = files["int8" if options.precision == "int8" else "f32"]
        for tokens in options.tokens:
            say(f"{tokens} tokens, window {window}")
            line = run([BUILD / "bin/bench_long_documents", model, options.precision, tokens])
            found[window, tokens] = json.loads(line)
            raw.write(json.dumps({"window": window, "precision": options.precision, **found[window, tokens]}) + "\n")
    return found


def markdown(found):
    rows, before = [], None
    for (window, tokens), each in found.items():
        more = ""
        if before and before[0] == window:
            more = f"{(each['document_mb'] - before[2]) / (tokens - before[1]) * 1024:.1f} KB"
        before = (window, tokens, each["document_mb"])
        rows.append([ATTENTION[window], str(tokens), time_text(each["encode_seconds"]),
                     f"{each['encode_seconds'] / tokens * 1e3:.2f} ms", f"{each['document_mb']:.1f} MB", more,
                     f"{each['process_mb']:.0f} MB", time_text(each["score_seconds"])])
    return table(["attention", "tokens", "encoding", "a token", "memory beyond the model", "each more",
                  "process, loading it too", "scoring it, stored"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=("f32", "bf16", "int8"), default="int8")
    parser.add_argument("--tokens", default="512,1024,2048,4096,8192")
    parser.add_argument("--cut", default="19+3", help="contextualization + interaction layers")
    parser.add_argument("--out", type=Path, default=BUILD / "results", help="folder of the table and the figures")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.tokens = [32, 64] if options.quick else sorted(int(each) for each in options.tokens.split(","))
    most = BACKBONES["ettin-150m"].positions
    if not all(0 < each <= most for each in options.tokens):
        parser.error(f"documents have 1 to {most} tokens")
    build()
    python = install_peers()
    models = {window: make_models(python, "ettin-150m", options.cut, window) for window in ATTENTION}
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"long-documents-{options.precision}"
    with open(f"{stem}.jsonl", "w", encoding="utf-8") as raw:
        found = measure(models, options, raw)
    text = f"MICE of 22 x 768, l{options.cut}, {options.precision}, one thread\n\n" + markdown(found)
    Path(f"{stem}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    sys.exit(main())
