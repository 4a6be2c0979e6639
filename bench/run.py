#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mice in every precision beside what else would re-rank on a CPU, in one interleaved run.

    bench/run.py                                       one query of 12 tokens, 100 documents of 128, 2 threads
    bench/run.py --workload 128x512 --query-tokens 32
    bench/run.py --workload 1x128                      the latency of one pair, on one thread
    bench/run.py --backbone ettin-150m                 ModernBERT, 22 x 768; --cut 8+3 for another MICE of it
    bench/run.py --only 'stored,kv,ce-l12/openvino-*'  globs over GROUP/ENGINE, or over either part; --list names all
    bench/run.py --only gemm                           the matrix product alone
    bench/run.py --quick                               a test of this program: one round, few documents

Sets up what it needs: builds the programs into build/bench/ and installs the peers from PyPI into build/bench/venv/.
Nothing else is downloaded: all models have seeded random weights of the usual shapes, and MICE has the same ones in
every engine. Writes a Markdown table, a plot and the raw figures into the output folder. Let nothing else use the
CPU meanwhile.

Every engine stays resident in a process of its own, and in each round every case runs in turn, so that a slow spell
of the machine meets everyone. Before, each is prepared outside the time: models loaded and compiled, the fastest batch
size chosen. Peers get token ids; mice gets texts and tokenises them within the time, and has a model file with int8
weights for computing in int8, one with f32 weights otherwise. Random weights exaggerate what low precision does to
scores.
"""
import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import report
from backbones import BACKBONES, parse_cut
from cases import GEMM, GEMM_PRECISIONS, GEMM_SHAPES, GEMM_THREADS, every_case, matches
from engines import Engine, Failed, environment
from model_file import vocabulary
from workload import make_input

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "bench"
BUILD = ROOT / "build" / "bench"
CACHE = BUILD / "cache"
DEFAULT_MODEL = ROOT / "models/mice-minilm-l6x2-int8.safetensors"
PROGRAMS = ("bench_rerank", "bench_kernels", "bench_long_documents", "mice-convert")


def run(command, **more):
    """Runs a program and returns what it printed; ends with all of it where it fails."""
    done = subprocess.run([str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **more)
    if done.returncode != 0:
        sys.exit(done.stdout)
    return done.stdout


def build(programs=PROGRAMS):
    """The programs, with this machine's instruction set."""
    run([ROOT / "scripts/packages.sh", "develop"])
    run(["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DMICE_NATIVE=ON",
         "-DMICE_BUILD_BENCH=ON", "-DMICE_BUILD_TOOLS=ON", "-DMICE_BUILD_TESTS=OFF", "-DMICE_BUILD_EXAMPLES=OFF"])
    run(["cmake", "--build", BUILD, "--target", *programs])


def install_peers(requirements=HERE / "requirements.txt", venv=BUILD / "venv"):
    """The peers' environment, made anew where `requirements` has changed; the Python to use."""
    wanted = requirements.read_text(encoding="utf-8")
    installed = venv / "installed.txt"
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", venv])
        run([venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--only-binary=:all:", "-r", requirements])
        installed.write_text(wanted, encoding="utf-8")
    return venv / "bin/python"


def make_models(python, backbone, cut, window=0):
    """Model files of MICE: with f32 weights, and with int8 weights for computing in int8. `window`: of ModernBERT's
    sliding layers while a text is encoded, none where it is 0."""
    parts = (HERE / "checkpoint.py", HERE / "byte_bpe.py", HERE / "backbones.py", BUILD / "bin/mice-convert")
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in parts)).hexdigest()[:12]
    folder = CACHE / f"mice-{backbone}-{cut}-window{window}-{digest}"
    models = {weights: folder / f"{weights}.safetensors" for weights in ("f32", "int8")}
    if not all(each.exists() for each in models.values()):
        run([python, HERE / "checkpoint.py", backbone, folder / "checkpoint", "--cut", cut, "--window", window,
             "--vocabulary-of", DEFAULT_MODEL])
        for weights, file in models.items():
            run([BUILD / "bin/mice-convert", folder / "checkpoint", "-o", file, "--weights", weights,
                 "--name", f"mice-random-l{cut.replace('+', 'x')}"])
        shutil.rmtree(folder / "checkpoint")
    return models


