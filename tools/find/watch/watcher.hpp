// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "find/watch/power.hpp"

namespace mice::find::watch {

/// How collections are kept up to date.
struct watch_options {
    std::filesystem::path folder;   ///< of the index
    std::string model;              ///< file; empty: the default model
    std::size_t threads = 0;        ///< of encoding; 0: half of the processors
    std::vector<std::string> names; ///< collections; empty: all, also those that are added later
    double poll = 0;                ///< seconds between looks; 0: where the system does not tell
    double settle = 2;              ///< seconds that a file must have been left alone
    bool on_battery = false;        ///< also work on battery
    std::filesystem::path power = power_folder;
    /// Whether to end; asked at least every second.
    std::function<bool()> ended{};
    /// Told what happens, a line each.
    std::function<void(const std::string&)> tell{};
};

/// Updates collections whenever their files change, until `ended`. False where an update was
/// stopped by that: the next one goes on with it. What fails is told, and tried again. Throws
/// mice::error where there is no index, or no collection of a name.
[[nodiscard]] bool watch(const watch_options& options);

} // namespace mice::find::watch
