#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Python package beside sentence-transformers, fastembed and FlashRank, in one run: ranking, import, loading,
memory and size on disk, as Markdown tables with ratios.

    bench/python_peers.py
    bench/python_peers.py --quick                   a test of this program: few passages and rounds
    bench/python_peers.py --python PYTHON           in an environment that exists; what it lacks is left out

It installs what requirements-peers.txt pins into build/python-peers/venv, builds the package's wheel and mice-convert
where the sources have changed, and makes the peers' models with seeded random weights: nothing is downloaded but
packages. The peers run through their own classes and options; all have the same threads and texts. Each contender has
a process of its own: a fresh one for each start, and one for all its turns of ranking. Turns are interleaved, and a
ratio is the median of the rounds' ratios, of processor time: other work on the machine disturbs that least. It needs
Linux.
"""
import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median, pstdev

from engines import Engine, Failed, environment
from model_file import vocabulary
from report import TOLERANCE, table
from run import BUILD as BENCH_BUILD
from run import DEFAULT_MODEL, HERE, ROOT, build, install_peers, run, say
from workload import make_input

BUILD = ROOT / "build" / "python-peers"
WORKER = HERE / "python_peers_worker.py"
TITLES = {
    "mice-stored": "**mice**, passages stored", "mice": "**mice**, nothing stored",
    "mice-ce": "mice, the cross-encoder of 6 x 384", "mice-ce-f32": "the same in f32",
    "sentence-transformers": "sentence-transformers, 6 x 384", "fastembed": "fastembed, 6 x 384",
    "flashrank": "FlashRank, 2 x 128"}
PEERS = ("sentence-transformers", "fastembed", "flashrank")
SAME_WEIGHTS = ("sentence-transformers", "mice-ce-f32", "fastembed")
REASONS = {
    ("flashrank", "rank"): "A passage goes through 2 layers of 128 in FlashRank's default model and through 6 of 384 "
                           "in that of mice, which have 27 times more weights. How much worse it ranks cannot be seen "
                           "here, where its weights are random.",
    ("flashrank", "memory"): "The model of FlashRank has 4 MB, that of mice 32 MB.",
    ("flashrank", "size"): "The model of FlashRank has 4 MB, that of mice 32 MB.",
}
UNKNOWN = "Nobody has found out yet why."


def build_wheel():
    """The wheel of bindings/python, built anew where what it is made of has changed."""
    digest = hashlib.sha256()
    for name in ("include", "src", "cmake", "bindings/python"):
        for path in sorted((ROOT / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    digest.update((ROOT / "CMakeLists.txt").read_bytes() + DEFAULT_MODEL.read_bytes())
    folder = BUILD / "wheels" / digest.hexdigest()[:12]
    if not list(folder.glob("*.whl")):
        say("building the wheel")
        run([BUILD / "venv/bin/python", "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
             "-w", folder, ROOT / "bindings/python"])
    return next(folder.glob("*.whl"))


def install():
    """The environment of all contenders; its Python, and the wheel."""
    say("installing the peers")
    python = install_peers(HERE / "requirements-peers.txt", BUILD / "venv")
    wheel, note = build_wheel(), BUILD / "venv" / "wheel.txt"
    if not note.exists() or note.read_text(encoding="utf-8") != str(wheel):
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--force-reinstall", wheel])
        note.write_text(str(wheel), encoding="utf-8")
    return python, wheel


def make_models(python, convert, work):
    """The peers' models, and their cross-encoder for mice."""
    words = work / "vocabulary.txt"
    words.write_text("\n".join(vocabulary(DEFAULT_MODEL)) + "\n", encoding="utf-8")
    run([python, HERE / "python_peers_models.py", work / "models", words])
    for weights in ("int8", "f32"):
        run([convert, work / "models/minilm-l6", "-o", work / f"minilm-l6-{weights}.safetensors", "--weights", weights])


