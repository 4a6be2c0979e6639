// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "find/finder.hpp"
#include "find/mcp/json_rpc.hpp"

// The files of collections as resources of the Model Context Protocol: the text of each, as it is
// indexed, under "mice-find:///COLLECTION/PATH".
namespace mice::find::mcp {

/// The address of a file; all bytes but letters, digits and "-._~/" are percent-encoded.
[[nodiscard]] std::string uri_of(std::string_view collection, std::string_view path);
/// The address of a document.
[[nodiscard]] std::string uri_of(finder& find, std::string_view collection,
                                 const std::filesystem::path& file);

/// Whether a text is meant as such an address.
[[nodiscard]] bool is_uri(std::string_view text);
/// The file's number in the catalog; nothing where there is no such file. Throws rpc_error
/// (invalid_params) for what is no such address.
[[nodiscard]] std::optional<std::int64_t> file_at(finder& find, std::string_view uri);

/// A text as the protocol gives it, with its address.
[[nodiscard]] ordered_json contents_of(const std::string& uri, const document_text& document,
                                       const std::string& text);

// The results of these methods. `params` are those of the client; `titles`: the version of the
// protocol has titles.
[[nodiscard]] ordered_json list_resources(finder& find, const json& params, bool titles);
[[nodiscard]] ordered_json list_templates(bool titles);
[[nodiscard]] ordered_json read_resource(finder& find, const json& params);

} // namespace mice::find::mcp
