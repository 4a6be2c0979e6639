// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/index/write/writer.hpp>
#include <mice/reranker.hpp>
#include <mice/system/float_mode.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

/// What an index object holds: the commit that readers see, and a writer while there is one.
class index_state {
  public:
    index_state(std::filesystem::path folder, reranker ranker, const index_access& access)
        : folder_(std::move(folder)), ranker_(std::move(ranker)), access_(access),
          files_(access.files == nullptr ? io::system_files() : *access.files) {
        show(store::open_newest(files_, folder_, ranker_.shared_model()));
    }
    index_state(const index_state&) = delete;
    index_state& operator=(const index_state&) = delete;
    ~index_state() = default;

    [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
    [[nodiscard]] const reranker& ranker() const noexcept { return ranker_; }
    [[nodiscard]] const index_access& access() const noexcept { return access_; }
    [[nodiscard]] io::file_system& files() const noexcept { return files_; }

    /// The commit that readers see now.
    [[nodiscard]] std::shared_ptr<const store::snapshot> commit() const {
        const std::lock_guard lock(mutex_);
        return commit_;
    }
    [[nodiscard]] store::opened_commit opened() const {
        const std::lock_guard lock(mutex_);
        return {commit_, recovered_};
    }
    /// Shows readers the newest commit on disk; false where they see it already.
    bool refresh() {
        const std::shared_ptr<const store::snapshot> now = commit();
        const store::manifest_list there = store::manifests_in(files_, folder_);
        if (!there.generations.empty() && there.generations.front() == now->commit().generation &&
            there.strays.empty() && !there.lacks_one() && opened().recovered.empty()) {
            return false;
        }
        store::opened_commit newest = store::open_newest(files_, folder_, ranker_.shared_model(),
                                                         store::cut_manifest::pass_over, now.get());
        if (newest.commit->commit().generation <= now->commit().generation) {
            show({now, std::move(newest.recovered)});
            return false;
        }
        show(std::move(newest));
        return true;
    }

    /// The writer. Takes the folder's lock where there was no writer yet.
    [[nodiscard]] store::index_writer& writer() {
        if (writer_ == nullptr) {
            writer_ = std::make_unique<store::index_writer>(files_, folder_, ranker_.shared_model(),
                                                            access_, commit().get());
            show({writer_->base(), {}});
        }
        return *writer_;
    }
    /// Changes of the writer since the last commit; safe from any thread.
    [[nodiscard]] std::uint64_t uncommitted() const noexcept {
        return uncommitted_.load(std::memory_order_relaxed);
    }
    void release() noexcept {
        writer_.reset();
        uncommitted_.store(0, std::memory_order_relaxed);
    }
    /// Runs a change of the writer. Then shows readers what is committed, whether it failed or not.
    template <class Change> auto write(Change&& change) {
        struct show_at_end {
            index_state& state;
            ~show_at_end() {
                state.uncommitted_.store(state.writer_->changes(), std::memory_order_relaxed);
                try {
                    state.show({state.writer_->base(), {}});
                } catch (const std::bad_alloc&) { // readers stay where they are
                }
            }
        };
        return in_default_float_mode([&] {
            store::index_writer& changed = writer();
            const show_at_end after{*this};
            return change(changed);
        });
    }

  private:
    void show(store::opened_commit opened) {
        const std::lock_guard lock(mutex_);
        commit_ = std::move(opened.commit);
        recovered_ = std::move(opened.recovered);
    }

    std::filesystem::path folder_;
    reranker ranker_;
    index_access access_;
    io::file_system& files_;
    mutable std::mutex mutex_; // of the two below
    std::shared_ptr<const store::snapshot> commit_;
    std::string recovered_;
    std::unique_ptr<store::index_writer> writer_;
    std::atomic<std::uint64_t> uncommitted_{0};
};

/// Walks through the documents of one commit.
class document_walk {
  public:
    explicit document_walk(std::shared_ptr<const store::snapshot> commit)
        : commit_(std::move(commit)) {}

    /// The next live document; nothing behind the last.
    [[nodiscard]] std::optional<store::document_place> next() {
        for (; segment_ < commit_->segments().size(); ++segment_, document_ = 0) {
            const store::live_segment& each = commit_->segments()[segment_];
            while (document_ < each.file->documents()) {
                const std::uint32_t document = document_++;
                if (each.live(document)) {
                    return store::document_place{segment_, document};
                }
            }
        }
        return std::nullopt;
    }
    [[nodiscard]] const store::snapshot& commit() const noexcept { return *commit_; }

  private:
    std::shared_ptr<const store::snapshot> commit_;
    std::uint32_t segment_ = 0;
    std::uint32_t document_ = 0;
};

[[nodiscard]] inline stored_document describe(const store::snapshot& commit,
                                              store::document_place place) {
    const store::segment& file = *commit.segments()[place.segment].file;
    const store::document_entry entry = store::stored_entry(commit.engine(), file, place.document);
    return {std::string(file.id(entry)),
            std::string(file.metadata(entry)),
            entry.tokens_seen,
            entry.tokens_cut,
            entry.replaced,
            entry.rows,
            commit.coder()->bytes(entry.rows),
            io::hex_digits(entry.content)};
}

/// Throws errc::invalid_argument unless `id` may name a document.
inline void check_document_id(std::string_view id) {
    if (id.empty()) {
        throw errors::bad_document_id(id, "is empty");
    }
    if (id.size() > store::longest_id) {
        throw errors::bad_document_id(id, "has " + std::to_string(id.size()) + " bytes");
    }
    if (const std::size_t invalid = text::first_invalid_utf8(id);
        invalid != std::string_view::npos) {
        throw errors::bad_document_id(id, "is not UTF-8 at byte " + std::to_string(invalid));
    }
    for (std::size_t at = 0; at < id.size();) {
        const text::decoded next = text::decode_utf8(id, at);
        if (next.code < 0x20 || (next.code >= 0x7f && next.code < 0xa0)) {
            throw errors::bad_document_id(id, "holds a control character at byte " +
                                                  std::to_string(at));
        }
        at += next.bytes;
    }
}

/// A document for the writer, with the hash of all arguments of put().
[[nodiscard]] inline store::waiting_document waiting_document(std::string_view id,
                                                              std::string_view metadata) {
    check_document_id(id);
    if (metadata.size() > store::largest_metadata) {
        throw errors::document_too_large(id, "the metadata", metadata.size(),
                                         store::largest_metadata);
    }
    store::waiting_document made;
    made.id = id;
    made.metadata = metadata;
    return made;
}

[[nodiscard]] inline io::hash128
content_hash(std::string_view kind, std::span<const std::byte> content, std::string_view metadata) {
    io::hasher128 hash;
    hash.add_text(kind);
    hash.add_item(content);
    hash.add_text(metadata);
    return hash.digest();
}

/// The manifest of a new index. Throws errc::invalid_argument for options that do not fit the
/// model.
[[nodiscard]] inline store::manifest
first_manifest(const reranker& ranker, const index_options& options, text::word_form form) {
    store::manifest made;
    made.codec = store::kept_codec(options.codec);
    store::validate(made.codec, *ranker.shared_model());
    ranker.shared_model()->check_fingerprint();
    made.model = store::bound_model(ranker.shared_model(), made.codec).identity;
    made.words = options.words;
    made.form = form;
    return made;
}

} // namespace detail
MICE_NAMESPACE_END
