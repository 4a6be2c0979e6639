// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/index/write/writer.hpp>

// How an index_writer commits, joins segments, and takes over documents of other indexes.
MICE_NAMESPACE_BEGIN
namespace store {

inline void index_writer::restart(const snapshot* open_before) {
    builder_.reset();
    built_deletions_ = deletion_set();
    segments_.clear();
    waiting_.clear();
    waiting_places_.clear();
    waiting_bytes_ = encoded_ = sample_rows_ = 0;
    changes_ = 0;
    encodings_ = 0;
    // A killed writer may have renamed its manifest and got no further. Nothing that builds on that
    // commit may become durable before it.
    files_.sync_folder(folder_);
    base_ = open_newest(files_, folder_, engine_, cut_manifest::refuse, open_before).commit;
    const manifest& newest = base_->commit();
    if (const manifest_list there = manifests_in(files_, folder_); !there.strays.empty()) {
        throw errors::stray_manifest(folder_.string(), there.strays.back());
    }
    older_ = commits_before(files_, folder_, newest);
    next_file_ = std::max(newest.next_file, highest_file(files_, folder_) + 1);
    for (const std::uint64_t number : {newest.generation, next_file_}) {
        if (number >= writer_limit) {
            throw errors::index_numbers_used_up(folder_.string(), manifest_name(newest.generation),
                                                number);
        }
    }
    cleaned_ = false;
    parameters_ = newest.parameters;
    passages_ = newest.passages;
    coder_ = base_->coder();
    for (const live_segment& each : base_->segments()) {
        segments_.push_back({each, std::nullopt});
    }
}

/// A number for a new file. Before the first one, what killed writers left is removed. That is not
/// done when a writer opens, because it may change nothing in the end.
inline std::uint64_t index_writer::new_file() {
    clean();
    return next_file_++;
}

inline void index_writer::clean() {
    if (!cleaned_) {
        cleaned_ = true;
        remove_unused(files_, folder_, base_->commit(), older_);
    }
}

inline void index_writer::publish() {
    manifest next = base_->commit();
    ++next.generation;
    check_next_generation(files_, folder_, next.generation);
    clean();
    next.parameters = parameters_;
    next.passages = passages_;
    next.segments.clear();
    for (writer_segment& each : segments_) {
        if (each.living() == 0) {
            continue;
        }
        if (each.changed) {
            each.committed.record.deletions = each.changed->write(files_, folder_, new_file());
        }
        next.segments.push_back(each.committed.record);
    }
    if (next.passages > 0 && next.passages >= next.entries()) {
        throw errors::bad_index_file(manifest_name(base_->commit().generation),
                                     "it counts passages of texts that are not there");
    }
    next.next_file = next_file_;
    write_manifest(files_, folder_, next);
    auto opened =
        std::make_shared<const snapshot>(files_, folder_, engine_, std::move(next), base_.get());
    older_.read.insert(base_->commit().generation);
    older_.before = base_->commit();
    base_ = std::move(opened);
    segments_.clear();
    for (const live_segment& each : base_->segments()) {
        segments_.push_back({each, std::nullopt});
    }
    changes_ = 0;
    remove_unused(files_, folder_, base_->commit(), older_);
}

inline std::vector<segment_record> index_writer::records() const {
    std::vector<segment_record> all;
    for (const writer_segment& each : segments_) {
        all.push_back(each.committed.record);
        all.back().deletions.documents = each.committed.record.documents - each.living();
    }
    return all;
}

inline void index_writer::rewrite(const segment_run& run,
                                  const std::function<void(std::uint64_t)>& step) {
    std::vector<merge_part> parts;
    for (std::size_t i = run.first; i < run.last; ++i) {
        const writer_segment& each = segments_[i];
        parts.push_back({each.committed.file.get(),
                         [&each](std::uint32_t document) { return each.live(document); }});
    }
    const std::optional<segment_record> record =
        segment_merger(parts, *coder_, base_->commit().words)
            .write(files_, folder_, new_file(), step);
    const auto first = segments_.begin() + static_cast<std::ptrdiff_t>(run.first);
    const auto last = segments_.begin() + static_cast<std::ptrdiff_t>(run.last);
    if (record) {
        *first = {{*record, std::make_shared<const segment>(folder_, *record, files_), nullptr},
                  std::nullopt};
    }
    segments_.erase(record ? first + 1 : first, last);
}

/// Joins segments after a commit. Returns why that failed, or nothing; a failure loses nothing.
inline std::string index_writer::join_segments() {
    try {
        while (const std::optional<segment_run> run = next_merge(base_->commit().segments)) {
            rewrite(*run, {});
            publish();
        }
        return {};
    } catch (const std::exception& e) {
        std::string reason = e.what();
        restart(base_.get());
        return reason;
    }
}

inline void index_writer::rewrite_all(const index_progress& progress) {
    const std::vector<segment_run> runs = compacting_runs(base_->commit().segments);
    if (runs.empty()) {
        if (older_.before && older_.before->files() != base_->commit().files()) {
            publish(); // a second commit of the same state, so that the files of older ones can go
        }
        clean();
        return;
    }
    std::uint64_t all = 0;
    for (const segment_run& run : runs) {
        for (std::size_t i = run.first; i < run.last; ++i) {
            all += segments_[i].committed.file->bytes(section::codes);
        }
    }
    std::uint64_t done = 0;
    const auto step = [&](std::uint64_t bytes) {
        done += bytes;
        if (progress) {
            progress(std::min(done, all), all);
        }
    };
    for (auto run = runs.rbegin(); run != runs.rend(); ++run) { // places before it stay the same
        rewrite(*run, step);
    }
    publish();
    publish(); // as above
    if (progress) {
        progress(all, all);
    }
}

inline void index_writer::adopt_codec(std::span<const std::byte> parameters) {
    coder_ = std::make_shared<const document_coder>(base_->commit().codec, *engine_, parameters);
    const std::uint64_t number = new_file();
    parameters_ = write_blob(files_, folder_ / codec_name(number), number,
                             blob_kind::codec_parameters, parameters);
}

// ---- documents of other indexes ----

inline void index_writer::check_mergeable(const snapshot& other,
                                          const std::filesystem::path& name) const {
    const manifest& here = base_->commit();
    const manifest& there = other.commit();
    const auto fail = [&name](std::string_view what, std::string_view has,
                              std::string_view expected) {
        return errors::index_mismatch(what, std::string(has) + " (" + name.string() + ")", expected,
                                      "indexes are merged where both were made with the same "
                                      "options; add the documents themselves instead");
    };
    const auto text = [](const index_codec& codec) {
        return codec.name + ", pool " + std::to_string(codec.pool) + ", drop " +
               std::string(detail::name_of(codec.drop));
    };
    if (!(here.codec == there.codec)) {
        throw fail("codec", text(there.codec), text(here.codec));
    }
    if (here.words != there.words) {
        const auto said = [](index_words words) {
            return words == index_words::keep ? "words are kept" : "no words are kept";
        };
        throw fail("choice of words", said(there.words), said(here.words));
    }
    if (here.form != there.form) {
        const auto said = [](text::word_form form) {
            return "form " + std::to_string(static_cast<std::uint32_t>(form));
        };
        throw fail("form of words", said(there.form), said(here.form));
    }
    const std::span<const std::byte> mine = base_->codec_parameters();
    const std::span<const std::byte> theirs = other.codec_parameters();
    if (!mine.empty() && !theirs.empty() &&
        !std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end())) {
        throw fail("learned parameters of its codec",
                   "checksum " + io::hex_digits(there.parameters.checksum),
                   "checksum " + io::hex_digits(here.parameters.checksum));
    }
}

