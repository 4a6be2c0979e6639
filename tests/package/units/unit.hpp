// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

/// What the library looks like in one translation unit.
struct unit_result {
    std::vector<float> scores;
    const char* name_space; ///< the inline namespace that its code lives in
};

unit_result first(const char* model);
unit_result second(const char* model);
unit_result wide(const char* model);
