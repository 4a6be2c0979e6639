# SPDX-License-Identifier: Apache-2.0
"""No function of mice::dispatch's kernels is shared between instruction sets.

    dispatch_symbols.py ARCHIVE

The linker keeps one copy of a weak function, whichever it meets first. One that carries no instruction
set in its name (of the standard library, say) would be compiled for a processor that may not be there.
"""
import re
import subprocess
import sys

OWN = re.compile(r"\bmice::v\d+_\d+_(\w+?)_(thr|omp)\b")
# Eigen, renamed in the one file that uses it: an app's own Eigen has other names.
RENAMED = re.compile(r"\bmice_private_eigen::")

listed = subprocess.run(["nm", "-C", sys.argv[1]], check=True, stdout=subprocess.PIPE, text=True).stdout
member, levels, wrong = "", [], []
for line in listed.splitlines():
    if line.endswith(".o:"):
        member = line
        continue
    symbol = re.match(r"[0-9a-f]+ [VWu] (.+)", line)
    if symbol is None or not member.startswith("kernels.cpp") or symbol[1].startswith("DW.ref."):
        continue
    own = OWN.search(symbol[1])
    if own is None and RENAMED.search(symbol[1]):
        continue
    if own is None or re.search(r"\bEigen::", symbol[1]):
        wrong.append(f"{symbol[1]}: names no instruction set")
    else:
        levels.append(own[1])
print("\n".join(wrong) or f"{len(levels)} functions for {', '.join(sorted(set(levels)))}")
sys.exit(1 if wrong or not levels else 0)
