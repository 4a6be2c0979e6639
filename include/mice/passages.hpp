// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mice/config.hpp>
#include <mice/fwd.hpp>
#include <mice/text/encoding.hpp>
#include <mice/text/passages/kind.hpp>
#include <mice/text/tokenizer.hpp>

MICE_NAMESPACE_BEGIN

/// How a text is cut into passages.
struct passage_options {
    /// Tokens of a passage at most, markers included; 0 is the most that the model reads of a
    /// document. At least 16 besides the markers.
    std::size_t max_tokens = 0;
    /// Tokens that a passage repeats of the one before it, at most; whole sentences or lines. At
    /// most half of a passage.
    std::size_t overlap_tokens = 0;
    /// Instead of overlap_tokens: sentences (or lines) that a passage repeats, as many as fit.
    std::size_t overlap_sentences = 0;
    text_kind kind = text_kind::automatic;
    std::string_view file_name =
        {}; ///< its ending tells an automatic kind; looked at, never opened
    special_tokens specials = special_tokens::plain; ///< as the passages will be encoded
};

/// A passage of a text.
struct passage {
    std::uint64_t begin = 0; ///< its first byte in the text
    std::uint64_t end = 0;   ///< behind its last byte; no white space at either end
    std::uint64_t first_line = 1, last_line = 1; ///< counted from 1
    std::size_t index = 0;                       ///< its place among the text's passages, from 0
    std::size_t tokens = 0;                      ///< markers included
    /// The headings above it, the outermost first: at most six, of at most 200 bytes each. A
    /// heading that the passage itself begins with is not among them.
    std::vector<std::string> headings;
};

namespace detail {
struct passage_state;
}

/// Cuts a text that comes in portions, of any length in bounded memory: some hundred kilobytes and
/// the largest portion. The passages are the same for all ways to portion the text. For one thread;
/// feed a portion, take what is ready with next(), and so on; the last ones come after finish().
class passage_cutter {
  public:
    /// For documents of this model. Throws errc::invalid_argument for options out of range, and for
    /// a model without a tokenizer.
    explicit passage_cutter(const reranker& ranker, const passage_options& options = {});

    /// For any tokenizer, which must outlive the cutter: options.max_tokens may not be 0, and
    /// counts the tokenizer's own markers. Throws as above.
    explicit passage_cutter(const tokenizer& words, const passage_options& options);

    passage_cutter(passage_cutter&& other) noexcept;
    passage_cutter& operator=(passage_cutter&& other) noexcept;
    ~passage_cutter();

    /// The next bytes of the text; portions of 64 KB to 1 MB are good. Throws
    /// errc::invalid_argument after finish(), and where a single character has more tokens than
    /// the limit.
    void feed(std::string_view bytes);

    /// Says that the text has ended. Throws as feed().
    void finish();

    /// The next passage that is certain; none: feed more, or all has been given.
    [[nodiscard]] std::optional<passage> next();

    /// The text of the passage that next() gave last; valid until feed(), finish() or next().
    [[nodiscard]] std::string_view text() const noexcept;

  private:
    std::unique_ptr<detail::passage_state> state_;
};

/// The passages of a text, in its order: every byte that is not white space is in one of them, none
/// has more tokens than the limit, and no border splits a code point. Borders are the best there
/// are: headings, paragraphs, list items, lines of code, sentences, clauses, words. The same text
/// has the same passages, and an edit changes only those near it. Any bytes are a text. Throws as
/// passage_cutter. Any thread may call it.
[[nodiscard]] std::vector<passage> passages(std::string_view text, const reranker& ranker,
                                            const passage_options& options = {});

/// As above, for any tokenizer.
[[nodiscard]] std::vector<passage> passages(std::string_view text, const tokenizer& words,
                                            const passage_options& options);

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/passages_impl.hpp>
#endif
