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
#include <utility>
#include <vector>

#include <mice/store/encode_batch.hpp>
#include <mice/store/merge_segments.hpp>
#include <mice/store/publish.hpp>
#include <mice/store/segment_builder.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Changes an index, and holds its lock as long as it lives. A change is visible to no one before
/// commit(). After an exception out of a member everything but rollback() is refused: what was
/// changed since the last commit is lost. For one thread.
class index_writer {
  public:
    /// Takes the lock and goes on from the newest commit; no other will do. What killed writers
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
    bool erase(std::string_view id) {
        return guarded([&] {
            const std::optional<place> found = find(id);
            if (found) {
                remove(*found);
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
    /// Commits, and rewrites segments as compacting_runs says. Where the rewriting fails, the
    /// commit is done, and nothing is lost.
    index_commit compact(const index_progress& progress) {
        guarded([&] { finish_changes(); });
        undone_on_failure([&] { rewrite_all(progress); });
        return {base_->commit().generation, base_->documents(), {}};
    }
    /// Commits, adds the documents of other indexes, opened for the same model, and commits again.
    /// Where the adding fails, nothing of it is done. Throws errc::mismatch.
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

    /// For work on a committed state: a failure takes it back and leaves the writer usable.
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
    [[nodiscard]] std::optional<place> find(std::string_view id) const;
    void remove(const place& found);

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
    /// Puts the live documents of neighbours into one new segment in their place.
    void rewrite(const segment_run& run, const std::function<void(std::uint64_t)>& step);
    [[nodiscard]] std::vector<segment_record> records() const;
    void check_mergeable(const snapshot& other, const std::filesystem::path& name) const;
    void copy_documents(const snapshot& other, const std::filesystem::path& name,
                        merge_conflict conflict, index_merge& done,
                        const std::function<void(std::uint64_t)>& step);
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
    std::string failure_; ///< of the change after which a rollback is due

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
    std::uint64_t documents_cut_ = 0, tokens_cut_ = 0; ///< since the last commit
};

inline put_result index_writer::put_checked(waiting_document document) {
    const std::optional<place> found = find(document.id);
    if (found && found->content == document.content) {
        return put_result::unchanged;
    }
    if (found) {
        remove(*found);
    }
    waiting_bytes_ +=
        document.text.size() + document.metadata.size() + document.states.size() * sizeof(float);
    waiting_places_[document.id] = waiting_.size();
    waiting_.push_back(std::move(document));
    ++changes_;
    const std::size_t threads = threads_for({access_.threads, access_.pool}, 1024);
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
    return found ? put_result::replaced : put_result::added;
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

inline void index_writer::remove(const place& found) {
    switch (found.where) {
    case place::kind::waiting: {
        waiting_document& document = waiting_[found.index];
        waiting_places_.erase(document.id);
        if (coder_ == nullptr && found.index < encoded_) {
            sample_rows_ -= document.tokens.ids.size();
        }
        document = {};
        document.dropped = true;
        break;
    }
    case place::kind::building:
        built_deletions_.add(found.document, builder_->entry(found.document));
        break;
    case place::kind::written: {
        writer_segment& from = segments_[found.index];
        from.deletions().add(found.document, from.committed.file->entry(found.document));
        break;
    }
    }
}

inline void index_writer::encode_waiting() {
    std::vector<waiting_document*> documents;
    for (std::size_t i = encoded_; i < waiting_.size(); ++i) {
        if (!waiting_[i].dropped) {
            documents.push_back(&waiting_[i]);
        }
    }
    batch_encoder(*engine_, access_).encode(documents, coder_.get());
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
        builder_->add({each.id, each.metadata, each.text, each.content, each.rows,
                       each.tokens.ids.size() + each.skipped, each.tokens.cut, each.tokens.replaced,
                       with_ids ? std::span<const std::int32_t>(each.tokens.ids)
                                : std::span<const std::int32_t>(),
                       each.codes});
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

#include <mice/store/writer_commit.hpp>