class Engines:
    """Every engine's process by the cases that it runs."""

    def __init__(self, python, models, data, options):
        self.started = {}
        self.python, self.models, self.data, self.options = python, models, data, options

    def peer(self, engine, threads, seconds):
        command = [self.python, HERE / "peer_worker.py", engine, self.data, self.models["f32"], CACHE, threads, seconds]
        return self.engine(f"{engine}-{threads}", command, threads)

    def measure(self, case):
        threads, seconds = self.options.threads, self.options.seconds
        if case.engine not in ("mice", "eigen"):
            return self.peer(case.engine, threads, seconds).ask(case.name)
        model = self.models.get(case.precision, self.models["f32"])
        command = [BUILD / "bin/bench_rerank", model, self.data, case.precision, threads, seconds]
        kernels = {"MICE_SIMD": "eigen"} if case.engine == "eigen" else {}
        return self.engine(f"{case.engine}-{case.precision}", command, threads, kernels).ask(case.codec or case.group)

    def engine(self, name, command, threads, variables=None):
        if name not in self.started:
            self.started[name] = Engine(command, threads, BUILD / f"log-{name}.txt", variables)
        return self.started[name]

    def close(self):
        for each in self.started.values():
            each.close()


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure_cases(engines, cases, options, raw):
    """Measurements by case name, and why cases failed; prepares all, then runs them round after round."""
    results, failures = {case.name: [] for case in cases}, {}
    for index in range(options.rounds + 1):
        say(f"round {index} of {options.rounds}" if index else f"preparing {len(cases)} cases")
        for case in cases:
            if case.name in failures:
                continue
            try:
                made = engines.measure(case)
            except Failed as problem:
                failures[case.name] = str(problem)
                say(f"{case.name} failed: {problem}")
                continue
            if index:
                results[case.name].append(made)
                written = {key: each for key, each in made.items() if index == 1 or key != "scores"}
                raw.write(json.dumps({"round": index, "case": case.name, **written}) + "\n")
    return {name: made for name, made in results.items() if made and name not in failures}, failures


