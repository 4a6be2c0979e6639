// SPDX-License-Identifier: Apache-2.0
#pragma once

// RapidJSON's reader, and nothing else of it. Its warnings are meant for its own authors.
#if defined(__GNUC__)
#pragma GCC system_header
#endif
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
