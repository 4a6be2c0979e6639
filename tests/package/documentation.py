# SPDX-License-Identifier: Apache-2.0
"""The code blocks of README.md and docs/ work as written. Argument: the build folder of mice.
Those of README.md are compiled with the headers alone, the others with mice::compiled where the
build has it, which is quicker.

  ```cpp      with an #include: compiled as a file; without: compiled as lines of a function that
              has the names declared in documentation_names.hpp
  ```cpp run  a program, or lines of one that declare all they use: compiled, linked, and run in an
              empty folder that has the project's models/
  ```sh run   run in the root of the project, with the built programs on PATH
  ```python package   a program that uses the Python package, run like C++'s by the Python that
              bindings/python/setup.sh brings; left out where the build has no such package
  ```c run, ```rust run, ```go run, ```python run     a program that calls libmice, run like C++'s;
              left out where the build has no libmice, or the machine no compiler; C without an
              #include is lines of a function after documentation_names.h
  ```java run the class Mice of docs/c.md, which loads the library of ```c jni there, or lines of a
              main() that use that class; left out like the others
  ```js       left to tests/wasm/documentation_test.mjs
"""

import os
import pathlib
import re
import shutil
import sys
import tempfile

from common import INCLUDE, ROOT, fail, has_library, run

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```\s*$", re.DOTALL | re.MULTILINE)
NAMES = ROOT / "tests" / "package" / "documentation_names.hpp"
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
C_END = "mice_ranking_free(ranking);\nmice_reranker_free(reranker);\nreturn error != NULL;\n"


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


def run_beside_models(command, **options):
    with tempfile.TemporaryDirectory() as place:
        (pathlib.Path(place) / "models").symlink_to(ROOT / "models")
        print(run(command, cwd=place, **options), end="")


def libmice():
    return pathlib.Path(sys.argv[1]).resolve() / "src" / "c" / "libmice.so"


def missing_for(compiler):
    """What a program that calls libmice lacks here, if it lacks something."""
    if libmice().is_file() and shutil.which(compiler) is not None:
        return None
    return f"no {compiler if libmice().is_file() else libmice().name}"


def check_caller(language, code, folder):
    """A program in another language than C++. Gives why it was left out, if it was."""
    if language == "java":
        return check_java(code, folder)
    library = libmice()
    compiler = {"c": "gcc", "rust": "rustc", "go": "go", "python": sys.executable}[language]
    if missing_for(compiler):
        return missing_for(compiler)
    source = folder / f"caller.{ {'rust': 'rs', 'python': 'py'}.get(language, language) }"
    if language == "c" and "#include" not in code:
        code = f'#include "{NAMES.with_suffix(".h")}"\nint main(void) {{\n{code}\n{C_END}}}\n'
    source.write_text(code, encoding="utf-8")
    program = folder / "caller"
    found = {"LD_LIBRARY_PATH": str(library.parent)}
    link = [f"-L{library.parent}", "-lmice"]
    if language == "c":
        run([compiler, *STRICT, f"-I{INCLUDE}", source, "-o", program, *link])
    elif language == "rust":
        run([compiler, "-D", "warnings", "-L", library.parent, source, "-o", program])
    elif language == "go":
        paths = {"CGO_CFLAGS": f"-I{INCLUDE}", "CGO_LDFLAGS": f"-L{library.parent}"}
        run([compiler, "build", "-o", program, source], env={**paths, "GO111MODULE": "off"})
    run_beside_models([compiler, source] if language == "python" else [program], env=found)
    return None


def check_java(code, folder):
    """The class that docs/c.md shows, or lines that use it. Gives why it was left out, if it was."""
    if missing_for("javac"):
        return missing_for("javac")
    shown = {" ".join([each[1], *each[2]]): each[3] for each in blocks() if each[0].startswith("docs/c.md")}
    name = "Mice" if "class Mice" in code else "Lines"
    if name == "Lines":
        code = "\n".join(["import java.util.*;", "class Lines {", "public static void main(String[] given) {",
                          code, "}", "}"])
    (folder / "mice_java.c").write_text(shown["c jni"], encoding="utf-8")
    (folder / "Mice.java").write_text(shown["java run"], encoding="utf-8")
    (folder / f"{name}.java").write_text(code, encoding="utf-8")
    headers = pathlib.Path(shutil.which("javac")).resolve().parents[1] / "include"
    paths = [f"-I{each}" for each in (INCLUDE, headers, headers / "linux")]
    link = ["-shared", "-fPIC", "-o", folder / "libmice_java.so", f"-L{libmice().parent}", "-lmice"]
    run(["gcc", *STRICT, *paths, folder / "mice_java.c", *link])
    sources = [folder / f"{each}.java" for each in sorted({"Mice", name})]
    run(["javac", "-Xlint:all", "-Werror", "-d", folder, *sources])
    found = {"LD_LIBRARY_PATH": str(libmice().parent)}
    run_beside_models(["java", "-Xcheck:jni", f"-Djava.library.path={folder}", "-cp", folder, name], env=found)
    return None


def check_package(code, folder):
    """A program that uses the Python package. Gives why it was left out, if it was."""
    package = pathlib.Path(sys.argv[1]).resolve() / "python"
    python = ROOT / "build" / "python" / "venv" / "bin" / "python"
    if not list(package.glob("mice/_core.*.so")) or not python.is_file():
        return "no Python package in the build"
    source = folder / "package.py"
    source.write_text(code, encoding="utf-8")
    found = {"PYTHONPATH": str(package), "PYTHONPYCACHEPREFIX": str(python.parents[2] / "compiled")}
    run_beside_models([python, source], env=found)
    return None


def check_cpp(code, marks, folder, alone):
    source = folder / "block.cpp"
    if "#include" not in code:
        code = f'#include "{NAMES}"\nvoid lines_of_the_page() {{\n{code}\n}}\n'
        if "run" in marks:
            code += "int main() {\n    lines_of_the_page();\n}\n"
    source.write_text(code, encoding="utf-8")
    form, links = ([], []) if alone else compiled_form()
    compiler = ["g++", "-std=c++20", "-O1", f"-I{INCLUDE}", *form, source]
    if "run" in marks:
        run([*compiler, *links, "-o", folder / "block", "-pthread"])
        run_beside_models([folder / "block"])
    else:
        run([*compiler, "-fsyntax-only"])


def check_sh(code, programs):
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    print(run(["bash", "-euo", "pipefail", "-c", code], cwd=ROOT, env={"PATH": path}), end="")


programs = pathlib.Path(sys.argv[1]) / "bin"
checked = 0
with tempfile.TemporaryDirectory() as name:
    for place, language, marks, code in blocks():
        if language == "cpp" or "run" in marks or "package" in marks:
            print(f"{place}: {language} {' '.join(marks)}", flush=True)
            if "package" in marks:
                missing = check_package(code, pathlib.Path(name))
                if missing:
                    print(f"left out: {missing}")
                    continue
            elif language in ("c", "rust", "go", "java", "python"):
                missing = check_caller(language, code, pathlib.Path(name))
                if missing:
                    print(f"left out: {missing}")
                    continue
            elif language == "cpp":
                check_cpp(code, marks, pathlib.Path(name), alone=place.startswith("README"))
            else:
                check_sh(code, programs)
            checked += 1
if checked == 0:
    fail("README.md and docs/ hold no code block to check")
print(f"{checked} code blocks work")
