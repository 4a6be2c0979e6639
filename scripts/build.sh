#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the build needs and builds the programs into build/release/bin/.
#
#   scripts/build.sh [--tests]
#
#   --tests   the tests as well
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=build
options=()
case "${1:-}" in
    --tests) packages=test && options=(-DMICE_BUILD_TESTS=ON) ;;
    # A tree that already has the tests keeps them.
    "") [ -f build/release/CMakeCache.txt ] || options=(-DMICE_BUILD_TESTS=OFF) ;;
    *) sed -n '3,7s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac

scripts/packages.sh "$packages"
mkdir -p build
if ! cmake --preset release "${options[@]}" >build/configure.log 2>&1; then
    cat build/configure.log >&2
    exit 1
fi
cmake --build --preset release --parallel "$(getconf _NPROCESSORS_ONLN)"
