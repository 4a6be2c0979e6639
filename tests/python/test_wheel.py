# SPDX-License-Identifier: Apache-2.0
"""The source distribution, and the wheel: built of it against the mice of the build folder,
installed in a fresh environment, used."""

import os
import pathlib
import subprocess
import sys
import tarfile
import venv
import zipfile

import numpy
import pytest
from conftest import BUILD, ROOT

LARGEST = 45_000_000  # bytes

USE = """
import os, sys
import mice
assert mice.__file__.startswith(sys.prefix), mice.__file__
assert os.path.dirname(mice.__file__) in str(mice.default_model())
found = mice.CrossEncoder().rank("why does bread rise", ["Knives need honing.", "Yeast gives off gas."])
assert found[0]["corpus_id"] == 1, found
print(mice.__version__)
"""


def run(*command, cwd=None, **environment):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=cwd,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """What `python -m build --sdist` makes; that is not among the packages that the tests need."""
    folder = tmp_path_factory.mktemp("sources")
    code = "import sys, scikit_build_core.build as build; build.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", code, folder, cwd=ROOT / "bindings" / "python")
    made = list(folder.glob("*.tar.gz"))
    assert len(made) == 1
    return made[0]


@pytest.fixture(scope="module")
def wheel(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run("cmake", "--install", BUILD, "--prefix", folder / "mice")
    run(
        sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-q",
        "-w", folder, "--config-settings=build-dir=" + str(folder / "build"), sources,
        mice_ROOT=str(folder / "mice"),
    )  # fmt: skip
    made = list(folder.glob("*.whl"))
    assert len(made) == 1
    return made[0]


def test_the_source_distribution_holds_the_engine(sources):
    with tarfile.open(sources) as held:
        names = {name.split("/", 1)[1] for name in held.getnames()}
    for folder in ("include", "src", "cmake"):
        for path in (ROOT / folder).rglob("*"):
            assert path.is_dir() or f"engine/{path.relative_to(ROOT)}" in names
    for expected in ("PKG-INFO", "engine/CMakeLists.txt", "engine/LICENSE", "mice/adapters/langchain.py"):
        assert expected in names
    assert [name for name in names if name.startswith("engine/models/")] == [
        "engine/models/mice-minilm-l6x2-int8.safetensors"
    ]
    assert sources.stat().st_size <= LARGEST


def test_what_the_wheel_holds(wheel):
    tag = "cp312-abi3" if sys.version_info >= (3, 12) else f"cp{sys.version_info[0]}{sys.version_info[1]}-"
    assert wheel.name.startswith("mice_rerank-") and f"-{tag}" in wheel.name
    assert wheel.stat().st_size <= LARGEST
    with zipfile.ZipFile(wheel) as held:
        names = held.namelist()
        top = {name.split("/")[0] for name in names}
        metadata = held.read(next(name for name in names if name.endswith("METADATA"))).decode()
    for expected in ("__init__.py", "_core.pyi", "py.typed", "adapters/langchain.py", "LICENSE"):
        assert f"mice/{expected}" in names
    assert [name for name in names if name.startswith("mice/models/")] == [
        "mice/models/mice-minilm-l6x2-int8.safetensors"
    ]
    assert len(top) == 2 and not [name for name in names if name.endswith(".pyc")]
    assert "Name: mice-rerank" in metadata and "Requires-Dist: numpy" in metadata


def test_the_wheel_works_in_a_fresh_environment(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    place = pathlib.Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    run(
        sys.executable, "-m", "pip", f"--python={python}", "install", "--no-deps", "--no-index", "-q", wheel
    )
    # NumPy is the one that is here already: nothing is fetched.
    (place / "numpy.pth").write_text(str(pathlib.Path(numpy.__file__).parents[1]))
    said = run(python, "-I", "-c", USE)
    header = (ROOT / "include" / "mice" / "version.hpp").read_text()
    assert f'MICE_VERSION_STRING "{said.strip()}"' in header
