// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include <mice/precision.hpp>

#include "common/choice_option.hpp"

namespace mice::tools {

/// --precision, by the names that the library gives.
inline void add_precision_option(CLI::App& app, precision& computed) {
    std::map<std::string, precision> names;
    for (const precision each : every_precision) {
        names.emplace(name_of(each), each);
    }
    app.add_option("--precision", computed,
                   "What to compute with: f32 (the reference), bf16, int8, or automatic (the "
                   "fastest that this build has instructions for)")
        ->transform(one_of(names))
        ->type_name("PRECISION");
}

} // namespace mice::tools
