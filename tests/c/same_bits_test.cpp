// SPDX-License-Identifier: Apache-2.0
// The C interface gives what the C++ interface gives.
#include "../support/temporary_folder.hpp"
#include "c_objects.hpp"

#include <bit>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string_view>
#include <thread>

#include <mice/mice.hpp>

using namespace c_interface;

namespace {

mice::reranker cpp_reranker(mice::precision computed) {
    return mice::reranker(std::filesystem::path(model_path()), computed);
}

template <class Hits> void same_hits(const mice_ranking* ranking, const Hits& hits) {
    REQUIRE(mice_ranking_size(ranking) == hits.size());
    std::vector<float> scores(hits.size());
    must([&](mice_error** error) {
        return mice_ranking_copy_scores(ranking, scores.data(), scores.size(), error);
    });
    std::size_t other = 0; // one assertion for all: there are many
    for (std::size_t i = 0; i < hits.size(); ++i) {
        const auto expected = std::bit_cast<std::uint32_t>(hits[i].score);
        other += std::bit_cast<std::uint32_t>(scores[i]) != expected;
        other += std::bit_cast<std::uint32_t>(mice_ranking_score(ranking, i)) != expected;
        if constexpr (requires { hits[i].index; }) {
            other += mice_ranking_index(ranking, i) != hits[i].index;
        } else {
            other += std::string_view(mice_ranking_id(ranking, i, nullptr)) != hits[i].id;
        }
        std::size_t seen = 0, cut = 0, replaced = 0;
        other += mice_ranking_tokens(ranking, i, &seen, &cut, &replaced, nullptr) != MICE_OK;
        other += seen != hits[i].tokens_seen || cut != hits[i].tokens_cut ||
                 replaced != hits[i].replaced;
    }
    CHECK(other == 0);
}

std::string long_text() {
    std::string text = "# Baking\n\n";
    for (const std::string& each : made_texts(60)) {
        text += each + "\n\n";
    }
    return text + "## Yeast\n\nYeast gives off carbon dioxide, so the dough swells.\n";
}

} // namespace

TEST_CASE("the C interface ranks and scores with the same bits as C++") {
    const auto [c_precision, cpp_precision] =
        GENERATE(std::pair{MICE_PRECISION_F32, mice::precision::f32},
                 std::pair{MICE_PRECISION_INT8, mice::precision::int8});
    const owned<mice_reranker> ranker = load(c_precision);
    const mice::reranker expected = cpp_reranker(cpp_precision);
    CHECK(mice_reranker_precision(ranker.get()) == c_precision);
    CHECK(mice_reranker_fingerprint(ranker.get(), nullptr) == expected.fingerprint());
    CHECK(mice_reranker_stores_documents(ranker.get()) == 1);
    CHECK(mice_reranker_max_tokens(ranker.get()) == expected.config().max_document_length);

    const std::vector<std::string> texts = made_texts(250);
    const text_list list(texts);
    const owned<mice_options> options = new_options();
    std::vector<mice_document*> documents(texts.size());
    must([&](mice_error** error) {
        return mice_encode_all(ranker.get(), list.pointers.data(), list.sizes.data(), texts.size(),
                               options.get(), documents.data(), error);
    });
    const std::vector<mice::document> encoded = expected.encode_all(texts);
    const std::vector<std::string> few(texts.begin(), texts.begin() + 40);
    // 4 queries by 250 texts: 1,000 pairs
    for (const std::string query : {"why does bread rise", "rainbow", "sharp knife \xff", ""}) {
        owned<mice_ranking> ranking;
        must([&](mice_error** error) {
            return mice_score(ranker.get(), query.data(), query.size(), list.pointers.data(),
                              list.sizes.data(), texts.size(), nullptr, out(ranking), error);
        });
        const mice::ranking scored = expected.score(query, texts);
        same_hits(ranking.get(), scored.hits);
        std::size_t seen = 0, cut = 0, replaced = 0;
        must([&](mice_error** error) {
            return mice_ranking_query(ranking.get(), &seen, &cut, &replaced, error);
        });
        CHECK(seen == scored.query_tokens_seen);
        CHECK(cut == scored.query_tokens_cut);
        CHECK(replaced == scored.query_replaced);
        CHECK(mice_ranking_complete(ranking.get()) == 1);

        must([&](mice_error** error) {
            return mice_score_documents(ranker.get(), query.data(), query.size(), documents.data(),
                                        texts.size(), nullptr, out(ranking), error);
        });
        same_hits(ranking.get(), expected.score(query, encoded).hits);

        must([&](mice_error** error) { return mice_options_set_top_k(options.get(), 7, error); });
        must([&](mice_error** error) {
            return mice_options_set_score_form(options.get(), MICE_SCORE_SIGMOID, error);
        });
        must([&](mice_error** error) {
            return mice_rank(ranker.get(), query.data(), query.size(), list.pointers.data(),
                             list.sizes.data(), few.size(), options.get(), out(ranking), error);
        });
        const mice::rank_options best{.top_k = 7, .output = mice::activation::sigmoid};
        same_hits(ranking.get(), expected.rank(query, few, best).hits);
        must([&](mice_error** error) {
            return mice_rank_documents(ranker.get(), query.data(), query.size(), documents.data(),
                                       texts.size(), nullptr, nullptr, options.get(), out(ranking),
                                       error);
        });
        same_hits(ranking.get(), expected.rank(query, encoded, best).hits);
        std::vector<std::size_t> places(7);
        must([&](mice_error** error) {
            return mice_ranking_copy_indices(ranking.get(), places.data(), places.size(), error);
        });
        CHECK(places[6] == mice_ranking_index(ranking.get(), 6));
    }
    for (mice_document* each : documents) {
        mice_document_free(each);
    }
}

