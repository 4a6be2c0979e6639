// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <mice/index.hpp>
#include <mice/reranker.hpp>

namespace mice::cli {

/// A model of `mice compare`: a file and what to compute with, under a name of its own.
struct compared_model {
    std::string given; ///< as on the command line
    std::filesystem::path file;
    std::string name; ///< in tables; unique
    precision computed = precision::f32;
    std::uint64_t file_bytes = 0;
    reranker ranker;

    /// An error about this model, by its name and file.
    [[nodiscard]] error failure(const error& cause) const;
};

/// Loads models given as FILE or FILE@PRECISION; `usual` is the precision of the first form. Throws
/// mice::error, naming the model, also where one has no tokenizer.
[[nodiscard]] std::vector<compared_model>
load_models(std::span<const std::string> given, precision usual, const parallel_options& loading);

/// The place of the model with that argument or name; 0 for an empty text. Throws usage_error.
[[nodiscard]] std::size_t baseline_of(std::span<const compared_model> models,
                                      const std::string& wanted);

} // namespace mice::cli
