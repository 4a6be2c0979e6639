// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "find/extract/worker/kinds.hpp"

// Files that hold files, read with libarchive from memory. Names of members are only names: nothing
// is written anywhere.
namespace mice::find {

/// Called with a member's name, which is UTF-8 but may hold anything, and what reads all of it.
/// Returns false to stop.
using member_visitor =
    std::function<bool(const std::string& name, const std::function<std::string()>& read)>;

/// Visits every regular file in an archive. What is damaged or encrypted is noted. Throws
/// extract_error where it is no archive at all, and output_full.
void for_each_member(std::string_view bytes, results& out, const member_visitor& visit);

/// The members whose names are wanted.
[[nodiscard]] std::map<std::string, std::string>
read_members(std::string_view bytes, results& out,
             const std::function<bool(const std::string& name)>& wanted);

/// What a zip file is, by the names in it.
[[nodiscard]] file_kind kind_of_zip(std::string_view bytes);

} // namespace mice::find
