// SPDX-License-Identifier: Apache-2.0
// The table function mice_rank(QUERY, DOCUMENTS [, TOP_K]): one row for each hit, best first.
// DOCUMENTS is a JSON array of texts, or of objects {"id", "text"} or {"id", "states"}, where
// states are the hexadecimal digits of a BLOB of mice_encode().
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <mice/error.hpp>

#include "connection.hpp"

namespace mice::sqlite {
namespace {

using nlohmann::json;

enum column : int {
    rank_column,
    id_column,
    score_column,
    text_column,
    query_column,
    documents_column,
    top_k_column
};

constexpr const char* schema = "CREATE TABLE x(rank INTEGER, id, score REAL, text TEXT, "
                               "query HIDDEN, documents HIDDEN, top_k HIDDEN)";

struct table : sqlite3_vtab {
    std::shared_ptr<connection> shared;
};

struct row {
    json id;
    std::string text;
    bool has_text = false;
    float score = 0;
};

struct cursor : sqlite3_vtab_cursor {
    std::vector<row> rows; ///< best first
    std::size_t at = 0;
};

/// Calls `work`; an exception becomes the table's error.
template <class Work> int guarded_table(sqlite3_vtab* of, const Work& work) noexcept {
    try {
        work();
        return SQLITE_OK;
    } catch (...) {
        const std::string message = current_message();
        if (message.empty()) {
            return SQLITE_NOMEM;
        }
        sqlite3_free(of->zErrMsg);
        of->zErrMsg = sqlite3_mprintf("%s", message.c_str());
        return SQLITE_ERROR;
    }
}

error bad_element(std::size_t at, const std::string& what) {
    return {errc::invalid_argument,
            "mice_rank(), document " + std::to_string(at + 1) + ": " + what};
}

std::vector<std::byte> bytes_of(const std::string& digits, std::size_t at) {
    const auto value_of = [&](char digit) -> unsigned {
        if (digit >= '0' && digit <= '9') {
            return static_cast<unsigned>(digit - '0');
        }
        const char lower = static_cast<char>(digit | 0x20);
        if (lower >= 'a' && lower <= 'f') {
            return static_cast<unsigned>(lower - 'a') + 10;
        }
        throw bad_element(at, "its states are not the hexadecimal digits that hex(BLOB) gives");
    };
    if (digits.size() % 2 != 0) {
        throw bad_element(at, "its states have half a byte at their end");
    }
    std::vector<std::byte> bytes(digits.size() / 2);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] =
            static_cast<std::byte>(value_of(digits[2 * i]) * 16 + value_of(digits[2 * i + 1]));
    }
    return bytes;
}

/// Ranks the documents of a JSON array.
std::vector<row> ranked(connection& here, std::string_view query, std::string_view documents,
                        std::size_t top_k) {
    const json list = json::parse(documents, nullptr, false);
    if (!list.is_array()) {
        throw error(errc::invalid_argument,
                    "mice_rank() takes its documents as a JSON array, such as "
                    "json_group_array(json_object('id', rowid, 'text', body))");
    }
    const reranker& ranker = here.model();
    std::vector<row> rows;
    std::vector<document> encoded;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const json& each = list[i];
        row next{.id = i, .text = {}};
        const json* const text = each.is_string()                            ? &each
                                 : each.is_object() && each.contains("text") ? &each["text"]
                                                                             : nullptr;
        if (each.is_object() && each.contains("id")) {
            next.id = each["id"];
        }
        if (next.id.is_structured()) {
            throw bad_element(i, "its id is a list or an object");
        }
        if (text != nullptr && text->is_string()) {
            next.text = text->get<std::string>();
            next.has_text = true;
        }
        if (each.is_object() && each.contains("states") && each["states"].is_string()) {
            encoded.push_back(
                stored_document(ranker, bytes_of(each["states"].get_ref<const std::string&>(), i)));
        } else if (next.has_text) {
            encoded.push_back(ranker.encode(next.text));
        } else {
            throw bad_element(i, "it is neither a text, nor an object with text or states");
        }
        rows.push_back(std::move(next));
    }
    std::vector<row> best;
    for (const hit& each : ranker.rank(here.query(query), encoded, {.top_k = top_k})) {
        best.push_back(std::move(rows[each.index]));
        best.back().score = each.score;
    }
    return best;
}

// ---- what SQLite calls ----

int connect(sqlite3* to, void* kept, int, const char* const*, sqlite3_vtab** made, char**) {
    const int code = sqlite3_declare_vtab(to, schema);
    if (code != SQLITE_OK) {
        return code;
    }
    auto* const fresh = new (std::nothrow) table{};
    if (fresh == nullptr) {
        return SQLITE_NOMEM;
    }
    fresh->shared = *static_cast<std::shared_ptr<connection>*>(kept);
    *made = fresh;
    return SQLITE_OK;
}

int disconnect(sqlite3_vtab* of) {
    delete static_cast<table*>(of);
    return SQLITE_OK;
}

