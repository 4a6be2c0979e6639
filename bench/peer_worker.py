# SPDX-License-Identifier: Apache-2.0
"""One engine's process in the benchmark: reads cases from standard input, one a line, and answers each with one
JSON line. What a case needs is prepared once and kept; bench_rerank does the same for mice.

    peer_worker.py torch|onnx|openvino|gemm INPUT.json MODEL CACHE THREADS SECONDS
"""
import importlib
import json
import logging
import os
import sys
import time
import traceback
import warnings

from peer_common import Setting

LONG_RUN = 1  # a run of so many seconds needs no warming up
MOST_RUNS = 100
MOST_TRIED = 128  # documents of the runs that choose a batch size


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


class Prepared:
    """A case with the batch size that scores fastest."""

    def __init__(self, work, count):
        self.work, self.count, self.last_run = work, count, 0
        tried = {}
        sizes = sorted({min(size, count) for size in work.sizes})
        for size in sizes if len(sizes) > 1 else ():
            some = min(count, MOST_TRIED)
            cold = timed(lambda: work.run(size, some))[0]
            hopeless = tried and cold > 2 * min(tried.values()) + 0.5
            tried[size] = cold if hopeless else timed(lambda: work.run(size, some))[0]
        self.batch = min(tried, key=tried.get) if tried else sizes[0]

    def measure(self, least):
        if self.last_run < LONG_RUN:
            self.work.run(self.batch, self.count)
        seconds = []
        while not seconds or (sum(seconds) < least and len(seconds) < MOST_RUNS):
            self.last_run, scores = timed(lambda: self.work.run(self.batch, self.count))
            seconds.append(self.last_run)
        return {"seconds": seconds, "scores": [float(each) for each in scores], "batch": self.batch}


def main():
    engine, source, model, cache, threads, least = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print do not disturb the answers
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with open(source, encoding="utf-8") as file:
        setting = Setting(json.load(file), model, cache, int(threads))
    peer = importlib.import_module("peer_" + engine).Peer(setting)
    prepared = {}
    for line in sys.stdin:
        name = line.strip()
        try:
            if name not in prepared:
                prepared[name] = Prepared(peer.make(name), len(setting.documents))
            answer = prepared[name].measure(float(least))
        except Exception as problem:  # whatever a library throws: the other cases go on
            traceback.print_exc()
            answer = {"error": f"{type(problem).__name__}: {problem}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