/// Whether to take a document of another index; removes the one that it replaces.
inline bool index_writer::takes(const segment& from, std::uint32_t document,
                                const std::filesystem::path& name, merge_conflict conflict,
                                index_merge& done) {
    const document_entry entry = from.entry(document);
    const std::optional<place> found = find(from.id(entry));
    if (!found) {
        ++done.added;
        return true;
    }
    if (found->content == entry.content || conflict == merge_conflict::keep_first) {
        ++done.skipped;
        return false;
    }
    if (conflict == merge_conflict::refuse) {
        throw errors::merge_conflict(from.id(entry), name.string());
    }
    remove_all(*found, {});
    ++done.replaced;
    return true;
}

/// Which entries of another index to take, by segment; a text's passages go where the text goes.
inline std::vector<std::vector<bool>> index_writer::choose(const snapshot& other,
                                                           const std::filesystem::path& name,
                                                           merge_conflict conflict,
                                                           index_merge& done) {
    std::vector<std::vector<bool>> taken;
    std::unordered_set<std::string> left_out; // texts
    for (const live_segment& each : other.segments()) {
        std::vector<bool>& chosen = taken.emplace_back(each.record.documents);
        for (std::uint32_t document = 0; document < each.record.documents; ++document) {
            const document_entry entry = each.file->entry(document);
            if (!each.live(document) || entry.kind == entry_kind::passage) {
                continue;
            }
            chosen[document] = takes(*each.file, document, name, conflict, done);
            if (!chosen[document] && entry.kind == entry_kind::text) {
                left_out.emplace(each.file->id(entry));
            }
        }
    }
    for (std::size_t i = 0; i < taken.size() && other.commit().passages > 0; ++i) {
        const live_segment& each = other.segments()[i];
        for (std::uint32_t document = 0; document < each.record.documents; ++document) {
            const document_entry entry = each.file->entry(document);
            if (each.live(document) && entry.kind == entry_kind::passage &&
                !left_out.contains(std::string(each.file->metadata(entry)))) {
                taken[i][document] = true;
                ++passages_;
            }
        }
    }
    return taken;
}

