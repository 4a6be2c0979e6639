// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "common/nearest_name.hpp"

namespace mice::tools {

/// Takes one of these names and nothing else. CLI11's own check also takes their numbers, and
/// prints them.
template <class Choice> [[nodiscard]] CLI::Validator one_of(std::map<std::string, Choice> names) {
    return {
        [names = std::move(names)](std::string& text) {
            const auto found = names.find(text);
            if (found != names.end()) {
                text = std::to_string(static_cast<std::underlying_type_t<Choice>>(found->second));
                return std::string();
            }
            std::vector<std::string> known;
            std::string expected;
            for (const auto& [name, choice] : names) {
                expected += known.empty() ? "" : known.size() + 1 < names.size() ? ", " : " or ";
                expected += name;
                known.push_back(name);
            }
            const auto nearest = nearest_name(text, known);
            return "expected " + expected + ", got '" + text + "'" +
                   (nearest ? "; did you mean '" + *nearest + "'?" : std::string());
        },
        "", "one_of"};
}

} // namespace mice::tools
