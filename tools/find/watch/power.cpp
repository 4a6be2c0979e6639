// SPDX-License-Identifier: Apache-2.0
#include "find/watch/power.hpp"

#include <fstream>
#include <string>
#include <system_error>

namespace mice::find::watch {
namespace {

namespace fs = std::filesystem;

std::string word_of(const fs::path& file) {
    std::ifstream in(file);
    std::string word;
    in >> word;
    return word;
}

} // namespace

bool on_battery(const fs::path& told_in) {
    bool discharging = false;
    std::error_code problem;
    for (fs::directory_iterator each(told_in, problem), end; !problem && each != end;
         each.increment(problem)) {
        const fs::path& supply = each->path();
        if (word_of(supply / "scope") == "Device") {
            continue; // a mouse's battery
        }
        if (word_of(supply / "type") == "Battery") {
            discharging = discharging || word_of(supply / "status") == "Discharging";
        } else if (word_of(supply / "online") == "1") {
            return false;
        }
    }
    return discharging;
}

} // namespace mice::find::watch
