// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mice/codecs/codec.hpp>
#include <mice/index/files/segment.hpp>
#include <mice/index/files/segment_file.hpp>
#include <mice/index/words/words.hpp>
#include <mice/index_results.hpp>
#include <mice/io/text_bytes.hpp>

// Segments are joined by copying. Nothing is encoded again, and the only memory that grows with
// their size is eight bytes a slot of the hash table.
MICE_NAMESPACE_BEGIN
namespace store {

/// What a merged segment may hold at most.
struct segment_limits {
    std::uint64_t documents = std::uint64_t{1} << 22;
    std::uint64_t bytes = std::uint64_t{16} << 30;
};

/// A segment, and which of its documents are kept.
struct merge_part {
    const segment* file = nullptr;
    std::function<bool(std::uint32_t document)> keeps;
};

/// Writes the documents that are kept, in the order of the parts, as one segment. For one thread.
class segment_merger {
  public:
    segment_merger(std::span<const merge_part> parts, const document_coder& coder,
                   index_words words)
        : parts_(parts), coder_(coder), keeps_words_(words == index_words::keep) {}

    /// Nothing where no document is kept. Calls `step(bytes)` with what has been copied. Throws
    /// errc::io, or errc::format for damaged parts; the file is then removed.
    [[nodiscard]] std::optional<segment_record>
    write(io::file_system& files, const std::filesystem::path& folder, std::uint64_t number,
          const std::function<void(std::uint64_t)>& step = {}) {
        const std::uint64_t documents = count();
        if (documents == 0) {
            return std::nullopt;
        }
        if (documents >= std::uint64_t{1} << 31) {
            throw errors::index_too_large(std::to_string(documents) + " documents in one segment");
        }
        segment_file out(files, folder, number);
        copy_codes(out, step);
        copy_entries(out);
        copy_texts(out);
        copy_slots(out, static_cast<std::size_t>(documents));
        copy_words(out);
        return out.finish(static_cast<std::uint32_t>(documents), tokens_, rows_, precisions_);
    }

  private:
    template <class Visit> void each_kept(Visit&& visit) const {
        for (const merge_part& part : parts_) {
            for (std::uint32_t document = 0; document < part.file->documents(); ++document) {
                if (part.keeps(document)) {
                    visit(*part.file, document, part.file->entry(document));
                }
            }
        }
    }
    [[nodiscard]] std::uint64_t count() const {
        std::uint64_t documents = 0;
        for (const merge_part& part : parts_) {
            for (std::uint32_t document = 0; document < part.file->documents(); ++document) {
                documents += part.keeps(document) ? 1 : 0;
            }
        }
        return documents;
    }

    void copy_codes(segment_file& out, const std::function<void(std::uint64_t)>& step) {
        out.begin(section::codes);
        each_kept([&](const segment& from, std::uint32_t document, const document_entry& entry) {
            out.align(alignment);
            const std::span<const std::byte> codes =
                from.codes(document, entry, coder_.bytes(entry.rows));
            out.append(codes);
            tokens_ += entry.tokens_seen;
            rows_ += entry.rows;
            precisions_.add(from.precisions());
            if (step) {
                step(codes.size());
            }
        });
    }
    void copy_entries(segment_file& out) const {
        out.begin(section::documents);
        std::uint64_t codes = 0;
        std::uint64_t texts = 0;
        each_kept([&](const segment&, std::uint32_t, document_entry entry) {
            entry.codes = codes;
            entry.texts = texts;
            codes = aligned(codes + coder_.bytes(entry.rows));
            texts += text_bytes(entry);
            out.append_value(entry);
        });
    }
    void copy_texts(segment_file& out) const {
        out.begin(section::texts);
        each_kept([&](const segment& from, std::uint32_t, const document_entry& entry) {
            out.append(io::text_bytes(from.id(entry)));
            out.append(io::text_bytes(from.metadata(entry)));
            out.align(sizeof(std::int32_t));
            out.append(std::as_bytes(from.token_ids(entry)));
        });
    }
    void copy_slots(segment_file& out, std::size_t documents) const {
        out.begin(section::slots);
        std::vector<id_slot> slots(slots_for(documents));
        std::uint32_t number = 0;
        each_kept([&](const segment& from, std::uint32_t, const document_entry& entry) {
            const std::uint64_t hash = hash_of_id(from.id(entry));
            std::size_t at = hash & (slots.size() - 1);
            while (slots[at].document != 0) {
                at = (at + 1) & (slots.size() - 1);
            }
            slots[at] = {tag_of(hash), ++number};
        });
        out.append(std::as_bytes(std::span(slots)));
    }
    void copy_words(segment_file& out) const {
        if (!keeps_words_) {
            return;
        }
        out.begin(section::words);
        std::vector<words_view> views;
        views.reserve(parts_.size());
        std::vector<words_part> parts;
        for (const merge_part& part : parts_) {
            views.emplace_back(part.file->words());
            if (views.back().documents() != part.file->documents()) {
                throw errors::bad_index_file(part.file->name(),
                                             "its words are of another number of documents");
            }
            parts.push_back({&views.back(), part.keeps});
        }
        merge_words(parts, [&out](std::span<const std::byte> bytes) { out.append(bytes); });
    }

