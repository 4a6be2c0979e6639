# SPDX-License-Identifier: Apache-2.0
"""The headers with other standard libraries and other flags than the tests are compiled with: they compile, or
say in one line what to do. Argument: the compiler."""

import shutil
import subprocess
import sys

from common import INCLUDE, WARNINGS, fail, headers, skip

compiler = sys.argv[1]
if shutil.which(compiler) is None:
    skip(f"{compiler} is not installed")
everything = "".join(f"#include <{header}>\n" for header in headers() if "sentencepiece.hpp" not in header)


def compile_text(source, *flags):
    command = [compiler, "-std=c++20", f"-I{INCLUDE}", *flags, "-fsyntax-only", "-x", "c++", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True)


def must_compile(what, *flags, source=everything):
    done = compile_text(source, *WARNINGS, *flags)
    if done.returncode != 0:
        fail(f"with {what}\n{done.stderr}")
    print(f"{compiler}: the headers compile with {what}")


def must_say(what, expected, *flags):
    errors = [line for line in compile_text("#include <mice/mice.hpp>\n", *flags).stderr.splitlines() if "error:" in line]
    if not errors or expected not in errors[0]:
        fail(f"with {what} the first error is not {expected!r}:\n" + "\n".join(errors[:5]))
    print(f"{compiler}: with {what} it says {expected!r}")


must_compile("-fno-rtti", "-fno-rtti")
must_say("-fno-exceptions", "compile without -fno-exceptions", "-fno-exceptions")
# A processor that xsimd does not know. With mice::dispatch the headers have no kernels at all.
unknown = ["-U__SSE2__", "-U__ARM_NEON"]
an_app = "#include <mice/mice.hpp>\n"
must_compile("no SIMD instructions, by Eigen's kernels", *unknown, source=an_app)
with_dispatch = "#define MICE_USE_DISPATCH 1\n#include <mice/mice.hpp>\n"
must_compile("no SIMD instructions and mice::dispatch", *unknown, source=with_dispatch)
if compile_text("#include <cstddef>\n", "-stdlib=libc++").returncode == 0:
    must_compile("libc++", "-stdlib=libc++")
    must_compile("libc++ and -fno-rtti", "-stdlib=libc++", "-fno-rtti")
else:
    print(f"{compiler} has no libc++ here")
