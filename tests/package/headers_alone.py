# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone, and twice in one file. Arguments: the compiler; --together compiles
all headers as one file, for a second compiler with the same standard library, which finds the same
includes missing. Alone they are those of the compiled form, in which a header does not bring the
bodies of another along: so a missing include shows, and each takes a second."""

import concurrent.futures
import os
import shutil
import subprocess
import sys

from common import INCLUDE, WARNINGS, fail, headers, skip

compiler, together = sys.argv[1], "--together" in sys.argv[2:]
if shutil.which(compiler) is None:
    skip(f"{compiler} is not installed")


def compile_text(source, *flags):
    form = [] if together else ["-DMICE_COMPILED=1"]
    command = [compiler, "-std=c++20", *WARNINGS, f"-I{INCLUDE}", *form, *flags, "-fsyntax-only"]
    command += ["-x", "c++", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True)


def complaints(group):
    adapter = ["-DMICE_USE_SENTENCEPIECE=1"] if ADAPTER in group else []
    text = "".join(f"#include <{header}>\n" for header in group)
    done = compile_text(text + text, *adapter)
    return "" if done.returncode == 0 else f"{' '.join(group)}\n{done.stderr}\n"


# The one header that needs a library. Without what it is told by CMake's target it says so.
ADAPTER = "mice/text/sentencepiece/sentencepiece.hpp"
if "link mice::sentencepiece" not in compile_text(f"#include <{ADAPTER}>\n").stderr:
    fail(f"{ADAPTER} does not say what it needs")
tested = headers()
if compile_text("#include <sentencepiece_processor.h>\n").returncode != 0:
    print(f"{ADAPTER} is left out: the sentencepiece library is not installed")
    tested.remove(ADAPTER)

with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = "".join(pool.map(complaints, [tested] if together else [[header] for header in tested]))
if found:
    fail(found)
print(f"{len(tested)} headers compile {'together' if together else 'alone'} with {compiler}")
