// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <mice/index/files/publish.hpp>
#include <mice/index/files/text_record.hpp>
#include <mice/index/write/encode_batch.hpp>
#include <mice/index/write/merge_segments.hpp>
#include <mice/index/write/segment_builder.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Changes an index, and holds its lock as long as it lives. Nobody sees a change before commit().
/// After a member has thrown, everything but rollback() is refused: what was changed since the last
/// commit is lost. For one thread.
class index_writer {
  public:
    /// Takes the lock and goes on from the newest commit, and from no other. What killed writers
    /// left is removed when the first file is written. `access` must outlive this. Throws as
    /// open_newest, and errc::format or errc::unsupported for numbers of files that no writer
    /// gives.
    index_writer(io::file_system& files, std::filesystem::path folder,
                 std::shared_ptr<const model> engine, const index_access& access,
                 const snapshot* open_before = nullptr)
        : files_(files), folder_(std::move(folder)), engine_(std::move(engine)), access_(access),
          lock_(lock_index(files, folder_)) {
        restart(open_before);
    }

    /// The last commit.
    [[nodiscard]] const std::shared_ptr<const snapshot>& base() const noexcept { return base_; }
    /// Documents changed since then.
    [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }

    /// Adds or replaces; the arguments have been checked.
    put_result put(waiting_document document) {
        return guarded([&] { return put_checked(std::move(document)); });
    }
    /// The same for a text of several passages: `text` is its first passage with a record, the
    /// others have ids that say what they are. Those that the index holds are not encoded again.
    put_result put_text(waiting_document text, std::vector<waiting_document> passages) {
        return guarded([&] { return put_passages(std::move(text), std::move(passages)); });
    }
    bool erase(std::string_view id) {
        return guarded([&] {
            const std::optional<place> found = find(id);
            if (found) {
                remove_all(*found, {});
                ++changes_;
            }
            return found.has_value();
        });
    }
    /// Makes all changes durable, then joins small segments.
    index_commit commit() {
        return guarded([&] {
            finish_changes();
            index_commit done{base_->commit().generation, base_->documents(), {}};
            done.documents_cut = std::exchange(documents_cut_, 0);
            done.tokens_cut = std::exchange(tokens_cut_, 0);
            done.encoded = std::exchange(encodings_, 0);
            done.postponed = join_segments();
            done.generation = base_->commit().generation;
            return done;
        });
    }
    /// Forgets all changes, and goes on from the newest commit.
    void rollback() {
        failure_.clear();
        try {
            restart(base_.get());
        } catch (const std::exception& e) {
            failure_ = e.what();
            throw;
        }
    }
    /// Commits, and rewrites segments as compacting_runs says. If the rewriting fails, the commit
    /// is done and nothing is lost.
    index_commit compact(const index_progress& progress) {
        guarded([&] { finish_changes(); });
        undone_on_failure([&] { rewrite_all(progress); });
        return {base_->commit().generation, base_->documents(), {}};
    }
    /// Commits, adds the documents of other indexes, opened for the same model, and commits again.
    /// If the adding fails, none of it is done. Throws errc::mismatch.
    index_merge merge(std::span<const std::shared_ptr<const snapshot>> others,
                      std::span<const std::filesystem::path> names, merge_conflict conflict,
                      const index_progress& progress);

  private:
    /// A segment of the last commit or one that was written since.
    struct writer_segment {
        live_segment committed;
        std::optional<deletion_set> changed; ///< all of its deletions, where there are new ones

        [[nodiscard]] bool live(std::uint32_t document) const {
            return changed ? !changed->contains(document) : committed.live(document);
        }
        [[nodiscard]] deletion_set& deletions() {
            if (!changed) {
                changed.emplace(committed.record, committed.deleted.get());
            }
            return *changed;
        }
        [[nodiscard]] std::uint64_t living() const {
            return committed.record.documents -
                   (changed ? changed->documents() : committed.record.deletions.documents);
        }
    };
    /// Where the newest version of a document is.
    struct place {
        enum class kind { waiting, building, written } where{};
        std::size_t index = 0; ///< waiting document, or segment
        std::uint32_t document = 0;
        io::hash128 content;
    };

    template <class Change> std::invoke_result_t<Change> guarded(Change&& change) {
        if (!failure_.empty()) {
            throw errors::index_needs_rollback(failure_);
        }
        try {
            return change();
        } catch (const std::exception& e) {
            failure_ = e.what();
            failure_ += failure_.empty() ? "unknown" : "";
            throw;
        }
    }

    /// Runs work on a committed state: a failure is rolled back and leaves the writer usable.
    template <class Work> void undone_on_failure(Work&& work) {
        try {
            guarded(work);
        } catch (...) {
            try {
                rollback();
            } catch (const std::exception&) { // the next call says so
            }
            throw;
        }
    }

