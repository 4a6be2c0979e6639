# SPDX-License-Identifier: Apache-2.0
"""What the Python package costs over C: one query against 100 documents, ranked by both in turn, in
one process. Prints the median of the pairs' ratios and where half of them lie, and how long a call
takes that scores nothing.

    build/python/venv/bin/python bench/python.py [--build build/release] [--rounds 200] [--cpu]

The engine has the same bits and the same code in both; what is compared is how it is called. C gets
its texts as pointers that lie ready, Python a list of str. With --cpu one thread works, and its
processor time is compared: for machines that have other work.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time
import timeit

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python"))

from c_library import Library  # noqa: E402

MODEL = ROOT / "models" / "mice-minilm-l6x2-int8.safetensors"
DOCUMENTS = 100


def documents_of_words(words):
    """Texts of about so many words, made of the example's."""
    lines = (ROOT / "examples" / "data" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    all_words = " ".join(json.loads(line)["text"] for line in lines).split()
    return [
        " ".join(all_words[(7 * i + k) % len(all_words)] for k in range(words)) for i in range(DOCUMENTS)
    ]


def seconds(call, clock):
    begin = clock()
    call()
    return clock() - begin


def compare(name, in_c, in_python, rounds, clock):
    for _ in range(3):
        in_c(), in_python()
    pairs = []
    for i in range(rounds):
        # Each goes first in half of the rounds.
        first, second = (in_c, in_python) if i % 2 == 0 else (in_python, in_c)
        times = {first: seconds(first, clock)}
        times[second] = seconds(second, clock)
        pairs.append((times[in_c], times[in_python]))
    ratios = [python / c for c, python in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    c = statistics.median(c for c, _ in pairs)
    python = statistics.median(python for _, python in pairs)
    print(
        f"{name:<20} C {c * 1e3:8.3f} ms  Python {python * 1e3:8.3f} ms  "
        f"ratio {middle:.4f} (half of the pairs: {low:.4f} to {high:.4f})"
    )


def around(name, call, rounds=500):
    """What is left of a call where nothing is scored."""
    best = min(timeit.repeat(call, number=rounds, repeat=5)) / rounds
    print(f"{name:<20} {best * 1e6:.1f} us in a call that is told to stop at once")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", default=ROOT / "build" / "release", type=pathlib.Path)
    arguments.add_argument("--rounds", default=200, type=int)
    arguments.add_argument("--cpu", action="store_true", help="processor time of one thread")
    arguments.add_argument("--words", default=95, type=int, help="of a document: 95 are some 128 tokens")
    given = arguments.parse_args()
    sys.path.insert(0, str(given.build / "python"))
    import mice

    threads, clock = (1, time.thread_time) if given.cpu else (0, time.perf_counter)
    ranker = mice.Reranker(MODEL)
    library = Library(given.build.resolve() / "src" / "c" / "libmice.so", MODEL, ranker.precision, threads)
    query, texts = "why does bread dough rise", documents_of_words(given.words)
    encoded = ranker.encode_all(texts)
    print(f"{DOCUMENTS} documents of {encoded[0].tokens} tokens, {ranker.precision}, in turn")
    of_texts, of_documents = library.ready_texts(texts), library.ready_documents(texts)
    compare(
        "documents stored",
        lambda: library.rank_documents(query, of_documents),
        lambda: ranker.rank(query, encoded, threads=threads),
        given.rounds,
        clock,
    )
    compare(
        "nothing stored",
        lambda: library.rank_texts(query, of_texts),
        lambda: ranker.rank(query, texts, threads=threads),
        max(5, given.rounds // 10),
        clock,
    )
    asked = ranker.encode_query(query)
    around("documents stored", lambda: ranker.rank(asked, encoded, timeout=0, threads=1))
    around("nothing stored", lambda: ranker.rank(asked, texts, timeout=0, threads=1))


if __name__ == "__main__":
    main()
