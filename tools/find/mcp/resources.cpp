// SPDX-License-Identifier: Apache-2.0
#include "find/mcp/resources.hpp"

#include <charconv>
#include <filesystem>
#include <system_error>

#include <mice/error.hpp>

#include "common/percent_encoding.hpp"
#include "find/mcp/arguments.hpp"

namespace mice::find::mcp {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view scheme = "mice-find:///";
constexpr std::size_t page_size = 200;
/// A longer text is read in parts, by lines.
constexpr std::size_t longest_text = std::size_t{16} << 20;

rpc_error bad_uri(std::string_view uri) {
    return {rpc_code::invalid_params, detail::errors::quoted(uri) +
                                          " is no address of a file; they are " +
                                          std::string(scheme) + "COLLECTION/PATH, percent-encoded"};
}

int digit_of(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

std::string decoded(std::string_view text, std::string_view uri) {
    std::string made;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            made += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? digit_of(text[i + 2]) : -1;
        if (high < 0 || low < 0) {
            throw bad_uri(uri);
        }
        made += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return made;
}

/// A cursor is the number of the last file that was listed.
std::int64_t file_before(const std::optional<std::string>& cursor) {
    std::int64_t file = 0;
    if (cursor) {
        const char* const end = cursor->data() + cursor->size();
        const auto [stop, problem] = std::from_chars(cursor->data(), end, file);
        if (cursor->empty() || problem != std::errc() || stop != end || file < 0) {
            throw rpc_error(rpc_code::invalid_params, "the cursor is none of this server's");
        }
    }
    return file;
}

} // namespace

std::string uri_of(std::string_view collection, std::string_view path) {
    return std::string(scheme) + tools::percent_encoded(collection, tools::slashes::encoded) + "/" +
           tools::percent_encoded(path, tools::slashes::kept);
}

std::string uri_of(finder& find, std::string_view collection, const fs::path& file) {
    const std::optional<mice::find::collection> in = find.held().find_collection(collection);
    const std::string root = in ? (in->root / "").string() : std::string();
    const std::string path = file.string();
    return uri_of(collection, path.starts_with(root) ? path.substr(root.size()) : path);
}

bool is_uri(std::string_view text) {
    return text.starts_with(scheme);
}

std::optional<std::int64_t> file_at(finder& find, std::string_view uri) {
    if (!is_uri(uri)) {
        throw bad_uri(uri);
    }
    const std::string_view rest = uri.substr(scheme.size());
    const std::size_t slash = rest.find('/');
    if (slash == rest.npos) {
        throw bad_uri(uri);
    }
    const std::string collection = decoded(rest.substr(0, slash), uri);
    const std::string path = decoded(rest.substr(slash + 1), uri);
    const auto in = find.held().find_collection(collection);
    if (!in) {
        return std::nullopt;
    }
    statement asked = find.held().base().prepare(
        "SELECT id FROM files WHERE collection = ?1 AND path = ?2 AND content IS NOT NULL");
    asked.bind(1, in->id).bind_blob(2, path);
    return asked.step() ? std::optional(asked.integer(0)) : std::nullopt;
}

ordered_json contents_of(const std::string& uri, const document_text& document,
                         const std::string& text) {
    if (text.size() > longest_text) {
        throw error(errc::invalid_argument,
                    detail::errors::quoted(document.file.string()) + " has " +
                        std::to_string(text.size()) +
                        " bytes of text: read a part of it, by 'get' with fromLine and maxLines");
    }
    ordered_json made;
    made["uri"] = uri;
    made["mimeType"] = "text/plain";
    made["text"] = text;
    return made;
}

ordered_json list_resources(finder& find, const json& params, bool titles) {
    arguments given(params);
    statement asked = find.held().base().prepare(
        "SELECT f.id, c.name, f.path, t.title, t.bytes FROM files f JOIN collections c ON c.id = "
        "f.collection JOIN contents t ON t.id = f.content WHERE f.id > ?1 ORDER BY f.id LIMIT ?2");
    asked.bind(1, file_before(given.text("cursor")))
        .bind(2, static_cast<std::int64_t>(page_size + 1));
    ordered_json list = ordered_json::array();
    std::int64_t last = 0;
    ordered_json made;
    while (asked.step()) {
        if (list.size() == page_size) {
            made["nextCursor"] = std::to_string(last);
            break;
        }
        last = asked.integer(0);
        ordered_json file;
        file["uri"] = uri_of(asked.bytes(1), asked.bytes(2));
        file["name"] = asked.text(1) + "/" + asked.text(2);
        if (titles && !asked.bytes(3).empty()) {
            file["title"] = asked.text(3);
        }
        file["mimeType"] = "text/plain";
        file["size"] = asked.integer(4);
        list.push_back(std::move(file));
    }
    made["resources"] = std::move(list);
    return made;
}

ordered_json list_templates(bool titles) {
    ordered_json file;
    file["uriTemplate"] = std::string(scheme) + "{collection}/{+path}";
    file["name"] = "file";
    if (titles) {
        file["title"] = "A file of a collection";
    }
    file["description"] = "The text of an indexed file: collection and path below it, "
                          "percent-encoded";
    file["mimeType"] = "text/plain";
    return {{"resourceTemplates", ordered_json::array({std::move(file)})}};
}

ordered_json read_resource(finder& find, const json& params) {
    arguments given(params);
    const std::string uri = given.needed_text("uri");
    const std::optional<std::int64_t> file = file_at(find, uri);
    if (!file) {
        throw rpc_error(rpc_code::resource_not_found, "there is no such file in the index",
                        {{"uri", uri}});
    }
    const document_text document = find.text_of(*file);
    return {{"contents", ordered_json::array({contents_of(uri, document, document.text)})}};
}

} // namespace mice::find::mcp
