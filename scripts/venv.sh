#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what requirements.txt of tools/NAME/ or bindings/NAME/ pins, from PyPI, into
# build/NAME/venv/; that of requirements-alone.txt, if there is one, without what it asks for. Prints
# the Python to use.
#
#   scripts/venv.sh NAME
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=build/$1/venv
folder=tools/$1
[ -d "$folder" ] || folder=bindings/$1
wanted=$folder/requirements.txt
alone=$folder/requirements-alone.txt
[ -f "$alone" ] || alone=/dev/null
if ! cat "$wanted" "$alone" | cmp -s - "$venv/installed.txt"; then
    scripts/packages.sh develop >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    pip=("$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all:)
    "${pip[@]}" -r "$wanted"
    [ "$alone" = /dev/null ] || "${pip[@]}" --no-deps -r "$alone"
    cat "$wanted" "$alone" >"$venv/installed.txt"
fi
echo "$venv/bin/python"
