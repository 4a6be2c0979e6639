# SPDX-License-Identifier: Apache-2.0
"""Every C++ file is formatted as .clang-format says. Argument: the clang-format to use."""

import shutil
import sys

from common import SOURCE_FOLDERS, cpp_files, is_generated, run, skip

clang_format = sys.argv[1]
if shutil.which(clang_format) is None:
    skip(f"{clang_format} is not installed")

files = [path for path in cpp_files(SOURCE_FOLDERS) if not is_generated(path)]
run([clang_format, "--dry-run", "-Werror", "--ferror-limit=3", *files])
print(f"{len(files)} files are formatted")
