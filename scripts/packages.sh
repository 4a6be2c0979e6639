#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The one list of packages that mice needs. Installs what is missing, or does nothing.
#
#   scripts/packages.sh [--check|--list] [build|wasm|find|test|develop]
#
#   build     the library and its programs
#   wasm      build, and what makes the JavaScript package
#   find      build, and what mice-find reads kinds of files with
#   test      find, and all tests (default)
#   develop   test and wasm, and benchmarks, clang-tidy, clang's sanitizers, a browser and Java
#   --check   install nothing; exit 1 and name what is missing
#   --list    print the names of the set and stop
set -euo pipefail

build=(g++ cmake ninja-build libxsimd-dev libeigen3-dev rapidjson-dev libxxhash-dev nlohmann-json3-dev
    libcpp-httplib-dev libcli11-dev libsentencepiece-dev libsqlite3-dev)
wasm=(emscripten nodejs)
find=(pkg-config libseccomp-dev libmd4c-dev libgumbo-dev libgmime-3.0-dev libpoppler-cpp-dev
    libarchive-dev libpugixml-dev libsdbus-c++-dev)
test=(sqlite3 curl dbus libglib2.0-bin catch2 libutf8proc-dev unicode-data poppler-data python3
    clang-14 clang-format-14 libomp-14-dev libc++-14-dev libc++abi-14-dev parallel fzf)
develop=(python3-dev python3-venv clang-tidy-14 libclang-rt-14-dev libbenchmark-dev chromium
    chromium-driver default-jdk-headless)

usage() { sed -n '3,14s/^# \{0,1\}//p' "$0"; }

action=install
set_name=test
for argument in "$@"; do
    case "$argument" in
        --check) action=check ;;
        --list) action=list ;;
        build | wasm | find | test | develop) set_name=$argument ;;
        -h | --help) usage && exit 0 ;;
        *) echo "packages.sh: unknown argument '$argument'" >&2 && usage >&2 && exit 2 ;;
    esac
done

wanted=("${build[@]}")
case "$set_name" in
    wasm) wanted+=("${wasm[@]}") ;;
    find) wanted+=("${find[@]}") ;;
    test) wanted+=("${find[@]}" "${test[@]}") ;;
    develop) wanted+=("${wasm[@]}" "${find[@]}" "${test[@]}" "${develop[@]}") ;;
esac

if [ "$action" = list ]; then
    printf '%s\n' "${wanted[@]}"
    exit 0
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    cat >&2 <<'END'
packages.sh: not a Debian system, so nothing was installed. mice needs a C++20 compiler (g++ 12 or
clang 14, or newer), CMake 3.25, Ninja, xsimd, Eigen, RapidJSON and xxHash, for its programs
nlohmann-json and CLI11, for some models sentencepiece, for its server (mice serve) cpp-httplib 0.11,
for its search in files (mice-find) and its SQLite extension SQLite 3.38, and for kinds of these files
libseccomp, md4c, gumbo, gmime 3, poppler-cpp, libarchive and pugixml, for GNOME's overview
sdbus-c++ 1.2, for its JavaScript package Emscripten 3.1 and Node 18; its tests also need Catch2,
utf8proc, pkg-config and Python 3.
  Fedora          sudo dnf install gcc-c++ cmake ninja-build xsimd-devel rapidjson-devel json-devel \
                      cli11-devel xxhash-devel sentencepiece-devel sqlite-devel catch-devel eigen3-devel utf8proc-devel \
                      pkgconf-pkg-config python3 clang
  Arch            sudo pacman -S --needed gcc cmake ninja xsimd rapidjson nlohmann-json cli11 xxhash \
                      catch2 eigen libutf8proc pkgconf python clang sqlite
  macOS           brew install cmake ninja xsimd rapidjson nlohmann-json cli11 xxhash sentencepiece \
                      catch2 eigen utf8proc pkgconf sqlite
  Windows, vcpkg  vcpkg install xsimd rapidjson nlohmann-json cli11 xxhash catch2 eigen3 utf8proc \
                      pkgconf
END
    [ "$action" = install ] && exit 0 || exit 1
fi

missing=()
for package in "${wanted[@]}"; do
    state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$action" = check ]; then
    echo "missing: ${missing[*]}" >&2
    exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "packages.sh: not root and no sudo; ask an administrator to run:" >&2
        echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

echo "Installing ${missing[*]} ..." >&2
# A source of packages that is not mice's may be out of order; the installation below decides.
apt update </dev/null >&2 || echo "packages.sh: going on with the package lists at hand" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! apt install --yes --no-install-recommends "${missing[@]}" </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    echo "packages.sh: could not install ${missing[*]}; the names are Debian 12's" >&2
    exit 1
fi
