// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>

#include "common/collections.hpp"

// Files that are documents themselves.
namespace mice::tools {

/// Every file in a folder and below is a document, in the order of their paths, which are the ids;
/// names that begin with a dot and the folders of indexes are passed over. Throws mice::error
/// (errc::io) where the folder cannot be read; an unreadable folder below it is a bad record.
[[nodiscard]] std::unique_ptr<collection_reader> open_folder(const std::filesystem::path& folder,
                                                             bad_text policy);

/// One file, whose name is the id. A link is followed.
[[nodiscard]] std::unique_ptr<collection_reader> open_text(const std::filesystem::path& file,
                                                           bad_text policy);

} // namespace mice::tools
