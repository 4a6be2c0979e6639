// SPDX-License-Identifier: Apache-2.0
#include "common/file_names.hpp"

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include <mice/error.hpp>
#include <mice/text/utf8.hpp>

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

/// Whether it is certain that there is no such file: an error, such as a missing right, is no
/// certainty.
bool is_gone(const fs::path& file) {
    std::error_code problem;
    const fs::file_status found = fs::symlink_status(file, problem);
    return found.type() == fs::file_type::not_found;
}

} // namespace

fs::path full_path(const fs::path& path) {
    fs::path full = fs::absolute(path).lexically_normal();
    return full.has_filename() ? full : full.parent_path(); // without a "/" at the end
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
    if (fs::exists(folder_ / name, problem) || problem) {
        read();
    }
}

void known_files::read() {
    line_reader input(folder_ / name);
    try {
        std::string line;
        while (input.next_filled(line)) {
            std::size_t replaced = 0;
            const io::json entry =
                parse_object_line(line, input.place(), bad_text::refuse, replaced);
            const auto id = entry.find("id");
            const auto file = entry.find("file");
            if (id == entry.end() || !id->is_string() || file == entry.end() ||
                !file->is_string()) {
                throw error(errc::format, input.place() + ": expected {\"id\", \"file\"}");
            }
            remember(id->get<std::string>(), file->get<std::string>());
        }
    } catch (const error& problem) {
        if (problem.code() == errc::io) {
            throw;
        }
        files_.clear();
        ids_.clear();
        roots_.clear();
        trouble_ = std::string(problem.what()) +
                   "; which files the documents came from is forgotten until they are added again";
    }
    changed_ = !trouble_.empty();
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

/// Where the ids of the file's folder begin, or of the nearest one above it that is not above
/// `given`; `given` where none has any.
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
    if (text::first_invalid_utf8(path) == std::string::npos) { // or JSON cannot hold it
        remember(id, path);
    }
    return id;
}

void known_files::forget(const std::string& id) {
    if (const auto known = files_.find(id); known != files_.end()) {
        ids_.erase(known->second);
        files_.erase(known);
        changed_ = true;
    }
}

std::vector<std::string> known_files::gone_below(std::span<const fs::path> paths) const {
    std::vector<fs::path> full;
    for (const fs::path& each : paths) {
        full.push_back(full_path(each));
    }
    std::vector<std::string> gone;
    for (const auto& [id, file] : files_) {
        const bool below = std::any_of(full.begin(), full.end(),
                                       [&](const fs::path& path) { return is_below(file, path); });
        if (below && is_gone(file)) {
            gone.push_back(id);
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
        out.write(json_line({{"id", id}, {"file", file}}));
    }
    out.commit();
    changed_ = false;
}

} // namespace mice::tools
