// SPDX-License-Identifier: Apache-2.0
#include "common/file_names.hpp"

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include <mice/error.hpp>
#include <mice/text/unicode/utf8.hpp>

#include "common/atomic_file.hpp"
#include "common/records.hpp"

namespace mice::tools {
namespace {

namespace fs = std::filesystem;

/// The longest path that both begin with.
fs::path common_part(const fs::path& a, const fs::path& b) {
    fs::path common;
    for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end() && *x == *y; ++x, ++y) {
        common /= *x;
    }
    return common;
}

/// Whether `file` is `path` or below it; both are full paths.
bool is_below(const fs::path& file, const fs::path& path) {
    return common_part(file, path) == path;
}

/// Whether there is certainly no such file. An error, such as a missing right, leaves doubt.
bool is_gone(const fs::path& file) {
    std::error_code problem;
    const fs::file_status found = fs::symlink_status(file, problem);
    return found.type() == fs::file_type::not_found;
}

} // namespace

fs::path full_path(const fs::path& path) {
    const fs::path full = fs::absolute(path);
    const fs::path last = full.filename();
    std::error_code problem;
    // Only the system knows where ".." behind a link leads.
    const bool whole =
        last.empty() || last == "." || last == ".." || fs::is_directory(full, problem);
    const fs::path known = fs::weakly_canonical(whole ? full : full.parent_path(), problem);
    if (!problem) {
        return whole ? known : known / last;
    }
    const fs::path plain = full.lexically_normal();
    return plain.has_filename() ? plain : plain.parent_path(); // without a "/" at the end
}

file_names::file_names(std::span<const std::string> given) {
    std::optional<fs::path> root;
    for (const std::string& each : given) {
        std::error_code ignored;
        const fs::path full = full_path(each);
        const fs::path folder = fs::is_directory(full, ignored) ? full : full.parent_path();
        root = root ? common_part(*root, folder) : folder;
    }
    root_ = root.value_or(fs::path());
}

std::string free_name(const fs::path& file, fs::path root,
                      const std::function<bool(const std::string&)>& taken) {
    for (;; root = root.parent_path()) {
        std::string id = file.lexically_relative(root).generic_string();
        if (!taken(id)) {
            return id;
        }
        if (root == root.parent_path()) {
            break;
        }
    }
    std::string id = file.generic_string();
    while (taken(id)) {
        id.insert(0, 1, '#');
    }
    return id;
}

std::string file_names::id_of(const fs::path& file) const {
    return full_path(file).lexically_relative(root_).generic_string();
}

known_files::known_files(fs::path folder) : folder_(std::move(folder)) {
    std::error_code problem;
    const fs::file_status found = fs::status(folder_ / name, problem);
    if (fs::exists(found) && !fs::is_regular_file(found)) {
        throw detail::errors::cannot_open((folder_ / name).string(),
                                          "it is no regular file; move it away");
    }
    if (found.type() != fs::file_type::not_found) {
        read();
        existed_ = trouble_.empty();
    }
    changed_ = !existed_;
}

void known_files::read() {
    line_reader input(folder_ / name);
    try {
        std::string line;
        while (input.next_filled(line)) {
            std::size_t replaced = 0;
            const json entry = parse_object_line(line, input.place(), bad_text::refuse, replaced);
            const auto id = entry.find("id");
            const auto file = entry.find("file");
            if (id == entry.end() || !id->is_string() || file == entry.end() ||
                !file->is_string()) {
                throw error(errc::format, input.place() + ": expected {\"id\", \"file\"}");
            }
            remember(id->get<std::string>(), file->get<std::string>());
            if (const auto hash = entry.find("hash"); hash != entry.end() && hash->is_string()) {
                hashes_.insert_or_assign(id->get<std::string>(), hash->get<std::string>());
            }
        }
    } catch (const error& problem) {
        if (problem.code() == errc::io) {
            throw;
        }
        files_.clear();
        ids_.clear();
        roots_.clear();
        hashes_.clear();
        trouble_ = std::string(problem.what()) +
                   "; which files the documents came from is forgotten until they are added again";
    }
}

