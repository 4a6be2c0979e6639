// SPDX-License-Identifier: Apache-2.0
// What finder reads without a question: documents, listings, the state of the index.
#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include <mice/error.hpp>
#include <mice/text/unicode/unicode.hpp>

#include "common/nearest_name.hpp"
#include "common/terminal.hpp"
#include "find/finder.hpp"
#include "find/ignore_rules.hpp"
#include "find/states.hpp"

namespace mice::find {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t shortest_id = 8; // hexadecimal digits
constexpr std::size_t hash_digits = 32;
/// Behind the begin of a key it is behind all keys that begin so.
std::string after_all() {
    return std::string(20, '\xff');
}

error not_found(const std::string& what) {
    return {errc::invalid_argument, what};
}

/// From the line that is wanted to the last one.
std::string lines_of(std::string text, std::int64_t first, const line_range& wanted) {
    std::size_t begin = 0;
    for (; first < wanted.from && begin < text.size(); ++first) {
        begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
    }
    std::size_t end = wanted.count == 0 ? text.size() : begin;
    for (std::int64_t i = 0; i < wanted.count && end < text.size(); ++i) {
        end = std::min(text.find('\n', end), text.size() - 1) + 1;
    }
    return text.substr(begin, end - begin);
}

} // namespace

std::string shown_name(std::string_view name) {
    std::string made;
    for (std::size_t at = 0; at < name.size();) {
        const text::decoded next = text::decode_utf8(name, at);
        const bool shown = next.valid && !tools::steers_terminal(next.code);
        text::append_utf8(made, shown ? next.code : text::replacement_character);
        at += next.bytes;
    }
    return made;
}

std::string finder::document_id(std::string_view key) {
    // As many digits as tell it from all others; a longer ending has the same bytes in its file.
    const std::string digits = hex_of(key.substr(0, 16));
    std::size_t size = shortest_id;
    for (; size < digits.size(); size += 2) {
        const std::string begin = from_hex(std::string_view(digits).substr(0, size));
        const std::string end = begin + after_all();
        statement others = catalog_.base().prepare(
            "SELECT count(DISTINCT substr(key, 1, 16)) FROM contents WHERE key BETWEEN ?1 AND ?2");
        others.bind_blob(1, begin).bind_blob(2, end);
        if (others.step() && others.integer(0) <= 1) {
            break;
        }
    }
    return digits.substr(0, size);
}

/// The file whose name has bytes that cannot be shown, and is shown like this; 0 where none is.
std::int64_t finder::file_shown_as(std::string_view name, std::string_view absolute) {
    if (name.find("\xef\xbf\xbd") == name.npos) {
        return 0;
    }
    const std::string wanted = shown_name(name), whole = shown_name(absolute);
    std::vector<std::int64_t> found;
    statement asked = catalog_.base().prepare(
        "SELECT f.id, c.name, c.root, f.path FROM files f JOIN collections c ON c.id = "
        "f.collection ORDER BY f.id");
    while (asked.step()) {
        const std::string path = shown_name(asked.bytes(3));
        const std::string file = shown_name((fs::path(asked.text(2)) / "").string()) + path;
        if (asked.text(1) + "/" + path == wanted || file == wanted || file == whole ||
            path == wanted || path.ends_with("/" + wanted)) {
            found.push_back(asked.integer(0));
        }
    }
    if (found.size() > 1) {
        throw not_found("more than one file is shown as " + detail::errors::quoted(name) +
                        ": give its id");
    }
    return found.empty() ? 0 : found[0];
}

