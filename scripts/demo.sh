#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds mice if need be and re-ranks the passages of examples/data/ for a query.
#
#   scripts/demo.sh [QUERY]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

query=${1:-why does bread dough rise}
scripts/build.sh --mice >&2
echo "Query: $query"
build/release/bin/mice rerank "$query" examples/data/corpus.jsonl --top-k 5
