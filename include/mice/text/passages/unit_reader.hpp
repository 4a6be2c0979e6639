// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/passages/line_kinds.hpp>
#include <mice/text/passages/prose.hpp>
#include <mice/text/passages/text_window.hpp>
#include <mice/text/passages/unit.hpp>
#include <mice/text/passages/unit_maker.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// Reads a text line by line, and cuts it into units: the sentences of paragraphs, lines of code.
/// What it does never depends on the portions in which a text comes. Memory: some 64 KB of text.
class unit_reader {
  public:
    unit_reader(text_kind kind, token_counter& counter, std::size_t limit)
        : kind_(kind), counter_(&counter), maker_(counter, limit) {}

    /// Reads what has come; `last`: no more will. Calls `take(unit)` for each unit.
    template <typename Take> void read(const text_window& text, bool last, Take&& take) {
        const std::uint64_t end = text.end();
        while (at_ < end) {
            const std::uint64_t stop = text.line_end(at_, std::min(end, at_ + window));
            const bool whole = stop < end && stop < at_ + window;
            const bool returns = whole && text.view(stop, stop + 1) == "\r";
            if (returns && stop + 1 == end && !last)
                return; // perhaps the first half of a line end
            if (!whole && !last && end - at_ <= window)
                return;
            if (inside_)
                extend(text, stop, take);
            else
                line(text, stop, take);
            inside_ = !whole;
            at_ = stop;
            if (whole) {
                const bool both =
                    returns && stop + 1 < end && text.view(stop + 1, stop + 2) == "\n";
                at_ += both ? 2 : 1;
                ++line_;
            }
        }
        if (last)
            close(text, take);
    }

    /// What is before is no longer needed.
    [[nodiscard]] std::uint64_t begin() const noexcept {
        return std::min(last_start_, open_ ? begin_ : at_);
    }

  private:
    /// A sentence is looked for in so many bytes, and a longer one is cut.
    static constexpr std::size_t window = std::size_t{1} << 16;
    static constexpr std::size_t longest_title = 200, depth = 6;

    /// A line, or the beginning of a long one.
    template <typename Take> void line(const text_window& text, std::uint64_t stop, Take& take) {
        const std::string_view whole = text.view(at_, stop);
        if (detail::leading_space(whole) == whole.size()) {
            blank(text, whole, take);
            return;
        }
        constexpr std::size_t looked_at = 4096; // no more of a line says what it is
        const line_fact fact = look(whole.substr(0, looked_at), place(text));
        blanks_ = 0;
        started_ = true;
        switch (fact.role) {
        case line_role::blank:
            close(text, take);
            begin(at_, stop, {line_role::stands, border::joined});
            close(text, take);
            blanks_ = 1;
            return;
        case line_role::goes_on:
            extend(text, stop, take);
            return;
        case line_role::underline:
            underline(text, stop, fact, take);
            return;
        case line_role::begins:
        case line_role::stands:
        case line_role::heading:
            close(text, take);
            begin(at_, stop, fact);
            stands_ = stands_ && end_ - begin_ < window;
            while (end_ - begin_ >= window)
                sentences(text, false, take);
            break;
        }
        if (fact.role == line_role::heading) {
            const std::size_t shown = std::min<std::size_t>(whole.size(), looked_at);
            finish_heading(text, fact.level, title_of(whole.substr(0, shown)), take);
        } else if (fact.role == line_role::stands && stop < at_ + window) {
            close(text, take);
            keeps_next_ = fact.keeps_next;
        }
    }

    [[nodiscard]] line_place place(const text_window& text) const {
        constexpr std::size_t looked_at = 4096;
        const std::string_view open =
            open_ ? text.view(begin_, std::min(end_, begin_ + looked_at)) : std::string_view();
        return {blanks_, open_ && !item_, open_ && item_, open, !started_};
    }

    [[nodiscard]] line_fact look(std::string_view line, const line_place& place) {
        switch (kind_) {
        case text_kind::markdown:
            return markdown_.look(line, place);
        case text_kind::code:
            return code_.look(line, place);
        case text_kind::log:
            return log_.look(line, place);
        default:
            return plain_.look(line, place);
        }
    }

