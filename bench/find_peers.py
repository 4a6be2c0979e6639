# SPDX-License-Identifier: Apache-2.0
"""mice-find beside qmd, which searches Markdown on a person's own machine: nDCG@10 of each way to
ask, and what a question from a cold process takes.

    bench/find_peers.py PROGRAM QMD FOLDER... [--queries N]

PROGRAM is mice-find. QMD is the command of qmd, as one argument; in a folder of its own,

    npm install --omit=optional --ignore-scripts @tobilu/qmd bun
    node_modules/.bin/bun node_modules/@tobilu/qmd/dist/cli/qmd.js

is enough for its word search. Its `query` needs models of 2 GB, and is not run. FOLDER is as for
bench/find.py, whose index of mice-find is used."""

import argparse
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import time

import find


class Asked:
    """What questions took."""

    def __init__(self):
        self.wall, self.processor, self.memory, self.quality = [], [], [], []

    def run(self, command, environment=None, given=None):
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, env=environment)
        process.stdin.write(given or b"")
        process.stdin.close()
        out = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.wall.append(time.perf_counter() - begin)
        self.processor.append(used.ru_utime + used.ru_stime)
        self.memory.append(used.ru_maxrss / 1024)
        if process.returncode:
            raise SystemExit(f"{command[:4]} failed")
        return out

    def row(self):
        wall = sorted(self.wall)
        return (f"{100 * statistics.fmean(self.quality):.2f} "
                f"| {1000 * statistics.median(wall):.0f} "
                f"| {1000 * wall[int(0.95 * (len(wall) - 1))]:.0f} "
                f"| {1000 * statistics.median(self.processor):.0f} | {max(self.memory):.0f}")


class Qmd:
    def __init__(self, command, place):
        self.command = shlex.split(command)
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(place / "cache"),
                            "XDG_CONFIG_HOME": str(place / "config")}
        for each in ("cache", "config"):
            (place / each).mkdir(parents=True, exist_ok=True)

    def add(self, files):
        begin = time.perf_counter()
        done = subprocess.run([*self.command, "collection", "add", str(files), "--name", "all"],
                              env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode and "already" not in done.stdout + done.stderr:
            raise SystemExit(done.stdout + done.stderr)
        return time.perf_counter() - begin

    def search(self, asked, text):
        # Quotes and a leading dash are part of its language, not of the questions.
        text = re.sub(r"[\"-]", " ", text)
        out = asked.run([*self.command, "search", text, "--json", "-n", "10"], self.environment)
        start = out.find(b"[")
        return [hit["file"] for hit in json.loads(out[start:])] if start >= 0 else []


def compare(options, folder):
    index, ids = find.prepared(options.program, folder)
    qmd = Qmd(options.qmd, folder.with_name(folder.name + ".qmd"))
    print(f"{folder.name}: qmd took {qmd.add(index.parent / 'files'):.1f} s to index words")
    queries, grades = find.judged_queries(folder, options.queries, ids)
    ways = {"qmd search": Asked(), "mice-find search": Asked(), "mice-find query": Asked()}
    for query in queries:
        for way, asked in ways.items():
            if way == "qmd search":
                files = qmd.search(asked, query["text"])
            else:
                out = asked.run([options.program, way.split()[1], "-", "--index", index, "--json",
                                 "-n", "10"], given=query["text"].encode())
                files = [hit["file"] for hit in json.loads(out)]
            docs = list(dict.fromkeys(ids[os.path.basename(each)] for each in files))
            asked.quality.append(find.ndcg(docs, grades[query["_id"]]))
    print(f"| {folder.name}, {len(queries)} queries | nDCG@10 | ms, median | ms, 95% | CPU ms "
          "| MiB at most |")
    print("| --- | --- | --- | --- | --- | --- |")
    for way, asked in ways.items():
        print(f"| {way} | {asked.row()} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("qmd")
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    options.program = options.program.resolve()
    for folder in options.folders:
        compare(options, folder)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
