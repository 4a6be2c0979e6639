// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/mapped_file.hpp>
#include <mice/io/safetensors.hpp>

namespace mice::tools {

/// The tensors of a checkpoint directory; views point into its own mapped files and buffers, so it
/// may be moved but not copied.
struct checkpoint {
    std::vector<io::mapped_file> files;
    std::vector<std::filesystem::path> paths; ///< of those files
    std::deque<std::vector<std::byte>> made;  ///< bytes of tensors that no file holds
    io::safetensors::tensor_map tensors;
    std::vector<std::string> notes; ///< what was renamed or dropped, for the user
};

/// Maps model.safetensors, or every shard that model.safetensors.index.json names. Throws
/// mice::error for a missing file, a pickle-only checkpoint, a shard outside the directory, or an
/// index that does not fit its shards.
[[nodiscard]] checkpoint read_checkpoint(const std::filesystem::path& directory);

/// Brings names to their canonical form: removes prefixes such as `model.` that stand before the
/// word embeddings and most other names (classification heads apart), renames
/// `LayerNorm.gamma/beta` and BERT's `encoder.layer.N` to `layers.N`, drops integer buffers such as
/// `embeddings.position_ids`. The notes say what it did.
void normalise_names(checkpoint& weights);

/// True when some tensor's name starts with `prefix`.
[[nodiscard]] bool has_prefix(const checkpoint& weights, std::string_view prefix);

/// Removes every tensor whose name starts with `prefix`; returns how many there were.
std::size_t drop_prefix(checkpoint& weights, std::string_view prefix);

/// Whether a name in a file is that of a file or folder beside it: none may lead out of the
/// checkpoint.
[[nodiscard]] bool is_plain_name(std::string_view name);

/// Removes the tensors that the user names: a name, or the beginning of names with a star behind
/// it. Throws errc::invalid_argument for one that fits no tensor.
void drop_unwanted(checkpoint& weights, std::span<const std::string> names);

/// How many layers `prefix`N. there are: one more than the largest N.
[[nodiscard]] std::size_t count_layers(const checkpoint& weights, std::string_view prefix);

} // namespace mice::tools
