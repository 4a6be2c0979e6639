// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/document.hpp>
#include <mice/index_options.hpp>
#include <mice/index_results.hpp>
#include <mice/reranker.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {
class index_state;
class document_walk;
} // namespace detail

/// The documents of one commit in index order: a range for one pass, for one thread. What is
/// committed later does not change it.
class index_documents {
  public:
    /// The position in the range; at most one is used at a time.
    class iterator {
      public:
        using value_type = stored_document;
        using difference_type = std::ptrdiff_t;
        explicit iterator(index_documents& owner) : owner_(&owner) {}
        /// Valid until the next step.
        [[nodiscard]] const stored_document& operator*() const { return owner_->current_; }
        [[nodiscard]] const stored_document* operator->() const { return &owner_->current_; }
        /// Throws errc::format for a damaged file.
        iterator& operator++() {
            owner_->step();
            return *this;
        }
        void operator++(int) { owner_->step(); }
        /// Whether all documents have been passed.
        [[nodiscard]] bool operator==(std::default_sentinel_t) const { return owner_->done_; }

      private:
        index_documents* owner_;
    };

    index_documents(index_documents&&) noexcept;
    index_documents& operator=(index_documents&&) noexcept;
    ~index_documents();

    [[nodiscard]] iterator begin();
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  private:
    friend class index;
    explicit index_documents(std::unique_ptr<detail::document_walk> walk);
    void step();

    std::unique_ptr<detail::document_walk> walk_;
    stored_document current_;
    bool done_ = false;
};

/// A folder of encoded documents that belongs to one model. A document is encoded once, and queries
/// run only the interaction layers. Many processes may read while one writes; a reader sees the
/// last commit that was there when it opened or refreshed, and never waits. When commit() has
/// returned, its changes survive a crash, a kill and a loss of power.
///
/// Const members may be called from many threads at once, also while one thread calls the others.
/// Members that write (put, put_ids, put_encoded, erase, commit, rollback, compact, merge, release)
/// are for one thread at a time; the first of them takes the folder's lock, which is held until
/// release() or the object's end. Where a writing member other than an argument's refusal
/// (errc::invalid_argument, errc::encoding) fails, nothing can be written before rollback().
///
/// Unless said otherwise, members throw mice::error: errc::io for what the operating system
/// refuses, errc::format for damaged files, errc::mismatch for another model's index or when
/// another writer has the lock, errc::invalid_argument for ids that are empty, longer than 1024
/// bytes, not UTF-8 or hold control characters.
///
/// Under a using-directive name the type mice::index: POSIX has a function index in <strings.h>.
class index {
  public:
    // ---- opening ----

    /// Creates an index in a folder that is new or empty. Throws errc::invalid_argument where it is
    /// neither, or for a codec that does not fit the model.
    [[nodiscard]] static index create(const std::filesystem::path& folder, const reranker& ranker,
                                      const index_options& options = {},
                                      const index_access& access = {});
    /// Like create, with the codec, its learned parameters and the options of another index, so
    /// that merge() can join the two.
    [[nodiscard]] static index create_like(const std::filesystem::path& folder,
                                           const reranker& ranker,
                                           const std::filesystem::path& other,
                                           const index_access& access = {});
    /// Opens the last commit of an index; takes no lock and writes nothing. Throws errc::mismatch
    /// for an index of another model, errc::unsupported for one of a newer format, errc::format
    /// where a file is damaged or gone, errc::io where there is no index or a file cannot be opened
    /// now. An older commit is opened in one case, and recovered() says so: the last manifest was
    /// cut short by a loss of power. What writes or copies the index refuses that, too.
    [[nodiscard]] static index open(const std::filesystem::path& folder, const reranker& ranker,
                                    const index_access& access = {});
    /// Opens the index, or creates it if there is none. Throws errc::mismatch for an index with
    /// other options.
    [[nodiscard]] static index open_or_create(const std::filesystem::path& folder,
                                              const reranker& ranker,
                                              const index_options& options = {},
                                              const index_access& access = {});
    /// Whether a folder holds an index (readable or not). Throws errc::io where that cannot be
    /// told.
    [[nodiscard]] static bool exists(const std::filesystem::path& folder,
                                     const index_access& access = {});

    // ---- when the last commit is damaged ----

