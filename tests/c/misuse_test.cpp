// SPDX-License-Identifier: Apache-2.0
// What callers of the C interface do wrong: every function with NULL in every place, and with sizes
// that no memory has.
#include "../support/allocation_counter.hpp"
#include "../support/temporary_folder.hpp"
#include "c_objects.hpp"

#include <cmath>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <set>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

using namespace c_interface;

namespace {

/// Frees what a function put there; leaves other arguments and the error alone.
template <class Argument> void drop(Argument argument) {
    using object = std::remove_pointer_t<Argument>;
    if constexpr (std::is_pointer_v<object> && !std::is_const_v<object> &&
                  !std::is_same_v<Argument, mice_error**> && requires { freeing()(*argument); }) {
        if (argument != nullptr) {
            freeing()(*argument);
            *argument = nullptr;
        }
    }
}

/// Which functions were called.
std::set<std::string, std::less<>> called;

template <class Argument> Argument wrong(char how, Argument argument) {
    if constexpr (std::is_pointer_v<Argument>) {
        return nullptr;
    } else if constexpr (std::is_same_v<Argument, std::size_t>) {
        return how == 's' ? std::numeric_limits<std::size_t>::max() : argument;
    } else if constexpr (std::is_same_v<Argument, std::int32_t>) {
        return how == 'e' ? 99 : argument;
    } else {
        return argument;
    }
}

/// Calls a function by `call`: with its argument of that place wrong, and where to put an error.
/// `kinds` has a letter for each argument: ! may not be NULL, ? may be, s is a size or count, e one
/// of several values, . anything else.
void try_places(const char* name, std::string_view kinds, std::size_t arguments,
                const std::function<mice_status(std::size_t, mice_error**)>& call) {
    called.insert(name);
    INFO(name);
    REQUIRE(kinds.size() == arguments);
    for (std::size_t place = 0; place < arguments; ++place) {
        if (kinds[place] == '.') {
            continue;
        }
        owned<mice_error> error;
        const mice_status status = call(place, out(error));
        INFO("argument " << place << ", " << kinds[place] << ": "
                         << mice_error_message(error.get()));
        CHECK(status == (kinds[place] == '?' ? MICE_OK : MICE_ERROR_INVALID_ARGUMENT));
        CHECK(mice_error_code(error.get()) == status);
        CHECK((error == nullptr) == (status == MICE_OK));
        const std::size_t before = allocations::living();
        const mice_status again = call(place, nullptr); // nobody wants to know why
        const std::size_t after = allocations::living();
        CHECK(again == status);
        CHECK((status == MICE_OK || after == before));
    }
}

/// Calls a function that can fail with valid arguments but for one, for each in turn, and with NULL
/// and 0 everywhere. The last argument is the error.
template <class... Arguments, class... Valid>
void misuse(const char* name, const char* kinds, mice_status (*function)(Arguments...),
            Valid... valid) {
    const std::tuple<Arguments...> right(valid..., nullptr);
    const auto call = [&]<std::size_t... I>(std::index_sequence<I...>, std::size_t place,
                                            mice_error * *error) {
        const mice_status status = function(
            (I == place ? wrong(kinds[I], std::get<I>(right)) : std::get<I>(right))..., error);
        (drop(std::get<I>(right)), ...);
        return status;
    };
    try_places(name, kinds, sizeof...(Valid), [&](std::size_t place, mice_error** error) {
        return call(std::index_sequence_for<Valid...>(), place, error);
    });
    CHECK(function(std::remove_reference_t<Arguments>()...) == MICE_ERROR_INVALID_ARGUMENT);
}

/// Calls a function that cannot fail with NULL and 0 everywhere.
template <class Result, class... Arguments>
Result of_nothing(const char* name, Result (*function)(Arguments...)) {
    called.insert(name);
    return function(std::remove_reference_t<Arguments>()...);
}

} // namespace

#define MISUSE(function, ...) misuse(#function, __VA_ARGS__)
#define OF_NOTHING(function) of_nothing(#function, &function)

