// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "common/number_option.hpp"
#include "common/output.hpp"
#include "common/reading_deadline.hpp"
#include "mice/commands.hpp"

namespace mice::cli {

/// --timeout: counted from the construction of this object, when the program starts.
struct time_limit {
    double seconds = 0; ///< 0: none
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();

    void add_to(CLI::App& app) {
        app.add_option("--timeout", seconds,
                       "Stop after so many seconds with what is ranked by then (exit code 3)")
            ->check(tools::finite_number(tools::zero::refused))
            ->type_name("SECONDS");
    }

    /// When to stop; nothing without a limit, or with one that no clock reaches.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const {
        using clock = std::chrono::steady_clock;
        constexpr double century = 100 * 365.25 * 86400; // far from what the clock can count
        if (!(seconds > 0) || seconds > century) {
            return std::nullopt;
        }
        return start +
               std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
    }
};

/// Notes that the time ran out before there was anything to rank.
[[nodiscard]] inline exit_code report_unread(const tools::reading_stopped& stopped) {
    tools::print_message("mice: stopped by --timeout: " + std::string(stopped.what()) +
                         "; nothing was ranked; allow more time");
    return exit_code::timed_out;
}

} // namespace mice::cli