inline void index_writer::copy_documents(const snapshot& other, const std::filesystem::path& name,
                                         merge_conflict conflict, index_merge& done,
                                         const std::function<void(std::uint64_t)>& step) {
    if (coder_ == nullptr && !other.segments().empty()) {
        adopt_codec(other.codec_parameters());
    }
    const std::vector<std::vector<bool>> taken = choose(other, name, conflict, done);
    for (const segment_run& run :
         detail::within(other.commit().segments, {0, other.segments().size()}, {})) {
        std::vector<merge_part> parts;
        for (std::size_t i = run.first; i < run.last; ++i) {
            parts.push_back(
                {other.segments()[i].file.get(),
                 [&chosen = taken[i]](std::uint32_t document) { return bool{chosen[document]}; }});
        }
        const std::optional<segment_record> record =
            segment_merger(parts, *coder_, base_->commit().words)
                .write(files_, folder_, new_file(), step);
        if (record) {
            segments_.push_back(
                {{*record, std::make_shared<const segment>(folder_, *record, files_), nullptr},
                 std::nullopt});
        }
    }
}

inline index_merge index_writer::merge(std::span<const std::shared_ptr<const snapshot>> others,
                                       std::span<const std::filesystem::path> names,
                                       merge_conflict conflict, const index_progress& progress) {
    guarded([&] { finish_changes(); });
    index_merge done;
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < others.size(); ++i) {
        check_mergeable(*others[i], names[i]);
        done.parts.push_back(others[i]->precisions());
        for (const live_segment& each : others[i]->segments()) {
            all += each.file->bytes(section::codes);
        }
    }
    std::uint64_t copied = 0;
    const auto step = [&](std::uint64_t bytes) {
        copied += bytes;
        if (progress) {
            progress(std::min(copied, all), all);
        }
    };
    undone_on_failure([&] {
        for (std::size_t i = 0; i < others.size(); ++i) {
            copy_documents(*others[i], names[i], conflict, done, step);
            while (const std::optional<segment_run> run = next_merge(records())) {
                rewrite(*run, {});
            }
        }
        if (done.added + done.replaced != 0) {
            publish();
        }
    });
    if (progress) {
        progress(all, all);
    }
    done.generation = base_->commit().generation;
    done.precisions = base_->precisions();
    return done;
}

} // namespace store
MICE_NAMESPACE_END