    template <typename Take>
    void blank(const text_window& text, std::string_view line, Take& take) {
        close(text, take);
        ++blanks_;
        if (line.find('\f') != line.npos)
            ++blanks_; // a page
        markdown_.blank();
    }

    void begin(std::uint64_t from, std::uint64_t to, const line_fact& fact) {
        open_ = true;
        begin_ = from;
        end_ = to;
        first_line_ = line_;
        starts_.clear();
        item_ = fact.role == line_role::begins &&
                (fact.before == border::item || fact.before == border::row);
        stands_ = fact.role == line_role::stands;
        before_ = keeps_next_ ? std::min(border::joined, fact.before) : fact.before;
        keeps_next_ = false;
    }

    /// The open block goes on until `stop`.
    template <typename Take> void extend(const text_window& text, std::uint64_t stop, Take& take) {
        if (!open_) { // a long line that began with white space
            begin(at_, stop, {});
        } else if (!inside_) {
            starts_.push_back(at_);
        }
        end_ = stop;
        while (end_ - begin_ >= window)
            sentences(text, false, take);
    }

    template <typename Take> void close(const text_window& text, Take& take) {
        while (open_)
            sentences(text, true, take);
    }

    /// Makes the open paragraph a heading.
    template <typename Take>
    void underline(const text_window& text, std::uint64_t stop, const line_fact& fact, Take& take) {
        constexpr std::size_t looked_at = 4096;
        const std::string title(
            title_of(text.view(begin_, std::min<std::uint64_t>(end_, begin_ + looked_at))));
        extend(text, stop, take);
        if (before_ > border::joined)
            before_ = heading_border(fact.level);
        finish_heading(text, fact.level, title, take);
    }

    template <typename Take>
    void finish_heading(const text_window& text, std::size_t level, std::string_view title,
                        Take& take) {
        while (!levels_.empty() && levels_.back().first >= level)
            levels_.pop_back();
        set_path();
        stands_ = true; // one unit
        const std::string kept(title);
        close(text, take);
        levels_.emplace_back(level, kept);
        set_path();
        keeps_next_ = true;
    }

    void set_path() {
        if (levels_.empty()) {
            path_ = nullptr;
            return;
        }
        std::vector<std::string> titles;
        for (const auto& [level, title] : levels_)
            titles.push_back(title);
        path_ = std::make_shared<const std::vector<std::string>>(std::move(titles));
    }

    /// A heading's text: no marks around it, no line ends, of bounded length.
    [[nodiscard]] static std::string title_of(std::string_view line) {
        std::string_view title = detail::trimmed(line);
        constexpr std::string_view mark = "\xef\xbb\xbf";
        if (title.starts_with(mark))
            title.remove_prefix(mark.size());
        const std::size_t hashes = std::min(title.find_first_not_of('#'), title.size());
        title = detail::trimmed(title.substr(hashes));
        const std::size_t last = title.find_last_not_of('#');
        if (hashes > 0 && last == title.npos)
            title = {};
        else if (hashes > 0 && last + 1 < title.size() && detail::is_blank(title[last]))
            title = detail::trimmed(title.substr(0, last));
        if (title.size() > longest_title) {
            std::size_t end = longest_title;
            while (end > longest_title - 3 && is_continuation(title[end]))
                --end;
            title = title.substr(0, end);
        }
        std::string made(title);
        for (char& c : made)
            c = detail::is_blank(c) ? ' ' : c;
        return made;
    }

    /// Gives out the sentences of the open block; all of them, or those of its first bytes.
    template <typename Take> void sentences(const text_window& text, bool all, Take& take) {
        constexpr std::size_t unsure = 1024; // near the end of what is looked at
        const bool last = all && end_ - begin_ <= window;
        const std::string_view part = text.view(begin_, std::min(end_, begin_ + window));
        std::size_t at = 0;
        while (at < part.size()) {
            const std::size_t stop = stands_ ? part.size() : sentence_end(part, at);
            if (!last && stop + unsure > part.size())
                break;
            give(text, part.substr(at, stop - at), begin_ + at, take);
            at = stop;
        }
        if (at == 0) {
            at = cut_of(part);
            give(text, part.substr(0, at), begin_, take);
            before_ = border::word;
        }
        begin_ += at;
        if (last)
            open_ = false;
    }

