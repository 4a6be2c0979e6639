// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <mice/nn/attention/self.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// Which rows of a cross-encoder's sequences see which, layer by layer. Groups that see the same
/// rows are one part of an attention block, and a part has a mask only where it needs one.
/// Immutable.
class visibility {
  public:
    explicit visibility(const model_config& config) {
        for (const visibility_range& range : config.visibility) {
            for (std::size_t i = 0; i < range.layers; ++i) {
                layers_.push_back({range, 0});
            }
        }
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            layers_[i].window = config.is_sliding(i) ? config.sliding_window : 0;
            alone_.push_back(layers_[i].range.document_window != 0
                                 ? banded(layers_[i].range.document_window)
                                 : part_maker{});
        }
    }

    /// Whether every row sees every other in all layers.
    [[nodiscard]] bool hides_nothing() const noexcept { return layers_.empty(); }

    /// What the rows of pairs see in layer `index`, where something is hidden. The lists say where
    /// each pair's document begins, and have to outlive it.
    [[nodiscard]] part_maker of_pairs(std::size_t index, const sequence_lists& lists) const {
        return
            [seen = &layers_[index], &lists](std::size_t sequence, std::size_t queries,
                                             std::size_t rows, std::vector<attention_part>& parts) {
                const std::size_t second = std::min(lists.seconds[sequence], rows);
                seen->add(0, 1, seen->range.cls, {second, rows, queries}, parts);
                seen->add(1, second, seen->range.query, {second, rows, queries}, parts);
                seen->add(second, rows, seen->range.document, {second, rows, queries}, parts);
            };
    }

    /// What the rows of a document by itself see in layer `index`.
    [[nodiscard]] const part_maker& of_document(std::size_t index, const part_maker& usual) const {
        return layers_.empty() || !alone_[index] ? usual : alone_[index];
    }

  private:
    struct extent {
        std::size_t second, rows, queries;
    };
    struct layer {
        visibility_range range;
        std::size_t window; ///< of sliding layers, over all rows

        /// Adds rows first .. last - 1, which see `groups`, as parts.
        void add(std::size_t first, std::size_t last, const visible_groups& groups,
                 const extent& in, std::vector<attention_part>& parts) const {
            last = std::min(last, in.queries);
            if (first >= last) {
                return;
            }
            const bool of_document = first == in.second;
            const bool document = groups.document && in.second < in.rows;
            const std::size_t key = groups.cls ? 0 : groups.query ? 1 : in.second;
            const std::size_t end = document ? in.rows : groups.query ? in.second : 1;
            attention_part part{first, last - first, key, end - key, {}};
            if (groups.cls && !groups.query && document) {
                part.mask.hidden_first = 1;
                part.mask.hidden_last = in.second;
            }
            part.mask.window =
                of_document && range.document_window != 0 ? range.document_window : window;
            part.mask.window_first =
                of_document && range.document_window != 0 && in.second > key ? in.second - key : 0;
            part.mask.first_row_column = first - std::min(first, key);
            if (!parts.empty() && is_continued(parts.back(), part)) {
                parts.back().rows += part.rows;
            } else {
                parts.push_back(part);
            }
        }

        static bool is_continued(const attention_part& before, const attention_part& part) {
            const kernels::attention_mask& a = before.mask;
            const kernels::attention_mask& b = part.mask;
            return before.first_key == part.first_key && before.keys == part.keys &&
                   a.window == 0 && b.window == 0 && a.hidden_first == b.hidden_first &&
                   a.hidden_last == b.hidden_last;
        }
    };

    std::vector<layer> layers_;     // one each, or none where nothing is hidden
    std::vector<part_maker> alone_; // of a document's window, or empty
};

} // namespace nn
MICE_NAMESPACE_END
