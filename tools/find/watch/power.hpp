// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace mice::find::watch {

/// Where Linux tells of batteries and mains.
inline constexpr const char* power_folder = "/sys/class/power_supply";

/// Whether the machine runs on its battery now; false where nothing tells.
[[nodiscard]] bool on_battery(const std::filesystem::path& told_in = power_folder);

} // namespace mice::find::watch