int best_index(sqlite3_vtab* of, sqlite3_index_info* plan) {
    int found[top_k_column + 1] = {};
    for (int i = 0; i < plan->nConstraint; ++i) {
        const auto& constraint = plan->aConstraint[i];
        if (constraint.iColumn < query_column || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) {
            continue;
        }
        if (constraint.usable == 0) {
            return SQLITE_CONSTRAINT; // another order of the join has it
        }
        found[constraint.iColumn] = i + 1;
    }
    if (found[query_column] == 0 || found[documents_column] == 0) {
        sqlite3_free(of->zErrMsg);
        of->zErrMsg =
            sqlite3_mprintf("mice: mice_rank() needs a query and a JSON array of documents");
        return SQLITE_ERROR;
    }
    int argument = 0;
    for (const int each : {query_column, documents_column, top_k_column}) {
        if (found[each] != 0) {
            plan->aConstraintUsage[found[each] - 1].argvIndex = ++argument;
            plan->aConstraintUsage[found[each] - 1].omit = 1;
        }
    }
    plan->orderByConsumed = plan->nOrderBy == 1 && plan->aOrderBy[0].iColumn == rank_column &&
                            plan->aOrderBy[0].desc == 0;
    plan->estimatedCost = 1e5;
    plan->estimatedRows = 100;
    return SQLITE_OK;
}

int open(sqlite3_vtab*, sqlite3_vtab_cursor** made) {
    auto* const fresh = new (std::nothrow) cursor{};
    *made = fresh;
    return fresh == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

int close(sqlite3_vtab_cursor* of) {
    delete static_cast<cursor*>(of);
    return SQLITE_OK;
}

int filter(sqlite3_vtab_cursor* of, int, const char*, int count, sqlite3_value** values) {
    auto* const here = static_cast<cursor*>(of);
    return guarded_table(of->pVtab, [&] {
        here->rows.clear();
        here->at = 0;
        if (sqlite3_value_type(values[0]) == SQLITE_NULL ||
            sqlite3_value_type(values[1]) == SQLITE_NULL) {
            return;
        }
        const std::size_t top_k = count > 2 ? count_of(values[2], "the number of hits") : 0;
        here->rows = ranked(*static_cast<table*>(of->pVtab)->shared, text_of(values[0]),
                            text_of(values[1]), top_k);
    });
}

int next(sqlite3_vtab_cursor* of) {
    ++static_cast<cursor*>(of)->at;
    return SQLITE_OK;
}

int at_end(sqlite3_vtab_cursor* of) {
    const auto* const here = static_cast<cursor*>(of);
    return here->at >= here->rows.size() ? 1 : 0;
}

void give(sqlite3_context* context, const json& value) {
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    } else if (value.is_number_float() ||
               (value.is_number_unsigned() &&
                value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))) {
        sqlite3_result_double(context, value.get<double>());
    } else if (value.is_number_integer()) {
        sqlite3_result_int64(context, value.get<sqlite3_int64>());
    } else if (value.is_boolean()) {
        sqlite3_result_int(context, value.get<bool>() ? 1 : 0);
    } // else null
}

int column_of(sqlite3_vtab_cursor* of, sqlite3_context* context, int which) {
    const auto* const here = static_cast<cursor*>(of);
    const row& hit = here->rows[here->at];
    switch (which) {
    case rank_column:
        sqlite3_result_int64(context, static_cast<sqlite3_int64>(here->at + 1));
        break;
    case id_column:
        give(context, hit.id);
        break;
    case score_column:
        sqlite3_result_double(context, static_cast<double>(hit.score));
        break;
    case text_column:
        if (hit.has_text) {
            sqlite3_result_text64(context, hit.text.data(), hit.text.size(), SQLITE_TRANSIENT,
                                  SQLITE_UTF8);
        }
        break;
    default:
        break; // the arguments are not given back
    }
    return SQLITE_OK;
}

int row_id(sqlite3_vtab_cursor* of, sqlite3_int64* id) {
    *id = static_cast<sqlite3_int64>(static_cast<cursor*>(of)->at + 1);
    return SQLITE_OK;
}

// Without xCreate the table is there in every connection, and nowhere in a file.
const sqlite3_module module = [] {
    sqlite3_module made{};
    made.xConnect = connect;
    made.xBestIndex = best_index;
    made.xDisconnect = disconnect;
    made.xOpen = open;
    made.xClose = close;
    made.xFilter = filter;
    made.xNext = next;
    made.xEof = at_end;
    made.xColumn = column_of;
    made.xRowid = row_id;
    return made;
}();

} // namespace

int add_rank_table(sqlite3* to, const std::shared_ptr<connection>& of) {
    return sqlite3_create_module_v2(
        to, "mice_rank", &module, new std::shared_ptr<connection>(of),
        [](void* kept) { delete static_cast<std::shared_ptr<connection>*>(kept); });
}

} // namespace mice::sqlite
