// SPDX-License-Identifier: Apache-2.0
// Loading, ranking, scoring, encoding, cutting.
#include <algorithm>
#include <filesystem>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <mice/model.hpp>
#include <mice/parallel/parallel_for.hpp>
#include <mice/passages.hpp>
#include <mice/reranker.hpp>
#include <mice/sentences.hpp>
#include <mice/texts.hpp>

#include "call.hpp"
#include "results.hpp"
#include "texts.hpp"

namespace mice_python {
namespace {

mice::precision precision_of(const std::string& name) {
    if (const auto found = mice::precision_named(name)) {
        return *found;
    }
    throw nb::value_error(
        ("precision is 'automatic', 'int8', 'bf16' or 'f32', not '" + name + "'").c_str());
}

void load_file(mice::reranker* self, const std::filesystem::path& file,
               const std::string& precision, std::size_t threads) {
    const mice::precision computed = precision_of(precision);
    const nb::gil_scoped_release unlocked;
    new (self) mice::reranker(file, computed, {.threads = threads});
}
/// The bytes live as long as the object: see the binding.
void load_bytes(mice::reranker* self, const nb::bytes& memory, const std::string& precision,
                std::size_t threads) {
    const mice::precision computed = precision_of(precision);
    const std::span<const std::byte> bytes(static_cast<const std::byte*>(memory.data()),
                                           memory.size());
    const nb::gil_scoped_release unlocked;
    new (self) mice::reranker(bytes, computed, {.threads = threads});
}

/// A query: a text, or one that is encoded already.
class asked {
  public:
    explicit asked(nb::handle given) {
        if (!nb::try_cast(given, encoded_, false) || encoded_ == nullptr) {
            encoded_ = nullptr;
            text_.emplace(given, "query");
        }
    }
    /// Of the model; to be called without the interpreter's lock.
    template <class Use>
    auto use(const mice::reranker& ranker, const mice::rank_options& options, const Use& with) {
        return encoded_ != nullptr ? with(*encoded_)
                                   : with(ranker.encode_query(text_->view(), options));
    }
    [[nodiscard]] const mice::query* encoded() const noexcept { return encoded_; }
    [[nodiscard]] std::string_view view() const noexcept { return text_->view(); }

