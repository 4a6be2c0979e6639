# SPDX-License-Identifier: Apache-2.0
"""Three translation units with the whole library, one built for another instruction set, make one
program that links and gives each unit its own kernels; and the library's code neither prints nor
ends the program. Argument: the compiler."""

import concurrent.futures
import pathlib
import platform
import re
import shutil
import sys
import tempfile

from common import INCLUDE, ROOT, WARNINGS, fail, model, run, skip

UNITS = ROOT / "tests" / "package" / "units"

# Functions that print or end the program. std::terminate is not among them: the language itself
# calls it when an exception leaves a noexcept function.
FORBIDDEN = re.compile(
    r"^(abort|exit|_exit|_Exit|quick_exit|printf|vprintf|fprintf|puts|fputs|putchar|perror"
    r"|__printf_chk|__fprintf_chk|std::(cout|cerr|clog|wcout|ios_base::Init::).*)(@.*)?$"
)


def compile_unit(compiler, name, target, flags):
    # Without optimisation most functions stay out of line, where the linker may confuse them.
    plain = [compiler, "-std=c++20", "-O0", "-DNDEBUG", *WARNINGS, f"-I{INCLUDE}", *flags]
    run([*plain, "-c", UNITS / name, "-o", target])
    return target


def check_symbols(file):
    undefined = run(["nm", "--undefined-only", "--demangle", "--format=posix", file])
    for line in undefined.splitlines():
        symbol = line.rsplit(" U", 1)[0].strip()
        if FORBIDDEN.match(symbol):
            fail(f"{file.name}, which only uses the library, refers to {symbol}")


compiler = sys.argv[1]
if shutil.which(compiler) is None:
    skip(f"{compiler} is not installed")
if platform.machine() != "x86_64":
    skip(f"the two instruction sets of this test are x86_64's, this is {platform.machine()}")

with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    units = {"first": [], "second": [], "wide": ["-mavx2", "-mfma"]}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        objects = list(
            pool.map(
                lambda unit: compile_unit(
                    compiler, "unit.cpp", folder / f"{unit}.o", [f"-DUNIT={unit}", *units[unit]]
                ),
                units,
            )
        )
    for file in objects:
        check_symbols(file)
    main = compile_unit(compiler, "main.cpp", folder / "main.o", [])
    # Whichever unit the linker meets first, every unit keeps the kernels that it was built with.
    for order in (objects, objects[::-1]):
        run([compiler, "-o", folder / "program", main, *order, "-pthread"])
        print(run([folder / "program", model()]), end="")