TEST_CASE("every function of the C interface refuses NULL and impossible sizes") {
    called.clear();
    const temporary_folder folder;
    const std::string path = model_path();
    std::ifstream file(path, std::ios::binary);
    const std::string model{std::istreambuf_iterator<char>(file), {}};
    const owned<mice_reranker> loaded = load(MICE_PRECISION_F32);
    const mice_reranker* ranker = loaded.get();
    const std::string text = "Yeast gives off gas. The dough swells.";
    const char* const bytes = text.data();
    const std::size_t size = text.size();
    const char* texts[] = {bytes, bytes};
    const std::size_t sizes[] = {size, size};
    const owned<mice_options> made_options = new_options();
    mice_options* options = made_options.get();
    mice_document* encoded[2] = {};
    must([&](mice_error** error) {
        return mice_encode_all(ranker, texts, sizes, 2, options, encoded, error);
    });
    const owned<mice_document> first(encoded[0]), second(encoded[1]);
    const mice_document* document = first.get();
    const mice_document* documents[] = {first.get(), second.get()};
    owned<mice_ranking> ranked;
    must([&](mice_error** error) {
        return mice_rank_texts(ranker, bytes, size, texts, sizes, 2, options, out(ranked), error);
    });
    owned<mice_highlights> lit;
    must([&](mice_error** error) {
        return mice_highlight_text(ranker, bytes, size, bytes, size, options, out(lit), error);
    });
    owned<mice_passages> cut;
    must([&](mice_error** error) {
        return mice_passages_cut(ranker, bytes, size, options, out(cut), error);
    });
    owned<mice_bytes> stored;
    must([&](mice_error** error) { return mice_document_serialize(document, out(stored), error); });
    std::size_t stored_size = 0;
    const void* stored_bytes = mice_bytes_data(stored.get(), &stored_size);
    const std::string where = (folder.path() / "index").string();
    owned<mice_index> opened;
    must([&](mice_error** error) {
        return mice_index_create(where.data(), where.size(), ranker, options, out(opened), error);
    });
    mice_index* index = opened.get();
    must([&](mice_error** error) {
        return mice_index_put(index, "a", 1, bytes, size, nullptr, 0, nullptr, error);
    });
    must([&](mice_error** error) { return mice_index_commit(index, nullptr, error); });

    owned<mice_query> asked;
    must([&](mice_error** error) {
        return mice_encode_query(ranker, bytes, size, options, out(asked), error);
    });
    const mice_query* queries[] = {asked.get()};
    const std::string copy = (folder.path() / "copy").string();
    owned<mice_index> copied;
    must([&](mice_error** error) {
        return mice_index_create_like(copy.data(), copy.size(), ranker, where.data(), where.size(),
                                      options, out(copied), error);
    });
    must([&](mice_error** error) { return mice_index_commit(copied.get(), nullptr, error); });
    const char* folders[] = {copy.data()};
    const std::size_t folder_sizes[] = {copy.size()};

    mice_options* new_options = nullptr;
    mice_reranker* new_ranker = nullptr;
    mice_query* new_query = nullptr;
    mice_findings* findings = nullptr;
    mice_document* new_document = nullptr;
    mice_document* new_documents[2] = {};
    mice_ranking* ranking = nullptr;
    mice_highlights* highlights = nullptr;
    mice_passages* passages = nullptr;
    mice_bytes* new_bytes = nullptr;
    mice_index* new_index = nullptr;
    std::size_t a = 0, b = 0, c = 0;
    std::uint64_t d = 0, e = 0, f = 0, g = 0;
    float score = 0;
    float scores[2] = {};
    std::size_t indices[2] = {};
    std::int32_t done = 0;

    MISUSE(mice_options_create, "!", &mice_options_create, &new_options);
    MISUSE(mice_options_set_threads, "!.", &mice_options_set_threads, options, 2);
    MISUSE(mice_options_set_executor, "!?..", &mice_options_set_executor, options, nullptr, 0,
           nullptr);
    MISUSE(mice_options_set_cancel, "!??", &mice_options_set_cancel, options, nullptr, nullptr);
    MISUSE(mice_options_set_progress, "!??", &mice_options_set_progress, options, nullptr, nullptr);
    MISUSE(mice_options_set_time_limit, "!.", &mice_options_set_time_limit, options, 0);
    MISUSE(mice_options_set_precision, "!e", &mice_options_set_precision, options, 1);
    MISUSE(mice_options_set_top_k, "!.", &mice_options_set_top_k, options, 0);
    MISUSE(mice_options_set_score_form, "!e", &mice_options_set_score_form, options, 0);
    MISUSE(mice_options_set_specials, "!e", &mice_options_set_specials, options, 0);
    MISUSE(mice_options_set_invalid_utf8, "!e", &mice_options_set_invalid_utf8, options, 0);
    MISUSE(mice_options_set_text_of, "!??", &mice_options_set_text_of, options, nullptr, nullptr);
    MISUSE(mice_options_set_passages, "!...", &mice_options_set_passages, options, 0, 0, 0);
    MISUSE(mice_options_set_text_kind, "!e!s", &mice_options_set_text_kind, options, 0, "a.md", 4);
    MISUSE(mice_options_set_text_score, "!e...", &mice_options_set_text_score, options, 0, 0.5, 0.5,
           1);
    MISUSE(mice_options_set_codec, "!!s.e", &mice_options_set_codec, options, "int8", 4, 1, 0);
    MISUSE(mice_options_set_words, "!.", &mice_options_set_words, options, 1);
    MISUSE(mice_options_set_bm25, "!..", &mice_options_set_bm25, options, 1, 0.5);

    MISUSE(mice_reranker_load, "!s?!", &mice_reranker_load, path.data(), path.size(), options,
           &new_ranker);
    MISUSE(mice_reranker_load_memory, "..?!", &mice_reranker_load_memory, model.data(),
           model.size(), options, &new_ranker);
    CHECK(mice_reranker_load_memory(nullptr, 8, options, &new_ranker, nullptr) ==
          MICE_ERROR_INVALID_ARGUMENT);
    MISUSE(mice_rank, "!!s!!s?!", &mice_rank, ranker, bytes, size, texts, sizes, 2, options,
           &ranking);
    MISUSE(mice_score, "!!s!!s?!", &mice_score, ranker, bytes, size, texts, sizes, 2, options,
           &ranking);
    MISUSE(mice_rank_documents, "!!s!s!!?!", &mice_rank_documents, ranker, bytes, size, documents,
           2, texts, sizes, options, &ranking);
    MISUSE(mice_score_documents, "!!s!s?!", &mice_score_documents, ranker, bytes, size, documents,
           2, options, &ranking);
    MISUSE(mice_rank_texts, "!!s!!s?!", &mice_rank_texts, ranker, bytes, size, texts, sizes, 2,
           options, &ranking);
    MISUSE(mice_encode_query, "!!s?!", &mice_encode_query, ranker, bytes, size, options,
           &new_query);
    MISUSE(mice_query_tokens, "!???", &mice_query_tokens, asked.get(), &a, &b, &c);
    MISUSE(mice_rank_batch, "!!s!!s?!", &mice_rank_batch, ranker, queries, 1, texts, sizes, 2,
           options, &ranking);
    MISUSE(mice_rank_documents_batch, "!!s!s!!?!", &mice_rank_documents_batch, ranker, queries, 1,
           documents, 2, texts, sizes, options, &ranking);
    MISUSE(mice_ranking_copy_scores, "!!.", &mice_ranking_copy_scores, ranked.get(), scores, 2);
    MISUSE(mice_ranking_copy_indices, "!!.", &mice_ranking_copy_indices, ranked.get(), indices, 2);
    MISUSE(mice_ranking_tokens, "!s???", &mice_ranking_tokens, ranked.get(), 1, &a, &b, &c);
    MISUSE(mice_ranking_query, "!???", &mice_ranking_query, ranked.get(), &a, &b, &c);
    MISUSE(mice_ranking_passage, "!s???????", &mice_ranking_passage, ranked.get(), 1, &a, &b,
           &score, &d, &e, &f, &g);

    MISUSE(mice_highlight_text, "!!s!s?!", &mice_highlight_text, ranker, bytes, size, bytes, size,
           options, &highlights);
    MISUSE(mice_highlight_document, "!!s!!s?!", &mice_highlight_document, ranker, bytes, size,
           document, bytes, size, options, &highlights);
    MISUSE(mice_highlights_sentence, "!s????", &mice_highlights_sentence, lit.get(), 0, &a, &b, &c,
           &score);
    MISUSE(mice_highlights_word, "!ss???", &mice_highlights_word, lit.get(), 0, 0, &a, &b, &score);

    MISUSE(mice_encode, "!!s?!", &mice_encode, ranker, bytes, size, options, &new_document);
    // of new_documents the second would leak: with a failing argument there is none
    MISUSE(mice_encode_all, "!!!s.!", &mice_encode_all, ranker, texts, sizes, 2, options,
           new_documents);
    MISUSE(mice_document_serialize, "!!", &mice_document_serialize, document, &new_bytes);
    MISUSE(mice_document_deserialize, "!s!", &mice_document_deserialize, stored_bytes, stored_size,
           &new_document);
    MISUSE(mice_document_tokens, "!???", &mice_document_tokens, document, &a, &b, &c);
    MISUSE(mice_passages_cut, "!!s?!", &mice_passages_cut, ranker, bytes, size, options, &passages);
    MISUSE(mice_passages_place, "!s?????", &mice_passages_place, cut.get(), 0, &d, &e, &f, &g, &a);

    const std::string other = (folder.path() / "other").string();
    MISUSE(mice_index_create, "!s!.!", &mice_index_create, other.data(), other.size(), ranker,
           options, &new_index);
    const std::string like = (folder.path() / "like").string();
    MISUSE(mice_index_create_like, "!s!!s.!", &mice_index_create_like, like.data(), like.size(),
           ranker, where.data(), where.size(), options, &new_index);
    MISUSE(mice_index_open, "!s!?!", &mice_index_open, where.data(), where.size(), ranker, options,
           &new_index);
    MISUSE(mice_index_open_or_create, "!s!?!", &mice_index_open_or_create, where.data(),
           where.size(), ranker, options, &new_index);
    MISUSE(mice_index_put, "!!s!s?s?", &mice_index_put, index, "a", 1, bytes, size, nullptr, 0,
           &done);
    MISUSE(mice_index_put_text, "!!s!s?s?", &mice_index_put_text, index, "a", 1, bytes, size,
           nullptr, 0, &done);
    MISUSE(mice_index_put_document, "!!s!?s?", &mice_index_put_document, index, "a", 1, document,
           nullptr, 0, &done);
    MISUSE(mice_index_remove, "!!s?", &mice_index_remove, index, "b", 1, &done);
    MISUSE(mice_index_commit, "!?", &mice_index_commit, index, &d);
    MISUSE(mice_index_rollback, "!", &mice_index_rollback, index);
    MISUSE(mice_index_compact, "!??", &mice_index_compact, index, options, &d);
    MISUSE(mice_index_merge, "!!!se????", &mice_index_merge, index, folders, folder_sizes, 1,
           MICE_MERGE_REFUSE, options, &d, &e, &f);
    MISUSE(mice_index_refresh, "!?", &mice_index_refresh, index, &done);
    MISUSE(mice_index_release, "!", &mice_index_release, index);
    must([&](mice_error** error) { return mice_index_release(index, error); });
    MISUSE(mice_index_verify, "!s?!", &mice_index_verify, where.data(), where.size(), options,
           &findings);
    MISUSE(mice_index_repair, "!s!!??", &mice_index_repair, where.data(), where.size(), ranker,
           &findings, &done, &d);
    MISUSE(mice_index_plan_repair, "!s!!??", &mice_index_plan_repair, where.data(), where.size(),
           ranker, &findings, &done, &d);
    MISUSE(mice_index_size, "!!", &mice_index_size, index, &d);
    MISUSE(mice_index_metadata, "!!s!", &mice_index_metadata, index, "a", 1, &new_bytes);
    MISUSE(mice_index_rank, "!!s?!", &mice_index_rank, index, bytes, size, options, &ranking);
    MISUSE(mice_index_rank_batch, "!!s?!", &mice_index_rank_batch, index, queries, 1, options,
           &ranking);
    const char* ids[] = {"a"};
    const std::size_t id_sizes[] = {1};
    MISUSE(mice_index_rank_ids, "!!s!!s?!", &mice_index_rank_ids, index, bytes, size, ids, id_sizes,
           1, options, &ranking);
    MISUSE(mice_index_candidates, "!!s.?!", &mice_index_candidates, index, bytes, size, 5, options,
           &ranking);
    MISUSE(mice_index_search, "!!s.?!", &mice_index_search, index, bytes, size, 5, options,
           &ranking);
    MISUSE(mice_index_highlight, "!!s!s!s?!", &mice_index_highlight, index, bytes, size, "a", 1,
           bytes, size, options, &highlights);
    MISUSE(mice_options_set_highlights, "!..", &mice_options_set_highlights, options, 1, 1);
    MISUSE(mice_options_unset_highlights, "!", &mice_options_unset_highlights, options);
    // a sink is there during a callback alone
    called.insert("mice_text_sink_put");
    CHECK(mice_text_sink_put(nullptr, bytes, size, nullptr) == MICE_ERROR_INVALID_ARGUMENT);

    OF_NOTHING(mice_options_free);
    OF_NOTHING(mice_error_free);
    OF_NOTHING(mice_bytes_free);
    OF_NOTHING(mice_reranker_free);
    OF_NOTHING(mice_query_free);
    OF_NOTHING(mice_findings_free);
    OF_NOTHING(mice_document_free);
    OF_NOTHING(mice_ranking_free);
    OF_NOTHING(mice_highlights_free);
    OF_NOTHING(mice_passages_free);
    OF_NOTHING(mice_index_free);
    OF_NOTHING(mice_reranker_release_memory);
    CHECK(OF_NOTHING(mice_abi_version) == MICE_ABI_VERSION);
    CHECK(std::string(OF_NOTHING(mice_version)) == "0.1.0");
    CHECK(OF_NOTHING(mice_error_code) == MICE_OK);
    CHECK(std::string(OF_NOTHING(mice_error_message)).empty());
    CHECK(OF_NOTHING(mice_bytes_data) == nullptr);
    CHECK(OF_NOTHING(mice_reranker_precision) == 0);
    CHECK(OF_NOTHING(mice_reranker_fingerprint) == nullptr);
    CHECK(OF_NOTHING(mice_reranker_stores_documents) == 0);
    CHECK(OF_NOTHING(mice_reranker_max_tokens) == 0);
    CHECK(OF_NOTHING(mice_ranking_size) == 0);
    CHECK(OF_NOTHING(mice_ranking_complete) == 0);
    CHECK(OF_NOTHING(mice_ranking_unscored) == 0);
    CHECK(OF_NOTHING(mice_ranking_index) == 0);
    CHECK(std::isnan(OF_NOTHING(mice_ranking_score)));
    CHECK(OF_NOTHING(mice_ranking_id) == nullptr);
    CHECK(OF_NOTHING(mice_ranking_highlights) == nullptr);
    CHECK(OF_NOTHING(mice_highlights_size) == 0);
    CHECK(OF_NOTHING(mice_highlights_words) == 0);
    CHECK(OF_NOTHING(mice_highlights_note) == nullptr);
    CHECK(OF_NOTHING(mice_findings_size) == 0);
    CHECK(OF_NOTHING(mice_findings_file) == nullptr);
    CHECK(OF_NOTHING(mice_findings_what) == nullptr);
    CHECK(OF_NOTHING(mice_document_states) == nullptr);
    CHECK(OF_NOTHING(mice_document_fingerprint) == nullptr);
    CHECK(OF_NOTHING(mice_passages_size) == 0);
    CHECK(OF_NOTHING(mice_passages_headings) == 0);
    CHECK(OF_NOTHING(mice_passages_heading) == nullptr);

    std::ifstream list(MICE_TEST_SYMBOLS);
    std::set<std::string, std::less<>> all;
    for (std::string line; std::getline(list, line);) {
        if (line.starts_with("mice_")) {
            all.insert(line);
        }
    }
    CHECK(all == called);
}

