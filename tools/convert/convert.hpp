// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <mice/model/config.hpp>

#include "options.hpp"
#include "store_weights.hpp"

namespace mice::tools {

/// What a conversion read and wrote, for the summary.
struct conversion_report {
    model_config config;
    weight_format format = weight_format::f32;
    std::vector<rounding_error> errors;
    std::string tokenizer;      ///< path of the tokenizer that was stored; empty: ids only
    std::string tokenizer_kind; ///< as people call it
    std::size_t tokens = 0;
    std::size_t tensors = 0;
    std::size_t parameters = 0;
    std::size_t file_bytes = 0;
    std::size_t self_test_pairs = 0;
    std::string fingerprint;
    std::vector<std::string> notes;    ///< what was inferred, renamed, dropped or rounded
    std::vector<std::string> warnings; ///< limits of the file's use
};

/// Reads the checkpoint, checks all of it, and writes the model file. Throws mice::error; then no
/// file is written and an existing one is untouched.
[[nodiscard]] conversion_report convert(const convert_options& options);

} // namespace mice::tools
