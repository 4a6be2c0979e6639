// SPDX-License-Identifier: Apache-2.0
#include "find/ignore_rules.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace mice::find {
namespace {

/// Whether a byte is in the set that begins behind "[" at `at`; moves `at` behind the set. A set
/// without an end is nothing: then `at` is npos.
bool in_set(std::string_view pattern, std::size_t& at, char byte) {
    std::size_t i = at + 1;
    const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
    i += negated ? 1U : 0U;
    bool found = false;
    for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false) {
        i += pattern[i] == '\\' && i + 1 < pattern.size() ? 1U : 0U;
        const auto low = static_cast<unsigned char>(pattern[i]);
        auto high = low;
        if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
            i += 2;
            i += pattern[i] == '\\' && i + 1 < pattern.size() ? 1U : 0U;
            high = static_cast<unsigned char>(pattern[i]);
        }
        const auto value = static_cast<unsigned char>(byte);
        found = found || (value >= low && value <= high);
        ++i;
    }
    at = i < pattern.size() ? i + 1 : std::string_view::npos;
    return found != negated && byte != '/';
}

/// One name against one part of a pattern, in which "**" is "*".
bool matches_name(std::string_view pattern, std::string_view name) {
    std::size_t p = 0, n = 0, star = pattern.npos, from = 0;
    while (n < name.size()) {
        bool matched = false;
        std::size_t next = p;
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            from = n;
            continue;
        }
        if (p < pattern.size()) {
            if (pattern[p] == '?') {
                matched = true;
                next = p + 1;
            } else if (pattern[p] == '[') {
                matched = in_set(pattern, next, name[n]) && next != pattern.npos;
            } else {
                const std::size_t literal =
                    pattern[p] == '\\' && p + 1 < pattern.size() ? p + 1 : p;
                matched = pattern[literal] == name[n];
                next = literal + 1;
            }
        }
        if (matched) {
            p = next;
            ++n;
        } else if (star != pattern.npos) {
            p = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

std::vector<std::string_view> parts_of(std::string_view path) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t stop = std::min(path.find('/'), path.size());
        parts.push_back(path.substr(0, stop));
        if (stop == path.size()) {
            return parts;
        }
        path.remove_prefix(stop + 1);
    }
}

std::string_view last_name(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == path.npos ? path : path.substr(slash + 1);
}

} // namespace

bool matches_glob(std::string_view pattern, std::string_view path) {
    const std::vector<std::string_view> wanted = parts_of(pattern);
    const std::vector<std::string_view> names = parts_of(path);
    // The wildcard algorithm of matches_name, once more over whole names.
    std::size_t p = 0, n = 0, star = pattern.npos, from = 0;
    while (n < names.size()) {
        if (p < wanted.size() && wanted[p] == "**") {
            star = p++;
            from = n;
            // At the end it stands for what is inside, so for one name at least.
            if (p == wanted.size()) {
                return true;
            }
        } else if (p < wanted.size() && matches_name(wanted[p], names[n])) {
            ++p;
            ++n;
        } else if (star != pattern.npos) {
            p = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    return p == wanted.size();
}

bool matches_mask(std::string_view mask, std::string_view path) {
    return mask.find('/') == mask.npos ? matches_glob(mask, last_name(path))
                                       : matches_glob(mask, path);
}

ignore_file::ignore_file(std::string_view content) {
    if (content.starts_with("\xEF\xBB\xBF")) {
        content.remove_prefix(3);
    }
    while (!content.empty()) {
        const std::size_t stop = std::min(content.find('\n'), content.size());
        std::string_view line = content.substr(0, stop);
        content.remove_prefix(std::min(stop + 1, content.size()));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        while (line.ends_with(' ') && !line.ends_with("\\ ")) {
            line.remove_suffix(1);
        }
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        rule made;
        if (line.starts_with('!')) {
            made.keeps = true;
            line.remove_prefix(1);
        }
        if (line.ends_with('/')) {
            made.folders_only = true;
            line.remove_suffix(1);
        }
        made.anchored = line.find('/') != line.npos;
        if (line.starts_with('/')) {
            line.remove_prefix(1);
        }
        if (!line.empty()) {
            made.pattern = line;
            rules_.push_back(std::move(made));
        }
    }
}

verdict ignore_file::of(std::string_view path, bool folder) const {
    for (auto each = rules_.rbegin(); each != rules_.rend(); ++each) {
        if (each->folders_only && !folder) {
            continue;
        }
        if (matches_glob(each->pattern, each->anchored ? path : last_name(path))) {
            return each->keeps ? verdict::kept : verdict::ignored;
        }
    }
    return verdict::none;
}

ignore_rules ignore_rules::inside(std::string_view folder, std::string_view gitignore,
                                  std::string_view ignore) const {
    ignore_rules made = *this;
    for (const std::string_view content : {gitignore, ignore}) {
        ignore_file rules(content);
        if (!rules.empty()) {
            made.innermost_ = std::make_shared<const level>(
                level{std::string(folder) + (folder.empty() ? "" : "/"), std::move(rules),
                      made.innermost_});
        }
    }
    return made;
}

bool ignore_rules::ignores(std::string_view path, bool folder) const {
    for (const level* each = innermost_.get(); each != nullptr; each = each->above.get()) {
        const verdict said = each->rules.of(path.substr(each->folder.size()), folder);
        if (said != verdict::none) {
            return said == verdict::ignored;
        }
    }
    return false;
}

} // namespace mice::find
