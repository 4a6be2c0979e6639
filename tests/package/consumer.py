# SPDX-License-Identifier: Apache-2.0
"""An app finds mice and runs. Arguments: find_package, add_subdirectory or pkg_config; the build
folder of mice; for pkg_config the compiler."""

import pathlib
import re
import shutil
import sys
import tempfile

from common import ROOT, WARNINGS, fail, model, run, skip

CONSUMER = ROOT / "tests" / "package" / "consumer"
NEEDED_AT_MOST = {"libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "libpthread.so.0"}


def build_with_cmake(folder, *options):
    # The flags of whoever runs the tests are not the app's.
    configure = ["cmake", "-G", "Ninja", "-S", CONSUMER, "-B", folder / "build", *options]
    run([*configure, "-DCMAKE_BUILD_TYPE=Release"], env={"CXXFLAGS": "", "LDFLAGS": ""})
    run(["cmake", "--build", folder / "build"])
    return [folder / "build" / f"consumer_{variant}" for variant in ("mice", "openmp", "dispatch")]


def install(build, prefix):
    run(["cmake", "--install", build, "--prefix", prefix])


def find_package(folder, build):
    install(build, folder / "prefix")
    return build_with_cmake(folder, f"-DCMAKE_PREFIX_PATH={folder / 'prefix'}")


def add_subdirectory(folder, _build):
    return build_with_cmake(folder, f"-DMICE_SOURCE={ROOT}")


def pkg_config(folder, build, compiler="g++"):
    if shutil.which(compiler) is None:
        skip(f"{compiler} is not installed")
    # Moved after its installation: mice.pc must not hold the prefix it was installed to.
    install(build, folder / "first")
    (folder / "first").rename(folder / "prefix")
    metadata = next((folder / "prefix").rglob("mice.pc")).parent
    flags = run(["pkg-config", "--cflags", "--libs", "mice"], env={"PKG_CONFIG_PATH": str(metadata)})
    program = folder / "consumer"
    libraries = [flag for flag in flags.split() if flag.startswith(("-l", "-L"))]
    if libraries:
        fail(f"mice.pc links {libraries}; the headers need nothing but threads")
    strict = [compiler, "-std=c++20", "-O2", *WARNINGS]
    run([*strict, CONSUMER / "main.cpp", "-o", program, *flags.split()])
    needed = set(re.findall(r"NEEDED.*\[(.+?)\]", run(["readelf", "-d", program])))
    if not needed <= NEEDED_AT_MOST:
        fail(f"the program needs {sorted(needed - NEEDED_AT_MOST)}")
    return [program]


way, build, *rest = sys.argv[1:]
with tempfile.TemporaryDirectory() as name:
    build_ways = {f.__name__: f for f in (find_package, add_subdirectory, pkg_config)}
    for program in build_ways[way](pathlib.Path(name), build, *rest):
        said = run([program, model()])
        if not said.startswith("best: 1"):
            fail(f"{program.name} ranked wrongly: {said}")
        print(said, end="")
