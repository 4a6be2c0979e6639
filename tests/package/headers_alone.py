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


def complaints(header):
    source = f"#include <{header}>\n#include <{header}>\n"
    command = [compiler, "-std=c++20", *WARNINGS, f"-I{INCLUDE}", "-fsyntax-only", "-x", "c++", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{header}\n{done.stderr}\n"


with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    found = "".join(pool.map(complaints, headers()))
if found:
    fail(found)
print(f"{len(headers())} headers compile alone with {compiler}")