class Contenders:
    """Their processes, and what they answered; one that fails once is left out from then on."""

    def __init__(self, python, work, threads):
        self.python, self.work, self.threads = python, work, threads
        self.names, self.failures = list(TITLES), {}

    def process(self, name):
        rayon = {"TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": str(self.threads)}
        return Engine([self.python, WORKER, name, self.work, self.threads], self.threads, self.work / f"{name}.log",
                      rayon)

    def in_turn(self, first, work):
        """work(name) of each, beginning with another one in each round."""
        for name in [*self.names[first % len(self.names):], *self.names[:first % len(self.names)]]:
            try:
                work(name)
            except Failed as problem:
                say(f"{name} is left out: {problem}")
                self.failures[name] = str(problem)
                self.names.remove(name)

    def start(self, rounds):
        """[answers of the rounds] by contender."""
        found = {name: [] for name in self.names}

        def once(name):
            process = self.process(name)
            try:
                started = process.ask("start")
                process.ask("rank")
                found[name].append({**started, "peak": process.ask("peak")["bytes"]})
            finally:
                process.close()

        for i in range(rounds + 1):  # the first brings files into the cache
            say(f"starting, {i} of {rounds}")
            self.in_turn(i, once)
        return {name: found[name][1:] for name in self.names}

    def rank(self, rounds):
        found, processes = {name: [] for name in self.names}, {name: self.process(name) for name in self.names}
        try:
            self.in_turn(0, lambda name: processes[name].ask("start"))
            for i in range(rounds):
                say(f"ranking, {i + 1} of {rounds}")
                self.in_turn(i, lambda name: found[name].append(processes[name].ask("rank")))
        finally:
            for process in processes.values():
                process.close()
        return {name: found[name] for name in self.names}

    def sizes(self):
        found = {}

        def once(name):
            process = self.process(name)
            try:
                found[name] = process.ask("size")
            finally:
                process.close()

        self.in_turn(0, once)
        return found


def ratio(others, ours):
    """The median of the rounds' ratios."""
    return median(other / own for other, own in zip(others, ours))


class Tables:
    def __init__(self):
        self.notes = []

    def beside(self, name, what, value):
        """A ratio; with the number of a note where a peer is ahead of mice."""
        text = f"{value:.2f}x" if value < 10 else f"{value:.0f}x"
        if name not in PEERS or value >= 1:
            return text
        note = REASONS.get((name, what), UNKNOWN)
        if note not in self.notes:
            self.notes.append(note)
        return f"{text} ({self.notes.index(note) + 1})"

    def ranking(self, ranked, about):
        cpu, wall = ({name: [median(each[i] for each in turn["seconds"]) for turn in turns]
                      for name, turns in ranked.items()} for i in (1, 0))
        rows = []
        for name, turns in cpu.items():
            stored = ratio(turns, cpu["mice-stored"])
            rows.append([TITLES[name], about[name], f"{median(turns) * 1e3:.1f} ms",
                         f"{median(wall[name]) * 1e3:.1f} ms", self.beside(name, "rank", ratio(turns, cpu["mice"])),
                         self.beside(name, "rank stored", stored)])
        return table(["ranking", "with", "processor time", "elapsed", "beside mice", "beside mice, stored"], rows)

    def starting(self, started):
        def seconds(name, what):
            cpu, wall = (median(each[what][i] for each in started[name]) for i in (1, 0))
            return f"{cpu:.3f} s ({wall:.3f})" if cpu < 1 else f"{cpu:.2f} s ({wall:.2f})"

        rows = []
        for name, rounds in started.items():
            own = started["mice"]
            ratios = [self.beside(name, what, ratio([get(each) for each in rounds], [get(each) for each in own]))
                      for what, get in (("import", lambda each: each["import"][1]),
                                        ("load", lambda each: each["load"][1]), ("memory", lambda each: each["peak"]))]
            rows.append([TITLES[name], seconds(name, "import"), ratios[0], seconds(name, "load"), ratios[1],
                         f"{median(each['peak'] for each in rounds) / 1e6:.0f} MB", ratios[2]])
        return table(["starting", "import", "beside", "load", "beside", "most memory", "beside"], rows)

    def disk(self, sizes):
        def whole(size):
            return size["all"] + size["model"]

        def megabytes(size):
            return f"{size / 1e6:.{1 if size > 1e5 else 2}f} MB"

        rows = []
        for name in ("mice", *PEERS):
            if name in sizes:
                size = sizes[name]
                rows.append([TITLES[name].split(",")[0], megabytes(size["package"]),
                             f"{size['all'] / 1e6:.0f} MB", str(len(size["needed"])),
                             megabytes(size["model"]) if size["model"] else "in the package",
                             f"{whole(size) / 1e6:.0f} MB",
                             self.beside(name, "size", whole(size) / whole(sizes["mice"]))])
        return table(["on disk", "package", "with all it needs", "packages", "model", "together", "beside mice"], rows)


