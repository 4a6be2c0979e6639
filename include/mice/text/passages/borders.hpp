// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include <mice/text/passages/unit.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// Chooses the borders at which a row of units is cut into pieces that cost no more than a limit.
///
/// Borders are ordered by what they are, how far they are from better ones, and a hash of the text
/// behind them. The row is cut at its best border, each half at its own, and so on until a part is
/// within the limit. So a border is cut at exactly where the part between the next better borders
/// on both sides costs more than the limit: what is further away than the limit has no say, an edit
/// changes only what is near it, and a row of any length needs memory for some limits' worth.
/// Small neighbours are joined again.
class border_chooser {
  public:
    explicit border_chooser(std::size_t limit) : limit_(limit) {}

    /// Takes the next unit, which costs no more than the limit. Calls `piece(std::vector<unit>&)`
    /// for each piece that is certain.
    template <typename Piece> void add(unit next, Piece&& piece) {
        constexpr std::size_t batch = 8; // limits' worth of units looked at together
        places_.push_back(total_);
        total_ += next.cost;
        units_.push_back(std::move(next));
        if (total_ - places_[start_] >= batch * limit_)
            choose(false, piece);
    }

    /// The text has ended.
    template <typename Piece> void finish(Piece&& piece) {
        choose(true, piece);
        give(piece);
    }

    /// Begin of what is still to be given out; `otherwise` if there is nothing.
    [[nodiscard]] std::uint64_t begin(std::uint64_t otherwise) const noexcept {
        if (!group_.empty())
            return group_.front().begin;
        return start_ == units_.size() ? otherwise : units_[start_].begin;
    }

  private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    [[nodiscard]] static bool is_better(const unit& a, const unit& b) noexcept {
        return a.before != b.before ? a.before > b.before : a.hash > b.hash;
    }
    [[nodiscard]] static bool is_best(const unit& a, const unit& b) noexcept {
        if (a.before != b.before)
            return a.before > b.before;
        return a.level != b.level ? a.level > b.level : a.hash > b.hash;
    }

    /// A level for a distance to the next better border.
    [[nodiscard]] std::uint8_t level_of(std::uint64_t distance) const noexcept {
        return distance * 2 >= limit_ ? 3 : distance * 4 >= limit_ ? 2 : distance * 8 >= limit_;
    }

    template <typename Piece> void choose(bool last, Piece& piece) {
        const std::size_t known = set_levels(last);
        find_neighbours(known);
        for (std::size_t i = start_ + 1; i < known; ++i) {
            const std::size_t left = left_[i], right = right_[i];
            // A better one than the last cut, which is near: the part of it is still longer.
            if (left != none) {
                const std::uint64_t to = right == none ? seen_until(known) : places_[right];
                if (to - places_[left] <= limit_) {
                    if (right == none && !last)
                        break; // not decided yet
                    continue;
                }
            }
            take(start_, i, piece);
            start_ = i;
        }
        if (last && start_ < units_.size()) {
            take(start_, units_.size(), piece);
            start_ = units_.size();
        }
        forget();
    }

    /// Levels look back for half a limit.
    void forget() {
        if (start_ == units_.size()) {
            units_.clear();
            places_.clear();
            start_ = done_ = 0;
            return;
        }
        std::size_t first = start_;
        while (first > 0 && (places_[start_] - places_[first]) * 2 < limit_)
            --first;
        units_.erase(units_.begin(), units_.begin() + static_cast<std::ptrdiff_t>(first));
        places_.erase(places_.begin(), places_.begin() + static_cast<std::ptrdiff_t>(first));
        start_ -= first;
        done_ -= first;
    }

    [[nodiscard]] std::uint64_t seen_until(std::size_t known) const noexcept {
        return known < places_.size() ? places_[known] : total_;
    }

    /// Sets levels where both sides have been seen; returns how many units have theirs.
    std::size_t set_levels(bool last) {
        std::size_t i = done_;
        for (; i < units_.size(); ++i) {
            if (!last && (total_ - places_[i]) * 2 < limit_)
                break;
            units_[i].level = level_of(std::min(to_the_left(i), to_the_right(i)));
        }
        done_ = i;
        return i;
    }
    [[nodiscard]] std::uint64_t to_the_left(std::size_t i) const noexcept {
        for (std::size_t k = i; k-- > 0;) {
            const std::uint64_t distance = places_[i] - places_[k];
            if (distance * 2 >= limit_)
                break;
            if (!is_better(units_[i], units_[k]))
                return distance;
        }
        return limit_;
    }
    [[nodiscard]] std::uint64_t to_the_right(std::size_t i) const noexcept {
        for (std::size_t k = i + 1; k < units_.size(); ++k) {
            const std::uint64_t distance = places_[k] - places_[i];
            if (distance * 2 >= limit_)
                break;
            if (is_better(units_[k], units_[i]))
                return distance;
        }
        return limit_;
    }

    /// The next better borders of each; of equal ones the first is the best.
    void find_neighbours(std::size_t known) {
        left_.assign(units_.size(), none);
        right_.assign(units_.size(), none);
        stack_.clear();
        for (std::size_t i = start_; i < known; ++i) {
            while (!stack_.empty() && is_best(units_[i], units_[stack_.back()])) {
                right_[stack_.back()] = i;
                stack_.pop_back();
            }
            left_[i] = stack_.empty() ? none : stack_.back();
            stack_.push_back(i);
        }
    }

    /// A piece: joined with the one before it where one of them is small.
    template <typename Piece> void take(std::size_t first, std::size_t last, Piece& piece) {
        std::uint64_t cost = 0;
        for (std::size_t i = first; i < last; ++i)
            cost += units_[i].cost;
        if (!group_.empty() && !may_join(units_[first].before, cost))
            give(piece);
        std::move(units_.begin() + static_cast<std::ptrdiff_t>(first),
                  units_.begin() + static_cast<std::ptrdiff_t>(last), std::back_inserter(group_));
        group_cost_ += cost;
    }
    [[nodiscard]] bool may_join(border between, std::uint64_t cost) const noexcept {
        if (group_cost_ + cost > limit_ || between == border::always)
            return false;
        if (between >= border::heading6)
            return std::max(group_cost_, cost) * 8 < limit_;
        return std::min(group_cost_, cost) * 4 < limit_;
    }
    template <typename Piece> void give(Piece& piece) {
        if (!group_.empty())
            piece(group_);
        group_.clear();
        group_cost_ = 0;
    }

    std::uint64_t limit_, total_ = 0;
    std::vector<unit> units_;           // from start_ on behind the last certain cut
    std::vector<std::uint64_t> places_; // the cost of all before each of units_
    std::size_t start_ = 0, done_ = 0;  // done_: how many have their level
    std::vector<std::size_t> left_, right_, stack_;
    std::vector<unit> group_; // pieces that are joined so far
    std::uint64_t group_cost_ = 0;
};

} // namespace text
MICE_NAMESPACE_END
