// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include <mice/model/tensors.hpp>

#include "checkpoint.hpp"

namespace mice::tools {

/// The kind of model that the tensors' names show. Throws for a plain backbone, for names that no
/// model of ours has, and for a ColBERT model whose configuration does not say so.
[[nodiscard]] model_kind kind_of(const checkpoint& weights);

/// A cut for --derive that fits a backbone of that many layers, such as "l3+3" for 6.
[[nodiscard]] std::string fitting_cut(std::size_t layers);

/// Throws errc::unsupported for a classifier with more labels than one.
void check_labels(const checkpoint& weights);

/// Throws unless the checkpoint holds exactly the required tensors, with their shapes and a type of
/// real numbers; names the first that is wrong, with the nearest right name. Reads no values.
void check_tensors(const checkpoint& weights, std::span<const tensor_requirement> required);

/// Removes tensors that the configuration leaves unused (self-attention or a pooler that is
/// switched off), with a note.
void drop_unused(checkpoint& weights, const model_config& config);

/// Multiplies the columns of the matrices for keys and values of documents by the weight of the
/// norm before them, so that one normalised form of a document serves all layers (ModernBERT).
void fold_norms(checkpoint& weights, const model_config& config);

} // namespace mice::tools
