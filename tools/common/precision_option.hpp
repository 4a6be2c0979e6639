// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include <mice/precision.hpp>

#include "common/choice_option.hpp"

namespace mice::tools {

/// --precision, with the names that the library uses. `computed` holds the default.
inline void add_precision_option(CLI::App& app, precision& computed) {
    std::map<std::string, precision> names;
    for (const precision each : every_precision) {
        names.emplace(name_of(each), each);
    }
    app.add_option("--precision", computed,
                   "What to compute with: automatic (the fastest that this processor has "
                   "instructions for; 'mice --version' says which), f32 (the reference), bf16 or "
                   "int8; scores differ in the third digit from one to the other, so name one "
                   "where several machines have to agree")
        ->default_str(std::string(name_of(computed)))
        ->transform(one_of(names))
        ->type_name("PRECISION");
}

} // namespace mice::tools
