// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// Finds the pieces that a text begins with, shortest first. A node's children lie side by side in
/// the order of their bytes. Immutable and thread-safe.
class piece_trie {
  public:
    /// `pieces[id]` is the text of id; "" is left out. The texts are different.
    explicit piece_trie(const std::vector<std::string>& pieces) {
        std::vector<std::uint32_t> order;
        for (std::uint32_t id = 0; id < pieces.size(); ++id)
            if (!pieces[id].empty())
                order.push_back(id);
        std::sort(order.begin(), order.end(),
                  [&](std::uint32_t a, std::uint32_t b) { return pieces[a] < pieces[b]; });
        grow(pieces, order);
        for (std::uint32_t child = first_[0]; child < first_[1]; ++child)
            roots_[labels_[child]] = child;
    }

    /// Calls `found(std::int32_t id, std::size_t bytes)` for each piece at the front of `text`.
    template <typename Found> void each_prefix(std::string_view text, Found&& found) const {
        if (text.empty())
            return;
        std::uint32_t node = roots_[static_cast<std::uint8_t>(text.front())];
        for (std::size_t bytes = 1; node != 0; ++bytes) {
            if (ids_[node] >= 0)
                found(ids_[node], bytes);
            if (bytes == text.size())
                return;
            node = child_of(node, static_cast<std::uint8_t>(text[bytes]));
        }
    }

  private:
    struct range {
        std::uint32_t first, last; // of the sorted pieces
        std::uint32_t depth;       // bytes that they share
    };

    /// Makes the nodes level by level, so that the children of a node follow those of the one
    /// before it.
    void grow(const std::vector<std::string>& pieces, const std::vector<std::uint32_t>& order) {
        std::vector<range> level{{0, static_cast<std::uint32_t>(order.size()), 0}}, below;
        labels_.push_back(0);
        ids_.push_back(-1);
        while (!level.empty()) {
            below.clear();
            for (const range& node : level) {
                first_.push_back(static_cast<std::uint32_t>(labels_.size()));
                std::uint32_t at = node.first;
                while (at < node.last && pieces[order[at]].size() == node.depth)
                    ++at; // the node's own piece
                while (at < node.last) {
                    const char byte = pieces[order[at]][node.depth];
                    std::uint32_t end = at + 1;
                    while (end < node.last && pieces[order[end]][node.depth] == byte)
                        ++end;
                    const bool own = pieces[order[at]].size() == node.depth + 1;
                    labels_.push_back(static_cast<std::uint8_t>(byte));
                    ids_.push_back(own ? static_cast<std::int32_t>(order[at]) : -1);
                    below.push_back({at, end, node.depth + 1});
                    at = end;
                }
            }
            std::swap(level, below);
        }
        first_.push_back(static_cast<std::uint32_t>(labels_.size()));
    }

    /// 0, the root, where there is none.
    [[nodiscard]] std::uint32_t child_of(std::uint32_t node, std::uint8_t byte) const noexcept {
        const auto from = labels_.begin() + first_[node], to = labels_.begin() + first_[node + 1];
        const auto place = std::lower_bound(from, to, byte);
        return place != to && *place == byte ? static_cast<std::uint32_t>(place - labels_.begin())
                                             : 0;
    }

    std::vector<std::uint32_t> first_; // child of each node; one more at the end
    std::vector<std::uint8_t> labels_; // the byte that leads to each node
    std::vector<std::int32_t> ids_;    // of each node's piece, or -1
    std::array<std::uint32_t, 256> roots_{};
};

} // namespace text
MICE_NAMESPACE_END