TEST_CASE("places that are not there, small buffers and odd values are errors of the C interface") {
    const owned<mice_reranker> ranker = load();
    const char* texts[] = {"bread", nullptr};
    std::size_t sizes[] = {5, 0};
    owned<mice_ranking> ranking;
    // a NULL text of 0 bytes is the empty text, and a list of none needs no arrays
    must([&](mice_error** error) {
        return mice_rank(ranker.get(), nullptr, 0, texts, sizes, 2, nullptr, out(ranking), error);
    });
    CHECK(mice_ranking_size(ranking.get()) == 2);
    CHECK(std::isnan(mice_ranking_score(ranking.get(), 2)));
    CHECK(mice_ranking_id(ranking.get(), 2, &sizes[1]) == nullptr);
    CHECK(std::string(mice_ranking_id(ranking.get(), 1, nullptr)).empty());
    float score[1] = {};
    owned<mice_error> error;
    CHECK(mice_ranking_copy_scores(ranking.get(), score, 1, out(error)) ==
          MICE_ERROR_INVALID_ARGUMENT);
    CHECK(std::string(mice_error_message(error.get())) == "there are 2 hits, and room for 1");
    sizes[1] = 3;
    CHECK(mice_rank(ranker.get(), nullptr, 0, texts, sizes, 2, nullptr, out(ranking), out(error)) ==
          MICE_ERROR_INVALID_ARGUMENT);
    CHECK(std::string(mice_error_message(error.get())) == "texts[1] is NULL, and its size is 3");
    CHECK(ranking == nullptr);
    must([&](mice_error** failure) {
        return mice_rank(ranker.get(), "q", 1, nullptr, nullptr, 0, nullptr, out(ranking), failure);
    });
    CHECK(mice_ranking_size(ranking.get()) == 0);
    must([&](mice_error** failure) {
        return mice_ranking_copy_scores(ranking.get(), nullptr, 0, failure);
    });
    must([&](mice_error** failure) {
        return mice_encode_all(ranker.get(), nullptr, nullptr, 0, nullptr, nullptr, failure);
    });

    owned<mice_reranker> none;
    CHECK(mice_reranker_load("no such file", 12, nullptr, out(none), out(error)) == MICE_ERROR_IO);
    CHECK(mice_reranker_load("a\0b", 3, nullptr, out(none), out(error)) ==
          MICE_ERROR_INVALID_ARGUMENT);
    CHECK(mice_reranker_load_memory(nullptr, 0, nullptr, out(none), out(error)) ==
          MICE_ERROR_FORMAT);

    const owned<mice_options> options = new_options();
    const double not_a_number = std::numeric_limits<double>::quiet_NaN();
    CHECK(mice_options_set_bm25(options.get(), not_a_number, 0, nullptr) ==
          MICE_ERROR_INVALID_ARGUMENT);
    CHECK(mice_options_set_bm25(options.get(), 0.9, 2, nullptr) == MICE_ERROR_INVALID_ARGUMENT);
    CHECK(mice_options_set_text_score(options.get(), 0, 0, 0.5, 1, nullptr) ==
          MICE_ERROR_INVALID_ARGUMENT);
    CHECK(mice_options_set_text_score(options.get(), 0, not_a_number, 0.5, 1, nullptr) ==
          MICE_ERROR_INVALID_ARGUMENT);
    CHECK(mice_options_set_precision(options.get(), -1, nullptr) == MICE_ERROR_INVALID_ARGUMENT);
    const mice_submit never = [](void*, void (*)(void*), void*) { return std::int32_t{1}; };
    CHECK(mice_options_set_executor(options.get(), never, 0, nullptr, nullptr) ==
          MICE_ERROR_INVALID_ARGUMENT);
    must([&](mice_error** failure) {
        return mice_options_set_invalid_utf8(options.get(), MICE_INVALID_UTF8_REFUSE, failure);
    });
    CHECK(mice_rank(ranker.get(), "\xff", 1, texts, sizes, 1, options.get(), out(ranking),
                    out(error)) == MICE_ERROR_ENCODING);
    must([&](mice_error** failure) { // an end of time that no clock reaches
        return mice_options_set_time_limit(options.get(), UINT64_MAX, failure);
    });
    must([&](mice_error** failure) {
        return mice_options_set_top_k(options.get(), SIZE_MAX, failure);
    });
    must([&](mice_error** failure) {
        return mice_options_set_threads(options.get(), SIZE_MAX, failure);
    });
    must([&](mice_error** failure) {
        return mice_rank(ranker.get(), "q", 1, texts, sizes, 1, options.get(), out(ranking),
                         failure);
    });
    CHECK(mice_ranking_complete(ranking.get()) == 1);
}
