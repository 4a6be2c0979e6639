// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include <mice/text/byte_bpe/spec.hpp>

#include "common/tokenizer_config.hpp"

namespace mice::tools {

/// Whether a file is a vocabulary of byte-level BPE by its name, vocab.json.
[[nodiscard]] bool is_byte_bpe_vocabulary(const std::filesystem::path& path);

/// Reads a vocab.json and the merges.txt beside it as RobertaTokenizer does. Which class reads them
/// is said by tokenizer_config.json or else by the model_type of config.json. What the files beside
/// it list is still to be added. Throws errc::unsupported for another class, which has other
/// markers, errc::io for missing merges, and errc::tokenizer.
[[nodiscard]] byte_bpe_spec read_byte_bpe_files(const std::filesystem::path& path,
                                                const side_config& side);

} // namespace mice::tools