TEST_CASE("the C interface loads a model from memory") {
    const mice::reranker expected = cpp_reranker(mice::precision::f32);
    std::ifstream file(model_path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const owned<mice_options> options = new_options();
    must([&](mice_error** error) {
        return mice_options_set_precision(options.get(), MICE_PRECISION_F32, error);
    });
    owned<mice_reranker> ranker;
    must([&](mice_error** error) {
        return mice_reranker_load_memory(bytes.data(), bytes.size(), options.get(), out(ranker),
                                         error);
    });
    CHECK(mice_reranker_fingerprint(ranker.get(), nullptr) == expected.fingerprint());
}

TEST_CASE("the C interface encodes, stores and reads documents") {
    const owned<mice_reranker> ranker = load(MICE_PRECISION_F32);
    const mice::reranker expected = cpp_reranker(mice::precision::f32);
    const std::string text = "Yeast gives off carbon dioxide, so the dough \xc3 swells.";
    owned<mice_document> document;
    must([&](mice_error** error) {
        return mice_encode(ranker.get(), text.data(), text.size(), nullptr, out(document), error);
    });
    const mice::document encoded = expected.encode(text);
    std::size_t rows = 0, width = 0, tokens = 0, cut = 0, replaced = 0;
    const float* states = mice_document_states(document.get(), &rows, &width);
    REQUIRE(rows * width == encoded.states().size());
    CHECK(std::equal(states, states + rows * width, encoded.states().begin()));
    must([&](mice_error** error) {
        return mice_document_tokens(document.get(), &tokens, &cut, &replaced, error);
    });
    CHECK(tokens == encoded.tokens());
    CHECK(cut == 0);
    CHECK(replaced == 1);

    owned<mice_bytes> bytes;
    must([&](mice_error** error) {
        return mice_document_serialize(document.get(), out(bytes), error);
    });
    std::size_t size = 0;
    const auto* data = static_cast<const std::byte*>(mice_bytes_data(bytes.get(), &size));
    const std::vector<std::byte> serialized = encoded.serialize();
    CHECK(std::vector<std::byte>(data, data + size) == serialized);
    owned<mice_document> read;
    must([&](mice_error** error) {
        return mice_document_deserialize(data, size, out(read), error);
    });
    CHECK(mice_document_fingerprint(read.get(), nullptr) == encoded.fingerprint());
    owned<mice_error> error;
    CHECK(mice_document_deserialize(data, size - 1, out(read), out(error)) != MICE_OK);
    CHECK(read == nullptr);
    CHECK(mice_error_code(error.get()) == MICE_ERROR_FORMAT);
}

TEST_CASE("the C interface cuts texts and ranks them by passages") {
    const owned<mice_reranker> ranker = load(MICE_PRECISION_F32);
    const mice::reranker expected = cpp_reranker(mice::precision::f32);
    const std::vector<std::string> texts{long_text(), "Short.", "", long_text() + "More."};
    const text_list list(texts);
    const owned<mice_options> options = new_options();
    const mice::text_options cut{
        .score = mice::text_score::soft_max,
        .temperature = 0.25,
        .first_share = 0.125,
        .first_limit = 2,
        .cut = {.max_tokens = 64, .overlap_sentences = 1, .kind = mice::text_kind::markdown}};
    must([&](mice_error** error) {
        return mice_options_set_passages(options.get(), 64, 0, 1, error);
    });
    must([&](mice_error** error) {
        return mice_options_set_text_kind(options.get(), MICE_TEXT_MARKDOWN, "a.md", 4, error);
    });
    must([&](mice_error** error) {
        return mice_options_set_text_score(options.get(), MICE_TEXT_SCORE_SOFT_MAX, 0.25, 0.125, 2,
                                           error);
    });

    owned<mice_passages> passages;
    must([&](mice_error** error) {
        return mice_passages_cut(ranker.get(), texts[0].data(), texts[0].size(), options.get(),
                                 out(passages), error);
    });
    const std::vector<mice::passage> made = mice::passages(texts[0], expected, cut.cut);
    REQUIRE(mice_passages_size(passages.get()) == made.size());
    REQUIRE(made.size() > 5);
    for (std::size_t i = 0; i < made.size(); ++i) {
        std::uint64_t begin = 0, end = 0, first = 0, last = 0;
        std::size_t tokens = 0;
        must([&](mice_error** error) {
            return mice_passages_place(passages.get(), i, &begin, &end, &first, &last, &tokens,
                                       error);
        });
        CHECK(begin == made[i].begin);
        CHECK(end == made[i].end);
        CHECK(first == made[i].first_line);
        CHECK(last == made[i].last_line);
        CHECK(tokens == made[i].tokens);
        REQUIRE(mice_passages_headings(passages.get(), i) == made[i].headings.size());
        for (std::size_t h = 0; h < made[i].headings.size(); ++h) {
            CHECK(mice_passages_heading(passages.get(), i, h, nullptr) == made[i].headings[h]);
        }
    }

    owned<mice_ranking> ranking;
    must([&](mice_error** error) {
        return mice_rank_texts(ranker.get(), "yeast", 5, list.pointers.data(), list.sizes.data(),
                               texts.size(), options.get(), out(ranking), error);
    });
    const mice::text_ranking ranked = mice::rank_texts(expected, "yeast", texts, {}, cut);
    same_hits(ranking.get(), ranked.hits);
    for (std::size_t i = 0; i < ranked.size(); ++i) {
        std::size_t count = 0, best = 0;
        float score = 0;
        std::uint64_t begin = 0, end = 0, first = 0, last = 0;
        must([&](mice_error** error) {
            return mice_ranking_passage(ranking.get(), i, &count, &best, &score, &begin, &end,
                                        &first, &last, error);
        });
        CHECK(count == ranked[i].passages);
        CHECK(best == ranked[i].best.index);
        CHECK(std::bit_cast<std::uint32_t>(score) ==
              std::bit_cast<std::uint32_t>(ranked[i].best_score));
        CHECK(begin == ranked[i].best.begin);
        CHECK(end == ranked[i].best.end);
        CHECK(first == ranked[i].best.first_line);
        CHECK(last == ranked[i].best.last_line);
    }
}

namespace {

void same_highlights(const mice_highlights* made, const mice::highlights& expected) {
    REQUIRE(made != nullptr);
    CHECK(mice_highlights_note(made, nullptr) == expected.note);
    REQUIRE(mice_highlights_size(made) == expected.sentences.size());
    for (std::size_t s = 0; s < expected.sentences.size(); ++s) {
        const mice::highlight& sentence = expected.sentences[s];
        std::size_t begin = 0, end = 0, line = 0;
        float score = 0;
        must([&](mice_error** error) {
            return mice_highlights_sentence(made, s, &begin, &end, &line, &score, error);
        });
        CHECK(begin == sentence.begin);
        CHECK(end == sentence.end);
        CHECK(line == sentence.line);
        CHECK(score == sentence.score);
        REQUIRE(mice_highlights_words(made, s) == sentence.words.size());
        for (std::size_t w = 0; w < sentence.words.size(); ++w) {
            must([&](mice_error** error) {
                return mice_highlights_word(made, s, w, &begin, &end, &score, error);
            });
            CHECK(begin == sentence.words[w].begin);
            CHECK(end == sentence.words[w].end);
            CHECK(score == sentence.words[w].score);
        }
    }
}

} // namespace

TEST_CASE("the C interface highlights texts, documents and rankings") {
    const owned<mice_reranker> ranker = load(MICE_PRECISION_F32);
    const mice::reranker expected = cpp_reranker(mice::precision::f32);
    const std::string text = "Bakers feed it.\nYeast gives off carbon dioxide. The dough swells.";
    const std::vector<std::string> texts{"Light bends.", text};
    const text_list list(texts);
    const std::string query = "why does bread rise";
    const owned<mice_options> options = new_options();
    must([&](mice_error** error) {
        return mice_options_set_highlights(options.get(), 2, 1, error);
    });
    const mice::rank_options asked{.highlights =
                                       mice::highlight_options{.sentences = 2, .words = 1}};

    owned<mice_highlights> found;
    must([&](mice_error** error) {
        return mice_highlight_text(ranker.get(), query.data(), query.size(), text.data(),
                                   text.size(), options.get(), out(found), error);
    });
    same_highlights(found.get(), expected.highlight(query, text, asked));
    must([&](mice_error** error) {
        return mice_highlight_text(ranker.get(), query.data(), query.size(), text.data(),
                                   text.size(), nullptr, out(found), error);
    });
    same_highlights(found.get(), expected.highlight(query, text));

    std::vector<mice_document*> documents(2);
    must([&](mice_error** error) {
        return mice_encode_all(ranker.get(), list.pointers.data(), list.sizes.data(), 2, nullptr,
                               documents.data(), error);
    });
    const owned<mice_document> first(documents[0]), second(documents[1]);
    must([&](mice_error** error) {
        return mice_highlight_document(ranker.get(), query.data(), query.size(), second.get(),
                                       text.data(), text.size(), options.get(), out(found), error);
    });
    same_highlights(found.get(), expected.highlight(query, text, asked));
    owned<mice_error> error;
    CHECK(mice_highlight_document(ranker.get(), query.data(), query.size(), first.get(),
                                  text.data(), text.size(), options.get(), out(found),
                                  out(error)) == MICE_ERROR_MISMATCH);

    const mice::ranking ranked = expected.rank(query, texts, asked);
    owned<mice_ranking> ranking;
    must([&](mice_error** failure) {
        return mice_rank(ranker.get(), query.data(), query.size(), list.pointers.data(),
                         list.sizes.data(), 2, options.get(), out(ranking), failure);
    });
    same_highlights(mice_ranking_highlights(ranking.get(), 0), ranked.highlights[0]);
    CHECK(mice_ranking_highlights(ranking.get(), 2) == nullptr);
    must([&](mice_error** failure) {
        return mice_rank_documents(ranker.get(), query.data(), query.size(), documents.data(), 2,
                                   list.pointers.data(), list.sizes.data(), options.get(),
                                   out(ranking), failure);
    });
    same_highlights(mice_ranking_highlights(ranking.get(), 0), ranked.highlights[0]);
    CHECK(mice_rank_documents(ranker.get(), query.data(), query.size(), documents.data(), 2,
                              nullptr, nullptr, options.get(), out(ranking),
                              nullptr) == MICE_ERROR_INVALID_ARGUMENT);

    must([&](mice_error** failure) {
        return mice_options_unset_highlights(options.get(), failure);
    });
    must([&](mice_error** failure) {
        return mice_rank_documents(ranker.get(), query.data(), query.size(), documents.data(), 2,
                                   nullptr, nullptr, options.get(), out(ranking), failure);
    });
    CHECK(mice_ranking_highlights(ranking.get(), 0) == nullptr);
}

TEST_CASE("the C interface keeps an index") {
    const temporary_folder folder;
    const std::string where = (folder.path() / "index").string();
    const owned<mice_options> options = new_options();
    must([&](mice_error** error) {
        return mice_options_set_codec(options.get(), "f32", 3, 1, MICE_DROP_NONE, error);
    });
    owned<mice_index> index;
    {
        const owned<mice_reranker> ranker = load(MICE_PRECISION_F32);
        must([&](mice_error** error) {
            return mice_index_create(where.data(), where.size(), ranker.get(), options.get(),
                                     out(index), error);
        });
    } // the index keeps what it needs of the reranker
    const std::vector<std::string> texts = made_texts(40);
    std::int32_t done = -1;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::string id = "doc-" + std::to_string(i);
        must([&](mice_error** error) {
            return mice_index_put(index.get(), id.data(), id.size(), texts[i].data(),
                                  texts[i].size(), texts[i].data(), texts[i].size(), &done, error);
        });
        CHECK(done == MICE_PUT_ADDED);
    }
    const std::string text = long_text();
    must([&](mice_error** error) {
        return mice_index_put_text(index.get(), "long", 4, text.data(), text.size(), text.data(),
                                   text.size(), &done, error);
    });
    must([&](mice_error** error) {
        return mice_index_remove(index.get(), "doc-3", 5, &done, error);
    });
    CHECK(done == 1);
    must([&](mice_error** error) {
        return mice_index_remove(index.get(), "doc-3", 5, &done, error);
    });
    CHECK(done == 0);
    std::uint64_t count = 1;
    must([&](mice_error** error) { return mice_index_commit(index.get(), &count, error); });
    must([&](mice_error** error) { return mice_index_release(index.get(), error); });
    must([&](mice_error** error) { return mice_index_size(index.get(), &count, error); });
    CHECK(count == 40);

    // a text callback that takes the metadata for the text
    must([&](mice_error** error) {
        return mice_options_set_highlights(options.get(), 1, 1, error);
    });
    const mice_text_of from_metadata = [](void*, const char*, size_t, const char* metadata,
                                          size_t size, mice_text_sink* sink) -> int32_t {
        return mice_text_sink_put(sink, metadata, size, nullptr);
    };
    must([&](mice_error** error) {
        return mice_options_set_text_of(options.get(), from_metadata, nullptr, error);
    });
    const mice::reranker ranker = cpp_reranker(mice::precision::f32);
    const auto expected = mice::index::open(where, ranker);
    const std::string query = "yeast dough";
    mice::rank_options asked{.highlights = mice::highlight_options{.sentences = 1, .words = 1}};
    asked.highlights->text_of = [](std::string_view, std::string_view metadata) {
        return std::optional<std::string>(metadata);
    };
    owned<mice_ranking> ranking;
    must([&](mice_error** error) {
        return mice_index_rank(index.get(), query.data(), query.size(), options.get(), out(ranking),
                               error);
    });
    const mice::index_ranking ranked = expected.rank(query, asked);
    same_hits(ranking.get(), ranked.hits);
    for (std::size_t i = 0; i < ranked.size(); ++i) {
        same_highlights(mice_ranking_highlights(ranking.get(), i), ranked.highlights[i]);
    }

    must([&](mice_error** error) {
        return mice_index_candidates(index.get(), query.data(), query.size(), 10, nullptr,
                                     out(ranking), error);
    });
    const std::vector<mice::index_candidate> candidates = expected.candidates(query, 10);
    REQUIRE(mice_ranking_size(ranking.get()) == candidates.size());
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        CHECK(mice_ranking_id(ranking.get(), i, nullptr) == candidates[i].id);
        CHECK(mice_ranking_score(ranking.get(), i) == candidates[i].score);
        ids.push_back(candidates[i].id);
    }
    must([&](mice_error** error) {
        return mice_index_search(index.get(), query.data(), query.size(), 10, nullptr, out(ranking),
                                 error);
    });
    same_hits(ranking.get(), expected.rank(query, ids).hits);
    const text_list list(ids);
    must([&](mice_error** error) {
        return mice_index_rank_ids(index.get(), query.data(), query.size(), list.pointers.data(),
                                   list.sizes.data(), ids.size(), nullptr, out(ranking), error);
    });
    same_hits(ranking.get(), expected.rank(query, ids).hits);

    owned<mice_bytes> metadata;
    must([&](mice_error** error) {
        return mice_index_metadata(index.get(), "doc-1", 5, out(metadata), error);
    });
    std::size_t size = 0;
    const auto* bytes = static_cast<const char*>(mice_bytes_data(metadata.get(), &size));
    CHECK(std::string_view(bytes, size) == texts[1]);
    must([&](mice_error** error) {
        return mice_index_metadata(index.get(), "doc-3", 5, out(metadata), error);
    });
    CHECK(metadata == nullptr);
    owned<mice_highlights> found;
    must([&](mice_error** error) {
        return mice_index_highlight(index.get(), query.data(), query.size(), "doc-1", 5,
                                    texts[1].data(), texts[1].size(), options.get(), out(found),
                                    error);
    });
    same_highlights(found.get(), expected.highlight(query, "doc-1", texts[1], asked));
}

