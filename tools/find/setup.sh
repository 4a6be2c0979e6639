#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what tests/find needs from PyPI, pinned, into build/find/venv/: Selenium for the tests of
# the page, and MCP's SDK for those of the server of tools.
exec "$(dirname "${BASH_SOURCE[0]}")/../../scripts/venv.sh" find
