// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <mice/index/write/writer.hpp>

// How an index_writer adds and removes texts of several passages.
MICE_NAMESPACE_BEGIN
namespace store {

inline put_result index_writer::put_passages(waiting_document text,
                                             std::vector<waiting_document> passages) {
    const std::optional<place> found = find(text.id);
    if (found && found->content == text.content) {
        return put_result::unchanged;
    }
    if (found) {
        std::unordered_set<std::string> keep;
        for (const waiting_document& each : passages) {
            keep.insert(each.id);
        }
        remove_all(*found, keep);
    }
    for (waiting_document& each : passages) {
        if (!find(each.id)) {
            add_waiting(std::move(each));
        }
    }
    add_waiting(std::move(text));
    ++changes_;
    return found ? put_result::replaced : put_result::added;
}

inline entry_kind index_writer::kind_of(const place& found) const {
    switch (found.where) {
    case place::kind::waiting:
        return waiting_[found.index].kind;
    case place::kind::building:
        return builder_->entry(found.document).kind;
    default:
        return segments_[found.index].committed.file->entry(found.document).kind;
    }
}

inline std::vector<std::string> index_writer::passages_of(const place& text) const {
    std::string_view id, bytes;
    std::string name = "a segment that is being written";
    if (text.where == place::kind::waiting) {
        id = waiting_[text.index].id;
        bytes = waiting_[text.index].metadata;
    } else if (text.where == place::kind::building) {
        id = builder_->id(text.document);
        bytes = builder_->metadata(text.document);
    } else {
        const segment& file = *segments_[text.index].committed.file;
        const document_entry entry = file.entry(text.document);
        id = file.id(entry);
        bytes = file.metadata(entry);
        name = file.name();
    }
    std::vector<std::string> ids;
    const text_record record = parse_text_record(bytes, name);
    for (std::size_t i = 1; i < record.parts.size(); ++i) {
        ids.push_back(id_of_passage(id, record.parts[i]));
    }
    return ids;
}

inline void index_writer::remove_all(const place& found,
                                     const std::unordered_set<std::string>& keep) {
    std::vector<std::string> ids;
    if (kind_of(found) == entry_kind::text) {
        ids = passages_of(found);
    }
    remove(found);
    for (const std::string& id : ids) {
        if (!keep.contains(id)) {
            if (const std::optional<place> passage = find(id)) {
                remove(*passage);
            }
        }
    }
}

inline void index_writer::remove(const place& found) {
    passages_ -= kind_of(found) == entry_kind::passage ? 1 : 0;
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

} // namespace store
MICE_NAMESPACE_END
