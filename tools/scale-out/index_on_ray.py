#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Encodes a collection on many machines with Ray and merges what they made into one mice index.

    build/scale-out/venv/bin/python tools/scale-out/index_on_ray.py INDEX INPUT [options]

INPUT is a file with one document a line, JSON Lines or TSV. It is cut into shards; each is shipped
to a worker, which encodes it with `mice index add` and sends the finished part back. A shard whose
worker is lost goes to another one. Finished parts are kept in INDEX.parts/ until the end, so the
same command goes on where a stopped one ended; then `mice index merge` joins them in the order of
the input. docs/scale-out.md says more.
"""
import argparse
import hashlib
import itertools
import json
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray would report to its makers
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
import ray  # noqa: E402

MERGED_AT_ONCE = 200  # parts on one command line


class WorkerFailed(Exception):
    """The encoding failed, but not because of the input: another worker may succeed."""


class BadShard(Exception):
    """mice refused the shard: every worker would."""


# ---- on a worker ----


def run_mice(mice, *arguments):
    """Runs mice. A death by signal (a kill, no memory) is the worker's fault, an error the input's.
    Returns what it had to say and whether it left something out."""
    done = subprocess.run([mice, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode < 0 or done.returncode > 128:
        raise WorkerFailed(f"{mice} ended with {done.returncode}")
    if done.returncode not in (0, 2):
        raise BadShard(done.stderr.strip() or f"{mice} ended with {done.returncode}")
    return done.stderr.strip(), done.returncode == 2


def read_folder(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_folder(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def encode_shard(shard, template, model, mice, add_options):
    """Encodes the lines of a shard; returns the files of its index and what run_mice returns."""
    with tempfile.TemporaryDirectory(prefix="mice-shard-") as name:
        folder = Path(name)
        model_file = folder / "model.safetensors"
        model_file.write_bytes(model)
        write_folder(folder / "template", template)
        (folder / "shard").write_bytes(shard)
        part = folder / "part"
        run_mice(mice, "index", "create", part, "--like", folder / "template", "--model", model_file)
        said = run_mice(mice, "index", "add", part, folder / "shard", "--model", model_file, *add_options)
        return read_folder(part), said


# ---- on the machine that was asked ----


def shards(path, documents):
    """Yields pieces of so many lines, with the number of their first line."""
    with open(path, "rb") as file:
        first = file.read(3)
        file.seek(3 if first == b"\xef\xbb\xbf" else 0)
        for number in itertools.count():
            lines = list(itertools.islice(file, documents))
            if not lines:
                return
            yield number, 1 + number * documents, b"".join(lines)


def part_name(number, shard, precision):
    """Names the shard's place, content and precision: a changed input is encoded again."""
    return f"part-{number:06}-{hashlib.sha256(shard).hexdigest()[:16]}-{precision}"