std::int64_t finder::file_of(std::string_view name) {
    const auto first_of = [](statement& asked) {
        return asked.step() ? asked.integer(0) : std::int64_t{0};
    };
    if (name.starts_with('#')) {
        const std::string_view digits = name.substr(1);
        statement asked = catalog_.base().prepare(
            "SELECT f.id, substr(t.key, 1, 16) FROM contents t JOIN files f ON f.content = t.id "
            "WHERE t.key BETWEEN ?1 AND ?2 ORDER BY f.id LIMIT 100");
        const bool hex = digits.size() >= 4 && digits.size() <= hash_digits &&
                         digits.find_first_not_of("0123456789abcdef") == digits.npos;
        const auto filled = [&](char digit) {
            return from_hex(std::string(digits) + std::string(hash_digits - digits.size(), digit));
        };
        const std::string least = hex ? filled('0') : "", most = hex ? filled('f') : "";
        const std::string behind = most + after_all();
        asked.bind_blob(1, least).bind_blob(2, behind);
        std::int64_t found = 0;
        std::string key;
        while (hex && asked.step()) {
            if (found != 0 && asked.text(1) != key) {
                throw not_found("more than one document begins with " +
                                detail::errors::quoted(name) + ": give more digits");
            }
            key = asked.text(1);
            found = found == 0 ? asked.integer(0) : found;
        }
        if (found == 0) {
            throw not_found("there is no document " + detail::errors::quoted(name));
        }
        return found;
    }
    const std::vector<collection> all = catalog_.collections();
    statement exact =
        catalog_.base().prepare("SELECT id FROM files WHERE collection = ?1 AND path = ?2");
    std::error_code ignored;
    const std::string absolute = fs::absolute(fs::path(name), ignored).lexically_normal().string();
    for (const collection& each : all) {
        for (const std::string& start : {each.name + "/", (each.root / "").string()}) {
            for (const std::string_view given : {name, std::string_view(absolute)}) {
                if (given.starts_with(start)) {
                    exact.bind(1, each.id).bind_blob(2, given.substr(start.size()));
                    const std::int64_t found = first_of(exact);
                    exact.reset();
                    if (found != 0) {
                        return found;
                    }
                }
            }
        }
    }
    if (const std::int64_t found = file_shown_as(name, absolute); found != 0) {
        return found;
    }
    // The end of a path, if there is one such file.
    statement ends = catalog_.base().prepare(
        "SELECT id FROM files WHERE path = ?1 OR (length(path) > length(?1) AND "
        "substr(path, -length(?1) - 1) = CAST('/' || CAST(?1 AS TEXT) AS BLOB)) LIMIT 2");
    ends.bind_blob(1, name);
    const std::int64_t found = first_of(ends);
    if (found != 0 && ends.step()) {
        throw not_found("more than one file ends in " + detail::errors::quoted(name) +
                        ": give more of its path");
    }
    if (found == 0) {
        std::vector<std::string> names;
        statement paths = catalog_.base().prepare(
            "SELECT c.name || '/' || CAST(f.path AS TEXT) FROM files f JOIN collections c ON c.id "
            "= f.collection LIMIT 20000");
        while (paths.step()) {
            names.push_back(paths.text(0));
        }
        const std::optional<std::string> near = tools::nearest_name(name, names);
        throw not_found("there is no file " + detail::errors::quoted(name) + " in the index" +
                        (near ? "; did you mean " + detail::errors::quoted(*near) + "?" : ""));
    }
    return found;
}

document_text finder::text_of(std::int64_t file, const line_range& lines) {
    statement asked = catalog_.base().prepare(
        "SELECT c.name, c.root, f.path, f.content, f.error, t.title, t.kind, t.notes, t.truncated, "
        "t.lines, t.bytes, t.key FROM files f JOIN collections c ON c.id = f.collection LEFT JOIN "
        "contents t ON t.id = f.content WHERE f.id = ?1");
    asked.bind(1, file);
    document_text made;
    if (!asked.step()) {
        throw not_found("the file is not in the index any more");
    }
    made.collection = asked.text(0);
    made.file = fs::path(asked.text(1)) / fs::path(asked.text(2));
    if (asked.null(3)) {
        throw not_found(detail::errors::quoted(made.file.string()) +
                        " has no text in the index: " + asked.text(4));
    }
    made.title = asked.text(5).empty() ? made.file.filename().string() : asked.text(5);
    made.kind = asked.text(6);
    made.notes = asked.text(7);
    made.truncated = asked.integer(8) != 0;
    made.lines = asked.integer(9);
    made.bytes = asked.integer(10);
    made.document = document_id(asked.bytes(11));
    const std::int64_t last = lines.count == 0 || lines.count > made.lines
                                  ? made.lines + 1
                                  : lines.from + lines.count - 1;
    // From the last passage that begins before that line (a long line has several), to the first
    // that begins behind the last line: white space before a passage is in its slice.
    statement slices = catalog_.base().prepare(
        "SELECT slice, first_line, start FROM passages WHERE content = ?1 AND number >= coalesce("
        "(SELECT max(number) FROM passages WHERE content = ?1 AND first_line < ?2), 0) AND number "
        "<= coalesce((SELECT min(number) FROM passages WHERE content = ?1 AND first_line > ?3), "
        "9223372036854775807) ORDER BY number");
    slices.bind(1, asked.integer(3)).bind(2, lines.from).bind(3, last);
    std::string text;
    std::int64_t first = 0;
    while (slices.step()) {
        const std::string_view slice = slices.bytes(0);
        if (text.empty()) {
            const std::string_view before =
                slice.substr(0, static_cast<std::size_t>(slices.integer(2)));
            first = slices.integer(1) - std::count(before.begin(), before.end(), '\n');
        }
        text += slice;
    }
    made.first_line = std::min(std::max<std::int64_t>(1, lines.from), made.lines + 1);
    made.text = lines_of(std::move(text), first, lines);
    return made;
}