void known_files::remember(const std::string& id, const std::string& file) {
    if (const auto known = files_.find(id); known != files_.end()) {
        if (known->second == file) {
            return;
        }
        ids_.erase(known->second);
    }
    if (const auto known = ids_.find(file); known != ids_.end()) {
        files_.erase(known->second);
    }
    files_.insert_or_assign(id, file);
    ids_.insert_or_assign(file, id);
    changed_ = true;
    const fs::path path(file);
    fs::path root = path; // without the id's parts
    for (const fs::path& part : fs::path(id)) {
        root = part.empty() ? root : root.parent_path();
    }
    for (fs::path folder = path.parent_path(); folder != folder.parent_path() && root / id == path;
         folder = folder.parent_path()) {
        if (!roots_.emplace(folder.string(), root.string()).second || folder == root) {
            break;
        }
    }
}

/// Where the ids of the file's folder begin, or of the nearest folder above it (but not above
/// `given`) that has ids; otherwise `given`.
fs::path known_files::root_of(const fs::path& file, const fs::path& given) const {
    for (fs::path folder = file.parent_path(); is_below(folder, given);
         folder = folder.parent_path()) {
        if (const auto known = roots_.find(folder.string()); known != roots_.end()) {
            return known->second;
        }
        if (folder == given) {
            break;
        }
    }
    return given;
}

std::string known_files::id_of(const fs::path& file, const file_names& names,
                               const std::function<bool(const std::string&)>& taken) {
    const fs::path full = full_path(file);
    const std::string path = full.string();
    if (const auto known = ids_.find(path); known != ids_.end()) {
        return known->second;
    }
    std::string id = free_name(full, root_of(full, names.root()), [&](const std::string& wanted) {
        const auto holder = files_.find(wanted);
        return (holder != files_.end() && !is_gone(holder->second)) || taken(wanted);
    });
    if (text::first_invalid_utf8(path) == std::string::npos) { // otherwise JSON cannot hold it
        remember(id, path);
    }
    return id;
}

std::string known_files::known_id(const fs::path& file) const {
    const auto known = ids_.find(full_path(file).string());
    return known == ids_.end() ? std::string() : known->second;
}

void known_files::forget(const std::string& id) {
    if (const auto known = files_.find(id); known != files_.end()) {
        ids_.erase(known->second);
        files_.erase(known);
        hashes_.erase(id);
        changed_ = true;
    }
}

void known_files::set_hash(const std::string& id, const std::string& hash) {
    if (files_.contains(id) && hash_of(id) != hash) {
        hashes_.insert_or_assign(id, hash);
        changed_ = true;
    }
}

std::string known_files::hash_of(const std::string& id) const {
    const auto known = hashes_.find(id);
    return known == hashes_.end() ? std::string() : known->second;
}

std::vector<std::string> known_files::gone_below(std::span<const fs::path> paths) const {
    std::vector<fs::path> full;
    for (const fs::path& each : paths) {
        full.push_back(full_path(each));
    }
    std::vector<std::string> gone;
    for (const auto& known : files_) {
        const auto holds = [&](const fs::path& path) { return is_below(known.second, path); };
        if (std::any_of(full.begin(), full.end(), holds) && is_gone(known.second)) {
            gone.push_back(known.first);
        }
    }
    return gone;
}

void known_files::save() {
    if (!changed_) {
        return;
    }
    atomic_file out(folder_ / name);
    for (const auto& [id, file] : files_) {
        ordered_json line{{"id", id}, {"file", file}};
        if (const std::string hash = hash_of(id); !hash.empty()) {
            line["hash"] = hash;
        }
        out.write(json_line(line));
    }
    out.commit();
    changed_ = false;
}

} // namespace mice::tools
