# SPDX-License-Identifier: Apache-2.0
"""Apps that ask for the kernels in Eigen get them, by each of the ways that the documentation names. Argument: the
build folder of mice."""

import os
import pathlib
import sys
import tempfile

from common import ROOT, WARNINGS, fail, has_library, run, skip

APP = ROOT / "tests" / "package" / "eigen"
MODEL = ROOT / "models" / "mice-minilm-l2x2-int8.safetensors"


def must_print(program, expected, *arguments):
    said = run([program, *arguments])
    print(said, end="")
    if not said.startswith(expected):
        fail(f"{program.name} did not begin with {expected!r}: {said}")
    return said


def with_pkg_config(folder, prefix):
    """A whole app of the headers alone."""
    paths = [next(prefix.rglob("mice-eigen.pc")).parent, *filter(None, [os.environ.get("PKG_CONFIG_PATH")])]
    variables = {"PKG_CONFIG_PATH": os.pathsep.join(map(str, paths))}
    flags = run(["pkg-config", "--cflags", "--libs", "mice-eigen"], env=variables).split()
    run(["g++", "-std=c++20", "-O1", *WARNINGS, APP / "main.cpp", "-o", folder / "app", *flags])
    off, on = map(float, must_print(folder / "app", "eigen: ", MODEL).split()[1:])
    if not off + 5 < on:
        fail(f"the passage off the topic has {off}, the one on it {on}")


def with_cmake(folder, option):
    # The flags of whoever runs the tests are not the app's.
    run(["cmake", "-G", "Ninja", "-S", APP, "-B", folder, "-DCMAKE_BUILD_TYPE=Debug", option],
        env={"CXXFLAGS": "", "LDFLAGS": ""})
    run(["cmake", "--build", folder])
    must_print(folder / "app", "eigen: 32\n")


if not has_library("eigen3"):
    skip("pkg-config does not know eigen3")
with tempfile.TemporaryDirectory() as name:
    place = pathlib.Path(name)
    run(["cmake", "--install", sys.argv[1], "--prefix", place / "prefix"])
    with_cmake(place / "installed", f"-DCMAKE_PREFIX_PATH={place / 'prefix'}")
    with_cmake(place / "subdirectory", f"-DMICE_SOURCE={ROOT}")
    with_pkg_config(place, place / "prefix")
