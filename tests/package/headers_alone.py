# SPDX-License-Identifier: Apache-2.0
"""Every public header compiles alone, and twice in one file. Argument: the compiler."""

import concurrent.futures
import os
import shutil
import subprocess
import sys

from common import INCLUDE, WARNINGS, fail, headers, skip

compiler = sys.argv[1]
if shutil.which(compiler) is None:
    skip(f"{compiler} is not installed")


def compile_text(source, *flags):
    command = [compiler, "-std=c++20", *WARNINGS, f"-I{INCLUDE}", *flags, "-fsyntax-only", "-x", "c++", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True)


def complaints(header):
    adapter = ["-DMICE_USE_SENTENCEPIECE=1"] if header == ADAPTER else []
    done = compile_text(f"#include <{header}>\n#include <{header}>\n", *adapter)
    return "" if done.returncode == 0 else f"{header}\n{done.stderr}\n"


# The one header that needs a library. Without what it is told by CMake's target it says so.
ADAPTER = "mice/text/sentencepiece.hpp"
if "link mice::sentencepiece" not in compile_text(f"#include <{ADAPTER}>\n").stderr:
    fail(f"{ADAPTER} does not say what it needs")
tested = headers()
if compile_text("#include <sentencepiece_processor.h>\n").returncode != 0:
    print(f"{ADAPTER} is left out: the sentencepiece library is not installed")
    tested.remove(ADAPTER)

with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = "".join(pool.map(complaints, tested))
if found:
    fail(found)
print(f"{len(tested)} headers compile alone with {compiler}")
