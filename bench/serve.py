#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests a second of `mice serve` with several connections, beside the library on the same work.

    bench/serve.py                              8 connections, 20 documents of the example's words a request
    bench/serve.py --bin FOLDER                 programs that are built elsewhere: mice and bench_serve

Builds them as bench/run.py builds its programs. Server and library take turns in one run, on the same threads. "stored": all documents are in the server's cache, and
the library has them encoded; "texts": the server has no cache, and the library encodes in the call. The ratio is the
server's requests a second by the library's, the median of the turns; p50 and p99 are what a client waits. With eight
connections on one ranking thread a client waits for seven others, too. Only the standard library is needed.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from run import BUILD, build

ROOT = Path(__file__).resolve().parents[1]


def make_requests(options):
    """Requests over a small collection in a seeded order, so that documents come again."""
    records = [json.loads(line) for line in (ROOT / "examples/data/corpus.jsonl").read_text("utf-8").splitlines()]
    words = " ".join(each["text"] for each in records).split()
    chance = random.Random(7)

    def text(count):
        begin = chance.randrange(len(words) - count)
        return " ".join(words[begin:begin + count])

    collection = [text(options.words) for _ in range(10 * options.documents)]
    return [{"query": text(8), "documents": chance.sample(collection, options.documents)}
            for _ in range(options.requests)]


def ask(link, body):
    begin = time.perf_counter()
    link.request("POST", "/v1/rerank", body, {"Content-Type": "application/json"})
    answer = link.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"the server answered {answer.status}: {text[:200]!r}")
    return time.perf_counter() - begin


def server_turn(port, bodies, connections):
    """Seconds for all requests, and of each."""
    shares = [bodies[i::connections] for i in range(connections)]

    def client(share):
        link = http.client.HTTPConnection("127.0.0.1", port)
        times = [ask(link, body) for body in share]
        link.close()
        return times

    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        times = [each for share in pool.map(client, shares) for each in share]
    return time.perf_counter() - begin, times


def library_turn(library, form, requests):
    library.stdin.write(f"{form} {requests}\n")
    library.stdin.flush()
    return float(library.stdout.readline())


def measure(form, library, bodies, options):
    cache = 4096 if form == "stored" else 0
    if form == "texts":  # a request takes many times as long
        bodies = bodies[:max(options.connections, len(bodies) // 10)]
    server = subprocess.Popen([options.bin / "mice", "serve", "--model", options.model, "--port", "0", "--threads",
                               str(options.threads), "--cache-mb", str(cache)], stdout=subprocess.PIPE, text=True)
    port = urlsplit(server.stdout.readline().strip()).port
    ratios, rates, waits = [], [], []
    server_turn(port, bodies, options.connections)  # fills the cache
    library_turn(library, form, len(bodies))
    for _ in range(options.turns):
        alone = library_turn(library, form, len(bodies))
        took, times = server_turn(port, bodies, options.connections)
        ratios.append(alone / took)
        rates.append(len(bodies) / took)
        waits += times
    server.send_signal(signal.SIGTERM)
    if server.wait() != 0:
        raise SystemExit(f"the server ended with {server.returncode}")
    waits.sort()
    print(f"{form:7} {statistics.median(rates):9.1f} {statistics.median(ratios):6.2f} "
          f"({min(ratios):.2f} to {max(ratios):.2f}) {1000 * waits[len(waits) // 2]:9.1f} "
          f"{1000 * waits[int(0.99 * (len(waits) - 1))]:9.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, help="folder of mice and bench_serve, which are not built then")
    parser.add_argument("--model", type=Path, default=ROOT / "models/mice-minilm-l6x2-int8.safetensors")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--documents", type=int, default=20, help="of a request")
    parser.add_argument("--words", type=int, default=90, help="of a document")
    parser.add_argument("--requests", type=int, default=200, help="of a turn")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    if options.bin is None:
        build(("mice_cli", "bench_serve"))
        options.bin = BUILD / "bin"
    requests = make_requests(options)
    bodies = [json.dumps(each) for each in requests]
    print("        requests/s  ratio to the library   p50, ms   p99, ms", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requests.jsonl"
        file.write_text("\n".join(bodies) + "\n", "utf-8")
        library = subprocess.Popen([options.bin / "bench_serve", options.model, str(options.threads), file],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        library.stdout.readline()
        for form in ("stored", "texts"):
            measure(form, library, bodies, options)
        library.stdin.close()
        library.wait()


main()
