// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <mice/scoring.hpp>
#include <mice/store/snapshot.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

/// Documents of an index as a source of scoring_call: their codes are decoded piece by piece.
class index_source {
  public:
    /// The commit and the places must outlive this object.
    index_source(const store::snapshot& commit, std::span<const store::document_place> places)
        : commit_(commit), places_(places),
          with_ids_(store::needs_token_ids(commit.engine().config())) {}

    [[nodiscard]] std::size_t size() const { return places_.size(); }

    /// As text_source::load. Throws errc::format for damaged files.
    bool load(std::size_t first, std::size_t last, const rank_options& options, work_memory& memory,
              hit* hits) const {
        const store::document_coder& coder = *commit_.coder();
        std::size_t rows = 0;
        memory.views.clear();
        for (std::size_t i = first; i < last; ++i) {
            const store::document_entry entry = this->entry(i);
            (void)file(i).codes(entry, coder.bytes(entry.rows)); // are there, before memory is
            hits[i].tokens_seen = entry.tokens_seen;
            hits[i].tokens_cut = entry.tokens_cut;
            hits[i].replaced = entry.replaced;
            rows += entry.rows;
        }
        float* next = memory.states.reserve(rows * coder.width());
        for (std::size_t i = first; i < last; ++i) {
            const store::document_entry entry = this->entry(i);
            coder.decode(file(i).codes(entry, coder.bytes(entry.rows)), entry.rows, next,
                         memory.scratch);
            memory.views.push_back(view(i, entry, next));
            next += entry.rows * coder.width();
        }
        return !should_stop(options);
    }

  private:
    [[nodiscard]] const store::segment& file(std::size_t i) const {
        return *commit_.segments()[places_[i].segment].file;
    }
    [[nodiscard]] store::document_entry entry(std::size_t i) const {
        return file(i).entry(places_[i].document);
    }
    [[nodiscard]] nn::document_view view(std::size_t i, const store::document_entry& entry,
                                         const float* decoded) const {
        nn::document_view made{decoded, nullptr, entry.rows};
        if (commit_.coder()->key_values()) {
            made = {nullptr, nullptr, entry.rows, decoded};
        }
        if (with_ids_) {
            made.ids = file(i).token_ids(entry).data();
            if (entry.token_ids != entry.rows) {
                throw errors::bad_index_file(file(i).name(),
                                             "a document lacks the token ids that its model needs");
            }
        }
        return made;
    }

    const store::snapshot& commit_;
    std::span<const store::document_place> places_;
    bool with_ids_;
};

} // namespace detail
MICE_NAMESPACE_END
