// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <mice/index/files/snapshot.hpp>
#include <mice/scoring/source.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

/// Documents of an index as a source of scoring_call. States are decoded by the batch that packs
/// them, one document at a time; keys and values, which are not packed, piece by piece, or not at
/// all where the model computes with their codes.
class index_source final : public source {
  public:
    /// The commit and the places must outlive this object.
    index_source(const store::snapshot& commit, std::span<const store::document_place> places)
        : commit_(commit), places_(places),
          with_ids_(store::needs_token_ids(commit.engine().config())) {}

    [[nodiscard]] std::size_t size() const override { return places_.size(); }
    [[nodiscard]] const nn::state_decoder* decoder() const override {
        return commit_.coder().get();
    }

    /// Throws errc::format for damaged files.
    bool load(std::size_t first, std::size_t last, const rank_options& options, work_memory& memory,
              hit* hits) const override {
        const store::document_coder& coder = *commit_.coder();
        std::size_t rows = 0;
        memory.views.clear();
        for (std::size_t i = first; i < last; ++i) {
            const store::document_entry entry = this->entry(i);
            // Before memory is allocated: the codes are there and belong to this document alone
            // (segment::codes), and its rows are no more than the model takes tokens. So a small
            // file cannot ask for a lot.
            memory.views.push_back(view(i, entry));
            hits[i].tokens_seen = entry.tokens_seen;
            hits[i].tokens_cut = entry.tokens_cut;
            hits[i].replaced = entry.replaced;
            rows += entry.rows;
        }
        const bool as_codes =
            coder.codes_are_key_values() && commit_.engine().computed_in() == precision::int8;
        if (as_codes) {
            for (nn::document_view& each : memory.views) {
                coder.check(each.codes, each.tokens);
                each.key_value_codes = each.codes.data();
            }
        } else if (coder.key_values()) {
            float* next = memory.states.reserve(rows * coder.width());
            for (nn::document_view& each : memory.views) {
                coder.decode(each.codes, each.tokens, next, memory.scratch);
                each.key_values = next;
                next += each.tokens * coder.width();
            }
        }
        return !should_stop(options);
    }

  private:
    [[nodiscard]] const store::segment& file(std::size_t i) const {
        return *commit_.segments()[places_[i].segment].file;
    }
    [[nodiscard]] store::document_entry entry(std::size_t i) const {
        return store::stored_entry(commit_.engine(), file(i), places_[i].document);
    }
    [[nodiscard]] nn::document_view view(std::size_t i, const store::document_entry& entry) const {
        nn::document_view made;
        made.tokens = entry.rows;
        made.codes = file(i).codes(places_[i].document, entry, commit_.coder()->bytes(entry.rows));
        if (with_ids_) {
            made.ids = store::stored_ids(commit_.engine(), file(i), entry).data();
        }
        return made;
    }

    const store::snapshot& commit_;
    std::span<const store::document_place> places_;
    bool with_ids_;
};

} // namespace detail
MICE_NAMESPACE_END
