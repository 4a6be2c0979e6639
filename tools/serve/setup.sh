#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs clients of re-ranking servers from PyPI, pinned, into build/serve/venv/, for
# tests/serve/clients_test.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

venv=build/serve/venv
wanted=tools/serve/requirements.txt
if ! cmp -s "$wanted" "$venv/installed.txt"; then
    scripts/packages.sh develop
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: -r "$wanted"
    cp "$wanted" "$venv/installed.txt"
fi
echo "$venv/bin/python"
