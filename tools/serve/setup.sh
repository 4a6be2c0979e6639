#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs clients of re-ranking servers from PyPI, pinned, into build/serve/venv/, for
# tests/serve/clients_test.py.
exec "$(dirname "${BASH_SOURCE[0]}")/../../scripts/venv.sh" serve