def keep_part(folder, name, files):
    unfinished = folder / (name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    write_folder(unfinished, files)
    unfinished.rename(folder / name)


class Encoder:
    """Gives shards to Ray, a few more than there are workers, and keeps the results."""

    def __init__(self, options, work, template, model):
        self.options, self.work = options, work
        self.template = ray.put(template)
        self.model = ray.put(model)
        retried = ray.remote(num_cpus=options.threads, max_retries=options.attempts - 1,
                             retry_exceptions=[WorkerFailed])
        self.task = retried(encode_shard)
        self.add_options = ["--threads", options.threads, "--precision", options.precision]
        self.add_options += [f"--{flag}" for flag in ("skip-bad", "keep-text")
                             if getattr(options, flag.replace("-", "_"))]
        self.waiting = {}
        self.done = 0
        self.incomplete = False
        self.start = time.monotonic()

    def most_waiting(self):
        return 2 * max(1, int(ray.cluster_resources().get("CPU", 1)) // self.options.threads)

    def submit(self, name, first_line, shard):
        while len(self.waiting) >= self.most_waiting():
            self.collect()
        result = self.task.remote(shard, self.template, self.model, self.options.mice,
                                  self.add_options)
        self.waiting[result] = (name, first_line)

    def collect(self):
        (ready,), _ = ray.wait(list(self.waiting), num_returns=1)
        name, first_line = self.waiting.pop(ready)
        try:
            files, (notes, incomplete) = ray.get(ready)
        except BadShard as problem:
            raise SystemExit(f"index_on_ray: the shard that begins at {self.options.input}:{first_line}: {problem}")
        except (ray.exceptions.RayError, WorkerFailed) as problem:
            raise SystemExit(f"index_on_ray: the shard that begins at {self.options.input}:{first_line} was lost "
                             f"{self.options.attempts} times; the same command tries again. {problem}")
        keep_part(self.work, name, files)
        self.done += 1
        self.incomplete = self.incomplete or incomplete
        if notes:
            print(f"shard at {self.options.input}:{first_line}: {notes}", file=sys.stderr)
        seconds = time.monotonic() - self.start
        print(f"{self.done} shards encoded, {seconds / self.done:.1f} s each", file=sys.stderr)


def make_template(options, work):
    """An empty index that fixes codec, learned parameters and options of all parts."""
    template = work / "template"
    shutil.rmtree(template, ignore_errors=True)
    index = Path(options.index)
    like = options.like or (index if index.is_dir() and any(index.iterdir()) else None)
    if like:
        choice = ["--like", like]
    else:
        choice = ["--codec", options.codec, "--pool", options.pool, "--drop", options.drop]
        choice += ["--no-words"] if options.no_words else []
    run_mice(options.mice, "index", "create", template, "--model", options.model, *choice)
    told = subprocess.run([options.mice, "index", "stats", template, "--model", options.model, "--json"],
                          capture_output=True, text=True, check=True).stdout
    if json.loads(told)["codec_waits"]:
        raise SystemExit("index_on_ray: its codec learns from the collection, and all parts must know the same: add a "
                         "sample to an index with 'mice index add', and name that with --like")
    return read_folder(template)


def version_line(mice, start):
    """The rest of the line of `mice --version` that begins like this, or nothing."""
    said = subprocess.run([mice, "--version"], capture_output=True, text=True, check=True).stdout
    found = [line.removeprefix(start) for line in said.splitlines() if line.startswith(start)]
    return found[0] if found else ""


def default_model(mice):
    found = version_line(mice, "default model: ")
    if not Path(found).is_file():
        raise SystemExit("index_on_ray: mice has no default model here; name one with --model")
    return found


def one_precision(options):
    """What all workers compute in, whatever processors they have: what INDEX was encoded in where that
    is one precision, else what automatic stands for on this machine."""
    index = Path(options.index)
    if index.is_dir() and any(index.iterdir()):
        said = subprocess.run([options.mice, "index", "stats", index, "--json", "--model", options.model],
                              capture_output=True, text=True)
        held = json.loads(said.stdout) if said.returncode == 0 else {}
        if len(held.get("precisions", [])) == 1 and held["precisions_recorded"]:
            return held["precisions"][0]
    return version_line(options.mice, "precision: automatic is ").removesuffix(" here") or "f32"


def merge(options, work, names):
    for first in range(0, len(names), MERGED_AT_ONCE):
        some = [work / name for name in names[first:first + MERGED_AT_ONCE]]
        said, _ = run_mice(options.mice, "index", "merge", options.index, *some, "--model", options.model)
        for line in said.splitlines():
            if "different precisions" in line:  # the others are about files of the shards
                print(line, file=sys.stderr)
        print(f"{min(first + MERGED_AT_ONCE, len(names))} of {len(names)} parts merged", file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", help="folder of the index to make or to add to")
    parser.add_argument("input", help="documents, one a line: JSON Lines or TSV as 'mice index add' reads")
    parser.add_argument("--address", help="a running Ray cluster, such as auto; none starts Ray on this machine")
    parser.add_argument("--workers", type=int, help="without --address: CPUs to use; all if not given")
    parser.add_argument("--threads", type=int, default=1, help="of each worker (default: 1)")
    parser.add_argument("--shard-documents", type=int, default=2000, help="documents a shard (default: 2000)")
    parser.add_argument("--attempts", type=int, default=4, help="tries of a shard whose worker is lost (default: 4)")
    parser.add_argument("--mice", default="mice", help="the mice program, the same on every machine")
    parser.add_argument("--model", help="model file; it is shipped to the workers (default: that of mice)")
    parser.add_argument("--precision", choices=("f32", "bf16", "int8"),
                        help="of all workers (default: that of INDEX, else what is fastest on this machine)")
    parser.add_argument("--codec", default="int8", help="of a new index, as are the next three (default: int8)")
    parser.add_argument("--pool", type=int, default=1)
    parser.add_argument("--drop", default="none")
    parser.add_argument("--no-words", action="store_true")
    parser.add_argument("--like", help="take codec, learned parameters and options of this index")
    parser.add_argument("--skip-bad", action="store_true", help="leave bad lines out")
    parser.add_argument("--keep-text", action="store_true", help="keep texts as metadata")
    parser.add_argument("--keep-parts", action="store_true", help="leave INDEX.parts/ where it is")
    options = parser.parse_args()
    for name in ("threads", "shard_documents", "attempts"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    options.model = options.model or default_model(options.mice)
    options.precision = options.precision or one_precision(options)
    return options


def main():
    options = arguments()
    work = Path(options.index + ".parts")
    work.mkdir(parents=True, exist_ok=True)
    if options.address:
        ray.init(address=options.address, log_to_driver=False)
    else:
        ray.init(address="local", num_cpus=options.workers, include_dashboard=False, log_to_driver=False)
    try:
        template = make_template(options, work)
        encoder = Encoder(options, work, template, Path(options.model).read_bytes())
        names = []
        for number, first_line, shard in shards(options.input, options.shard_documents):
            names.append(part_name(number, shard, options.precision))
            if not (work / names[-1]).is_dir():
                encoder.submit(names[-1], first_line, shard)
        while encoder.waiting:
            encoder.collect()
    except BadShard as problem:
        raise SystemExit(f"index_on_ray: {problem}")
    finally:
        ray.shutdown()
    try:
        merge(options, work, names or ["template"])
    except (BadShard, WorkerFailed) as problem:
        raise SystemExit(f"index_on_ray: {problem}")
    if not options.keep_parts:
        shutil.rmtree(work)
    return 2 if encoder.incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
