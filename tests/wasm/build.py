# SPDX-License-Identifier: Apache-2.0
"""Builds the JavaScript package as its users do, with warnings as errors, for the tests that use
it. Arguments: CMake's program, the source tree, the folder of the build.

Skipped where Emscripten or Node is missing; then so are the others."""
import re
import shutil
import subprocess
import sys

SKIPPED = 77


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIPPED)


def main():
    cmake, source, build = sys.argv[1:]
    for program in ("em++", "node"):
        if not shutil.which(program):
            skip(f"no {program}; 'scripts/packages.sh wasm' installs it")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(re.match(r"v(\d+)", version)[1]) < 18:
        skip(f"node is {version.strip()}, older than 18")
    subprocess.run([cmake, "--preset", "wasm", "-B", build, "-D", "MICE_WARNINGS_AS_ERRORS=ON"],
                   cwd=source, check=True)
    subprocess.run([cmake, "--build", build, "--parallel", "2"], check=True)


if __name__ == "__main__":
    main()
