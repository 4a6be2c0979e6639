#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the tests need, builds everything and runs all tests.
#
#   scripts/test.sh [CTEST-ARGUMENT...]      for example: scripts/test.sh -L golden
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/build.sh --tests
ctest --preset release "$@"
