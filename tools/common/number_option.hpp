// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>

#include <CLI/CLI.hpp>

// Checks of numbers on the command line that say briefly what was expected. CLI11's own checks
// print the largest double in 309 digits, and let "nan" pass.
namespace mice::tools {

/// A whole number from `least` up.
[[nodiscard]] inline CLI::Validator whole_number(std::uint64_t least) {
    return {[least](const std::string& text) {
                std::uint64_t value = 0;
                const char* const end = text.data() + text.size();
                const auto [stop, problem] = std::from_chars(text.data(), end, value);
                return problem == std::errc() && stop == end && value >= least
                           ? ""
                           : "expected a whole number from " + std::to_string(least) +
                                 " up, got '" + text + "'";
            },
            "", "whole_number"};
}

/// Whether 0 may be given.
enum class zero { allowed, refused };

/// A finite number above 0, or from 0 up.
[[nodiscard]] inline CLI::Validator finite_number(zero lowest) {
    return {[lowest](const std::string& text) {
                double value = std::numeric_limits<double>::quiet_NaN();
                const char* const end = text.data() + text.size();
                const auto [stop, problem] = std::from_chars(text.data(), end, value);
                const bool usable = problem == std::errc() && stop == end && std::isfinite(value) &&
                                    (lowest == zero::allowed ? value >= 0 : value > 0);
                return usable ? ""
                              : std::string("expected a number ") +
                                    (lowest == zero::allowed ? "from 0 up" : "above 0") +
                                    ", got '" + text + "'";
            },
            "", "finite_number"};
}

} // namespace mice::tools
