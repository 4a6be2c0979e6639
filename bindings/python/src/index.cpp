// SPDX-License-Identifier: Apache-2.0
// An index, for many threads of Python and for one that closes it while others use it.
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <mice/index.hpp>
#include <mice/reranker.hpp>

#include "call.hpp"
#include "results.hpp"
#include "texts.hpp"

namespace mice_python {
namespace {

/// An index and the lock of what writes to it. A call keeps it alive after close().
class shared_index {
  public:
    explicit shared_index(mice::index&& made) : kept_(std::make_shared<kept>(std::move(made))) {}

    void close() noexcept { kept_.reset(); }
    [[nodiscard]] bool closed() const noexcept { return kept_ == nullptr; }

    /// Reads, without the interpreter's lock.
    template <class Work> auto read(const Work& work) const {
        const std::shared_ptr<kept> now = open();
        const nb::gil_scoped_release unlocked;
        return work(std::as_const(now->made));
    }
    /// Writes, without the interpreter's lock: one thread at a time, as the library wants it.
    template <class Work> auto write(const Work& work) const {
        const std::shared_ptr<kept> now = open();
        const nb::gil_scoped_release unlocked;
        const std::lock_guard one(now->writing);
        return work(now->made);
    }
    /// For what releases the interpreter's lock itself.
    [[nodiscard]] std::shared_ptr<const mice::index> shared() const {
        const std::shared_ptr<kept> now = open();
        return {now, &now->made};
    }

  private:
    struct kept {
        explicit kept(mice::index&& index) : made(std::move(index)) {}
        mice::index made;
        std::mutex writing;
    };

    [[nodiscard]] std::shared_ptr<kept> open() const {
        if (kept_ == nullptr) {
            throw nb::value_error("the index is closed; open it again");
        }
        return kept_;
    }

    std::shared_ptr<kept> kept_;
};

mice::index_access access_of(std::size_t threads, bool parses_specials, bool refuses_invalid) {
    return {.specials = parses_specials ? mice::special_tokens::parse : mice::special_tokens::plain,
            .on_invalid =
                refuses_invalid ? mice::invalid_utf8::refuse : mice::invalid_utf8::replace,
            .threads = threads};
}

shared_index opened(const std::filesystem::path& folder, const mice::reranker& ranker,
                    const std::string& mode, const std::string& codec, std::size_t pool, bool words,
                    std::size_t threads, bool parses_specials, bool refuses_invalid) {
    const mice::index_access access = access_of(threads, parses_specials, refuses_invalid);
    const mice::index_options made{.codec = {.name = codec, .pool = pool},
                                   .words =
                                       words ? mice::index_words::keep : mice::index_words::none};
    const nb::gil_scoped_release unlocked;
    if (mode == "r") {
        return shared_index(mice::index::open(folder, ranker, access));
    }
    return shared_index(mode == "x" ? mice::index::create(folder, ranker, made, access)
                                    : mice::index::open_or_create(folder, ranker, made, access));
}

const char* put_name(mice::put_result result) {
    switch (result) {
    case mice::put_result::added:
        return "added";
    case mice::put_result::replaced:
        return "replaced";
    default:
        return "unchanged";
    }
}

const char* put(const shared_index& self, nb::handle id, nb::handle given, nb::handle metadata,
                bool of_any_length) {
    const text key(id, "id");
    const text about(metadata, "metadata");
    if (nb::isinstance<mice::document>(given)) {
        const auto& encoded = nb::cast<const mice::document&>(given);
        return put_name(self.write([&](mice::index& index) {
            return index.put_encoded(key.view(), encoded, about.view());
        }));
    }
    const text whole(given, "text");
    return put_name(self.write([&](mice::index& index) {
        return of_any_length ? index.put_text(key.view(), whole.view(), about.view())
                             : index.put(key.view(), whole.view(), about.view());
    }));
}

/// The texts that a callable of Python gives for an index's hits, kept to the end of the call.
class texts_of_hits {
  public:
    explicit texts_of_hits(nb::handle callable) : callable_(nb::borrow(callable)) {}

    std::optional<std::string> operator()(std::string_view id, std::string_view metadata) {
        const nb::gil_scoped_acquire locked;
        const nb::object given = callable_(nb::str(id.data(), id.size()), bytes_of(metadata));
        if (given.is_none()) {
            return std::nullopt;
        }
        const text whole(given, "the text of a hit");
        given_.insert_or_assign(std::string(id), given);
        return std::string(whole.view());
    }
    void place(mice::index_ranking& made) const {
        for (std::size_t i = 0; i < made.highlights.size(); ++i) {
            if (const auto found = given_.find(made.hits[i].id); found != given_.end()) {
                text(found->second, "text").place(made.highlights[i]);
            }
        }
    }

