#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many passages an edit changes, on the edits of a git history.

    bench/passages_history.py [--mice build/release/bin/mice] [--commits 100] [PATH...]

For each of the last commits that touch the paths (README.md, docs and headers if none are given),
and each file that the commit changed: cuts both versions, and counts the passages of the new one
that the old one did not have (which an index would encode again), and those that the edit touched (in
which it took away or put lines). Prints the means and the worst of their difference."""

import argparse
import collections
import difflib
import json
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]


def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=True).stdout


def edits(paths, commits):
    """(commit, path, old bytes, new bytes) of files that were there before and after."""
    found = git("log", "--no-merges", "--format=%h", f"-{commits}", "--", *paths)
    for commit in found.decode().split():
        changed = git("diff-tree", "-r", "--no-commit-id", "--diff-filter=M", "--name-only",
                      commit, "--", *paths)
        for path in changed.decode().splitlines():
            yield commit, path, git("show", f"{commit}~1:{path}"), git("show", f"{commit}:{path}")


def cut(mice, options, files):
    """The passages of each file."""
    found = {str(file): [] for file in files}
    for start in range(0, len(files), 200):
        part = [str(file) for file in files[start:start + 200]]
        made = subprocess.run([mice, "passages", "--json", *options, *part], capture_output=True,
                              check=True)
        for line in made.stdout.splitlines():
            one = json.loads(line)
            found[one["file"]].append(one)
    return found


def touched(old, new, passages):
    """How many passages have lines that the edit changed (of the old text or of the new one,
    whichever are more), and in how many places it did."""
    lines = [text.decode(errors="replace").split("\n") for text in (old, new)]
    hit = [set(), set()]
    matcher = difflib.SequenceMatcher(None, *lines, autojunk=False)
    places = 0
    for kind, *ends in matcher.get_opcodes():
        places += kind != "equal"
        for side in (0, 1) if kind != "equal" else ():
            first, last = ends[2 * side:2 * side + 2]
            # Lines that are gone, or came between two passages, touch the one before.
            first, last = (first + 1, last) if last > first else (first, first)
            hit[side] |= {i for i, one in enumerate(passages[side])
                          if one["first_line"] <= max(last, 1) and one["last_line"] >= first}
    return max(map(len, hit)), places


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mice", default=ROOT / "build/release/bin/mice")
    parser.add_argument("--commits", type=int, default=100)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("paths", nargs="*",
                        default=["README.md", "docs/*.md", "include/mice/**/*.hpp"])
    arguments = parser.parse_args()
    options = ["--tokens", str(arguments.tokens)] if arguments.tokens else []
    with tempfile.TemporaryDirectory() as folder:
        cases, files = [], []
        for number, (commit, path, old, new) in enumerate(edits(arguments.paths,
                                                                arguments.commits)):
            name = path.replace("/", "-")
            pair = [pathlib.Path(folder) / f"{number}-{side}-{name}" for side in ("old", "new")]
            for file, text in zip(pair, (old, new)):
                file.write_bytes(text)
            cases.append((commit, path, old, new, *map(str, pair)))
            files += pair
        passages = cut(arguments.mice, options, files)
    rows = []
    for commit, path, old, new, old_file, new_file in cases:
        known = collections.Counter(one["text"] for one in passages[old_file])
        fresh = collections.Counter(one["text"] for one in passages[new_file]) - known
        hit, places = touched(old, new, (passages[old_file], passages[new_file]))
        changed = sum(fresh.values())
        rows.append((changed - hit, changed, hit, len(passages[new_file]), places, commit, path))
    rows.sort()
    count = max(len(rows), 1)
    print(f"{len(rows)} edits of files: {sum(r[3] for r in rows) / count:.1f} passages a file, "
          f"{sum(r[2] for r in rows) / count:.2f} touched, "
          f"{sum(r[1] for r in rows) / count:.2f} changed; "
          f"more than touched plus two: {sum(r[0] > 2 for r in rows)}, "
          f"plus two for each place: {sum(r[0] > 2 * r[4] for r in rows)}")
    for more, changed, hit, total, places, commit, path in rows[-5:]:
        print(f"{commit} {path}: {hit} touched in {places} places, {changed} of {total} changed "
              f"({more:+})")


if __name__ == "__main__":
    main()
