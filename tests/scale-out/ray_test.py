# SPDX-License-Identifier: Apache-2.0
"""An index that Ray's workers made, one of them killed half-way through its shard, ranks bit for bit
like one made by a single process. Argument: the mice program.

Ray is looked for in build/scale-out/venv/, where tools/scale-out/setup.sh puts it, or by the Python
that MICE_RAY_PYTHON names; without it the test is skipped.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = 77
DOCUMENTS, SHARD = 120, 20

# Instead of mice: the first worker that adds documents encodes half of them, commits, and is then
# killed with all that it runs.
KILLER = """#!/bin/bash
mice="$TEST_MICE"
if [ "$1 $2" = "index add" ] && mkdir "$TEST_FOLDER/killed" 2>/dev/null; then
    head -n {half} "$4" > "$4.half"
    "$mice" index add "$3" "$4.half" "${{@:5}}" > "$TEST_FOLDER/killed/said" || exit 1
    kill -9 "$PPID"
    exit 137
fi
exec "$mice" "$@"
"""


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    print("+", *command, f"-> {done.returncode}", flush=True)
    if done.returncode != 0:
        sys.exit(f"FAILED: {done.stdout}\n{done.stderr}")
    return done.stdout


def python_with_ray():
    python = os.environ.get("MICE_RAY_PYTHON") or ROOT / "build/scale-out/venv/bin/python"
    try:
        found = subprocess.run([python, "-c", "import ray; print(ray.__version__)"], capture_output=True, text=True)
    except OSError:
        found = None
    if found is None or found.returncode != 0:
        print(f"SKIPPED: {python} has no Ray; tools/scale-out/setup.sh installs it")
        sys.exit(SKIPPED)
    print("Ray", found.stdout.strip())
    return python


def write_collection(folder):
    """Documents and queries of the example's words in a seeded order."""
    texts = [json.loads(line) for line in (ROOT / "examples/data/corpus.jsonl").read_text("utf-8").splitlines()]
    words = sorted({word for each in texts for word in each["text"].split()})
    chance = random.Random(5)
    with open(folder / "corpus.jsonl", "w", encoding="utf-8") as file:
        for number in range(DOCUMENTS):
            text = " ".join(chance.choices(words, k=chance.randint(5, 60)))
            file.write(json.dumps({"_id": f"d{number}", "text": text}) + "\n")
    with open(folder / "queries.jsonl", "w", encoding="utf-8") as file:
        for number in range(5):
            file.write(json.dumps({"_id": f"q{number}", "text": " ".join(chance.choices(words, k=6))}) + "\n")


def answers(mice, folder, index):
    """All answers of the index: scores with nine digits, and BM25's candidates."""
    queries = folder / "queries.jsonl"
    return (run(mice, "search", folder / index, "--queries", queries, "--all"),
            run(mice, "search", folder / index, "--queries", queries, "--depth", "10"),
            run(mice, "index", "export", folder / index, "--states"))


def check(mice, python, folder):
    write_collection(folder)
    killer = folder / "mice-killer"
    killer.write_text(KILLER.format(half=SHARD // 2))
    killer.chmod(0o755)
    environment = {**os.environ, "TEST_MICE": str(mice), "TEST_FOLDER": str(folder)}

    # a precision that hardly any processor has by default: a worker that took its own would show
    run(mice, "index", "add", folder / "single", folder / "corpus.jsonl", "--create", "--precision", "bf16")
    print(run(python, ROOT / "tools/scale-out/index_on_ray.py", folder / "merged", folder / "corpus.jsonl",
              "--workers", 2, "--shard-documents", SHARD, "--precision", "bf16", "--mice", killer, env=environment))

    said = (folder / "killed/said").read_text() if (folder / "killed/said").exists() else ""
    if f"{SHARD // 2} added" not in said:
        sys.exit(f"FAILED: no worker was killed half-way: {said!r}")
    if (folder / "merged.parts").exists():
        sys.exit("FAILED: the parts were left behind")
    run(mice, "index", "verify", folder / "merged")
    for name in ("single", "merged"):
        said = json.loads(run(mice, "index", "stats", folder / name, "--json"))
        if said["precisions"] != ["bf16"] or not said["precisions_recorded"]:
            sys.exit(f"FAILED: the {name} index was encoded in {said['precisions']}, not in bf16")
    names = ("scores of all documents", "scores of BM25's candidates", "documents and states")
    for name, single, merged in zip(names, answers(mice, folder, "single"), answers(mice, folder, "merged")):
        if single != merged or not single:
            sys.exit(f"FAILED: {name} differ between the merged index and the one of a single process")
        print(f"{name}: {len(single.splitlines())} lines are the same")


mice_program = Path(sys.argv[1]).resolve()
ray_python = python_with_ray()
with tempfile.TemporaryDirectory() as name:
    check(mice_program, ray_python, Path(name))
