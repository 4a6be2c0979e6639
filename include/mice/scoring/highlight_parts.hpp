// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/highlights.hpp>
#include <mice/ranking.hpp>
#include <mice/scoring/by_score.hpp>
#include <mice/scoring/pacing.hpp>
#include <mice/scoring/text_map.hpp>

// Highlights of a text that is read in parts.
MICE_NAMESPACE_BEGIN
namespace detail {

inline constexpr const char* stopped_note = "the call was stopped before this";

/// Moves places in a part of a text to where they are in the whole; `lines` end before it.
inline void shift(highlights& found, std::size_t bytes, std::size_t lines) {
    for (highlight& each : found.sentences) {
        each.begin += bytes;
        each.end += bytes;
        each.line += lines;
        for (highlighted_word& word : each.words) {
            word.begin += bytes;
            word.end += bytes;
        }
    }
}

/// Joins the highlights of a text's parts, which are given in its order and may overlap.
class highlight_parts {
  public:
    /// Both outlive this object.
    highlight_parts(std::string_view text, const rank_options& options)
        : text_(text), options_(options) {}

    /// Adds those of the part that begins at byte `begin`; false where the call has to stop.
    template <class Find> bool add(std::size_t begin, const Find& find) {
        if (should_stop(options_)) {
            made_.note = stopped_note;
            return false;
        }
        lines_ += line_ends(text_, counted_, begin);
        counted_ = begin;
        highlights found = find();
        shift(found, begin, lines_);
        made_.method = std::max(made_.method, found.method);
        made_.note = std::max(made_.note, found.note);
        for (highlight& each : found.sentences) {
            made_.sentences.push_back(std::move(each));
        }
        return true;
    }

    /// The best sentences, each once.
    [[nodiscard]] highlights take() {
        std::vector<highlight>& all = made_.sentences;
        sort_by_score(all);
        std::set<std::size_t> begins;
        std::erase_if(all,
                      [&](const highlight& each) { return !begins.insert(each.begin).second; });
        const std::size_t most = options_.highlights->sentences;
        if (most != 0 && all.size() > most) {
            all.resize(most);
        }
        return std::move(made_);
    }

  private:
    std::string_view text_;
    const rank_options& options_;
    highlights made_;
    std::size_t lines_ = 0;   // ends of lines before byte counted_
    std::size_t counted_ = 0; // bytes
};

} // namespace detail
MICE_NAMESPACE_END
