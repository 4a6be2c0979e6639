# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of the Python package. Arguments: `package` or `wheel`, the build folder of mice,
arguments of pytest. Skipped where bindings/python/setup.sh has not brought what they need."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77

kind, build, *rest = sys.argv[1:]
build = pathlib.Path(build).resolve()
python = ROOT / "build" / "python" / "venv" / "bin" / "python"
if not python.is_file():
    print("SKIPPED: bindings/python/setup.sh has not brought nanobind and pytest")
    sys.exit(SKIPPED)
here = pathlib.Path(__file__).parent
compiled = ROOT / "build" / "python" / "compiled"
environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(compiled), "MICE_BUILD": str(build)}
environment.pop("PYTHONDONTWRITEBYTECODE", None)
environment.pop("MICE_MODEL", None)
if kind == "package":
    environment["PYTHONPATH"] = str(build / "python")
    tests = sorted(path for path in here.glob("test_*.py") if path.name != "test_wheel.py")
else:
    environment.pop("PYTHONPATH", None)
    tests = [here / "test_wheel.py"]
pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5", *tests, *rest]
sys.exit(subprocess.run([str(word) for word in pytest], cwd=ROOT, env=environment).returncode)
