# SPDX-License-Identifier: Apache-2.0
"""Thousands of calls leave nothing behind: memory, files, objects."""

import contextlib
import gc
import os
import pathlib
import sys

import pytest
from conftest import SMALL

import mice

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
TEXTS = ["Yeast gives off gas.", "Ün\udfffsharp", b"Knives need honing."]


def resident():
    gc.collect()
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def files():
    """Those open, less sockets: mice has none, and other packages close theirs late."""
    count = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            count += not os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return count


def grows(work, warm, times):
    """MiB and files that `times` more runs leave."""
    for _ in range(warm):
        work()
    before, opened = resident(), files()
    for _ in range(times):
        work()
    return resident() - before, files() - opened


def test_calls_leave_nothing(small):
    encoded = small.encode("Yeast gives off gas.")
    large = "x" * 100_000

    def work():
        found = small.rank("bread", TEXTS, threads=1)
        assert found.scores.shape == (3,) and list(found)
        small.score("\ud800", [encoded])
        mice.Document.from_bytes(encoded.to_bytes()).states.sum()
        for wrong in (None, [3], [large, 3]):
            with pytest.raises(TypeError):
                small.rank("bread", wrong)

    def highlight():
        assert small.rank("bread", TEXTS, threads=1, highlights=1)[0].highlights.sentences

    for each, times in ((work, 1000), (highlight, 100)):
        megabytes, opened = grows(each, times // 10, times)
        assert megabytes < 8 and opened <= 0, f"{megabytes:.1f} MiB, {opened} files"


def test_models_and_indexes_leave_nothing(small, tmp_path):
    held = SMALL.read_bytes()
    folder = tmp_path / "index"

    def work():
        mice.Reranker(SMALL, threads=1).encode_query("bread")
        mice.Reranker(held, threads=1).score("bread", TEXTS, threads=1)
        with mice.Index(folder, small, threads=1) as index:
            index.put("a", "text")
            index.commit()
            next(index.documents())
        with pytest.raises(mice.Error):
            mice.Reranker(held[:5000])

    megabytes, opened = grows(work, 5, 40)
    # One model that stays is 5 MiB and more.
    assert megabytes < 40 and opened <= 0, f"{megabytes:.1f} MiB, {opened} files"


def test_objects_die(small):
    before = sys.getrefcount(TEXTS[1])
    for _ in range(30):
        small.rank("bread", TEXTS, threads=1)
        with pytest.raises(LookupError):
            small.rank("bread", TEXTS, progress=lambda *_: {}["x"])
    gc.collect()
    assert sys.getrefcount(TEXTS[1]) <= before + 1  # not one a call