    /// What repair() would do; changes nothing.
    [[nodiscard]] static index_repair plan_repair(const std::filesystem::path& folder,
                                                  const reranker& ranker,
                                                  const index_access& access = {});
    /// Goes back to the last commit that can be opened, and commits it anew: what was changed since
    /// is lost for the index. Nothing is removed: damaged manifests, and files that no other commit
    /// uses, get names that begin with "damaged-". Does nothing where all manifests can be used.
    /// Takes the lock. Throws errc::format where no commit can be opened, and errc::io where a file
    /// is refused by the system, which is no damage.
    static index_repair repair(const std::filesystem::path& folder, const reranker& ranker,
                               const index_access& access = {});
    /// Like verify(), also for an index that cannot be opened.
    [[nodiscard]] static std::vector<index_finding>
    verify_folder(const std::filesystem::path& folder, const index_progress& progress = {},
                  const index_access& access = {});

    index(index&&) noexcept;
    index& operator=(index&&) noexcept;
    /// Drops what was not committed.
    ~index();

    // ---- writing ----

    /// Adds a document, or replaces the one of that id. The text is encoded in a batch with later
    /// ones, on all threads; metadata is kept as it is, at most 16 MiB. Texts of up to 1 GiB.
    put_result put(std::string_view id, std::string_view text, std::string_view metadata = {});
    /// As above; throws errc::invalid_argument for a null pointer.
    template <std::same_as<const char*> Text>
    put_result put(std::string_view id, Text text, std::string_view metadata = {}) {
        return put(id, detail::view_of(text, "the text of a document"), metadata);
    }
    /// Like put, for a text of any length: where it is longer than the model's limit, all its
    /// passages (passages_of_text) are encoded and kept together under its id. rank() then scores
    /// it as rank_texts does, and its hit says where the best passage is. Of a text that replaces
    /// another, only passages that the other did not have, and the first, are encoded. A text
    /// within the limit is the same document as by put().
    put_result put_text(std::string_view id, std::string_view text, std::string_view metadata = {});
    /// As above; throws errc::invalid_argument for a null pointer.
    template <std::same_as<const char*> Text>
    put_result put_text(std::string_view id, Text text, std::string_view metadata = {}) {
        return put_text(id, detail::view_of(text, "the text of a document"), metadata);
    }
    /// Like put, for a document given as token ids with its special tokens, at most the model's
    /// positions. It has no words.
    put_result put_ids(std::string_view id, std::span<const std::int32_t> ids,
                       std::string_view metadata = {});
    /// Like put_ids, for a document that the ranker has encoded: nothing is encoded again. Throws
    /// errc::mismatch for a document of another model.
    put_result put_encoded(std::string_view id, const document& encoded,
                           std::string_view metadata = {});
    /// Removes a document; false when there is none of that id.
    bool erase(std::string_view id);
    /// Encodes what is waiting and makes all changes since the last commit visible and durable, all
    /// of them or none.
    index_commit commit();
    /// Forgets all changes since the last commit.
    void rollback();
    /// Forgets changes like rollback(), and lets other writers in.
    void release();
    /// Documents changed since the last commit, by put() and erase().
    [[nodiscard]] std::uint64_t uncommitted() const noexcept;

    /// Commits, and rewrites the files without deleted documents and in few segments. Nothing is
    /// encoded again. While it works it needs the index's size on disk once more.
    index_commit compact(const index_progress& progress = {});
    /// Copies all documents of other indexes behind its own, in the order of the list, and commits.
    /// They have the same model, codec, codec parameters and options (see create_like). Nothing is
    /// encoded again. Equal documents of one id are no conflict. Throws errc::mismatch, naming what
    /// differs, and errc::format for an index that says what its model cannot produce.
    index_merge merge(std::span<const std::filesystem::path> others,
                      merge_conflict conflict = merge_conflict::refuse,
                      const index_progress& progress = {});

    // ---- ranking the last commit ----