  private:
    const mice::query* encoded_ = nullptr;
    std::optional<text> text_;
};

/// Ranks texts; an encoded query ranks them as one of a batch.
mice::ranking ranked_texts(const mice::reranker& self, const asked& query, const texts& passages,
                           const mice::rank_options& options) {
    const std::span<const std::string_view> views(passages.views());
    if (query.encoded() == nullptr) {
        return self.rank(query.view(), views, options);
    }
    return std::move(self.rank_batch(std::span(query.encoded(), 1), views, options).front());
}

shown_ranking<mice::hit> rank(const mice::reranker& self, nb::handle query, nb::handle documents,
                              const options& given, nb::handle texts_of_documents) {
    call now(given);
    asked asked_for(query);
    const elements list(documents, "documents");
    if (!holds_documents(list)) {
        const texts passages(list, "documents");
        mice::ranking made =
            now.run([&] { return ranked_texts(self, asked_for, passages, now.options()); });
        for (std::size_t i = 0; i < made.highlights.size(); ++i) {
            passages[made.hits[i].index].place(made.highlights[i]);
        }
        return shown(std::move(made));
    }
    const std::vector<const mice::document*> encoded = documents_of(list, "documents");
    std::optional<texts> of_documents;
    if (!texts_of_documents.is_none()) {
        of_documents.emplace(texts_of_documents, "texts");
        if (now.options().highlights) {
            now.options().highlights->texts = of_documents->views();
        }
    }
    mice::ranking made = now.run([&] {
        return asked_for.use(self, now.options(), [&](const mice::query& ready) {
            return self.rank(ready, std::span<const mice::document* const>(encoded), now.options());
        });
    });
    for (std::size_t i = 0; of_documents && i < made.highlights.size(); ++i) {
        (*of_documents)[made.hits[i].index].place(made.highlights[i]);
    }
    return shown(std::move(made));
}

auto scores_of(const mice::ranking& made) {
    return array_of<float>(made.hits.size(), [&](std::size_t i) { return made.hits[i].score; });
}

auto score(const mice::reranker& self, nb::handle query, nb::handle documents,
           const options& given) {
    call now(given);
    asked asked_for(query);
    const elements list(documents, "documents");
    if (!holds_documents(list)) {
        const texts passages(list, "documents");
        const std::span<const std::string_view> views(passages.views());
        return scores_of(now.run([&] {
            if (asked_for.encoded() == nullptr) {
                return self.score(asked_for.view(), views, now.options());
            }
            mice::ranking made = ranked_texts(self, asked_for, passages, now.options());
            mice::ranking in_order;
            in_order.hits.resize(passages.size());
            for (mice::hit& each : in_order.hits) {
                each.score = std::numeric_limits<float>::quiet_NaN();
            }
            for (const mice::hit& each : made.hits) {
                in_order.hits[each.index] = each;
            }
            return in_order;
        }));
    }
    const std::vector<const mice::document*> encoded = documents_of(list, "documents");
    return scores_of(now.run([&] {
        return asked_for.use(self, now.options(), [&](const mice::query& ready) {
            return self.score(ready, std::span<const mice::document* const>(encoded),
                              now.options());
        });
    }));
}

/// Pairs of one query, and the places of their scores.
struct pair_group {
    std::string_view query;
    std::vector<std::string_view> passages;
    std::vector<std::size_t> places;
};

std::vector<pair_group> grouped(const texts& queries, const texts& passages) {
    std::vector<pair_group> groups;
    std::unordered_map<std::string_view, std::size_t> known;
    for (std::size_t i = 0; i < queries.size(); ++i) {
        const auto [found, is_new] = known.try_emplace(queries.views()[i], groups.size());
        if (is_new) {
            groups.push_back({queries.views()[i], {}, {}});
        }
        pair_group& group = groups[found->second];
        group.passages.push_back(passages.views()[i]);
        group.places.push_back(i);
    }
    return groups;
}

constexpr std::size_t fills_the_threads = 64; // documents of a query

/// Scores of pairs in their order. Pairs of one query share its encoding; many small groups share
/// the threads, as a large one does.
auto score_pairs(const mice::reranker& self, nb::handle queries, nb::handle documents,
                 const options& given) {
    call now(given);
    const texts of_queries(queries, "queries");
    const texts passages(documents, "documents");
    if (of_queries.size() != passages.size()) {
        throw nb::value_error("there are as many queries as documents");
    }
    auto all = std::make_unique<std::vector<float>>(passages.size(),
                                                    std::numeric_limits<float>::quiet_NaN());
    now.run([&] {
        const std::vector<pair_group> groups = grouped(of_queries, passages);
        const mice::parallel_options where{.threads = now.options().threads};
        std::mutex one_at_a_time;
        std::size_t done = 0;
        const auto score_group = [&](const pair_group& group, const mice::rank_options& options) {
            const mice::ranking made =
                self.score(group.query, std::span<const std::string_view>(group.passages), options);
            for (std::size_t i = 0; i < made.hits.size(); ++i) {
                (*all)[group.places[i]] = made.hits[i].score;
            }
            const std::lock_guard lock(one_at_a_time);
            done += group.passages.size();
            if (now.options().progress) {
                now.options().progress(done, passages.size());
            }
        };
        mice::rank_options inner = now.options();
        inner.progress = nullptr;
        std::vector<const pair_group*> small;
        for (const pair_group& group : groups) {
            if (group.passages.size() < fills_the_threads) {
                small.push_back(&group);
            } else { // a single one tells of each piece of its documents
                score_group(group, groups.size() == 1 ? now.options() : inner);
            }
        }
        inner.threads = small.size() == 1 ? inner.threads : 1;
        mice::parallel::parallel_for(small.size(), where,
                                     [&](std::size_t i) { score_group(*small[i], inner); });
        return true;
    });
    return array_of<float>(passages.size(), [&](std::size_t i) { return (*all)[i]; });
}

mice::passage_options cut_of(std::size_t max_tokens, std::size_t overlap_tokens,
                             std::size_t overlap_sentences, const std::string& kind,
                             const std::string& file_name) {
    mice::passage_options made{.max_tokens = max_tokens,
                               .overlap_tokens = overlap_tokens,
                               .overlap_sentences = overlap_sentences,
                               .file_name = file_name};
    constexpr std::pair<const char*, mice::text_kind> kinds[] = {
        {"automatic", mice::text_kind::automatic},
        {"plain", mice::text_kind::plain},
        {"markdown", mice::text_kind::markdown},
        {"code", mice::text_kind::code},
        {"log", mice::text_kind::log},
    };
    for (const auto& [name, value] : kinds) {
        if (kind == name) {
            made.kind = value;
            return made;
        }
    }
    throw nb::value_error(
        ("kind is 'automatic', 'plain', 'markdown', 'code' or 'log', not '" + kind + "'").c_str());
}

std::vector<mice::passage> passages(const mice::reranker& self, nb::handle given,
                                    std::size_t max_tokens, std::size_t overlap_tokens,
                                    std::size_t overlap_sentences, const std::string& kind,
                                    const std::string& file_name) {
    const text whole(given, "text");
    const mice::passage_options cut =
        cut_of(max_tokens, overlap_tokens, overlap_sentences, kind, file_name);
    std::vector<mice::passage> found;
    {
        const nb::gil_scoped_release unlocked;
        found = mice::passages(whole.view(), self, cut);
    }
    whole.place(found);
    return found;
}

shown_ranking<mice::text_hit> rank_texts(const mice::reranker& self, nb::handle query,
                                         nb::handle given_texts, const options& given,
                                         std::size_t max_tokens, const std::string& score) {
    call now(given);
    asked asked_for(query);
    const texts all(given_texts, "texts");
    mice::text_options of_texts;
    of_texts.cut.max_tokens = max_tokens;
    if (score == "soft_max") {
        of_texts.score = mice::text_score::soft_max;
    } else if (score != "max") {
        throw nb::value_error(("text_score is 'max' or 'soft_max', not '" + score + "'").c_str());
    }
    mice::text_ranking made = now.run([&] {
        return asked_for.use(self, now.options(), [&](const mice::query& ready) {
            return mice::rank_texts(self, ready, std::span<const std::string_view>(all.views()),
                                    now.options(), of_texts);
        });
    });
    for (std::size_t i = 0; i < made.hits.size(); ++i) {
        const text& whole = all[made.hits[i].index];
        text::places here(whole);
        here.turn(made.hits[i].best.begin);
        here.turn(made.hits[i].best.end);
        if (i < made.highlights.size()) {
            whole.place(made.highlights[i]);
        }
    }
    return shown(std::move(made));
}

std::vector<shown_ranking<mice::hit>> rank_batch(const mice::reranker& self, nb::handle queries,
                                                 nb::handle documents, const options& given) {
    call now(given);
    const texts asked_for(queries, "queries");
    const elements list(documents, "documents");
    const std::span<const std::string_view> query_views(asked_for.views());
    std::vector<mice::ranking> made;
    if (holds_documents(list)) {
        std::vector<mice::document> copies; // the interface takes them side by side
        for (const mice::document* each : documents_of(list, "documents")) {
            copies.push_back(*each);
        }
        made = now.run([&] {
            return self.rank_batch(query_views, std::span<const mice::document>(copies),
                                   now.options());
        });
    } else {
        const texts passages(list, "documents");
        made = now.run([&] {
            return self.rank_batch(query_views, std::span<const std::string_view>(passages.views()),
                                   now.options());
        });
        for (mice::ranking& each : made) {
            for (std::size_t i = 0; i < each.highlights.size(); ++i) {
                passages[each.hits[i].index].place(each.highlights[i]);
            }
        }
    }
    std::vector<shown_ranking<mice::hit>> all;
    for (mice::ranking& each : made) {
        all.push_back(shown(std::move(each)));
    }
    return all;
}

mice::highlights highlight(const mice::reranker& self, nb::handle query, nb::handle given_text,
                           const options& given, const mice::document* encoded) {
    call now(given);
    asked asked_for(query);
    const text whole(given_text, "text");
    mice::highlights found = now.run([&] {
        return asked_for.use(self, now.options(), [&](const mice::query& ready) {
            return encoded != nullptr ? self.highlight(ready, *encoded, whole.view(), now.options())
                                      : self.highlight(ready, whole.view(), now.options());
        });
    });
    whole.place(found);
    return found;
}

/// The beginning of a text of at most so many tokens, markers included; None: the whole text.
std::optional<std::size_t> shortened(const mice::reranker& self, nb::handle given,
                                     std::size_t max_tokens) {
    const text whole(given, "text");
    const mice::encoding made =
        self.text_tokenizer().encode(whole.view(), {.max_tokens = max_tokens, .offsets = true});
    if (made.cut == 0) {
        return std::nullopt;
    }
    std::size_t end = 0;
    for (const auto& each : made.offsets) {
        end = std::max<std::size_t>(end, each.end);
    }
    text::places(whole).turn(end);
    return end;
}

const char* kind_name(mice::model_kind kind) {
    switch (kind) {
    case mice::model_kind::cross_encoder:
        return "cross_encoder";
    case mice::model_kind::late_interaction:
        return "late_interaction";
    default:
        return "mice";
    }
}

void bind_options(nb::module_& m) {
    nb::class_<options>(m, "Options")
        .def(nb::init<>())
        .def_rw("top_k", &options::top_k)
        .def_rw("threads", &options::threads)
        .def_rw("sigmoid", &options::sigmoid)
        .def_rw("parses_specials", &options::parses_specials)
        .def_rw("refuses_invalid", &options::refuses_invalid)
        .def_rw("seconds", &options::seconds)
        .def_rw("highlights", &options::highlights)
        .def_rw("sentences", &options::sentences)
        .def_rw("words", &options::words)
        .def_rw("progress", &options::progress, nb::arg().none());
}

} // namespace

void bind_reranker(nb::module_& m) {
    bind_options(m);
    nb::class_<mice::query>(m, "Query", "A query encoded by one model, to be ranked again.")
        .def_prop_ro("tokens", &mice::query::tokens, "Tokens, the model's markers included.")
        .def_prop_ro("tokens_cut", &mice::query::tokens_cut, "Tokens beyond the model's limit.");
    nb::class_<mice::reranker>(m, "Engine")
        // First: bytes are a path, too, for the other.
        .def("__init__", &load_bytes, nb::arg("memory"), nb::arg("precision"), nb::arg("threads"),
             nb::keep_alive<1, 2>())
        .def("__init__", &load_file, nb::arg("file"), nb::arg("precision"), nb::arg("threads"),
             nb::sig("def __init__(self, file: str | os.PathLike[str], precision: str, threads: "
                     "int) -> None"))
        .def("rank", &rank, any("query"), any("documents"), nb::arg("options"), any("texts"))
        .def("score", &score, any("query"), any("documents"), nb::arg("options"))
        .def("score_pairs", &score_pairs, any("queries"), any("documents"), nb::arg("options"))
        .def("rank_texts", &rank_texts, any("query"), any("texts"), nb::arg("options"),
             nb::arg("max_tokens"), nb::arg("text_score"))
        .def("rank_batch", &rank_batch, any("queries"), any("documents"), nb::arg("options"))
        .def("highlight", &highlight, any("query"), any("text"), nb::arg("options"),
             any("document"))
        .def("passages", &passages, any("text"), nb::arg("max_tokens"), nb::arg("overlap_tokens"),
             nb::arg("overlap_sentences"), nb::arg("kind"), nb::arg("file_name"))
        .def("shortened", &shortened, any("text"), nb::arg("max_tokens"))
        .def(
            "encode",
            [](const mice::reranker& self, nb::handle given, const options& how) {
                call now(how);
                const text whole(given, "text");
                return now.run([&] { return self.encode(whole.view(), now.options()); });
            },
            any("text"), nb::arg("options"))
        .def(
            "encode_all",
            [](const mice::reranker& self, nb::handle given, const options& how) {
                call now(how);
                const texts all(given, "texts");
                return now.run([&] {
                    return self.encode_all(std::span<const std::string_view>(all.views()),
                                           now.options());
                });
            },
            any("texts"), nb::arg("options"))
        .def(
            "encode_query",
            [](const mice::reranker& self, nb::handle given, const options& how) {
                call now(how);
                const text whole(given, "query");
                return now.run([&] { return self.encode_query(whole.view(), now.options()); });
            },
            any("text"), nb::arg("options"), nb::keep_alive<0, 1>())
        .def("release_memory", [](const mice::reranker& self) { self.release_work_memory(); })
        .def_prop_ro("kind",
                     [](const mice::reranker& self) { return kind_name(self.config().kind); })
        .def_prop_ro("precision",
                     [](const mice::reranker& self) {
                         return std::string(mice::name_of(self.shared_model()->computed_in()));
                     })
        .def_prop_ro("fingerprint",
                     [](const mice::reranker& self) { return std::string(self.fingerprint()); })
        .def_prop_ro("stores_documents", &mice::reranker::stores_documents)
        .def_prop_ro("has_tokenizer", &mice::reranker::has_tokenizer)
        .def_prop_ro("memory_bytes", &mice::reranker::memory_bytes)
        .def_prop_ro("max_tokens",
                     [](const mice::reranker& self) { return self.config().max_document_length; })
        .def_prop_ro("max_query_tokens",
                     [](const mice::reranker& self) { return self.config().max_query_length; });
    m.def(
        "sentences",
        [](nb::handle given) {
            const text whole(given, "text");
            std::vector<mice::sentence> found = mice::sentences(whole.view());
            whole.place(found);
            std::vector<std::pair<std::size_t, std::size_t>> pairs;
            for (const mice::sentence& each : found) {
                pairs.emplace_back(each.begin, each.end);
            }
            return pairs;
        },
        any("text"));
}

} // namespace mice_python
