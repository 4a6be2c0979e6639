# SPDX-License-Identifier: Apache-2.0
"""An app finds mice and runs. Arguments: find_package, add_subdirectory or pkg_config; the build
folder of mice; for pkg_config the compiler."""

import os
import pathlib
import re
import shutil
import sys
import tempfile

from common import ROOT, WARNINGS, fail, has_library, model, run, skip

CONSUMER = ROOT / "tests" / "package" / "consumer"
C_PROGRAM = ROOT / "tests" / "c" / "program.c"
PIECES = ROOT / "tests" / "golden" / "data" / "tokenizers" / "spm_unigram" / "spm.model"
SENTENCEPIECE = has_library("sentencepiece")
NEEDED_AT_MOST = {"libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "libpthread.so.0"}


def build_with_cmake(folder, *options):
    # The flags of whoever runs the tests are not the app's.
    with_library = f"-DWITH_SENTENCEPIECE={'ON' if SENTENCEPIECE else 'OFF'}"
    configure = ["cmake", "-G", "Ninja", "-S", CONSUMER, "-B", folder / "build", with_library, *options]
    configure.append(f"-DC_PROGRAM={C_PROGRAM}")
    # Not optimised, and without debug information: what is shown is that it compiles and links, and
    # that takes long enough.
    quick = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0"]
    run([*configure, *quick], env={"CXXFLAGS": "", "LDFLAGS": ""})
    run(["cmake", "--build", folder / "build"])
    variants = ["mice", "openmp", "dispatch", *(["sentencepiece"] if SENTENCEPIECE else [])]
    if (folder / "prefix").is_dir():
        variants.append("compiled")
        run_in_c(folder / "build" / "consumer_c")
    return [folder / "build" / f"consumer_{variant}" for variant in variants]


def run_in_c(program, **options):
    with tempfile.TemporaryDirectory() as place:
        said = run([program, model(), pathlib.Path(place) / "index"], **options)
    if said != "ok\n":
        fail(f"{program.name} said: {said}")


def install(build, prefix):
    run(["cmake", "--install", build, "--prefix", prefix])


def find_package(folder, build):
    install(build, folder / "prefix")
    return build_with_cmake(folder, f"-DCMAKE_PREFIX_PATH={folder / 'prefix'}")


def add_subdirectory(folder, _build):
    return build_with_cmake(folder, f"-DMICE_SOURCE={ROOT}")


def flags_of(package, prefix):
    metadata = next(prefix.rglob("mice.pc")).parent
    paths = f"{metadata}{os.pathsep}{os.environ.get('PKG_CONFIG_PATH', '')}".rstrip(os.pathsep)
    return run(["pkg-config", "--cflags", "--libs", package], env={"PKG_CONFIG_PATH": paths}).split()


def pkg_config(folder, build, compiler="g++"):
    if shutil.which(compiler) is None:
        skip(f"{compiler} is not installed")
    # Moved after its installation: mice.pc must not hold the prefix it was installed to.
    install(build, folder / "first")
    (folder / "first").rename(folder / "prefix")
    flags = flags_of("mice", folder / "prefix")
    program = folder / "consumer"
    libraries = [flag for flag in flags if flag.startswith(("-l", "-L"))]
    if libraries:
        fail(f"mice.pc links {libraries}; the headers need nothing but threads")
    strict = [compiler, "-std=c++20", *WARNINGS]
    # Optimised once: some warnings need it.
    run([*strict, "-O1", CONSUMER / "main.cpp", "-o", program, *flags])
    needed = set(re.findall(r"NEEDED.*\[(.+?)\]", run(["readelf", "-d", program])))
    if not needed <= NEEDED_AT_MOST:
        fail(f"the program needs {sorted(needed - NEEDED_AT_MOST)}")
    in_c = {"g++": "gcc", "clang++-14": "clang-14"}[compiler]
    links = flags_of("mice-c", folder / "prefix")
    run([in_c, "-std=c99", C_PROGRAM, "-o", folder / "consumer_c", *links])
    library = next((folder / "prefix").rglob("libmice.so")).parent
    run_in_c(folder / "consumer_c", env={"LD_LIBRARY_PATH": str(library)})
    programs = [program]
    for variant in ["dispatch", "compiled", *(["sentencepiece"] if SENTENCEPIECE else [])]:
        flags = flags_of(f"mice-{variant}", folder / "prefix")
        programs.append(folder / f"consumer_{variant}")
        run([*strict, "-O0", CONSUMER / "main.cpp", "-o", programs[-1], *flags])
    return programs


way, build, *rest = sys.argv[1:]
with tempfile.TemporaryDirectory() as name:
    build_ways = {f.__name__: f for f in (find_package, add_subdirectory, pkg_config)}
    for program in build_ways[way](pathlib.Path(name), build, *rest):
        said = run([program, model(), PIECES])
        if not said.startswith("best: 1"):
            fail(f"{program.name} ranked wrongly: {said}")
        reads_pieces = program.name.endswith("sentencepiece") or (
            SENTENCEPIECE and program.name.endswith("compiled")
        )
        expected = "138 128" if reads_pieces else "mice::sentencepiece"
        if expected not in said:
            fail(f"{program.name} did not say {expected!r} of a sentencepiece tokenizer: {said}")
        print(said, end="")
