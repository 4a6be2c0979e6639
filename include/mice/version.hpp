// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Semantic version of the library; the inline namespace and `mice --version` are built from it.
#define MICE_VERSION_MAJOR 0
#define MICE_VERSION_MINOR 1
#define MICE_VERSION_PATCH 0
#define MICE_VERSION_STRING "0.1.0"
