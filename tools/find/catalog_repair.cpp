// SPDX-License-Identifier: Apache-2.0
#include "find/catalog.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <mice/error.hpp>

// What of the catalog is not as it was written, and what can be made anew of the rest.
namespace mice::find {
namespace {

/// Whether a slice, in a row of changed_texts(), is what its passage was hashed of, with nothing
/// but white space around.
bool is_as_written(std::string_view slice, const statement& row) {
    const auto begin = static_cast<std::uint64_t>(row.integer(5));
    const auto size = static_cast<std::uint64_t>(row.integer(6));
    if (begin > slice.size() || size > slice.size() - begin) {
        return false;
    }
    const std::string_view passage = slice.substr(begin, size);
    const auto is_graphic = [](char c) { return c > ' ' && c < '\x7f'; };
    const std::string_view before = slice.substr(0, begin), behind = slice.substr(begin + size);
    return std::none_of(before.begin(), before.end(), is_graphic) &&
           std::none_of(behind.begin(), behind.end(), is_graphic) &&
           hash_of_passage(encoded_text(context_of(row.bytes(2), row.bytes(3), passage),
                                        passage)) == row.bytes(4);
}

/// Rows that hang on nothing: what is said of them, and what is done with them.
struct loose_rows {
    const char *row, *table, *where, *what, *change;
};
constexpr std::array<loose_rows, 3> of_nothing{
    {{"file", "files", "collection NOT IN (SELECT id FROM collections)", "is of no collection",
      "DELETE FROM files"},
     {"passage", "passages", "content NOT IN (SELECT id FROM contents)", "is of no text",
      "DELETE FROM passages"},
     {"file", "files", "content NOT IN (SELECT id FROM contents)", "is of a text that is gone",
      "UPDATE files SET content = NULL, size = -1"}}};

} // namespace

std::vector<std::string> catalog::damage() const {
    std::vector<std::string> found;
    statement asked = base_.prepare("PRAGMA integrity_check(20)");
    while (asked.step()) {
        if (asked.bytes(0) != "ok") {
            found.push_back(asked.text(0));
        }
    }
    for (const loose_rows& each : of_nothing) {
        statement rows =
            base_.prepare(std::string("SELECT id FROM ") + each.table + " WHERE " + each.where);
        while (rows.step()) {
            found.push_back(std::string(each.row) + " " + rows.text(0) + " " + each.what);
        }
    }
    for (const char* const table : {"words", "names"}) {
        const std::string name = std::string("read_") + table;
        try { // reading all of it shows whether it can be read
            base_.run("CREATE VIRTUAL TABLE temp." + name + " USING fts5vocab('main', '" + table +
                      "', 'row')");
            (void)base_.integer("SELECT sum(doc) FROM temp." + name);
        } catch (const error& problem) {
            found.push_back(std::string("the table ") + table + ": " + problem.what());
        }
        base_.run("DROP TABLE IF EXISTS temp." + name);
    }
    return found;
}

void catalog::repair() const {
    transaction changes(base_);
    base_.run("REINDEX");
    base_.run("INSERT OR IGNORE INTO doomed SELECT hash FROM passages WHERE content NOT IN (SELECT "
              "id FROM contents)");
    for (const loose_rows& each : of_nothing) {
        base_.run(std::string(each.change) + " WHERE " + each.where);
    }
    make_words();
    base_.run("INSERT INTO names(names) VALUES('delete-all')");
    base_.run("INSERT INTO names(rowid, path, title) SELECT id, CAST(path AS TEXT), title FROM "
              "files");
    changes.commit();
}

void catalog::make_words() const {
    base_.run("INSERT INTO words(words) VALUES('delete-all')");
    base_.run("INSERT INTO words(rowid, text, heading, title) SELECT p.id, p.slice, p.heading, "
              "c.title FROM passages p JOIN contents c ON c.id = p.content");
}

std::vector<std::int64_t> catalog::changed_texts() const {
    std::vector<std::int64_t> changed;
    std::int64_t content = 0, bytes = 0, written = 0;
    bool differs = false;
    const auto finish = [&] {
        if (differs || bytes != written) {
            changed.push_back(content);
        }
    };
    statement asked = base_.prepare(
        "SELECT c.id, c.bytes, c.title, p.heading, p.hash, p.start, p.size, CAST(p.slice AS BLOB) "
        "FROM contents c LEFT JOIN passages p ON p.content = c.id ORDER BY c.id, p.number");
    while (asked.step()) {
        if (asked.integer(0) != content) {
            finish();
            content = asked.integer(0);
            written = asked.integer(1);
            bytes = 0;
            differs = false;
        }
        if (asked.null(4)) {
            continue; // it has no passage
        }
        const std::string_view slice = asked.bytes(7);
        bytes += static_cast<std::int64_t>(slice.size());
        differs = differs || !is_as_written(slice, asked);
    }
    finish();
    return changed;
}

void catalog::read_again(const std::vector<std::int64_t>& contents) const {
    transaction changes(base_);
    for (const std::int64_t each : contents) {
        base_.prepare("UPDATE files SET size = -1 WHERE content = ?1").bind(1, each).run();
        // The update is not to take it for the text of such a file.
        base_.prepare("UPDATE contents SET key = CAST(key || x'00' AS BLOB) WHERE id = ?1")
            .bind(1, each)
            .run();
    }
    // Words are removed by the text that they were made of, so they are made anew of this one.
    make_words();
    changes.commit();
}

} // namespace mice::find
