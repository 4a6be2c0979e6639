# SPDX-License-Identifier: Apache-2.0
"""libmice shows what src/c/symbols.txt lists and nothing else, mice.h declares the same, a C program
compiles with all warnings and runs, and so does one that imports the module CMice, as Swift does.
Arguments: libmice.so, the C compilers."""

import pathlib
import re
import shutil
import sys
import tempfile

from common import INCLUDE, ROOT, fail, model, run, skip

library, *compilers = sys.argv[1:]
library = pathlib.Path(library).absolute()
HEADER = INCLUDE / "mice" / "mice.h"
PROGRAM = ROOT / "tests" / "c" / "program.c"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


def compare(what, found, listed):
    if found != listed:
        fail(f"{what}: too many {sorted(found - listed)}, missing {sorted(listed - found)}")
    print(f"{what}: {len(listed)} functions")


def check_symbols():
    lines = (ROOT / "src" / "c" / "symbols.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if not line.startswith("#")]
    if names != sorted(set(names)):
        fail("symbols.txt is not sorted, or names a function twice")
    listed = set(names)
    shown = run(["nm", "--dynamic", "--defined-only", "--format=posix", library])
    # The version itself is an absolute symbol; functions have it behind an @.
    symbols = [line.split()[:2] for line in shown.splitlines()]
    compare("libmice", {name.split("@")[0] for name, kind in symbols if kind != "A"}, listed)
    if any(kind != "A" and "@@MICE_" not in name for name, kind in symbols):
        fail("a symbol has no version")
    header = HEADER.read_text(encoding="utf-8")
    compare("mice.h", set(re.findall(r"^MICE_API [^(;]*?\b(\w+)\(", header, re.MULTILINE)), listed)


def check_program(compiler, folder):
    program = folder / "program"
    link = [f"-L{library.parent}", "-lmice", f"-Wl,-rpath,{library.parent}"]
    run([compiler, "-std=c99", *STRICT, f"-I{INCLUDE}", PROGRAM, "-o", program, *link])
    said = run([program, model(), folder / f"index-{compiler}"])
    if said != "ok\n":
        fail(said)
    # The header alone, also as C++.
    run([compiler, "-std=c++11", *STRICT, "-fsyntax-only", "-x", "c++", "-include", HEADER, "/dev/null"])


IMPORTING = """
@import CMice;
int main(void) { return mice_abi_version() == MICE_ABI_VERSION ? 0 : 1; }
"""


def check_module(clang, folder):
    source, program = folder / "importing.m", folder / "importing"
    source.write_text(IMPORTING, encoding="utf-8")
    modules = ["-fmodules", f"-fmodules-cache-path={folder / 'cache'}", f"-I{INCLUDE / 'mice'}"]
    link = [f"-L{library.parent}", "-lmice", f"-Wl,-rpath,{library.parent}"]
    run([clang, *modules, *STRICT, source, "-o", program, *link])
    run([program])


check_symbols()
found = [compiler for compiler in compilers if shutil.which(compiler) is not None]
if not found:
    skip("no C compiler is installed")
with tempfile.TemporaryDirectory() as name:
    for each in found:
        check_program(each, pathlib.Path(name))
        if "clang" in each:
            check_module(each, pathlib.Path(name))
