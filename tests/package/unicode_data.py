# SPDX-License-Identifier: Apache-2.0
"""The checked-in Unicode tables are what their generator writes from the system's database."""

import pathlib
import sys

from common import ROOT, run, skip

if not pathlib.Path("/usr/share/unicode/UnicodeData.txt").exists():
    skip("no Unicode Character Database (Debian's package unicode-data)")
for generator in ("generate.py", "generate_normalizers.py", "generate_sentences.py"):
    run([sys.executable, ROOT / "tools/unicode" / generator, "--check"])
print("the tables are up to date")
