#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the build needs and builds the programs into build/release/bin/.
#
#   scripts/build.sh [--mice|--find|--tests]
#
#   --mice    the program mice alone, with kernels for this processor: all that the demo needs
#   --find    the program mice-find alone, in the same way
#   --tests   the tests as well, with kernels for every processor
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=build options=() targets=()
case "${1:-}" in
    --mice) targets=(--target mice_cli) ;;
    --find) packages=find targets=(--target mice_find) ;;
    --tests) packages=test options=(-DMICE_BUILD_TESTS=ON -DMICE_DISPATCH_LEVELS=all) ;;
    "") ;;
    *) sed -n '3,9s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
# A tree that already has the tests keeps them.
if [ "$packages" != test ] && [ ! -f build/release/CMakeCache.txt ]; then
    options=(-DMICE_BUILD_TESTS=OFF)
fi

scripts/packages.sh "$packages"
mkdir -p build
if ! cmake --preset release "${options[@]}" >build/configure.log 2>&1; then
    cat build/configure.log >&2
    exit 1
fi
cmake --build --preset release --parallel "$(getconf _NPROCESSORS_ONLN)" "${targets[@]}"