document_text finder::get(std::string_view name, const line_range& lines) {
    return text_of(file_of(name), lines);
}

std::vector<std::int64_t> finder::matching(std::string_view pattern) {
    std::vector<std::int64_t> found;
    statement asked = catalog_.base().prepare(
        "SELECT f.id, c.name, f.path FROM files f JOIN collections c ON c.id = f.collection WHERE "
        "f.content IS NOT NULL ORDER BY c.name, f.path");
    while (asked.step()) {
        const std::string path = asked.text(2);
        if (matches_glob(pattern, asked.text(1) + "/" + path) || matches_mask(pattern, path)) {
            found.push_back(asked.integer(0));
        }
    }
    return found;
}

std::vector<listed_file> finder::list(std::string_view place) {
    const std::size_t slash = std::min(place.find('/'), place.size());
    const std::string name(place.substr(0, slash));
    std::string inside(place.substr(std::min(slash + 1, place.size())));
    while (inside.ends_with('/')) {
        inside.pop_back();
    }
    const std::optional<collection> in = catalog_.find_collection(name);
    if (!in) {
        throw not_found("there is no collection " + detail::errors::quoted(name) +
                        "; 'mice-find ls' lists them");
    }
    std::vector<listed_file> files;
    statement asked = catalog_.base().prepare(
        "SELECT f.path, f.size, f.mtime, f.error, f.title, t.kind, t.key, t.truncated, t.notes "
        "FROM files f LEFT JOIN contents t ON t.id = f.content WHERE f.collection = ?1 ORDER BY "
        "f.path");
    asked.bind(1, in->id);
    while (asked.step()) {
        const std::string path = asked.text(0);
        if (inside.empty() || path == inside || path.starts_with(inside + "/")) {
            files.push_back({.collection = name,
                             .path = path,
                             .document = asked.null(6)
                                             ? std::string()
                                             : hex_of(asked.bytes(6).substr(0, shortest_id / 2)),
                             .title = asked.text(4),
                             .kind = asked.text(5),
                             .error = asked.text(3),
                             .notes = asked.text(8),
                             .truncated = asked.integer(7) != 0,
                             .size = asked.integer(1),
                             .mtime = asked.integer(2)});
        }
    }
    return files;
}

index_status finder::status() {
    index_status made;
    made.folder = options_.folder;
    for (collection& each : catalog_.collections()) {
        statement counted = catalog_.base().prepare(
            "SELECT count(*), sum(content IS NULL AND size >= 0), sum(size < 0), "
            "sum(max(size, 0)) FROM files WHERE collection = ?1");
        counted.bind(1, each.id);
        counted.step();
        made.collections.push_back({std::move(each), counted.integer(0), counted.integer(1),
                                    counted.integer(2), counted.integer(3)});
        made.files += counted.integer(0);
    }
    made.documents = catalog_.base().integer("SELECT count(*) FROM contents");
    made.passages = catalog_.base().integer("SELECT count(*) FROM passages");
    made.text_bytes = static_cast<std::int64_t>(catalog_.text_bytes());
    std::error_code problem;
    for (fs::recursive_directory_iterator each(options_.folder, problem), end;
         !problem && each != end; each.increment(problem)) {
        std::error_code ignored;
        if (each->is_regular_file(ignored)) {
            const auto size = each->file_size(ignored);
            made.disk_bytes += ignored ? 0 : size;
        }
    }
    made.model = catalog_.setting(model_setting);
    made.codec = catalog_.setting(codec_setting);
    if (!catalog_.setting(next_states_setting).empty()) {
        made.unfinished = "all passages are being encoded again";
    }
    return made;
}

} // namespace mice::find
