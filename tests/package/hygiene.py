# SPDX-License-Identifier: Apache-2.0
"""Rules of the source tree that no compiler checks. Each finding is one line: file, line, rule."""

import re
import sys

from common import INCLUDE, ROOT, SOURCE_FOLDERS, cpp_files, headers, is_generated

LONGEST_HEADER = 400
LICENSED = {".hpp", ".cpp", ".py", ".sh", ".cmake", ".in", ".txt"}

# Rooms from the ground up. A header includes its own room and the rooms before it.
ROOMS = [
    ["version.hpp"],
    ["config.hpp", "fwd.hpp"],
    ["error.hpp", "index_errors.hpp"],
    ["float_mode.hpp", "processors.hpp", "parallel.hpp", "io/", "kernels/"],
    ["precision.hpp", "build_info.hpp"],
    ["text/"],
    ["tokenizer.hpp", "model_config.hpp", "model_config_impl.hpp", "config_json.hpp", "model_tensors.hpp", "weights.hpp",
     "fingerprint.hpp"],
    ["nn/"],
    ["model.hpp", "work_memory.hpp", "document.hpp", "ranking.hpp"],
    ["store/"],
    [
        "pacing.hpp", "scoring.hpp", "reranker.hpp", "cross_encoder.hpp", "late_interaction.hpp",
        "index.hpp", "index_ranking.hpp", "index_source.hpp", "index_scoring.hpp",
        "index_state.hpp", "index_impl.hpp", "index_folder.hpp",
    ],
    ["mice.hpp"],
]

# What may be written only in one header under include/.
ONLY_IN = {
    r"#\s*pragma\s+omp": "mice/parallel.hpp",
    r"#\s*include\s*<windows": "mice/io/windows_api.hpp",
    r"#\s*include\s*<xsimd": "mice/kernels/simd.hpp",
    r"#\s*include\s*<nlohmann": "mice/io/json.hpp",
    r"#\s*include\s*<xxh": "mice/io/checksum.hpp",
    r"#\s*include\s*<sentencepiece": "mice/text/sentencepiece.hpp",
}

# What a library never does: print, or end the caller's program.
NEVER = {
    r"#\s*include\s*<(iostream|cstdio|stdio\.h)>": "includes a header for printing",
    r"\bstd::(cout|cerr|clog)\b": "prints",
    r"\b(printf|fprintf|puts|fputs|putchar)\s*\(": "prints",
    r"(?<![\w.>])(std::)?(abort|exit|_exit|quick_exit|terminate)\s*\(": "ends the program",
    r"#\s*include\s*<Eigen": "includes Eigen, which only tests use",
}

findings = []


def report(path, line, rule):
    findings.append(f"{path.relative_to(ROOT)}:{line}: {rule}")


def room(header):
    name = header.removeprefix("mice/")
    for height, members in enumerate(ROOMS):
        if any(name == m or (m.endswith("/") and name.startswith(m)) for m in members):
            return height
    return None


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
    height = room(header)
    if height is None:
        report(path, 1, "belongs to no room; add it to ROOMS in tests/package/hygiene.py")
        return
    for number, line in lines:
        for pattern, owner in ONLY_IN.items():
            if re.search(pattern, line) and header != owner:
                report(path, number, f"only {owner} may say: {line.strip()}")
        for pattern, what in NEVER.items():
            if re.search(pattern, line):
                report(path, number, f"a library header {what}: {line.strip()}")
        included = re.match(r'\s*#\s*include\s*[<"](.+?)[>"]', line)
        if included and included[1].startswith("mice/"):
            above = room(included[1])
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


for each in headers():
    check_header(each)
check_licence_lines()
check_test_names()
print("\n".join(findings) or f"{len(headers())} headers keep the rules")
sys.exit(1 if findings else 0)
