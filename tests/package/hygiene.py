# SPDX-License-Identifier: Apache-2.0
"""Rules of the source tree that no compiler checks. Each finding is one line: file, line, rule."""

import re
import sys

from common import INCLUDE, ROOT, SOURCE_FOLDERS, cpp_files, headers, is_generated
from rooms import PAGE, height_of, page_part, stale_names

LONGEST_HEADER = 400
LONGEST_LINE_OF_A_PAGE = 100
LICENSED = {".hpp", ".cpp", ".h", ".c", ".py", ".sh", ".cmake", ".in", ".txt"}

# What may be written only in these headers or folders under include/.
ONLY_IN = {
    r"#\s*include\s*<(eigen3/)?(unsupported/)?Eigen": ("mice/codecs/learn/", "mice/kernels/eigen/"),
    r"#\s*pragma\s+omp": "mice/parallel/shared_loop.hpp",
    r"#\s*include\s*<windows": "mice/system/windows_api.hpp",
    r"#\s*include\s*<xsimd": "mice/kernels/xsimd/simd.hpp",
    r"#\s*include\s*<rapidjson": "mice/io/rapidjson.hpp",
    r"#\s*include\s*<xxh": "mice/io/checksum.hpp",
    r"#\s*include\s*<sentencepiece": "mice/text/sentencepiece/sentencepiece.hpp",
    r"\bis_modernbert\b": "mice/model/config.hpp",  # a family is data: model/family.hpp
}

# What a library never does: print, or end the caller's program.
NEVER = {
    r"#\s*include\s*<(iostream|cstdio|stdio\.h)>": "includes a header for printing",
    r"\bstd::(cout|cerr|clog)\b": "prints",
    r"\b(printf|fprintf|puts|fputs|putchar)\s*\(": "prints",
    r"#\s*include\s*<nlohmann": "includes what takes long to compile, and the programs may use",
    r"(?<![\w.>])(std::)?(abort|exit|_exit|quick_exit|terminate)\s*\(": "ends the program",
}

findings = []


def report(path, line, rule):
    findings.append(f"{path.relative_to(ROOT)}:{line}: {rule}")


def code_lines(path):
    """Numbered lines without comments; literals stay, so a rule may look at them."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.DOTALL)
    return [(i, re.sub(r"//.*", "", line)) for i, line in enumerate(text.splitlines(), 1)]


def check_header(header):
    path = INCLUDE / header
    lines = code_lines(path)
    if len(lines) > LONGEST_HEADER and not is_generated(path):
        report(path, len(lines), f"a header has at most {LONGEST_HEADER} lines")
    height = height_of(header)
    if height is None:
        report(path, 1, "belongs to no room; add it to ROOMS in tests/package/rooms.py")
        return
    for number, line in lines:
        for pattern, owner in ONLY_IN.items():
            if re.search(pattern, line) and not header.startswith(owner):
                owners = owner if isinstance(owner, str) else " and ".join(owner)
                report(path, number, f"only {owners} may say: {line.strip()}")
        for pattern, what in NEVER.items():
            if re.search(pattern, line):
                report(path, number, f"a library header {what}: {line.strip()}")
        included = re.match(r'\s*#\s*include\s*[<"](.+?)[>"]', line)
        if included and included[1].startswith("mice/"):
            above = height_of(included[1])
            if above is None or above > height:
                report(path, number, f"includes {included[1]}, which is in a room above its own")
        if re.match(r'\s*#\s*include\s*"', line):
            report(path, number, "headers are included as <mice/...>")


def check_licence_lines():
    folders = [ROOT / folder for folder in SOURCE_FOLDERS + ["cmake", "scripts", ".ci"]]
    files = [ROOT / "CMakeLists.txt"] + [p for f in folders for p in f.rglob("*")]
    for path in files:
        licensed = path.suffix in LICENSED and (path.suffix != ".txt" or path.name == "CMakeLists.txt")
        if not path.is_file() or not (licensed or path.parent.name == ".ci"):
            continue
        first = path.read_text(encoding="utf-8").splitlines()[:2]
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in first):
            report(path, 1, "the first lines name the licence: SPDX-License-Identifier: Apache-2.0")


def check_test_names():
    """ctest splits a test's name at semicolons and would then find no such test."""
    for path in cpp_files(["tests"]):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.match(r'\s*TEST_CASE\(".*;.*"', line):
                report(path, number, "a test's name has no semicolon")


def check_page_widths():
    """Pages are read in terminals and diffs. What cannot be broken, the target of a link, may be
    longer, and so may a line that is one word."""
    names = ["README.md", "CHANGELOG.md", "models/README.md", "examples/data/README.md"]
    pages = [ROOT / name for name in names] + sorted((ROOT / "docs").glob("*.md"))
    for path in pages:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            read = re.sub(r"https?://\S+", "", re.sub(r"\]\([^()\s]*\)", "]", line))
            if len(read) > LONGEST_LINE_OF_A_PAGE and " " in read.strip():
                report(path, number, f"a line has at most {LONGEST_LINE_OF_A_PAGE} columns")


for each in headers():
    check_header(each)
for stale in stale_names():
    report(ROOT / "tests/package/rooms.py", 1, f"ROOMS names {stale}, which is not there")
if page_part() not in PAGE.read_text(encoding="utf-8"):
    report(PAGE, 1, "shows the rooms as they were; run tests/package/rooms.py --write")
check_licence_lines()
check_test_names()
check_page_widths()
print("\n".join(findings) or f"{len(headers())} headers keep the rules")
sys.exit(1 if findings else 0)
