// SPDX-License-Identifier: Apache-2.0
// The functions and the aggregate: docs/sqlite.md says what each of them does.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <mice/error.hpp>

#include "connection.hpp"

namespace mice::sqlite {
namespace {

using shared_connection = std::shared_ptr<connection>;

connection& of(sqlite3_context* context) {
    return **static_cast<shared_connection*>(sqlite3_user_data(context));
}

bool any_null(int count, sqlite3_value** values) {
    return std::any_of(values, values + count,
                       [](sqlite3_value* each) { return sqlite3_value_type(each) == SQLITE_NULL; });
}

void give_text(sqlite3_context* context, std::string_view text) {
    sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void version(sqlite3_context* context, int, sqlite3_value**) {
    give_text(context, MICE_VERSION_STRING);
}

// mice_model(), mice_model(FILE), mice_model(FILE, PRECISION)
void model(sqlite3_context* context, int count, sqlite3_value** values) {
    guarded(context, [&] {
        connection& here = of(context);
        if (count > 0) {
            precision computed = precision::automatic;
            if (count > 1) {
                const std::string_view name = text_of(values[1]);
                const std::optional<precision> known = precision_named(name);
                if (!known) {
                    throw error(errc::invalid_argument,
                                "there is no precision " + detail::errors::quoted(name) +
                                    "; there are automatic, f32, bf16 and int8");
                }
                computed = *known;
            }
            here.use_model(std::string(text_of(values[0])), computed);
        }
        static_cast<void>(here.model());
        give_text(context, here.model_file());
    });
}

void encode(sqlite3_context* context, int count, sqlite3_value** values) {
    if (any_null(count, values)) {
        return;
    }
    guarded(context, [&] {
        const std::vector<std::byte> bytes =
            of(context).model().encode(text_of(values[0])).serialize();
        sqlite3_result_blob64(context, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
    });
}

void score(sqlite3_context* context, int count, sqlite3_value** values) {
    if (any_null(count, values)) {
        return;
    }
    guarded(context, [&] {
        const reranker& ranker = of(context).model();
        const document given = document_of(ranker, values[1]);
        const ranking scored =
            ranker.score(of(context).query(text_of(values[0])), std::span(&given, 1));
        sqlite3_result_double(context, static_cast<double>(scored[0].score));
    });
}

// mice_highlight(QUERY, TEXT): the sentence that answers;
// mice_highlight(QUERY, TEXT, OPEN, CLOSE): the text with marks around it
void highlight_text(sqlite3_context* context, int count, sqlite3_value** values) {
    if (any_null(count, values)) {
        return;
    }
    guarded(context, [&] {
        const reranker& ranker = of(context).model();
        const std::string_view text = text_of(values[1]);
        rank_options options;
        options.highlights = highlight_options{.words = 0};
        const highlights found =
            ranker.highlight(of(context).query(text_of(values[0])), text, options);
        const bool whole = count == 4;
        if (found.sentences.empty()) {
            if (whole) {
                give_text(context, text);
            }
            return;
        }
        const highlight& best = found.sentences[0];
        const std::string_view sentence = text.substr(best.begin, best.end - best.begin);
        if (!whole) {
            give_text(context, sentence);
            return;
        }
        std::string marked(text.substr(0, best.begin));
        marked += text_of(values[2]);
        marked += sentence;
        marked += text_of(values[3]);
        marked += text.substr(best.end);
        give_text(context, marked);
    });
}

// ---- mice_ranking(QUERY, ID, DOCUMENT [, TOP_K]) ----

nlohmann::ordered_json json_of(sqlite3_value* value) {
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        return sqlite3_value_int64(value);
    case SQLITE_FLOAT:
        return sqlite3_value_double(value);
    case SQLITE_TEXT:
        return std::string(text_of(value));
    case SQLITE_NULL:
        return nullptr;
    default:
        throw error(errc::invalid_argument, "an id is a number or a TEXT, not a BLOB");
    }
}

/// What the rows of one group gave.
struct collected {
    std::string query;
    std::vector<nlohmann::ordered_json> ids;
    std::vector<document> documents;
    std::size_t top_k = 0;
};

// SQLite zeroes what an aggregate keeps, and does not destroy it.
collected** place_of(sqlite3_context* context, bool make) {
    return static_cast<collected**>(
        sqlite3_aggregate_context(context, make ? static_cast<int>(sizeof(collected*)) : 0));
}

void ranking_step(sqlite3_context* context, int count, sqlite3_value** values) {
    guarded(context, [&] {
        if (sqlite3_value_type(values[0]) == SQLITE_NULL ||
            sqlite3_value_type(values[2]) == SQLITE_NULL) {
            return;
        }
        collected** const place = place_of(context, true);
        if (place == nullptr) {
            throw std::bad_alloc();
        }
        const std::string_view query = text_of(values[0]);
        if (*place == nullptr) {
            *place = new collected{.query = std::string(query), .ids = {}, .documents = {}};
            (*place)->top_k = count > 3 ? count_of(values[3], "the number of hits") : 0;
        } else if ((*place)->query != query) {
            throw error(errc::invalid_argument,
                        "mice_ranking() has another query in this row; group by the query");
        }
        nlohmann::ordered_json id = json_of(values[1]);
        (*place)->documents.push_back(document_of(of(context).model(), values[2]));
        (*place)->ids.push_back(std::move(id));
    });
}

void ranking_final(sqlite3_context* context) {
    collected** const place = place_of(context, false);
    const std::unique_ptr<collected> rows(place == nullptr ? nullptr : *place);
    guarded(context, [&] {
        nlohmann::ordered_json list = nlohmann::ordered_json::array();
        if (rows != nullptr) {
            const ranking found = of(context).model().rank(of(context).query(rows->query),
                                                           rows->documents, {.top_k = rows->top_k});
            for (const hit& each : found) {
                list.push_back({{"id", std::move(rows->ids[each.index])},
                                {"score", static_cast<double>(each.score)}});
            }
        }
        give_text(context,
                  list.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
        sqlite3_result_subtype(context, 'J'); // as SQLite's own JSON functions mark theirs
    });
}

struct scalar {
    const char* name;
    int arguments;
    int flags;
    void (*call)(sqlite3_context*, int, sqlite3_value**);
};

void release(void* kept) {
    delete static_cast<shared_connection*>(kept);
}

} // namespace

int add_functions(sqlite3* to, const std::shared_ptr<connection>& shared) {
    // A schema (a trigger, a view) of a file from elsewhere must not choose files to read.
    constexpr int reads_files = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    const scalar functions[] = {
        {"mice_version", 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, version},
        {"mice_model", 0, reads_files, model},
        {"mice_model", 1, reads_files, model},
        {"mice_model", 2, reads_files, model},
        {"mice_encode", 1, SQLITE_UTF8, encode},
        {"mice_score", 2, SQLITE_UTF8, score},
        {"mice_highlight", 2, SQLITE_UTF8, highlight_text},
        {"mice_highlight", 4, SQLITE_UTF8, highlight_text},
    };
    for (const scalar& each : functions) {
        const int code = sqlite3_create_function_v2(
            to, each.name, each.arguments, each.flags, new shared_connection(shared), each.call,
            nullptr, nullptr, release); // releases it where it fails, too
        if (code != SQLITE_OK) {
            return code;
        }
    }
    for (const int arguments : {3, 4}) {
        const int code = sqlite3_create_function_v2(to, "mice_ranking", arguments, SQLITE_UTF8,
                                                    new shared_connection(shared), nullptr,
                                                    ranking_step, ranking_final, release);
        if (code != SQLITE_OK) {
            return code;
        }
    }
    return SQLITE_OK;
}

} // namespace mice::sqlite
