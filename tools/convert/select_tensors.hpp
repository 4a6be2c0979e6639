// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include <mice/model_tensors.hpp>

#include "checkpoint.hpp"

namespace mice::tools {

/// What kind of model the tensors' names show. Throws for a plain backbone, and for a
/// ColBERT model whose configuration does not say so.
[[nodiscard]] model_kind kind_of(const checkpoint& weights);

/// Throws errc::unsupported for a classifier with more labels than one.
void check_labels(const checkpoint& weights);

/// Throws unless the checkpoint holds exactly the required tensors, with their shapes and a type of
/// real numbers; names the first that is wrong, with the nearest right name. Reads no values.
void check_tensors(const checkpoint& weights, std::span<const tensor_requirement> required);

/// Removes tensors that the configuration leaves unused (self-attention that is switched off), with
/// a note.
void drop_unused(checkpoint& weights, const model_config& config);

/// Multiplies the columns of the matrices that make keys and values of documents by the weight of
/// the norm before them, so that one normalised form of a document serves all layers (ModernBERT).
void fold_norms(checkpoint& weights, const model_config& config);

} // namespace mice::tools