    // ---- changes ----
    put_result put_checked(waiting_document document);
    put_result put_passages(waiting_document text, std::vector<waiting_document> passages);
    void add_waiting(waiting_document document);
    [[nodiscard]] std::optional<place> find(std::string_view id) const;
    void remove(const place& found);
    /// Removes a document with its passages, but for those of the ids to keep.
    void remove_all(const place& found, const std::unordered_set<std::string>& keep);
    [[nodiscard]] entry_kind kind_of(const place& found) const;
    /// The ids of a text's passages but the first.
    [[nodiscard]] std::vector<std::string> passages_of(const place& text) const;

    // ---- from waiting documents to segments ----
    void encode_waiting();
    void learn_codec();
    void append_waiting();
    void finish_segment();
    void finish_changes();

    // ---- commits (writer_commit.hpp) ----
    void restart(const snapshot* open_before);
    [[nodiscard]] std::uint64_t new_file();
    void clean();
    void publish();
    std::string join_segments();
    void rewrite_all(const index_progress& progress);
    /// Replaces neighbouring segments by one new segment with their live documents.
    void rewrite(const segment_run& run, const std::function<void(std::uint64_t)>& step);
    [[nodiscard]] std::vector<segment_record> records() const;
    void check_mergeable(const snapshot& other, const std::filesystem::path& name) const;
    void copy_documents(const snapshot& other, const std::filesystem::path& name,
                        merge_conflict conflict, index_merge& done,
                        const std::function<void(std::uint64_t)>& step);
    [[nodiscard]] std::vector<std::vector<bool>> choose(const snapshot& other,
                                                        const std::filesystem::path& name,
                                                        merge_conflict conflict, index_merge& done);
    [[nodiscard]] bool takes(const segment& from, std::uint32_t document,
                             const std::filesystem::path& name, merge_conflict conflict,
                             index_merge& done);
    void adopt_codec(std::span<const std::byte> parameters);

    io::file_system& files_;
    std::filesystem::path folder_;
    std::shared_ptr<const model> engine_;
    const index_access& access_;
    std::unique_ptr<io::file_lock> lock_;

    std::shared_ptr<const snapshot> base_;
    older_commits older_;  ///< the one before the last is kept as well
    bool cleaned_ = false; ///< what killed writers left is gone
    std::uint64_t next_file_ = 1;
    std::string failure_; ///< why a change failed, after which a rollback is due

    std::uint64_t changes_ = 0;
    blob_record parameters_; ///< of the codec, also before they are committed
    std::shared_ptr<const document_coder> coder_;
    std::vector<writer_segment> segments_; ///< in index order
    std::unique_ptr<segment_builder> builder_;
    deletion_set built_deletions_;
    std::vector<waiting_document> waiting_;
    std::unordered_map<std::string, std::size_t> waiting_places_;
    std::size_t waiting_bytes_ = 0; ///< texts that are not encoded yet
    std::size_t encoded_ = 0;       ///< waiting documents from the first that are
    std::size_t sample_rows_ = 0;   ///< states kept until the codec can learn
    std::uint64_t passages_ = 0;    ///< as manifest::passages, changes included
    std::uint64_t documents_cut_ = 0, tokens_cut_ = 0; ///< since the last commit
    std::uint64_t encodings_ = 0;                      ///< since the last commit
};

inline put_result index_writer::put_checked(waiting_document document) {
    const std::optional<place> found = find(document.id);
    if (found && found->content == document.content) {
        return put_result::unchanged;
    }
    if (found) {
        remove_all(*found, {});
    }
    add_waiting(std::move(document));
    ++changes_;
    return found ? put_result::replaced : put_result::added;
}

inline void index_writer::add_waiting(waiting_document document) {
    passages_ += document.kind == entry_kind::passage ? 1 : 0;
    waiting_bytes_ +=
        document.text.size() + document.metadata.size() + document.states.size() * sizeof(float);
    waiting_places_[document.id] = waiting_.size();
    waiting_.push_back(std::move(document));
    const std::size_t threads = parallel::threads_for({access_.threads, access_.pool}, 1024);
    constexpr std::size_t most_bytes = std::size_t{4} << 20;
    if (waiting_.size() - encoded_ >= std::clamp<std::size_t>(64 * threads, 256, 4096) ||
        waiting_bytes_ >= most_bytes) {
        encode_waiting();
        if (coder_ == nullptr && sample_rows_ >= training_rows(base_->commit().codec)) {
            learn_codec();
        }
        if (coder_ != nullptr) {
            append_waiting();
        }
    }
}

