// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/passages/borders.hpp>
#include <mice/text/passages/kind.hpp>
#include <mice/text/passages/text_window.hpp>
#include <mice/text/passages/token_counter.hpp>
#include <mice/text/passages/unit.hpp>
#include <mice/text/passages/unit_reader.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// What a cutter is told, checked by its caller. Tokens are those of the text, without markers.
struct cutter_limits {
    std::size_t tokens = 0;            ///< of a passage at most
    std::size_t overlap_tokens = 0;    ///< of them from the passage before, at most
    std::size_t overlap_sentences = 0; ///< sentences from the passage before, at most
};

/// Units in a row that are a passage.
struct cut_passage {
    unit first, last;
    std::size_t tokens = 0; ///< without markers
};

/// Cuts a text that comes in portions into passages. For one thread.
class cutter {
  public:
    cutter(const tokenizer& words, special_tokens specials, const cutter_limits& limits,
           text_kind kind)
        : counter_(words, specials), limits_(limits), chooser_(room()), kind_(kind) {}

    void feed(std::string_view bytes) {
        forget();
        text_.add(bytes);
        read(false);
    }
    void finish() {
        read(true);
        chooser_.finish([this](std::vector<unit>& units) { checked(units); });
    }

    /// The next passage that is certain.
    [[nodiscard]] std::optional<cut_passage> next() {
        if (ready_.empty())
            return std::nullopt;
        std::optional<cut_passage> made(std::move(ready_.front()));
        ready_.pop_front();
        return made;
    }

    /// Bytes of the text that are in memory: those of the passage that next() gave last.
    [[nodiscard]] std::string_view view(std::uint64_t begin, std::uint64_t end) const noexcept {
        return text_.view(begin, end);
    }

  private:
    /// What a passage may cost without what overlaps.
    [[nodiscard]] std::size_t room() const noexcept {
        if (limits_.overlap_sentences > 0)
            return limits_.tokens - limits_.tokens / 4;
        return limits_.tokens - limits_.overlap_tokens;
    }

    void read(bool last) {
        if (!reader_) {
            if (kind_ == text_kind::automatic) {
                if (!last && text_.end() < kind_sample)
                    return;
                kind_ =
                    kind_of_text(text_.view(0, std::min<std::uint64_t>(kind_sample, text_.end())));
            }
            reader_.emplace(kind_, counter_, room());
        }
        reader_->read(text_, last, [this](unit next) {
            chooser_.add(std::move(next), [this](std::vector<unit>& units) { checked(units); });
        });
    }

    /// Forgets the text before all that may still be asked for.
    void forget() {
        if (!reader_)
            return;
        std::uint64_t begin = chooser_.begin(reader_->begin());
        begin = std::min(begin, reader_->begin());
        for (const unit& one : before_)
            begin = std::min(begin, one.begin);
        if (!ready_.empty())
            begin = std::min(begin, ready_.front().first.begin);
        text_.forget(begin);
    }

    /// Whether the sum of the units' tokens is that of their text.
    [[nodiscard]] bool adds_up(std::span<const unit> units) const {
        return counter_.is_exact() && std::none_of(units.begin() + 1, units.end(),
                                                   [](const unit& one) { return one.touches; });
    }
    [[nodiscard]] std::size_t tokens_of(std::span<const unit> units) const {
        if (!adds_up(units))
            return counter_.exact(text_.view(units.front().begin, units.back().end));
        std::size_t total = 0;
        for (const unit& one : units)
            total += one.tokens;
        return total;
    }

    /// Makes passages of a piece: one, unless it has more tokens than it was thought to have.
    void checked(std::span<const unit> units) {
        const std::size_t tokens = tokens_of(units);
        if (tokens <= limits_.tokens) {
            make(units, tokens);
            return;
        }
        if (units.size() == 1) {
            smaller(units.front());
            return;
        }
        const auto best =
            std::max_element(units.begin() + 1, units.end(), [](const unit& a, const unit& b) {
                return std::pair(a.before, a.hash) < std::pair(b.before, b.hash);
            });
        const auto first = static_cast<std::size_t>(best - units.begin());
        checked(units.first(first));
        checked(units.subspan(first));
    }

    /// A unit that was thought to have fewer tokens: in two.
    void smaller(const unit& whole) {
        const std::string_view part = text_.view(whole.begin, whole.end);
        std::vector<unit> parts;
        unit_maker halves(counter_, std::max<std::size_t>(whole.cost / 2, 1));
        halves.make(part, whole.before, whole.begin,
                    [&](std::size_t begin, std::size_t end, border before, std::size_t tokens,
                        std::size_t cost) {
                        unit& made = parts.emplace_back(whole);
                        made.begin = whole.begin + begin;
                        made.end = whole.begin + end;
                        made.before = before;
                        made.tokens = static_cast<std::uint32_t>(tokens);
                        made.cost = static_cast<std::uint32_t>(cost);
                        made.hash = hash_of(part.substr(begin, end - begin));
                        made.touches = begin > 0;
                    });
        checked(parts);
    }

    void make(std::span<const unit> units, std::size_t tokens) {
        std::vector<unit> all(units.begin(), units.end());
        if (limits_.overlap_tokens > 0 || limits_.overlap_sentences > 0) {
            if (units.front().before < border::heading6)
                tokens = overlap(all, tokens);
            before_.assign(units.begin(), units.end());
        }
        ready_.push_back({all.front(), all.back(), tokens});
    }

    /// Puts the last units of the passage before in front; returns the tokens of all.
    [[nodiscard]] std::size_t overlap(std::vector<unit>& all, std::size_t tokens) const {
        const std::size_t own = tokens;
        for (std::size_t taken = 1; taken <= before_.size(); ++taken) {
            const unit& one = before_[before_.size() - taken];
            if (limits_.overlap_sentences > 0 && taken > limits_.overlap_sentences)
                break;
            all.insert(all.begin(), one);
            const std::size_t with = tokens_of(all);
            if (with > limits_.tokens ||
                (limits_.overlap_tokens > 0 && with > own + limits_.overlap_tokens)) {
                all.erase(all.begin());
                break;
            }
            tokens = with;
        }
        return tokens;
    }

    token_counter counter_;
    cutter_limits limits_;
    border_chooser chooser_;
    text_kind kind_;
    std::optional<unit_reader> reader_; // once the kind is known
    text_window text_;
    std::vector<unit> before_; // the passage before, where passages overlap
    std::deque<cut_passage> ready_;
};

} // namespace text
MICE_NAMESPACE_END
