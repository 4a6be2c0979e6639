// SPDX-License-Identifier: Apache-2.0
#pragma once

// On Windows the system's own header, without the macros that get in everybody's way; elsewhere
// nothing.
#if defined(_WIN32)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#endif
