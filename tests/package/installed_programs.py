# SPDX-License-Identifier: Apache-2.0
"""The installed programs run wherever the tree is installed, and find their default model.
Argument: the build folder of mice."""

import pathlib
import sys
import tempfile

from common import ROOT, fail, run

with tempfile.TemporaryDirectory() as name:
    prefix = pathlib.Path(name) / "prefix"
    run(["cmake", "--install", sys.argv[1], "--prefix", prefix])
    mice = prefix / "bin" / "mice"
    print(run([mice, "--version"]), end="")
    print(run([prefix / "bin" / "mice-convert", "--version"]), end="")
    corpus = ROOT / "examples" / "data" / "corpus.jsonl"
    said = run([mice, "rerank", "why does bread dough rise", corpus, "--top-k", "3"], cwd=name)
    print(said, end="")
    if "bread-yeast" not in said:
        fail("the installed mice did not find the passage on yeast among its first three")
    for text in (mice, prefix / "bin" / "mice-convert"):
        if str(ROOT).encode() in text.read_bytes():
            fail(f"{text.name} holds the path of the source tree")
    for file in ("share/mice/models", "share/doc/mice/LICENSE", "share/doc/mice/README.md"):
        if not (prefix / file).exists():
            fail(f"{file} was not installed")
    if (prefix / "bin" / "mice-find-gnome").exists():
        service = (prefix / "share/dbus-1/services/org.mice.Find.service").read_text("utf-8")
        if f"Exec={prefix}/bin/mice-find-gnome\n" not in service:
            fail(f"the session's bus would not find mice-find-gnome: {service}")
        for file in ("gnome-shell/search-providers/mice-find-search-provider.ini",
                     "applications/mice-find.desktop", "icons/hicolor/scalable/apps/mice-find.svg"):
            if not (prefix / "share" / file).exists():
                fail(f"share/{file} was not installed")
