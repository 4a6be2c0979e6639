#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds mice-find if need be, indexes this project's pages and some of /usr/share/doc in a folder
# of its own, and asks ten questions.
#
#   scripts/find-demo.sh [--keep]
#
#   --keep   leave the index in build/find-demo
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

keep=no
case "${1:-}" in
    "") ;;
    --keep) keep=yes ;;
    -h | --help) sed -n '3,8s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) sed -n '3,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
scripts/build.sh --find >&2

index=build/find-demo
rm -rf "$index"
[ "$keep" = yes ] || trap 'rm -rf "$index"' EXIT
find() { build/release/bin/mice-find "$@" --index "$index"; }

find add docs --name mice --usual-priority
# What packages say of themselves, where the system has it.
if [ -d /usr/share/doc ]; then
    find add /usr/share/doc --name packages --mask 'README*' --max-size 20000 --max-files 60 \
        --usual-priority || true
fi

while read -r question; do
    printf '\n%s\n' "? $question"
    find query "$question" -n 1
done <<'END'
what happens to an index after a crash
how many bytes does a stored token take
can two processes write at the same time
how do I rank documents that are longer than the model reads
which tokenizers are supported
how do I train a model of my own
does it need a GPU
how is text cut into passages
how do I encode a collection on many machines
what license does this package have
END