  private:
    nb::object callable_;
    std::map<std::string, nb::object, std::less<>> given_;
};

shown_ranking<mice::index_hit> rank(const shared_index& self, nb::handle query, nb::handle ids,
                                    bool reports_unknown, nb::handle text_of,
                                    const options& given) {
    call now(given);
    const text asked_for(query, "query");
    std::optional<texts> of_documents;
    if (!ids.is_none()) {
        of_documents.emplace(ids, "ids");
    }
    std::optional<texts_of_hits> of_hits;
    if (!text_of.is_none() && now.options().highlights) {
        of_hits.emplace(text_of);
        now.options().highlights->text_of = [&](std::string_view id, std::string_view metadata) {
            return (*of_hits)(id, metadata);
        };
    }
    const std::shared_ptr<const mice::index> index = self.shared();
    mice::index_ranking made = now.run([&] {
        if (!of_documents) {
            return index->rank(asked_for.view(), now.options());
        }
        return index->rank(asked_for.view(),
                           std::span<const std::string_view>(of_documents->views()), now.options(),
                           reports_unknown ? mice::unknown_ids::report : mice::unknown_ids::refuse);
    });
    if (of_hits) {
        of_hits->place(made);
    }
    return shown(std::move(made));
}

std::vector<std::pair<std::string, float>> candidates(const shared_index& self, nb::handle query,
                                                      std::size_t depth, double k1, double b) {
    const text asked_for(query, "query");
    std::vector<std::pair<std::string, float>> found;
    for (const mice::index_candidate& each : self.read([&](const mice::index& index) {
             return index.candidates(asked_for.view(), depth, {.k1 = k1, .b = b});
         })) {
        found.emplace_back(each.id, each.score);
    }
    return found;
}

nb::dict stats(const shared_index& self) {
    const mice::index_stats of = self.read([](const mice::index& index) { return index.stats(); });
    nb::dict made;
    made["documents"] = of.documents;
    made["generation"] = of.generation;
    made["segments"] = of.segments;
    made["disk_bytes"] = of.disk_bytes;
    made["bytes_per_token"] = of.bytes_per_token();
    made["codec"] = of.codec.name;
    made["precisions"] = of.precisions.text();
    made["words"] = of.words == mice::index_words::keep;
    made["model"] = of.model;
    made["fingerprint"] = of.fingerprint;
    made["recovered"] = of.recovered;
    return made;
}

/// All documents of one commit, for one pass.
class walk {
  public:
    explicit walk(std::shared_ptr<const mice::index> index)
        : index_(std::move(index)), documents_(index_->documents()) {}
    mice::stored_document next() {
        if (!place_) {
            place_.emplace(documents_.begin());
        } else {
            ++*place_;
        }
        if (*place_ == documents_.end()) {
            throw nb::stop_iteration();
        }
        return **place_;
    }

