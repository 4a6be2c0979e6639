// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/json.hpp"

namespace mice::tools {

/// How the weights of the written file are stored.
enum class weight_format { as_given, f32, f16, int8 };

/// Everything that the command line says.
struct convert_options {
    std::filesystem::path directory; ///< the checkpoint
    std::filesystem::path output;    ///< the model file
    std::filesystem::path tokenizer; ///< empty: look in the directory
    bool ids_only = false;           ///< take no tokenizer even if there is one
    weight_format weights = weight_format::as_given;
    std::vector<std::string> keep_f16;     ///< with int8: parts of names of tensors that stay f16
    std::string derive;                    ///< "l4+3"; empty: the checkpoint is a MICE model
    std::optional<std::size_t> from_layer; ///< backbone layer of the first interaction layer
    json config_flags = json::object();    ///< configuration keys given as flags
    std::vector<std::string> drop_tensors; ///< names of tensors to leave out
    bool override_config = false;          ///< flags win over the checkpoint's configuration
    std::size_t self_test = 0;             ///< stored reference pairs
    std::string name, license, source;
    bool quiet = false;
};

/// The outcome of reading the command line: options, or the exit code of a program that is done
/// because of --help, --version or a usage error (already printed).
struct parsed_options {
    convert_options options;
    std::optional<int> exit_code;
};

[[nodiscard]] parsed_options parse_options(int argc, char** argv);

} // namespace mice::tools
