// SPDX-License-Identifier: Apache-2.0
// Hits, rankings, highlights, passages and documents.
#include "results.hpp"

#include <new>
#include <span>
#include <string_view>

#include <nanobind/make_iterator.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "texts.hpp"

namespace mice_python {
namespace {

const char* method_name(mice::highlight_method method) {
    switch (method) {
    case mice::highlight_method::matching:
        return "matching";
    case mice::highlight_method::own_score:
        return "own_score";
    case mice::highlight_method::scored_again:
        return "scored_again";
    default:
        return "none";
    }
}

void bind_highlights(nb::module_& m) {
    using mice::highlight, mice::highlighted_word, mice::highlights;
    nb::class_<highlighted_word>(m, "HighlightedWord", "A word of a highlighted sentence.")
        .def_ro("begin", &highlighted_word::begin, "Its first character (of bytes: byte).")
        .def_ro("end", &highlighted_word::end, "Behind its last one.")
        .def_ro("score", &highlighted_word::score,
                "How well it matches the query; comparable within a sentence.")
        .def("__repr__", [](const highlighted_word& self) {
            return nb::str("HighlightedWord(begin={}, end={}, score={:.4f})")
                .format(self.begin, self.end, self.score);
        });
    nb::class_<highlight>(m, "Highlight", "A sentence that answers the query.")
        .def_ro("begin", &highlight::begin, "Its first character (of bytes: byte) in the text.")
        .def_ro("end", &highlight::end, "Behind its last one, so text[begin:end] is the sentence.")
        .def_ro("score", &highlight::score, "Higher is better; comparable within a document.")
        .def_ro("line", &highlight::line, "Where it begins, counted from 1.")
        .def_ro("words", &highlight::words, "Its best words, best first.")
        .def("__repr__", [](const highlight& self) {
            return nb::str("Highlight(begin={}, end={}, score={:.4f}, line={}, words={})")
                .format(self.begin, self.end, self.score, self.line, self.words.size());
        });
    nb::class_<highlights>(m, "Highlights", "What answers a query in one document.")
        .def_ro("sentences", &highlights::sentences, "Best first.")
        .def_prop_ro(
            "method", [](const highlights& self) { return method_name(self.method); },
            "How they were found: 'matching', 'own_score', 'scored_again' or 'none'.")
        .def_ro("note", &highlights::note, "What could not be had, and why; empty: nothing.")
        .def("__len__", [](const highlights& self) { return self.sentences.size(); })
        .def("__repr__", [](const highlights& self) {
            return nb::str("Highlights(sentences={}, method={!r})")
                .format(self.sentences.size(), method_name(self.method));
        });
}

void bind_passages(nb::module_& m) {
    using mice::passage, mice::stored_passage;
    nb::class_<passage>(m, "Passage", "A passage of a text.")
        .def_ro("begin", &passage::begin, "Its first character (of bytes: byte) in the text.")
        .def_ro("end", &passage::end, "Behind its last one; no white space at either end.")
        .def_ro("first_line", &passage::first_line, "Counted from 1.")
        .def_ro("last_line", &passage::last_line, "Counted from 1.")
        .def_ro("index", &passage::index, "Its place among the text's passages, from 0.")
        .def_ro("tokens", &passage::tokens, "Its tokens, the model's markers included.")
        .def_ro("headings", &passage::headings, "Headings above it, the outermost first.")
        .def("__repr__", [](const passage& self) {
            return nb::str("Passage(index={}, begin={}, end={}, lines={}-{}, tokens={})")
                .format(self.index, self.begin, self.end, self.first_line, self.last_line,
                        self.tokens);
        });
    nb::class_<stored_passage>(m, "StoredPassage",
                               "Where a passage is in a text that an index does not keep.")
        .def_ro("begin_byte", &stored_passage::begin, "First byte in the text's UTF-8.")
        .def_ro("end_byte", &stored_passage::end, "Behind the last byte.")
        .def_ro("first_line", &stored_passage::first_line, "Counted from 1.")
        .def_ro("last_line", &stored_passage::last_line, "Counted from 1.")
        .def("__repr__", [](const stored_passage& self) {
            return nb::str("StoredPassage(begin_byte={}, end_byte={}, lines={}-{})")
                .format(self.begin, self.end, self.first_line, self.last_line);
        });
}

template <class Hit> auto bind_hit(nb::module_& m, const char* name, const char* text) {
    using shown = shown_hit<Hit>;
    nb::class_<shown> hit(m, name, text);
    hit.def_prop_ro(
           "score", [](const shown& self) { return self.score; },
           "Higher is better; comparable within one query. NaN where the call stopped before it.")
        .def_prop_ro(
            "tokens_seen", [](const shown& self) { return self.tokens_seen; },
            "Tokens that the model read, its markers included.")
        .def_prop_ro(
            "tokens_cut", [](const shown& self) { return self.tokens_cut; },
            "Tokens beyond the model's limit, which it did not read.")
        .def_prop_ro(
            "replaced", [](const shown& self) { return self.replaced; },
            "Invalid UTF-8 sequences and lone surrogates that became U+FFFD.")
        .def_ro("highlights", &shown::found, "Where they were asked for; else None.");
    if constexpr (requires(shown one) { one.index; }) {
        hit.def_prop_ro(
               "index", [](const shown& self) { return self.index; },
               "Place in the caller's list, from 0.")
            .def_prop_ro(
                "scored", [](const shown& self) { return self.scored; },
                "False: the call stopped before it.")
            .def("__repr__", [name](const shown& self) {
                return nb::str("{}(index={}, score={:.4f})").format(name, self.index, self.score);
            });
    } else {
        hit.def_prop_ro(
               "id", [](const shown& self) -> const std::string& { return self.id; },
               "Id of the document.")
            .def("__repr__", [name](const shown& self) {
                return nb::str("{}(id={!r}, score={:.4f})").format(name, self.id, self.score);
            });
    }
    return hit;
}

template <class Hit> void bind_ranking(nb::module_& m, const char* name, const char* text) {
    using ranking = shown_ranking<Hit>;
    using shown = shown_hit<Hit>;
    nb::class_<ranking> bound(m, name, text);
    bound.def("__len__", [](const ranking& self) { return self.hits.size(); })
        .def(
            "__getitem__",
            [](const ranking& self, Py_ssize_t i) -> const shown& {
                const auto size = static_cast<Py_ssize_t>(self.hits.size());
                const Py_ssize_t place = i < 0 ? i + size : i;
                if (place < 0 || place >= size) {
                    throw nb::index_error("there is no such hit");
                }
                return self.hits[static_cast<std::size_t>(place)];
            },
            nb::rv_policy::reference_internal)
        .def(
            "__iter__",
            [name](const ranking& self) {
                return nb::make_iterator<nb::rv_policy::reference_internal>(
                    nb::type<ranking>(), (std::string(name) + "Iterator").c_str(),
                    self.hits.begin(), self.hits.end());
            },
            nb::keep_alive<0, 1>())
        .def_prop_ro(
            "scores",
            [](const ranking& self) {
                return array_of<float>(self.hits.size(),
                                       [&](std::size_t i) { return self.hits[i].score; });
            },
            nb::rv_policy::automatic, "Scores of the hits, float32 [hits], a new array.")
        .def_ro("complete", &ranking::complete,
                "False: a time limit left some unscored, or without highlights.")
        .def_ro("unscored", &ranking::unscored, "How many have no score.")
        .def_ro("query_tokens_seen", &ranking::query_tokens_seen, "As in a hit.")
        .def_ro("query_tokens_cut", &ranking::query_tokens_cut, "As in a hit.")
        .def_ro("query_replaced", &ranking::query_replaced, "As in a hit.")
        .def("__repr__", [name](const ranking& self) {
            return nb::str("{}(hits={}, complete={})")
                .format(name, self.hits.size(), self.complete);
        });
    if constexpr (requires(shown one) { one.index; }) {
        bound.def_prop_ro(
            "indices",
            [](const ranking& self) {
                return array_of<std::int64_t>(self.hits.size(), [&](std::size_t i) {
                    return static_cast<std::int64_t>(self.hits[i].index);
                });
            },
            nb::rv_policy::automatic,
            "Places of the hits in the caller's list, int64 [hits], a new array.");
    } else {
        bound
            .def_prop_ro(
                "ids",
                [](const ranking& self) {
                    std::vector<std::string> ids;
                    for (const shown& each : self.hits) {
                        ids.push_back(each.id);
                    }
                    return ids;
                },
                "Ids of the hits.")
            .def_ro("unknown", &ranking::unknown, "Given ids that the index does not hold.");
    }
}

nb::bytes serialized(const mice::document& self) {
    const std::vector<std::byte> bytes = self.serialize();
    return nb::bytes(bytes.data(), bytes.size());
}
mice::document deserialized(const nb::bytes& bytes) {
    return mice::document::deserialize({static_cast<const std::byte*>(bytes.data()), bytes.size()});
}

void bind_document(nb::module_& m) {
    using mice::document;
    nb::class_<document>(
        m, "Document",
        "A document encoded by one model. Immutable; any thread may read it.\n\n"
        "Made by Reranker.encode and encode_all; to_bytes() and from_bytes() store it "
        "and read it\nback, and so does pickle.")
        .def_static("from_bytes", &deserialized, nb::arg("data"),
                    "Reads what to_bytes() wrote, and trusts nothing in it.\n\n"
                    "Raises\n------\nError\n    Where it is no stored document.")
        .def("__bytes__", &serialized)
        .def("to_bytes", &serialized, "The document as a small safetensors file.")
        .def("__getstate__", &serialized)
        .def("__setstate__",
             [](document& self, const nb::bytes& bytes) {
                 new (&self) document(deserialized(bytes));
             })
        .def_prop_ro("tokens", &document::tokens, "Tokens encoded, the model's markers included.")
        .def_prop_ro("tokens_cut", &document::tokens_cut, "Tokens beyond the model's limit.")
        .def_prop_ro("replaced", &document::replaced, "Invalid sequences that became U+FFFD.")
        .def_prop_ro(
            "fingerprint", [](const document& self) { return std::string(self.fingerprint()); },
            "Names the weights that made it; another model refuses it.")
        .def_prop_ro(
            "states",
            [](nb::pointer_and_handle<document> self) {
                const document& made = *self.p;
                return nb::ndarray<nb::numpy, const float, nb::ndim<2>>(
                    made.states().data(), {made.rows(), made.rows() == 0 ? 0 : made.hidden()},
                    self.h);
            },
            nb::rv_policy::automatic, "float32 [rows, width], a read-only view.")
        .def("__repr__", [](const document& self) {
            return nb::str("Document(tokens={}, rows={}, tokens_cut={})")
                .format(self.tokens(), self.rows(), self.tokens_cut());
        });
}

/// "format" of errc::format.
const char* code_name(mice::errc code) {
    constexpr const char* names[] = {"io",        "format",      "config",           "tensor",
                                     "tokenizer", "unsupported", "invalid_argument", "encoding",
                                     "stopped",   "mismatch"};
    const auto place = static_cast<std::size_t>(code);
    return place < std::size(names) ? names[place] : "unknown";
}

} // namespace

/// A mice::error becomes what mice/errors.py makes of its code.
void bind_errors(nb::module_&) {
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const mice::error& problem) {
            const std::string_view what = problem.what();
            const nb::object message = nb::steal(
                PyUnicode_DecodeUTF8(what.data(), static_cast<Py_ssize_t>(what.size()), "replace"));
            const nb::object made = nb::module_::import_("mice.errors")
                                        .attr("error_of")(code_name(problem.code()), message);
            PyErr_SetObject(made.type().ptr(), made.ptr());
        }
    });
}