    std::span<const merge_part> parts_;
    const document_coder& coder_;
    bool keeps_words_;
    std::uint64_t tokens_ = 0;
    std::uint64_t rows_ = 0;
    precision_set precisions_; ///< of the parts that something is kept of
};

/// Segments first..last-1 of a list, to become one.
struct segment_run {
    std::size_t first = 0;
    std::size_t last = 0;
};

namespace detail {

/// Roughly the bytes that a segment would have without its deleted documents.
inline std::uint64_t live_bytes(const segment_record& record) {
    const double share = static_cast<double>(record.live()) / static_cast<double>(record.documents);
    return static_cast<std::uint64_t>(static_cast<double>(record.bytes) * share);
}

/// Cuts neighbours into runs that stay below the limits.
inline std::vector<segment_run> within(std::span<const segment_record> segments, segment_run all,
                                       const segment_limits& limits) {
    std::vector<segment_run> runs;
    std::uint64_t documents = 0;
    std::uint64_t bytes = 0;
    for (std::size_t i = all.first; i < all.last; ++i) {
        documents += segments[i].live();
        bytes += live_bytes(segments[i]);
        if (runs.empty() || documents > limits.documents || bytes > limits.bytes) {
            runs.push_back({i, i});
            documents = segments[i].live();
            bytes = live_bytes(segments[i]);
        }
        runs.back().last = i + 1;
    }
    return runs;
}

/// Segments below 1 MiB are all small; from there on a tier is a factor of eight.
inline constexpr std::uint64_t small_segment = std::uint64_t{1} << 20;
inline constexpr int highest_tier = 16;

inline int tier_of(const segment_record& segment) {
    const int bits = static_cast<int>(std::bit_width(segment.bytes / small_segment));
    return std::min((bits + 2) / 3, highest_tier);
}
inline bool is_full(const segment_record& segment, const segment_limits& limits) {
    return segment.live() > limits.documents / 2 || live_bytes(segment) > limits.bytes / 2;
}

/// The part of a run that should be joined first, if it is worth it.
inline std::optional<segment_run> worth_joining(std::span<const segment_record> segments,
                                                segment_run run, const segment_limits& limits) {
    constexpr std::size_t factor = 8;
    std::uint64_t all = 0;
    std::uint64_t largest = 0;
    for (std::size_t i = run.first; i < run.last; ++i) {
        const std::uint64_t bytes = std::max(segments[i].bytes, small_segment);
        all += bytes;
        largest = std::max(largest, bytes);
    }
    if (run.last - run.first >= factor && all >= 2 * largest) {
        for (const segment_run& part : within(segments, run, limits)) {
            if (part.last - part.first > 1) {
                return part;
            }
        }
    }
    return std::nullopt;
}

} // namespace detail

/// The next run of neighbours that is worth joining: eight or more of about the same size or
/// smaller, which together are at least twice the largest of them; or one segment of which more
/// than half is deleted. So a byte is copied at most once whenever its segment doubles. With
/// commits of similar size, the number of segments stays logarithmic in the size of the index,
/// until they reach the limits.
[[nodiscard]] inline std::optional<segment_run> next_merge(std::span<const segment_record> segments,
                                                           const segment_limits& limits = {}) {
    for (std::size_t i = 0; i < segments.size(); ++i) {
        if (segments[i].deletions.documents > segments[i].live()) {
            return segment_run{i, i + 1};
        }
    }
    for (int level = 0; level <= detail::highest_tier; ++level) {
        std::size_t first = 0;
        for (std::size_t i = 0; i <= segments.size(); ++i) {
            if (i < segments.size() && detail::tier_of(segments[i]) <= level &&
                !detail::is_full(segments[i], limits)) {
                continue;
            }
            if (const auto run = detail::worth_joining(segments, {first, i}, limits)) {
                return run;
            }
            first = i + 1;
        }
    }
    return std::nullopt;
}

/// The runs that compact() rewrites: all segments, into as few as the limits allow. A segment that
/// would stay alone and has nothing deleted is left as it is.
[[nodiscard]] inline std::vector<segment_run>
compacting_runs(std::span<const segment_record> segments, const segment_limits& limits = {}) {
    std::vector<segment_run> runs = detail::within(segments, {0, segments.size()}, limits);
    std::erase_if(runs, [&](const segment_run& run) {
        return run.last - run.first == 1 && segments[run.first].deletions.documents == 0;
    });
    return runs;
}

} // namespace store
MICE_NAMESPACE_END