    /// Ranks all documents. Memory: a few thousand documents at a time, and top_k hits; with top_k
    /// = 0 all hits.
    [[nodiscard]] index_ranking rank(std::string_view query,
                                     const rank_options& options = {}) const;
    [[nodiscard]] index_ranking rank(const mice::query& query,
                                     const rank_options& options = {}) const;
    /// Ranks the documents of the given ids; an id given twice is ranked twice.
    [[nodiscard]] index_ranking rank(std::string_view query, std::span<const std::string_view> ids,
                                     const rank_options& options = {},
                                     unknown_ids unknown = unknown_ids::refuse) const;
    [[nodiscard]] index_ranking rank(const mice::query& query,
                                     std::span<const std::string_view> ids,
                                     const rank_options& options = {},
                                     unknown_ids unknown = unknown_ids::refuse) const;
    template <text_range Ids>
    [[nodiscard]] index_ranking rank(std::string_view query, const Ids& ids,
                                     const rank_options& options = {},
                                     unknown_ids unknown = unknown_ids::refuse) const {
        const std::vector<std::string_view> views = detail::views_of(ids, "id");
        return rank(query, std::span<const std::string_view>(views), options, unknown);
    }
    [[nodiscard]] index_ranking rank(std::string_view query,
                                     std::initializer_list<std::string_view> ids,
                                     const rank_options& options = {},
                                     unknown_ids unknown = unknown_ids::refuse) const {
        return rank(query, std::span(ids.begin(), ids.size()), options, unknown);
    }
    template <std::same_as<const char*> Id>
    [[nodiscard]] index_ranking rank(std::string_view query, std::initializer_list<Id> ids,
                                     const rank_options& options = {},
                                     unknown_ids unknown = unknown_ids::refuse) const {
        return rank(query, std::span(ids.begin(), ids.size()), options, unknown);
    }
    /// Ranks all documents for many queries: each document is read once. One ranking for each
    /// query.
    [[nodiscard]] std::vector<index_ranking> rank_batch(std::span<const mice::query> queries,
                                                        const rank_options& options = {}) const;
    /// What answers the query in one document, from its stored states where the codec keeps a state
    /// for each token; else the text is encoded again, and the result says so. Throws
    /// errc::invalid_argument for an id that the index does not hold, errc::mismatch where `text`
    /// is not the document's, as far as its tokens show. rank() does the same for all its hits
    /// where options.highlights is set, and takes their texts from highlight_options::text_of.
    [[nodiscard]] highlights highlight(const mice::query& query, std::string_view id,
                                       std::string_view text,
                                       const rank_options& options = {}) const;
    [[nodiscard]] highlights highlight(std::string_view query, std::string_view id,
                                       std::string_view text,
                                       const rank_options& options = {}) const;
    /// Candidates for ranking: at most `depth` documents that share words with the query, best
    /// first by BM25 (ties in index order); a text that put_text() cut by its best passage. Deleted
    /// documents still count in the words' frequencies until compact(). Throws
    /// errc::invalid_argument for an index without words.
    [[nodiscard]] std::vector<index_candidate> candidates(std::string_view query, std::size_t depth,
                                                          const bm25_options& options = {}) const;

    // ---- reading the last commit ----

    /// Documents in the index.
    [[nodiscard]] std::uint64_t size() const;
    [[nodiscard]] bool contains(std::string_view id) const;
    /// What is stored about a document, or nothing.
    [[nodiscard]] std::optional<stored_document> get(std::string_view id) const;
    /// The decoded states of a document, or nothing; of a text those of its first passage.
    [[nodiscard]] std::optional<stored_states> states(std::string_view id) const;
    /// All documents in index order: the order of their last put(), merged ones behind.
    [[nodiscard]] index_documents documents() const;
    [[nodiscard]] index_stats stats() const;
    /// Reads every byte of every file of the last commit and the one before, and compares the
    /// checksums; where those are right, also checks what the open commit says of every document
    /// against what its model can produce. Empty: no damage. Damage is no exception here; errc::io
    /// is, for a file that cannot be opened now.
    [[nodiscard]] std::vector<index_finding> verify(const index_progress& progress = {}) const;
    /// Empty, or what users should know about the commit that readers see: it is not the last, or a
    /// file is in the way of later ones. Programs should tell them.
    [[nodiscard]] std::string recovered() const;
    /// Goes on to the last commit of another process; false where there is none. Where it throws,
    /// readers stay at their commit.
    bool refresh();

    [[nodiscard]] const std::filesystem::path& folder() const noexcept;
    [[nodiscard]] const reranker& ranker() const noexcept;

  private:
    explicit index(std::unique_ptr<detail::index_state> state);

    // `in_time`: whether the caller's call began before its deadline.
    [[nodiscard]] std::vector<index_ranking>
    ranked(std::span<const mice::query> queries, const rank_options& options, bool in_time) const;
    [[nodiscard]] index_ranking ranked(const mice::query& query,
                                       std::span<const std::string_view> ids,
                                       const rank_options& options, unknown_ids unknown,
                                       bool in_time) const;

    std::unique_ptr<detail::index_state> state_;
};

/// The codecs of index_codec for people: "f32, int16, int8, int4, pqN (such as pq62), ...".
[[nodiscard]] std::string index_codec_names();
/// The name that an index keeps of a codec that is asked for: "int16" of "f16", else the same.
[[nodiscard]] std::string kept_codec_name(std::string_view asked);
/// Another name of a codec: "f16" of "int16". Empty: none.
[[nodiscard]] std::string codec_alias(std::string_view name);

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/index_impl.hpp>
#include <mice/index_ranking_impl.hpp>
#endif