    /// A place in the second half of a text without one: by what stands there.
    [[nodiscard]] static std::size_t cut_of(std::string_view part) {
        constexpr std::size_t looked_at = 16, first = window / 2, last = window - 1024;
        std::size_t best = first;
        std::uint64_t best_hash = 0;
        bool best_space = false;
        for (std::size_t at = first; at < last && at < part.size(); ++at) {
            if (is_continuation(part[at]))
                continue;
            const bool space = detail::is_blank(part[at - 1]);
            if (best_space && !space)
                continue;
            const std::uint64_t hash = hash_of(part.substr(at - looked_at, looked_at));
            if (space != best_space || hash > best_hash) {
                best = at;
                best_hash = hash;
                best_space = space;
            }
        }
        return best;
    }

    /// Cuts a sentence into units, and gives them out.
    template <typename Take>
    void give(const text_window& text, std::string_view whole, std::uint64_t place, Take& take) {
        const std::size_t space = detail::leading_space(whole);
        const std::string_view part =
            whole.substr(space, detail::trimmed_size(whole.substr(space)));
        if (part.empty())
            return;
        place += space;
        const auto emit = [&](std::size_t begin, std::size_t end, border before, std::size_t tokens,
                              std::size_t cost) {
            unit made;
            made.begin = place + begin;
            made.end = place + end;
            go_to(made.begin);
            made.first_line = first_line_;
            go_to(made.end - 1);
            made.last_line = first_line_;
            made.tokens = static_cast<std::uint32_t>(tokens);
            const std::uint64_t own = hash_of(part.substr(begin, end - begin));
            made.hash = own ^ (last_hash_ << 1); // lines that say the same are often many
            last_hash_ = own;
            made.before = before;
            made.path = path_;
            put(text, std::move(made), cost, take);
        };
        maker_.make(part, before_, place, emit);
        before_ = border::sentence;
    }

    template <typename Take>
    void put(const text_window& text, unit made, std::size_t cost, Take& take) {
        constexpr std::uint64_t gap_bytes = 32, longest_gap = 1024;
        const std::uint64_t gap = made.begin - last_end_;
        if (gap > longest_gap || last_end_ == 0)
            made.before = border::always;
        else
            cost += static_cast<std::size_t>(gap / gap_bytes);
        if (last_end_ > 0 && made.before != border::always) {
            const std::string_view both = text.view(last_start_, made.end);
            made.touches =
                !counter_->is_exact() ||
                !token_counter::is_apart(both, static_cast<std::size_t>(last_end_ - last_start_),
                                         static_cast<std::size_t>(made.begin - last_start_));
        }
        made.cost = static_cast<std::uint32_t>(cost);
        last_start_ = made.begin;
        last_end_ = made.end;
        take(std::move(made));
    }

    /// Counts the lines of the block until that byte.
    void go_to(std::uint64_t byte) {
        while (passed_ < starts_.size() && starts_[passed_] <= byte) {
            ++passed_;
            ++first_line_;
        }
        if (passed_ == starts_.size()) {
            starts_.clear();
            passed_ = 0;
        }
    }

    text_kind kind_;
    token_counter* counter_;
    unit_maker maker_;
    plain_lines plain_;
    markdown_lines markdown_;
    code_lines code_;
    log_lines log_;

    std::uint64_t at_ = 0, line_ = 1; // where the next line begins
    std::size_t blanks_ = 0;          // blank lines before it
    bool started_ = false;            // a line that is not blank has been read
    bool inside_ = false;             // at_ is inside a long line

    bool open_ = false; // a paragraph, an item or a line that is read
    bool item_ = false, stands_ = false;
    std::uint64_t begin_ = 0, end_ = 0, first_line_ = 1;
    border before_ = border::always;
    bool keeps_next_ = false;
    std::vector<std::uint64_t> starts_; // of the open block's lines but the first
    std::size_t passed_ = 0;

    std::uint64_t last_start_ = 0, last_end_ = 0, last_hash_ = 0; // of the last unit
    std::vector<std::pair<std::size_t, std::string>> levels_;     // headings above, outermost first
    std::shared_ptr<const std::vector<std::string>> path_;
};

} // namespace text
MICE_NAMESPACE_END