  private:
    std::shared_ptr<const mice::index> index_;
    mice::index_documents documents_;
    std::optional<mice::index_documents::iterator> place_;
};

void bind_stored(nb::module_& m) {
    using mice::index_commit, mice::stored_document;
    nb::class_<index_commit>(m, "Commit", "What a commit did.")
        .def_ro("generation", &index_commit::generation, "Number of the commit.")
        .def_ro("documents", &index_commit::documents, "Documents in the index now.")
        .def_ro("encoded", &index_commit::encoded,
                "Documents encoded since the last commit, passages of texts each for itself.")
        .def_ro("documents_cut", &index_commit::documents_cut,
                "Documents since the last commit that the model could not read to their end.")
        .def_ro("tokens_cut", &index_commit::tokens_cut, "Tokens that were cut of them.")
        .def_ro("postponed", &index_commit::postponed,
                "Why joining small segments has to wait; empty: nothing waits.")
        .def("__repr__", [](const index_commit& self) {
            return nb::str("Commit(generation={}, documents={}, encoded={})")
                .format(self.generation, self.documents, self.encoded);
        });
    nb::class_<stored_document>(m, "StoredDocument", "What an index knows about a document.")
        .def_ro("id", &stored_document::id, "Its id.")
        .def_prop_ro(
            "metadata", [](const stored_document& self) { return bytes_of(self.metadata); },
            "As it was given; a str became UTF-8.")
        .def_ro("tokens_seen", &stored_document::tokens_seen, "Tokens that were encoded.")
        .def_ro("tokens_cut", &stored_document::tokens_cut, "Tokens beyond the model's limit.")
        .def_ro("replaced", &stored_document::replaced, "Invalid sequences that became U+FFFD.")
        .def_ro("rows", &stored_document::rows, "States that are stored.")
        .def_ro("content_hash", &stored_document::content_hash,
                "32 hexadecimal digits, equal for equal text and metadata.")
        .def_ro("passages", &stored_document::passages,
                "Of a text that was cut: its passages; empty: it is one.")
        .def("__repr__", [](const stored_document& self) {
            return nb::str("StoredDocument(id={!r}, tokens_seen={})")
                .format(self.id, self.tokens_seen);
        });
    nb::class_<walk>(m, "StoredDocuments", "All documents of one commit, for one pass.")
        .def(
            "__iter__", [](nb::handle self) { return nb::borrow(self); },
            nb::sig("def __iter__(self) -> StoredDocuments"))
        .def("__next__", &walk::next);
}

} // namespace

void bind_index(nb::module_& m) {
    bind_stored(m);
    m.def(
        "index_exists",
        [](const std::filesystem::path& folder) { return mice::index::exists(folder); },
        nb::arg("folder"), nb::sig("def index_exists(folder: str | os.PathLike[str]) -> bool"));
    nb::class_<shared_index>(m, "EngineIndex")
        .def_static("open", &opened, nb::arg("folder"), nb::arg("ranker"), nb::arg("mode"),
                    nb::arg("codec"), nb::arg("pool"), nb::arg("words"), nb::arg("threads"),
                    nb::arg("parses_specials"), nb::arg("refuses_invalid"), nb::keep_alive<0, 2>(),
                    nb::sig("def open(folder: str | os.PathLike[str], ranker: Engine, mode: str, "
                            "codec: str, pool: int, words: bool, threads: int, "
                            "parses_specials: bool, refuses_invalid: bool) -> EngineIndex"))
        .def("put", &put, any("id"), any("text"), any("metadata"), nb::arg("of_any_length"))
        .def(
            "remove",
            [](const shared_index& self, nb::handle id) {
                const text key(id, "id");
                return self.write([&](mice::index& index) { return index.erase(key.view()); });
            },
            any("id"))
        .def("commit",
             [](const shared_index& self) {
                 return self.write([](mice::index& index) { return index.commit(); });
             })
        .def("compact",
             [](const shared_index& self) {
                 return self.write([](mice::index& index) { return index.compact(); });
             })
        .def("rollback",
             [](const shared_index& self) {
                 self.write([](mice::index& index) { index.rollback(); });
             })
        .def("release",
             [](const shared_index& self) {
                 self.write([](mice::index& index) { index.release(); });
             })
        .def("refresh",
             [](const shared_index& self) {
                 return self.write([](mice::index& index) { return index.refresh(); });
             })
        .def("uncommitted",
             [](const shared_index& self) {
                 return self.write([](mice::index& index) { return index.uncommitted(); });
             })
        .def("rank", &rank, any("query"), any("ids"), nb::arg("reports_unknown"), any("text_of"),
             nb::arg("options"))
        .def("candidates", &candidates, any("query"), nb::arg("depth"), nb::arg("k1"), nb::arg("b"))
        .def(
            "get",
            [](const shared_index& self, nb::handle id) {
                const text key(id, "id");
                return self.read([&](const mice::index& index) { return index.get(key.view()); });
            },
            any("id"))
        .def(
            "contains",
            [](const shared_index& self, nb::handle id) {
                const text key(id, "id");
                return self.read(
                    [&](const mice::index& index) { return index.contains(key.view()); });
            },
            any("id"))
        .def("size",
             [](const shared_index& self) {
                 return self.read([](const mice::index& index) { return index.size(); });
             })
        .def("documents", [](const shared_index& self) { return walk(self.shared()); })
        .def("stats", &stats, nb::sig("def stats(self) -> dict[str, typing.Any]"))
        .def("verify",
             [](const shared_index& self) {
                 std::vector<std::pair<std::string, std::string>> found;
                 for (const mice::index_finding& each :
                      self.read([](const mice::index& index) { return index.verify(); })) {
                     found.emplace_back(each.file, each.what);
                 }
                 return found;
             })
        .def("close", &shared_index::close)
        .def_prop_ro("closed", &shared_index::closed);
}

} // namespace mice_python
