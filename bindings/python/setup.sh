#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs from PyPI, pinned, into build/python/venv/ what the Python package is built and tested
# with: nanobind, scikit-build-core, pytest, mypy, and the frameworks of mice/adapters.
# Most of it is never imported: 140 MB of compiled files less, and the time to make them.
export PIP_NO_COMPILE=no # this is how pip wants it said
exec "$(dirname "${BASH_SOURCE[0]}")/../../scripts/venv.sh" python
