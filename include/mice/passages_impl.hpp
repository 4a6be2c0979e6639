// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/passages.hpp>
#include <mice/reranker.hpp>
#include <mice/text/passages/cutter.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

struct passage_state {
    std::optional<reranker> ranker; // keeps the tokenizer where it is a model's
    std::size_t markers = 0;
    std::size_t given = 0;
    std::uint64_t begin = 0, end = 0; // of the passage given last
    bool finished = false;
    std::optional<text::cutter> cutter;
};

[[nodiscard]] inline text::cutter_limits limits_of(const passage_options& options,
                                                   std::size_t max_tokens, std::size_t markers) {
    constexpr std::size_t least = 16, most = std::size_t{1} << 20;
    const auto range = [](std::string_view name, std::size_t given, std::size_t low,
                          std::size_t high) {
        if (given < low || given > high)
            throw errors::bad_argument(std::string(name) + " of passages is " +
                                       std::to_string(given) + ", expected " + std::to_string(low) +
                                       " to " + std::to_string(high));
    };
    range("max_tokens", max_tokens, markers + least, most);
    text::cutter_limits limits;
    limits.tokens = max_tokens - markers;
    range("overlap_tokens", options.overlap_tokens, 0, limits.tokens / 2);
    range("overlap_sentences", options.overlap_sentences, 0, limits.tokens);
    if (options.overlap_tokens > 0 && options.overlap_sentences > 0)
        throw errors::bad_argument("passages overlap by tokens or by sentences: set one of "
                                   "overlap_tokens and overlap_sentences");
    limits.overlap_tokens = options.overlap_tokens;
    limits.overlap_sentences = options.overlap_sentences;
    return limits;
}

[[nodiscard]] inline text_kind kind_of(const passage_options& options) {
    return options.kind == text_kind::automatic ? text::kind_of_name(options.file_name)
                                                : options.kind;
}

inline void start(passage_state& state, const tokenizer& words, const passage_options& options,
                  std::size_t max_tokens, std::size_t markers) {
    state.markers = markers + words.encode("").ids.size();
    state.cutter.emplace(words, options.specials, limits_of(options, max_tokens, state.markers),
                         kind_of(options));
}

[[nodiscard]] inline std::vector<passage> all_passages(std::string_view text,
                                                       passage_cutter cutter) {
    constexpr std::size_t portion = std::size_t{1} << 16;
    std::vector<passage> found;
    const auto take = [&] {
        while (auto next = cutter.next())
            found.push_back(std::move(*next));
    };
    for (; !text.empty(); text.remove_prefix(std::min(portion, text.size()))) {
        cutter.feed(text.substr(0, portion));
        take();
    }
    cutter.finish();
    take();
    return found;
}

} // namespace detail

MICE_INLINE passage_cutter::passage_cutter(const reranker& ranker, const passage_options& options)
    : state_(std::make_unique<detail::passage_state>()) {
    state_->ranker = ranker;
    const std::size_t longest = ranker.config().max_document_length;
    if (options.max_tokens > longest)
        throw detail::errors::bad_argument("max_tokens of passages is " +
                                           std::to_string(options.max_tokens) +
                                           ", but the model reads " + std::to_string(longest));
    detail::start(*state_, state_->ranker->text_tokenizer(), options,
                  options.max_tokens == 0 ? longest : options.max_tokens,
                  ranker.config().marker_tokens());
}
MICE_INLINE passage_cutter::passage_cutter(const tokenizer& words, const passage_options& options)
    : state_(std::make_unique<detail::passage_state>()) {
    detail::start(*state_, words, options, options.max_tokens, 0);
}
MICE_INLINE passage_cutter::passage_cutter(passage_cutter&& other) noexcept = default;
MICE_INLINE passage_cutter& passage_cutter::operator=(passage_cutter&& other) noexcept = default;
MICE_INLINE passage_cutter::~passage_cutter() = default;

MICE_INLINE void passage_cutter::feed(std::string_view bytes) {
    if (state_->finished)
        throw detail::errors::bad_argument("a passage cutter was fed after finish(); make a new "
                                           "one for another text");
    state_->cutter->feed(bytes);
}

MICE_INLINE void passage_cutter::finish() {
    if (!std::exchange(state_->finished, true))
        state_->cutter->finish();
}

MICE_INLINE std::optional<passage> passage_cutter::next() {
    const auto found = state_->cutter->next();
    if (!found)
        return std::nullopt;
    state_->begin = found->first.begin;
    state_->end = found->last.end;
    passage made{.begin = state_->begin,
                 .end = state_->end,
                 .first_line = found->first.first_line,
                 .last_line = found->last.last_line,
                 .index = state_->given++,
                 .tokens = found->tokens + state_->markers,
                 .headings = {}};
    if (found->first.path != nullptr)
        made.headings = *found->first.path;
    return made;
}

MICE_INLINE std::string_view passage_cutter::text() const noexcept {
    return state_->cutter->view(state_->begin, state_->end);
}

MICE_INLINE std::vector<passage> passages(std::string_view text, const reranker& ranker,
                                          const passage_options& options) {
    return detail::all_passages(text, passage_cutter(ranker, options));
}
MICE_INLINE std::vector<passage> passages(std::string_view text, const tokenizer& words,
                                          const passage_options& options) {
    return detail::all_passages(text, passage_cutter(words, options));
}

MICE_NAMESPACE_END