def measure_gemm(engines, options, raw):
    """Operations a second by (engine, precision, shape or "peak", threads), one of each round."""
    seconds = 0.01 if options.quick else 0.1
    found = {}

    def add(engine, precision, shape, threads, rate):
        found.setdefault((engine, precision, shape, threads), []).append(rate)
        raw.write(json.dumps({"gemm": engine, "precision": precision, "shape": shape, "threads": threads,
                              "rate": rate}) + "\n")

    rows = "|".join(str(each) for each in sorted({shape[0] for shape in GEMM_SHAPES}))
    ours = [BUILD / "bin/bench_kernels", f"--benchmark_filter=^(peak/|[a-z0-9]+/[a-z_]+/rows:({rows})/)",
            f"--benchmark_min_time={seconds}", "--benchmark_format=json"]
    for index in range(options.rounds):
        say(f"matrix product, round {index + 1} of {options.rounds}")
        printed = subprocess.run(ours, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in json.loads(printed.stdout)["benchmarks"]:
            peak = re.match(r"peak/(\w+)/", line["name"])
            shape = re.match(r"(\w+)/(\w+)/rows:(\d+)/k:(\d+)/n:(\d+)/", line["name"])
            threads = int(line["name"].rsplit(":", 1)[1])
            if peak:
                add("mice", peak[1], "peak", threads, line["OP/s"])
            else:
                add(shape[2], shape[1], "x".join(shape.groups()[2:]), threads, line["OP/s"])
        for threads in GEMM_THREADS:
            for precision in GEMM_PRECISIONS:
                for m, k, n in GEMM_SHAPES:
                    made = engines.peer(GEMM, threads, seconds).ask(f"{GEMM}/{precision}/{m}x{k}x{n}")
                    rate = 2 * m * k * n / report.median(made["seconds"])
                    add("oneDNN", precision, f"{m}x{k}x{n}", threads, rate)
    return found


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def describe(python, options):
    """The machine and the versions, as the first line of the raw figures."""
    names = [line.split("==")[0] for line in (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
             if "==" in line]
    script = f"import json, importlib.metadata as m; print(json.dumps({{n: m.version(n) for n in {names}}}))"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"processor": processor(), "cores": os.cpu_count(), "load": load, "documents": options.documents,
            "tokens": options.tokens, "query_tokens": options.query_tokens, "threads": options.threads,
            "rounds": options.rounds, "backbone": options.backbone,
            "model": options.model.name if options.model else f"random l{options.cut}",
            "versions": json.loads(run([python, "-c", script]))}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="100x128",
                        help="DOCUMENTSxTOKENS, such as 100x128, 1000x128, 128x512, 1x128")
    parser.add_argument("--query-tokens", type=int, default=12, help="with [CLS] and [SEP], such as 5, 12, 32, 64")
    parser.add_argument("--backbone", choices=BACKBONES, default="minilm", help="the shape of all models")
    parser.add_argument("--cut", help="MICE's contextualization + interaction layers; 3+3, of ettin-150m 11+3")
    parser.add_argument("--threads", type=int, help="of every engine; 2, or 1 for a single document")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="a case runs at least once and so long in a round")
    parser.add_argument("--only", default="*", help="comma-separated globs of cases")
    parser.add_argument("--list", action="store_true", help="print the cases' names and stop")
    parser.add_argument("--model", type=Path, help="another MICE model file than one with random weights")
    parser.add_argument("--out", type=Path, default=BUILD / "results", help="folder of the tables, plot and figures")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", options.workload):
        parser.error("--workload: DOCUMENTSxTOKENS")
    options.documents, options.tokens = map(int, options.workload.split("x"))
    if options.quick:
        options.documents, options.rounds, options.seconds = min(8, options.documents), 1, 0.01
    backbone = BACKBONES[options.backbone]
    if not (3 <= options.query_tokens <= backbone.positions and 3 <= options.tokens <= backbone.positions):
        parser.error(f"queries and documents have 3 to {backbone.positions} tokens")
    options.cut = options.cut or backbone.cut
    try:
        parse_cut(options.cut)
    except ValueError as problem:
        parser.error(f"--cut: {problem}")
    options.gemm = matches(GEMM, options.only) and backbone.others
    options.threads = options.threads or (1 if options.documents == 1 else 2)
    return options


def main():
    options = parse()
    backbone = BACKBONES[options.backbone]
    cases = [each for each in every_case(backbone) if matches(each.name, options.only)]
    if options.list:
        print("\n".join([each.name for each in cases] + [GEMM] * options.gemm))
        return
    say("building, installing the peers")
    build()
    python = install_peers()
    if options.model:
        models = {"f32": options.model, "int8": options.model}
    else:
        models = make_models(python, options.backbone, options.cut)
    machine = describe(python, options)
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / (f"{options.backbone}-{options.documents}x{options.tokens}-query{options.query_tokens}"
                          f"-threads{options.threads}")
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch, \
            open(f"{stem}.jsonl", "w", encoding="utf-8") as raw:
        raw.write(json.dumps(machine) + "\n")
        data = Path(scratch) / "input.json"
        data.write_text(json.dumps(make_input(options.backbone, vocabulary(models["f32"]), options.documents,
                                              options.tokens, options.query_tokens)), encoding="utf-8")
        engines = Engines(python, models, data, options)
        try:
            results, failures = measure_cases(engines, cases, options, raw)
            rates = measure_gemm(engines, options, raw) if options.gemm else {}
        finally:
            engines.close()
    finished = report.Report(machine, backbone.cross_encoders, cases, results, failures, rates)
    text = finished.markdown()
    Path(f"{stem}.md").write_text(text, encoding="utf-8")
    print(text)
    if results:
        run([python, HERE / "plot.py", f"{stem}.svg"], input=json.dumps(finished.plotted()), env=environment(1))
    say(f"written: {stem}.md, .jsonl, .svg")
    if finished.wrong():
        sys.exit("not the same scores, so the times mean nothing: " + "; ".join(finished.wrong()))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
