# SPDX-License-Identifier: Apache-2.0
"""The package and its stubs are what they say, and every public name is documented."""

import inspect
import os
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

import mice

USE = """
import numpy as np
import mice

ranker = mice.Reranker("model", precision="f32")
found: mice.Ranking = ranker.rank("query", ["text"], top_k=3)
number: float = found[0].score + sum(hit.score for hit in found)
scores: np.ndarray = ranker.score("query", ranker.encode_all(["text"]))
with mice.Index("folder", ranker) as index:
    index["id"] = "text"
    name: str = index.search("query")[0].id
sentence: mice.Highlight = ranker.highlight("query", "text").sentences[0]
ranker.rank("query", 3)  # wrong
found[0].scores  # wrong
index.put(3, "text")  # wrong
"""


def test_the_package_is_typed(tmp_path):
    """mypy finds what is wrong in USE, and nothing in the package, which it reads on the way. Adapters
    are checked by running them: their frameworks take minutes to read."""
    pytest.importorskip("mypy")
    source = tmp_path / "use.py"
    source.write_text(USE)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir=" + os.devnull]
    environment = {**os.environ, "MYPYPATH": str(BUILD / "python")}
    done = subprocess.run(
        [*command, str(source)], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    expected = [i for i, line in enumerate(USE.splitlines(), 1) if line.endswith("# wrong")]
    assert [line.split(":")[0] for line in errors] == ["use.py"] * len(expected), done.stdout + done.stderr
    assert [int(line.split(":")[1]) for line in errors] == expected, done.stdout


def public():
    for name in mice.__all__:
        made = getattr(mice, name)
        yield name, made
        if inspect.isclass(made) and not issubclass(made, Exception):
            for inner, member in vars(made).items():
                if not inner.startswith("_"):
                    yield f"{name}.{inner}", member


@pytest.mark.parametrize("name, made", [each for each in public() if each[0] != "__version__"])
def test_every_public_name_is_documented(name, made):
    assert inspect.getdoc(made), name


def test_examples_of_docstrings_run():
    import doctest

    from mice import index, reranker

    for module in (index, reranker):
        done = doctest.testmod(module)
        assert done.attempted > 0 and done.failed == 0


def test_the_version_is_the_engines():
    header = (ROOT / "include" / "mice" / "version.hpp").read_text()
    assert f'MICE_VERSION_STRING "{mice.__version__}"' in header
