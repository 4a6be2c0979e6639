// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "mice/commands.hpp"

namespace mice::cli {

/// `mice eval --highlights FILE`: how often the best sentence of a passage holds an answer to its
/// query, beside three baselines; a row for each language, and one for all.
exit_code evaluate_highlights(const scoring_options& scoring, const std::string& file, bool json);

} // namespace mice::cli
