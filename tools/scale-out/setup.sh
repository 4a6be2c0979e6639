#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs Ray from PyPI, pinned, into build/scale-out/venv/, for tools/scale-out/index_on_ray.py.
exec "$(dirname "${BASH_SOURCE[0]}")/../../scripts/venv.sh" scale-out
