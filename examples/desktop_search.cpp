// SPDX-License-Identifier: Apache-2.0
// The core of a desktop search in one file: SQLite FTS5 finds candidates, mice ranks them by stored
// states, and the sentence that answers is shown. mice-find (docs/find.md) is the whole of it.
// Arguments: the index's folder, a folder of texts, a question.
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sqlite3.h>

#include <mice/mice.hpp>
#include <mice/text/words/words.hpp>

namespace {

/// Runs a statement with text parameters; `row` is called for each row.
template <class Row>
void run(sqlite3* catalog, const char* sql, const std::vector<std::string>& values, Row&& row) {
    sqlite3_stmt* made = nullptr;
    if (sqlite3_prepare_v2(catalog, sql, -1, &made, nullptr) != SQLITE_OK) {
        throw std::runtime_error(sqlite3_errmsg(catalog));
    }
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> owner(made, sqlite3_finalize);
    for (std::size_t i = 0; i < values.size(); ++i) {
        sqlite3_bind_text(made, static_cast<int>(i + 1), values[i].data(),
                          static_cast<int>(values[i].size()), SQLITE_STATIC);
    }
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(made)) == SQLITE_ROW) {
        row(made);
    }
    if (code != SQLITE_DONE) {
        throw std::runtime_error(sqlite3_errmsg(catalog));
    }
}

void run(sqlite3* catalog, const char* sql, const std::vector<std::string>& values = {}) {
    run(catalog, sql, values, [](sqlite3_stmt*) {});
}

std::string column(sqlite3_stmt* row, int number) {
    const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(row, number));
    return {text, static_cast<std::size_t>(sqlite3_column_bytes(row, number))};
}

/// Words with OR between them. Each is in quotes, so that no question is an error of FTS5.
std::string expression_of(const std::string& question) {
    std::string expression;
    for (const std::string& word : mice::text::analyse(question)) {
        expression += (expression.empty() ? "\"" : " OR \"") + word + "\"";
    }
    return expression;
}

/// Cuts every file into passages. Words go to the catalog, states to the index.
void add_files(sqlite3* catalog, mice::index& states, const std::filesystem::path& folder) {
    run(catalog, "BEGIN");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) {
            continue;
        }
        const std::string file = entry.path().string();
        std::ifstream stream(file, std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(stream), {}};
        for (const mice::passage& each :
             mice::passages(text, states.ranker(), {.file_name = file})) {
            const std::string passage = text.substr(each.begin, each.end - each.begin);
            const std::string id = file + ":" + std::to_string(each.first_line);
            if (states.put(id, passage) != mice::put_result::unchanged) {
                run(catalog, "DELETE FROM passages WHERE id = ?1", {id});
                run(catalog, "INSERT INTO passages VALUES(?1, ?2)", {id, passage});
            }
        }
    }
    states.commit(); // states first: what the catalog names is there
    run(catalog, "COMMIT");
}

void answer(sqlite3* catalog, const mice::index& states, const std::string& question) {
    std::vector<std::string> ids; // first stage: words
    if (const std::string words = expression_of(question); !words.empty()) {
        run(catalog, "SELECT id FROM passages WHERE passages MATCH ?1 ORDER BY rank LIMIT 100",
            {words}, [&ids](sqlite3_stmt* row) { ids.push_back(column(row, 0)); });
    }
    mice::rank_options options{.top_k = 3, .highlights = mice::highlight_options{}};
    options.highlights->text_of = [catalog](std::string_view id, std::string_view) {
        std::string text;
        run(catalog, "SELECT text FROM passages WHERE id = ?1", {std::string(id)},
            [&text](sqlite3_stmt* row) { text = column(row, 0); });
        return std::optional(text);
    };
    const mice::index_ranking found = states.rank(question, ids, options); // second stage: meaning
    for (std::size_t i = 0; i < found.size(); ++i) {
        std::cout << found[i].score << "  " << found[i].id << '\n';
        const std::string text = *options.highlights->text_of(found[i].id, "");
        for (const mice::highlight& best : found.highlights[i].sentences) {
            std::cout << "    " << text.substr(best.begin, best.end - best.begin) << '\n';
        }
    }
}

} // namespace

int main(int argc, char** argv) try {
    const std::filesystem::path folder = argc > 1 ? argv[1] : "desktop.index";
    std::filesystem::create_directories(folder);
    const mice::reranker ranker("models/mice-minilm-l6x2-int8.safetensors");
    auto states = mice::index::open_or_create(
        folder / "states", ranker, {.codec = {.name = "int4"}, .words = mice::index_words::none});

    sqlite3* opened = nullptr;
    const int code = sqlite3_open((folder / "catalog.sqlite").string().c_str(), &opened);
    const std::unique_ptr<sqlite3, int (*)(sqlite3*)> catalog(opened, sqlite3_close);
    if (code != SQLITE_OK) {
        throw std::runtime_error("cannot open the catalog");
    }
    run(opened, "CREATE VIRTUAL TABLE IF NOT EXISTS passages USING fts5(id UNINDEXED, text, "
                "tokenize = 'porter unicode61')");
    add_files(opened, states, argc > 2 ? argv[2] : "examples/data");
    answer(opened, states, argc > 3 ? argv[3] : "why does bread dough rise");
} catch (const std::exception& problem) {
    std::cerr << "desktop_search: " << problem.what() << '\n';
    return 1;
}