inline std::optional<index_writer::place> index_writer::find(std::string_view id) const {
    if (const auto waits = waiting_places_.find(std::string(id)); waits != waiting_places_.end()) {
        return place{place::kind::waiting, waits->second, 0, waiting_[waits->second].content};
    }
    const std::uint64_t hash = hash_of_id(id);
    if (builder_ != nullptr) {
        const auto built = builder_->find(id, hash, [this](std::uint32_t document) {
            return !built_deletions_.contains(document);
        });
        if (built) {
            return place{place::kind::building, 0, *built, builder_->entry(*built).content};
        }
    }
    for (std::size_t i = segments_.size(); i-- > 0;) {
        const writer_segment& each = segments_[i];
        const segment& file = *each.committed.file;
        const auto written =
            file.find(id, hash, [&each](std::uint32_t document) { return each.live(document); });
        if (written) {
            return place{place::kind::written, i, *written, file.entry(*written).content};
        }
    }
    return std::nullopt;
}

inline void index_writer::encode_waiting() {
    std::vector<waiting_document*> documents;
    for (std::size_t i = encoded_; i < waiting_.size(); ++i) {
        if (!waiting_[i].dropped) {
            documents.push_back(&waiting_[i]);
        }
    }
    batch_encoder(*engine_, access_).encode(documents, coder_.get());
    encodings_ += static_cast<std::uint64_t>(
        std::count_if(documents.begin(), documents.end(),
                      [](const waiting_document* each) { return !each->given; }));
    if (coder_ == nullptr) {
        for (const waiting_document* each : documents) {
            sample_rows_ += each->tokens.ids.size();
        }
    }
    encoded_ = waiting_.size();
    waiting_bytes_ = 0;
}

/// Learns the codec's parameters from the documents that wait.
inline void index_writer::learn_codec() {
    std::vector<float> states;
    std::vector<std::int32_t> ids;
    std::vector<std::size_t> lengths;
    std::vector<waiting_document*> documents;
    for (waiting_document& each : waiting_) {
        if (!each.dropped) {
            states.insert(states.end(), each.states.begin(), each.states.end());
            ids.insert(ids.end(), each.tokens.ids.begin(), each.tokens.ids.end());
            lengths.push_back(each.tokens.ids.size());
            documents.push_back(&each);
        }
    }
    adopt_codec(train_codec(base_->commit().codec, *engine_, {states, ids, lengths},
                            {access_.threads, access_.pool}));
    states = {};
    code_states(documents, *coder_, access_);
    sample_rows_ = 0;
}

inline void index_writer::append_waiting() {
    for (const waiting_document& each : waiting_) {
        if (each.dropped) {
            continue;
        }
        documents_cut_ += each.tokens.cut > 0 ? 1 : 0;
        tokens_cut_ += each.tokens.cut;
        if (builder_ == nullptr) {
            builder_ = std::make_unique<segment_builder>(
                files_, folder_, new_file(), base_->commit().words, base_->commit().form);
            built_deletions_ = deletion_set();
        }
        const bool with_ids = needs_token_ids(engine_->config());
        built_deletions_.grow(std::uint64_t{builder_->documents()} + 1);
        builder_->add(
            {each.id, each.metadata, each.text, each.content, each.rows,
             each.tokens.ids.size() + each.skipped, each.tokens.cut, each.tokens.replaced,
             with_ids ? std::span<const std::int32_t>(each.tokens.ids)
                      : std::span<const std::int32_t>(),
             each.codes,
             each.given ? precision_set::unrecorded() : precision_set(engine_->computed_in()),
             each.kind});
        if (builder_->memory_bytes() >= access_.segment_memory) {
            finish_segment();
        }
    }
    waiting_.clear();
    waiting_places_.clear();
    encoded_ = 0;
}

/// Closes the segment that is being built; it belongs to no commit yet.
inline void index_writer::finish_segment() {
    if (builder_ == nullptr) {
        return;
    }
    const segment_record record = builder_->finish();
    builder_.reset();
    writer_segment made{{record, std::make_shared<const segment>(folder_, record, files_), nullptr},
                        std::nullopt};
    if (built_deletions_.documents() != 0) {
        made.changed = std::move(built_deletions_);
    }
    built_deletions_ = deletion_set();
    segments_.push_back(std::move(made));
}

inline void index_writer::finish_changes() {
    if (changes_ == 0) {
        return;
    }
    encode_waiting();
    if (coder_ == nullptr && sample_rows_ != 0) {
        learn_codec();
    }
    append_waiting();
    finish_segment();
    publish();
}

} // namespace store
MICE_NAMESPACE_END

#include <mice/index/write/writer_commit.hpp>
#include <mice/index/write/writer_texts.hpp>
