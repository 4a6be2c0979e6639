// SPDX-License-Identifier: Apache-2.0
#pragma once

// The system's own header on Windows, without the names that would stand in everybody's way;
// nothing elsewhere.
#if defined(_WIN32)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#endif
