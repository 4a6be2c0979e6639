# SPDX-License-Identifier: Apache-2.0
"""The code blocks of README.md and docs/ work as written. Argument: the build folder of mice.
Those of README.md are compiled with the headers alone, the others with mice::compiled where the
build has it, which is quicker.

  ```cpp      with an #include: compiled as a file; without: compiled as lines of a function that
              has the names declared in documentation_names.hpp
  ```cpp run  a program: compiled, linked, and run in an empty folder that has the project's models/
  ```sh run   run in the root of the project, with the built programs on PATH
"""

import os
import pathlib
import re
import sys
import tempfile

from common import INCLUDE, ROOT, fail, has_library, run

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```\s*$", re.DOTALL | re.MULTILINE)
NAMES = ROOT / "tests" / "package" / "documentation_names.hpp"


def blocks():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{page.relative_to(ROOT)}:{line}", found[1], found[2].split(), found[3]


def compiled_form():
    """What a compiler is told to use mice::compiled of the build folder."""
    library = pathlib.Path(sys.argv[1]) / "src" / "compiled" / "libmice_compiled.a"
    if not library.is_file():
        return [], []
    links = ["-lsentencepiece"] if has_library("sentencepiece") else []
    return ["-DMICE_COMPILED=1"], [library, *links, "-fopenmp"]


def check_cpp(code, marks, folder, alone):
    source = folder / "block.cpp"
    if "#include" not in code:
        code = f'#include "{NAMES}"\nvoid lines_of_the_page() {{\n{code}\n}}\n'
    source.write_text(code, encoding="utf-8")
    form, links = ([], []) if alone else compiled_form()
    compiler = ["g++", "-std=c++20", "-O1", f"-I{INCLUDE}", *form, source]
    if "run" in marks:
        run([*compiler, *links, "-o", folder / "block", "-pthread"])
        with tempfile.TemporaryDirectory() as place:
            (pathlib.Path(place) / "models").symlink_to(ROOT / "models")
            print(run([folder / "block"], cwd=place), end="")
    else:
        run([*compiler, "-fsyntax-only"])


def check_sh(code, programs):
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    print(run(["bash", "-euo", "pipefail", "-c", code], cwd=ROOT, env={"PATH": path}), end="")


programs = pathlib.Path(sys.argv[1]) / "bin"
checked = 0
with tempfile.TemporaryDirectory() as name:
    for place, language, marks, code in blocks():
        if language == "cpp" or (language == "sh" and "run" in marks):
            print(f"{place}: {language} {' '.join(marks)}", flush=True)
            if language == "cpp":
                check_cpp(code, marks, pathlib.Path(name), alone=place.startswith("README"))
            else:
                check_sh(code, programs)
            checked += 1
if checked == 0:
    fail("README.md and docs/ hold no code block to check")
print(f"{checked} code blocks work")