TEST_CASE("two threads rank with one model of the C interface") {
    const owned<mice_reranker> ranker = load(MICE_PRECISION_F32);
    const std::vector<std::string> texts = made_texts(60);
    const text_list list(texts);
    std::vector<std::vector<float>> scores(2, std::vector<float>(texts.size()));
    std::vector<mice_status> said(2, -1);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 2; ++t) {
        threads.emplace_back([&, t] {
            for (int round = 0; round < 3; ++round) {
                mice_ranking* ranking = nullptr;
                said[t] = mice_score(ranker.get(), "bread", 5, list.pointers.data(),
                                     list.sizes.data(), texts.size(), nullptr, &ranking, nullptr);
                (void)mice_ranking_copy_scores(ranking, scores[t].data(), texts.size(), nullptr);
                mice_ranking_free(ranking);
            }
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    CHECK(said == std::vector<mice_status>(2, MICE_OK));
    CHECK(scores[0] == scores[1]);
    CHECK(scores[0][0] != 0);
}

TEST_CASE("batches of encoded queries of the C interface have the bits of C++") {
    const owned<mice_reranker> ranker = load(MICE_PRECISION_INT8);
    const mice::reranker expected = cpp_reranker(mice::precision::int8);
    const std::vector<std::string> texts = made_texts(50);
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const text_list list(texts);
    const owned<mice_options> options = new_options();
    must([&](mice_error** error) { return mice_options_set_top_k(options.get(), 9, error); });
    must([&](mice_error** error) {
        return mice_options_set_highlights(options.get(), 1, 1, error);
    });
    std::vector<owned<mice_query>> asked;
    std::vector<const mice_query*> queries;
    std::vector<mice::query> encoded;
    for (const std::string text : {"why does bread rise", "rainbow \xff", ""}) {
        must([&](mice_error** error) {
            return mice_encode_query(ranker.get(), text.data(), text.size(), nullptr,
                                     out(asked.emplace_back()), error);
        });
        queries.push_back(asked.back().get());
        encoded.push_back(expected.encode_query(text));
        std::size_t tokens = 0, cut = 1, replaced = 0;
        must([&](mice_error** error) {
            return mice_query_tokens(queries.back(), &tokens, &cut, &replaced, error);
        });
        CHECK(tokens == encoded.back().tokens());
        CHECK(cut == 0);
        CHECK(replaced == encoded.back().replaced());
    }
    std::vector<mice_document*> documents(texts.size());
    must([&](mice_error** error) {
        return mice_encode_all(ranker.get(), list.pointers.data(), list.sizes.data(), texts.size(),
                               nullptr, documents.data(), error);
    });
    mice::rank_options best{.top_k = 9,
                            .highlights = mice::highlight_options{.sentences = 1, .words = 1}};

    std::vector<mice_ranking*> rankings(queries.size());
    const auto compare = [&](const auto& made) {
        REQUIRE(made.size() == rankings.size());
        for (std::size_t q = 0; q < made.size(); ++q) {
            const owned<mice_ranking> ranking(rankings[q]);
            same_hits(ranking.get(), made[q].hits);
            for (std::size_t i = 0; i < made[q].highlights.size(); ++i) {
                same_highlights(mice_ranking_highlights(ranking.get(), i), made[q].highlights[i]);
            }
        }
    };
    must([&](mice_error** error) {
        return mice_rank_batch(ranker.get(), queries.data(), queries.size(), list.pointers.data(),
                               list.sizes.data(), texts.size(), options.get(), rankings.data(),
                               error);
    });
    compare(expected.rank_batch(encoded, std::span(views), best));
    must([&](mice_error** error) {
        return mice_rank_documents_batch(ranker.get(), queries.data(), queries.size(),
                                         documents.data(), texts.size(), list.pointers.data(),
                                         list.sizes.data(), options.get(), rankings.data(), error);
    });
    best.highlights->texts = views;
    compare(expected.rank_batch(encoded,
                                std::span<const mice::document>(expected.encode_all(texts)), best));
    for (mice_document* each : documents) {
        mice_document_free(each);
    }

    const temporary_folder folder;
    const std::string where = (folder.path() / "index").string();
    owned<mice_index> index;
    must([&](mice_error** error) {
        return mice_index_create(where.data(), where.size(), ranker.get(), nullptr, out(index),
                                 error);
    });
    for (const std::string& text : texts) {
        must([&](mice_error** error) {
            return mice_index_put(index.get(), text.data(), text.size(), text.data(), text.size(),
                                  nullptr, 0, nullptr, error);
        });
    }
    must([&](mice_error** error) { return mice_index_commit(index.get(), nullptr, error); });
    must([&](mice_error** error) { return mice_options_unset_highlights(options.get(), error); });
    must([&](mice_error** error) {
        return mice_index_rank_batch(index.get(), queries.data(), queries.size(), options.get(),
                                     rankings.data(), error);
    });
    compare(mice::index::open(where, expected).rank_batch(encoded, {.top_k = 9}));

    // a query of another model, and no ranking is left behind
    const owned<mice_reranker> other = load(MICE_PRECISION_INT8);
    owned<mice_error> error;
    CHECK(mice_rank_batch(other.get(), queries.data(), queries.size(), list.pointers.data(),
                          list.sizes.data(), texts.size(), nullptr, rankings.data(),
                          out(error)) == MICE_ERROR_MISMATCH);
    CHECK(rankings == std::vector<mice_ranking*>(queries.size()));
}
