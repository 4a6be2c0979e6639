// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>
#include <mice/text/token_table.hpp>
#include <mice/text/traced_text.hpp>

MICE_NAMESPACE_BEGIN

/// Two tokens that become one: the token whose text is both texts together.
struct token_merge {
    std::int32_t left = 0, right = 0; ///< ids
    bool operator==(const token_merge&) const = default;
};

namespace text {

/// Byte-pair merges by rank (their place in the list; lower ranks go first). Immutable and
/// thread-safe after construction.
class merge_table {
  public:
    static constexpr std::size_t max_merges = token_table::max_tokens;
    static constexpr std::size_t max_word_bytes = std::numeric_limits<std::uint32_t>::max() - 1;

    /// Scratch memory of a call, used again for every word.
    struct scratch {
        struct symbol {
            std::int32_t id;
            std::uint32_t before, after; // places of the neighbours
        };
        std::vector<symbol> symbols;
        std::vector<std::uint64_t> queue; // heap of rank << 32 | place of the left symbol
    };

    /// Throws errc::tokenizer, naming the merge, for ids without a token, two tokens whose joined
    /// text is none, the same pair twice, or too many merges.
    merge_table(const std::vector<token_merge>& merges, const token_table& tokens) {
        if (merges.size() > max_merges)
            throw errors::bad_vocabulary(std::to_string(merges.size()) + " merges, at most " +
                                         std::to_string(max_merges) + " are supported");
        by_rank_.reserve(merges.size());
        std::string joined;
        for (const token_merge& each : merges)
            by_rank_.push_back({each, result_of(each, tokens, joined)});
        index(tokens.size());
    }

    /// Number of merges.
    [[nodiscard]] std::size_t size() const noexcept { return by_rank_.size(); }

    /// The token that the merge of that rank (below size()) gives.
    [[nodiscard]] std::int32_t result(std::size_t rank) const noexcept {
        return by_rank_[rank].result;
    }

    /// Merges the tokens of a word's bytes until no merge applies, the lowest rank first and the
    /// leftmost of equals, and calls `sink(std::int32_t id)` for what remains, or `sink(id,
    /// byte_range)` with the bytes of the word. Takes n log n steps and 12 to 28 bytes of memory a
    /// byte. Throws errc::invalid_argument for a word of more than max_word_bytes.
    template <typename Sink>
    void apply(std::string_view word, const std::array<std::int32_t, 256>& byte_ids, scratch& work,
               Sink&& sink) const {
        merge_all(word, byte_ids, work);
        const auto count = static_cast<std::uint32_t>(work.symbols.size());
        for (std::uint32_t place = 0; place < count; place = work.symbols[place].after) {
            if constexpr (range_sink<Sink>)
                sink(work.symbols[place].id, byte_range{place, work.symbols[place].after});
            else
                sink(work.symbols[place].id);
        }
    }

  private:
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::int32_t gone = -1; // the id of a symbol that was merged into its left one

    struct ranked {
        token_merge pair;
        std::int32_t result;
    };
    struct follower {
        std::int32_t right;
        std::uint32_t rank;
    };

    static std::int32_t result_of(const token_merge& each, const token_table& tokens,
                                  std::string& joined) {
        const auto named = [&each] {
            return "the merge of the ids " + std::to_string(each.left) + " and " +
                   std::to_string(each.right);
        };
        const std::string_view left = tokens.token(each.left), right = tokens.token(each.right);
        if (left.empty() || right.empty())
            throw errors::bad_vocabulary(named() + ": id " +
                                         std::to_string(left.empty() ? each.left : each.right) +
                                         " is not in the vocabulary");
        if (left.size() + right.size() <= tokens.longest()) {
            joined = left;
            joined += right;
            if (const std::int32_t result = tokens.find(joined); result != token_table::none)
                return result;
        }
        throw errors::bad_vocabulary(named() + ", " + errors::quoted(left) + " and " +
                                     errors::quoted(right) +
                                     ": what they make is not in the vocabulary");
    }