void bind_results(nb::module_& m) {
    bind_highlights(m);
    bind_passages(m);
    bind_document(m);
    bind_hit<mice::hit>(m, "Hit", "One document's place in a ranking.");
    bind_ranking<mice::hit>(m, "Ranking", "Hits, best first.");

    using long_text = shown_hit<mice::text_hit>;
    bind_hit<mice::text_hit>(m, "TextHit", "One text's place in a ranking of texts.")
        .def_prop_ro(
            "best", [](const long_text& self) { return self.best; },
            "The passage with the best score; of equal ones the first.")
        .def_prop_ro(
            "best_score", [](const long_text& self) { return self.best_score; },
            "The score of that passage alone.")
        .def_prop_ro(
            "passages", [](const long_text& self) { return self.passages; },
            "How many the text has.")
        .def_prop_ro(
            "whole", [](const long_text& self) { return self.whole; },
            "False: the call stopped before all its passages had a score.");
    bind_ranking<mice::text_hit>(m, "TextRanking", "Hits of texts of any length, best first.");

    using stored = shown_hit<mice::index_hit>;
    bind_hit<mice::index_hit>(m, "IndexHit", "One document's place in a ranking of an index.")
        .def_prop_ro(
            "passages", [](const stored& self) { return self.passages; },
            "How many passages it has; 1 where its text was not cut.")
        .def_prop_ro(
            "best", [](const stored& self) { return self.best; },
            "The place of its best passage, where its text was cut.")
        .def_prop_ro(
            "best_score", [](const stored& self) { return self.best_score; },
            "The score of that passage alone.")
        .def_prop_ro(
            "best_index", [](const stored& self) { return self.best_index; },
            "The place of that passage among the text's passages, from 0.");
    bind_ranking<mice::index_hit>(m, "IndexRanking", "Hits of an index, best first.");
}

} // namespace mice_python
