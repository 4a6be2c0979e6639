// SPDX-License-Identifier: Apache-2.0
#pragma once

// Catch2 version 2 is one header, version 3 has many. The tests include neither directly.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