    /// A sorted index has no bad case that a crafted file could provoke; a hash table would have
    /// one.
    void index(std::size_t tokens) {
        std::vector<std::uint32_t> order(by_rank_.size());
        for (std::uint32_t rank = 0; rank < order.size(); ++rank)
            order[rank] = rank;
        const auto pair = [this](std::uint32_t rank) -> const token_merge& {
            return by_rank_[rank].pair;
        };
        std::sort(order.begin(), order.end(), [&pair](std::uint32_t a, std::uint32_t b) {
            return pair(a).left != pair(b).left ? pair(a).left < pair(b).left
                                                : pair(a).right < pair(b).right;
        });
        const auto twice = std::adjacent_find(
            order.begin(), order.end(),
            [&pair](std::uint32_t a, std::uint32_t b) { return pair(a) == pair(b); });
        if (twice != order.end())
            throw errors::bad_vocabulary("the merge of the ids " +
                                         std::to_string(pair(*twice).left) + " and " +
                                         std::to_string(pair(*twice).right) + " appears twice");
        begins_.assign(tokens + 1, 0);
        followers_.reserve(order.size());
        for (const std::uint32_t rank : order) {
            followers_.push_back({pair(rank).right, rank});
            ++begins_[static_cast<std::size_t>(pair(rank).left) + 1];
        }
        for (std::size_t id = 0; id < tokens; ++id)
            begins_[id + 1] += begins_[id];
    }

    [[nodiscard]] std::uint32_t rank_of(std::int32_t left, std::int32_t right) const noexcept {
        const auto id = static_cast<std::size_t>(left);
        const auto stop = followers_.begin() + begins_[id + 1];
        const auto found = std::lower_bound(
            followers_.begin() + begins_[id], stop, right,
            [](const follower& each, std::int32_t wanted) { return each.right < wanted; });
        return found != stop && found->right == right ? found->rank : none;
    }

    [[nodiscard]] static std::uint64_t key(std::uint32_t rank, std::uint32_t place) noexcept {
        return std::uint64_t{rank} << 32 | place;
    }

    void fill(std::string_view word, const std::array<std::int32_t, 256>& byte_ids,
              scratch& work) const {
        work.queue.clear();
        const auto count = static_cast<std::uint32_t>(word.size());
        work.symbols.resize(count);
        for (std::uint32_t place = 0; place < count; ++place) // 0 - 1 is none
            work.symbols[place] = {byte_ids[static_cast<std::uint8_t>(word[place])], place - 1,
                                   place + 1};
        for (std::uint32_t place = 0; place + 1 < count; ++place) {
            const std::uint32_t rank = rank_of(work.symbols[place].id, work.symbols[place + 1].id);
            if (rank != none)
                work.queue.push_back(key(rank, place));
        }
        std::make_heap(work.queue.begin(), work.queue.end(), std::greater<>());
    }

    /// The part of apply() that all sinks share.
    void merge_all(std::string_view word, const std::array<std::int32_t, 256>& byte_ids,
                   scratch& work) const {
        if (word.size() > max_word_bytes)
            throw errors::bad_argument("a text has a word of " + std::to_string(word.size()) +
                                       " bytes, at most " + std::to_string(max_word_bytes) +
                                       " are supported");
        fill(word, byte_ids, work);
        while (!work.queue.empty()) {
            std::pop_heap(work.queue.begin(), work.queue.end(), std::greater<>());
            const std::uint64_t next = work.queue.back();
            work.queue.pop_back();
            merge_at(static_cast<std::uint32_t>(next), next >> 32, work);
        }
    }

    void offer(std::uint32_t place, scratch& work) const {
        const auto& left = work.symbols[place];
        if (left.after == work.symbols.size())
            return;
        const std::uint32_t rank = rank_of(left.id, work.symbols[left.after].id);
        if (rank == none)
            return;
        work.queue.push_back(key(rank, place));
        std::push_heap(work.queue.begin(), work.queue.end(), std::greater<>());
    }

    /// Does nothing where the pair is gone.
    void merge_at(std::uint32_t place, std::uint64_t rank, scratch& work) const {
        const ranked& merge = by_rank_[rank];
        auto& left = work.symbols[place];
        if (left.id != merge.pair.left || left.after == work.symbols.size() ||
            work.symbols[left.after].id != merge.pair.right)
            return;
        auto& right = work.symbols[left.after];
        left.id = merge.result;
        left.after = right.after;
        right.id = gone;
        if (left.after != work.symbols.size())
            work.symbols[left.after].before = place;
        offer(place, work);
        if (left.before != none)
            offer(left.before, work);
    }

    std::vector<ranked> by_rank_;
    std::vector<std::uint32_t> begins_; // where the followers of a left id begin
    std::vector<follower> followers_;   // ascending in right
};

} // namespace text
MICE_NAMESPACE_END