def wrong(ranked):
    """The contenders with other scores than the first of the same weights."""
    found = []
    for group in (SAME_WEIGHTS, ("mice", "mice-stored")):
        scores = {name: ranked[name][0]["scores"] for name in group if ranked.get(name)}
        for name, values in scores.items():
            first, reference = next(iter(scores.items()))
            apart = max(abs(a - b) for a, b in zip(values, reference)) / pstdev(reference)
            if not apart <= TOLERANCE:
                found.append(f"{name} differs from {first} by {apart:.2g} of the scores' spread")
    return found


def machine(python, options, stored):
    cpu = next(line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
               if line.startswith("model name"))
    names = [line.split("==")[0] for line in (HERE / "requirements-peers.txt").read_text().splitlines()
             if "==" in line]
    show = ("import sys, importlib.metadata as m\n"
            "def version(name):\n    try: return m.version(name)\n    except Exception: return 'missing'\n"
            "print(', '.join(f'{name} {version(name)}' for name in sys.argv[1:]))")
    versions = run([python, "-c", show, "mice-rerank", *names]).strip()
    return (f"{options.documents} passages of {options.tokens} tokens, a query of {options.query_tokens}, random "
            f"words; {options.threads} threads of {os.cpu_count()} processors ({cpu}); load average "
            f"{os.getloadavg()[0]:.1f} at the end. Stored passages: {stored / options.documents / 1e3:.1f} KB each.\n"
            f"Medians of {options.rounds} rounds and of {options.starts} starts of fresh processes. Seconds of "
            f"processor time, of all threads, with elapsed ones in brackets or beside; ratios are of processor time, "
            f"and of bytes.\nPython packages: {versions}\n")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=128, help="of a passage, [CLS] and [SEP] among them")
    parser.add_argument("--query-tokens", type=int, default=12)
    parser.add_argument("--python", type=Path, help="with mice and the peers; nothing is installed or built then")
    parser.add_argument("--mice-convert", type=Path, help="one that is built already")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.starts, options.documents = 1, 1, 4
    if not (min(options.rounds, options.starts, options.threads, options.documents) >= 1
            and 3 <= options.tokens <= 256 and 3 <= options.query_tokens <= 64):
        parser.error("passages have 3 to 256 tokens, queries 3 to 64, and the other numbers are at least 1")
    return options


def main():
    options = parse()
    BUILD.mkdir(parents=True, exist_ok=True)
    python, wheel = (options.python, None) if options.python else install()
    if not options.mice_convert:
        say("building mice-convert")
        build(["mice-convert"])
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        work = Path(folder)
        data = make_input("minilm", vocabulary(DEFAULT_MODEL), options.documents, options.tokens, options.query_tokens)
        (work / "input.json").write_text(json.dumps(data), encoding="utf-8")
        say("making models")
        make_models(python, options.mice_convert or BENCH_BUILD / "bin/mice-convert", work)
        contenders = Contenders(python, work, options.threads)
        encoder = contenders.process("mice-stored")
        try:
            stored = encoder.ask("encode")["bytes"]
        except Failed as problem:
            sys.exit(f"the package mice fails, and nothing is beside it: {problem}")
        finally:
            encoder.close()
        sizes, started = contenders.sizes(), contenders.start(options.starts)
        ranked = contenders.rank(options.rounds)
    (BUILD / "results.json").write_text(json.dumps({"sizes": sizes, "started": started, "ranked": ranked}),
                                        encoding="utf-8")
    if not {"mice", "mice-stored"} <= ranked.keys():
        sys.exit("the package mice fails, and nothing is beside it")
    tables = Tables()
    about = {name: rounds[0]["about"] for name, rounds in started.items() if rounds}
    print(machine(python, options, stored))
    print(tables.ranking(ranked, about))
    print(tables.starting({name: started[name] for name in ranked}))
    print(tables.disk(sizes))
    if wheel:
        print(f"The wheel of mice, with its model, has {wheel.stat().st_size / 1e6:.1f} MB.\n")
    for i, note in enumerate(tables.notes, 1):
        print(f"({i}) {note}")
    for name, problem in contenders.failures.items():
        print(f"{name} is left out: {problem}")
    if wrong(ranked):
        sys.exit("not the same scores, so the times mean nothing: " + "; ".join(wrong(ranked)))


if __name__ == "__main__":
    main()
