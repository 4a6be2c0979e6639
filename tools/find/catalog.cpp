// SPDX-License-Identifier: Apache-2.0
#include "find/catalog.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/checksum.hpp>

#include "common/whole_characters.hpp"
#include "find/words.hpp"

namespace mice::find {
namespace {

constexpr std::int64_t application = 0x6d66'6e64; // "mfnd"

// Words of a passage's text, of its headings and of its title; and of a file's path and title.
constexpr const char* schema = R"sql(
CREATE TABLE settings(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS collections(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, root BLOB NOT NULL, mask TEXT NOT NULL,
    hidden INTEGER NOT NULL, follow INTEGER NOT NULL, one_file_system INTEGER NOT NULL,
    ignore_files INTEGER NOT NULL, max_size INTEGER NOT NULL);
CREATE TABLE contents(
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, title TEXT NOT NULL,
    notes TEXT NOT NULL, truncated INTEGER NOT NULL, bytes INTEGER NOT NULL,
    lines INTEGER NOT NULL);
CREATE TABLE files(
    id INTEGER PRIMARY KEY, collection INTEGER NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL,
    mtime INTEGER NOT NULL, inode INTEGER NOT NULL, device INTEGER NOT NULL, content INTEGER,
    title TEXT NOT NULL, error TEXT NOT NULL, UNIQUE(collection, path));
CREATE INDEX files_by_content ON files(content);
CREATE TABLE passages(
    id INTEGER PRIMARY KEY, content INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
    heading TEXT NOT NULL, member TEXT NOT NULL, page INTEGER NOT NULL, line INTEGER NOT NULL,
    first_line INTEGER NOT NULL, last_line INTEGER NOT NULL, start INTEGER NOT NULL,
    size INTEGER NOT NULL, slice TEXT NOT NULL, UNIQUE(content, number));
CREATE INDEX passages_by_hash ON passages(hash);
CREATE TABLE doomed(hash BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(text, heading, title, content='', tokenize='mice_words');
CREATE VIRTUAL TABLE names USING fts5(path, title, content='', tokenize='mice_words');
INSERT INTO words(words, rank) VALUES('rank', 'bm25(1.0, 0.7, 1.5)');
INSERT INTO names(names, rank) VALUES('rank', 'bm25(1.0, 1.0)');
)sql";

constexpr std::array<const char*, 7> made_tables{"words",    "names", "settings", "contents",
                                                 "passages", "files", "doomed"};

/// The settings of a catalog of any version; none where it has none.
std::vector<std::pair<std::string, std::string>> settings_there(const database& of) {
    std::vector<std::pair<std::string, std::string>> found;
    if (of.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'settings'") > 0) {
        statement asked = of.prepare("SELECT name, value FROM settings");
        while (asked.step()) {
            found.emplace_back(asked.text(0), asked.text(1));
        }
    }
    return found;
}

std::filesystem::path file_in(const std::filesystem::path& folder, access_mode way) {
    const std::filesystem::path file = folder / catalog::file_name;
    std::error_code problem;
    if (way == access_mode::read && !std::filesystem::exists(file, problem)) {
        throw error(errc::io, "there is no index in " + detail::errors::quoted(folder.string()) +
                                  (problem ? ": " + problem.message()
                                           : "; make one with 'mice-find add FOLDER'"));
    }
    return file;
}

std::string start_of(std::string_view text, std::size_t most) {
    return std::string(text.substr(0, tools::whole_characters(text, most)));
}

} // namespace

std::string context_of(std::string_view title, std::string_view heading, std::string_view passage) {
    constexpr std::size_t most = 160;
    std::string context = start_of(title, most);
    if (heading.starts_with(context)) {
        context.clear();
    }
    if (!heading.empty() && context.size() + heading.size() <= most) {
        context += (context.empty() ? "" : " > ") + std::string(heading);
    } else if (!heading.empty()) {
        context = start_of(heading, most);
    }
    const std::size_t mark = passage.find_first_not_of("# ");
    const bool repeated = mark != passage.npos && passage.substr(mark).starts_with(context);
    return repeated ? std::string() : context;
}

std::string encoded_text(std::string_view context, std::string_view passage) {
    return context.empty() ? std::string(passage)
                           : std::string(context) + "\n" + std::string(passage);
}

std::string hash_of_passage(std::string_view text) {
    const io::hash128 made = io::checksum128(std::as_bytes(std::span(text)));
    std::string bytes(sizeof made.high + sizeof made.low, '\0');
    std::memcpy(bytes.data(), &made.high, sizeof made.high);
    std::memcpy(bytes.data() + sizeof made.high, &made.low, sizeof made.low);
    return bytes;
}

std::string hex_of(std::string_view bytes) {
    std::string digits;
    for (const char c : bytes) {
        digits += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
        digits += "0123456789abcdef"[static_cast<unsigned char>(c) & 15U];
    }
    return digits;
}

std::string from_hex(std::string_view digits) {
    constexpr std::string_view known = "0123456789abcdef";
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size() + 1 && i < digits.size(); i += 2) {
        const std::size_t high = known.find(digits[i]);
        const std::size_t low = i + 1 < digits.size() ? known.find(digits[i + 1]) : known.npos;
        if (high == known.npos || low == known.npos) {
            return {};
        }
        bytes += static_cast<char>(high << 4 | low);
    }
    return bytes;
}

// ---- opening ----

namespace {

bool has_states(const std::filesystem::path& folder) {
    std::error_code problem;
    for (std::filesystem::directory_iterator each(folder, problem), end; !problem && each != end;
         each.increment(problem)) {
        if (each->path().filename().string().starts_with("states-")) {
            return true;
        }
    }
    return false;
}

} // namespace

catalog::catalog(const std::filesystem::path& folder, access_mode way)
    : base_(file_in(folder, way), way) {
    register_tokenizer(base_);
    prepare(folder, way);
}

void catalog::prepare(const std::filesystem::path& folder, access_mode way) {
    const std::int64_t found = base_.integer("PRAGMA user_version");
    const std::int64_t owner = base_.integer("PRAGMA application_id");
    const std::int64_t tables = base_.integer("SELECT count(*) FROM sqlite_schema");
    if (tables > 0 && owner != application) {
        throw error(errc::format, "the catalog of the index is another program's database");
    }
    if (tables == 0 && has_states(folder)) { // made before any states are
        throw error(errc::format,
                    "the catalog of the index is damaged: it is empty, and there are states; "
                    "restore it from a backup, or remove the index and add its folders again");
    }
    if (found > version) {
        throw error(errc::unsupported,
                    "the index was written by a newer mice-find (version " + std::to_string(found) +
                        " of the catalog, this one knows " + std::to_string(version) +
                        "): use that one, or another --index");
    }
    if (way == access_mode::read) {
        if (tables == 0) {
            throw error(errc::io, "the index has nothing yet; 'mice-find add FOLDER' fills it");
        }
        if (found < version) {
            throw error(errc::unsupported, "the index was written by an older mice-find; "
                                           "'mice-find update' makes it anew");
        }
        return;
    }
    base_.run("PRAGMA journal_mode = WAL");
    base_.run("PRAGMA synchronous = FULL"); // states may be removed only when no passage has them
    if (found == version) {
        return;
    }
    transaction changes(base_);
    const std::vector<std::pair<std::string, std::string>> kept = settings_there(base_);
    for (const char* const table : made_tables) {
        base_.run(std::string("DROP TABLE IF EXISTS ") + table);
    }
    create();
    for (const auto& [name, value] : kept) { // they say which states there are
        set(name, value);
    }
    changes.commit();
    rebuilt_ = tables > 0;
}

void catalog::create() const {
    base_.run(schema);
    base_.run("PRAGMA application_id = " + std::to_string(application));
    base_.run("PRAGMA user_version = " + std::to_string(version));
}

// ---- settings ----

std::string catalog::setting(std::string_view name) const {
    statement asked = base_.prepare("SELECT value FROM settings WHERE name = ?1");
    asked.bind_text(1, name);
    return asked.step() ? asked.text(0) : std::string();
}

void catalog::set(std::string_view name, std::string_view value) const {
    base_.prepare("INSERT OR REPLACE INTO settings VALUES(?1, ?2)")
        .bind_text(1, name)
        .bind_text(2, value)
        .run();
}

// ---- collections ----

std::vector<collection> catalog::collections() const {
    std::vector<collection> all;
    statement asked =
        base_.prepare("SELECT id, name, root, mask, hidden, follow, one_file_system, ignore_files, "
                      "max_size FROM collections ORDER BY name");
    while (asked.step()) {
        collection each;
        each.id = asked.integer(0);
        each.name = asked.text(1);
        each.root = asked.text(2);
        each.options = {.mask = asked.text(3),
                        .hidden = asked.integer(4) != 0,
                        .follow = asked.integer(5) != 0,
                        .one_file_system = asked.integer(6) != 0,
                        .ignore_files = asked.integer(7) != 0,
                        .max_size = static_cast<std::uint64_t>(asked.integer(8)),
                        .left_out = {}};
        all.push_back(std::move(each));
    }
    return all;
}

std::optional<collection> catalog::find_collection(std::string_view name) const {
    for (collection& each : collections()) {
        if (each.name == name) {
            return std::move(each);
        }
    }
    return std::nullopt;
}

void catalog::add_collection(const collection& added) const {
    const std::string root = added.root.string();
    base_
        .prepare("INSERT INTO collections(name, root, mask, hidden, follow, one_file_system, "
                 "ignore_files, max_size) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
        .bind_text(1, added.name)
        .bind_blob(2, root)
        .bind_text(3, added.options.mask)
        .bind(4, added.options.hidden ? 1 : 0)
        .bind(5, added.options.follow ? 1 : 0)
        .bind(6, added.options.one_file_system ? 1 : 0)
        .bind(7, added.options.ignore_files ? 1 : 0)
        .bind(8, static_cast<std::int64_t>(added.options.max_size))
        .run();
}

void catalog::remove_collection(std::int64_t id) const {
    std::vector<std::int64_t> files;
    statement asked = base_.prepare("SELECT id FROM files WHERE collection = ?1");
    asked.bind(1, id);
    while (asked.step()) {
        files.push_back(asked.integer(0));
    }
    asked.reset();
    transaction changes(base_);
    for (const std::int64_t each : files) {
        remove_file(each);
    }
    base_.prepare("DELETE FROM collections WHERE id = ?1").bind(1, id).run();
    changes.commit();
}

// ---- files ----

std::unordered_map<std::string, known_file> catalog::files_of(std::int64_t in) const {
    std::unordered_map<std::string, known_file> all;
    statement asked = base_.prepare("SELECT path, id, size, mtime, inode, device, content FROM "
                                    "files WHERE collection = ?1");
    asked.bind(1, in);
    while (asked.step()) {
        all.emplace(asked.text(0), known_file{.id = asked.integer(1),
                                              .stamp = {.size = asked.integer(2),
                                                        .mtime = asked.integer(3),
                                                        .inode = asked.integer(4),
                                                        .device = asked.integer(5)},
                                              .content = asked.integer(6)});
    }
    return all;
}

std::unordered_map<std::string, std::int64_t> catalog::text_keys() const {
    std::unordered_map<std::string, std::int64_t> all;
    statement asked = base_.prepare("SELECT key, id FROM contents");
    while (asked.step()) {
        all.emplace(asked.text(0), asked.integer(1));
    }
    return all;
}

void catalog::put_file(std::int64_t in, std::string_view path, const file_stamp& stamp,
                       std::int64_t content, std::string_view title, std::string_view error) const {
    statement known = base_.prepare("SELECT id FROM files WHERE collection = ?1 AND path = ?2");
    known.bind(1, in).bind_blob(2, path);
    if (known.step()) {
        const std::int64_t id = known.integer(0);
        known.reset();
        remove_file(id);
    }
    statement added = base_.prepare("INSERT INTO files(collection, path, size, mtime, inode, "
                                    "device, content, title, error) "
                                    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    added.bind(1, in)
        .bind_blob(2, path)
        .bind(3, stamp.size)
        .bind(4, stamp.mtime)
        .bind(5, stamp.inode)
        .bind(6, stamp.device)
        .bind_text(8, title)
        .bind_text(9, error);
    content != 0 ? added.bind(7, content) : added.bind_null(7);
    added.run();
    base_.prepare("INSERT INTO names(rowid, path, title) VALUES(?1, ?2, ?3)")
        .bind(1, base_.last_row())
        .bind_text(2, path)
        .bind_text(3, title)
        .run();
}

void catalog::set_stamp(std::int64_t file, const file_stamp& stamp) const {
    base_.prepare("UPDATE files SET size = ?2, mtime = ?3, inode = ?4, device = ?5 WHERE id = ?1")
        .bind(1, file)
        .bind(2, stamp.size)
        .bind(3, stamp.mtime)
        .bind(4, stamp.inode)
        .bind(5, stamp.device)
        .run();
}

void catalog::remove_file(std::int64_t file) const {
    base_
        .prepare("INSERT INTO names(names, rowid, path, title) SELECT 'delete', id, "
                 "CAST(path AS TEXT), title FROM files WHERE id = ?1")
        .bind(1, file)
        .run();
    base_.prepare("DELETE FROM files WHERE id = ?1").bind(1, file).run();
}

// ---- texts ----

std::uint64_t catalog::text_bytes() const {
    return static_cast<std::uint64_t>(
        base_.integer("SELECT coalesce(sum(bytes), 0) FROM contents"));
}

std::int64_t catalog::find_text(std::string_view key) const {
    statement asked = base_.prepare("SELECT id FROM contents WHERE key = ?1");
    asked.bind_blob(1, key);
    return asked.step() ? asked.integer(0) : 0;
}

std::string catalog::title_of(std::int64_t content) const {
    statement asked = base_.prepare("SELECT title FROM contents WHERE id = ?1");
    asked.bind(1, content);
    return asked.step() ? asked.text(0) : std::string();
}

std::int64_t catalog::add_text(const stored_text& added) const {
    base_
        .prepare("INSERT INTO contents(key, kind, title, notes, truncated, bytes, lines) "
                 "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        .bind_blob(1, added.key)
        .bind_text(2, added.kind)
        .bind_text(3, added.title)
        .bind_text(4, added.notes)
        .bind(5, added.truncated ? 1 : 0)
        .bind(6, added.bytes)
        .bind(7, added.lines)
        .run();
    const std::int64_t content = base_.last_row();
    statement passage = base_.prepare(
        "INSERT INTO passages(content, number, hash, heading, member, page, line, first_line, "
        "last_line, start, size, slice) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
    statement words =
        base_.prepare("INSERT INTO words(rowid, text, heading, title) VALUES(?1, ?2, ?3, ?4)");
    std::int64_t number = 0;
    for (const stored_slice& each : added.slices) {
        passage.bind(1, content)
            .bind(2, number++)
            .bind_blob(3, each.hash)
            .bind_text(4, each.heading)
            .bind_text(5, each.member)
            .bind(6, each.page)
            .bind(7, each.line)
            .bind(8, each.first_line)
            .bind(9, each.last_line)
            .bind(10, each.begin)
            .bind(11, each.size)
            .bind_text(12, each.slice)
            .run();
        words.bind(1, base_.last_row())
            .bind_text(2, each.slice)
            .bind_text(3, each.heading)
            .bind_text(4, added.title)
            .run();
    }
    return content;
}

void catalog::delete_words(std::int64_t content) const {
    base_
        .prepare("INSERT INTO words(words, rowid, text, heading, title) SELECT 'delete', p.id, "
                 "p.slice, p.heading, c.title FROM passages p JOIN contents c ON c.id = p.content "
                 "WHERE p.content = ?1")
        .bind(1, content)
        .run();
}

bool catalog::remove_unused_texts() const {
    constexpr std::int64_t most = 200;
    std::vector<std::int64_t> unused;
    statement asked = base_.prepare("SELECT id FROM contents c WHERE NOT EXISTS (SELECT 1 FROM "
                                    "files f WHERE f.content = c.id) LIMIT ?1");
    asked.bind(1, most);
    while (asked.step()) {
        unused.push_back(asked.integer(0));
    }
    asked.reset();
    if (unused.empty()) {
        return false;
    }
    transaction changes(base_);
    for (const std::int64_t each : unused) {
        base_.prepare("INSERT OR IGNORE INTO doomed SELECT hash FROM passages WHERE content = ?1")
            .bind(1, each)
            .run();
        delete_words(each);
        base_.prepare("DELETE FROM passages WHERE content = ?1").bind(1, each).run();
        base_.prepare("DELETE FROM contents WHERE id = ?1").bind(1, each).run();
    }
    changes.commit();
    return true;
}

void catalog::each_passage(
    const std::function<void(std::string_view, const std::string&)>& call) const {
    statement asked =
        base_.prepare("SELECT p.hash, c.title, p.heading, substr(CAST(p.slice AS BLOB), p.start + "
                      "1, p.size) FROM passages p JOIN contents c ON c.id = p.content "
                      "ORDER BY p.id");
    while (asked.step()) {
        const std::string_view passage = asked.bytes(3);
        const std::string text =
            encoded_text(context_of(asked.bytes(1), asked.bytes(2), passage), passage);
        if (hash_of_passage(text) == asked.bytes(0)) {
            call(asked.bytes(0), text);
        }
    }
}

// ---- states to be removed ----

void catalog::doom_states(const std::vector<std::string>& hashes) const {
    transaction changes(base_);
    statement added = base_.prepare("INSERT OR IGNORE INTO doomed VALUES(?1)");
    for (const std::string& each : hashes) {
        added.bind_blob(1, each).run();
    }
    changes.commit();
}

std::vector<std::string> catalog::doomed_states() const {
    std::vector<std::string> hashes;
    statement asked = base_.prepare("SELECT hash FROM doomed d WHERE NOT EXISTS (SELECT 1 FROM "
                                    "passages p WHERE p.hash = d.hash)");
    while (asked.step()) {
        hashes.push_back(asked.text(0));
    }
    return hashes;
}

void catalog::forget_doomed() const {
    base_.run("DELETE FROM doomed");
}

} // namespace mice::find
