// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include <mice/model_config.hpp>

#include "checkpoint.hpp"

namespace mice::tools {

/// Refuses what is no MICE checkpoint: a plain backbone, a cross-encoder, a ColBERT model. The
/// message says what to do with it.
void check_is_mice(const checkpoint& weights);

/// Throws unless the checkpoint holds exactly the required tensors, with their shapes and a type of
/// real numbers; names the first that is wrong, with the nearest right name. Reads no values.
void check_tensors(const checkpoint& weights, std::span<const tensor_requirement> required);

/// Removes tensors that the configuration leaves unused (self-attention that is switched off), with
/// a note.
void drop_unused(checkpoint& weights, const model_config& config);

} // namespace mice::tools
