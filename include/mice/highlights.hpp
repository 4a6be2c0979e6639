// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// What to highlight in each hit, and where its text is.
struct highlight_options {
    std::size_t sentences = 1; ///< the best of each hit, at most; 0: all
    std::size_t words = 3;     ///< the best of each of these sentences, at most; 0: none
    /// The texts of documents that are ranked by their states, in the order of the documents: the
    /// texts that were encoded. Texts that are ranked need none.
    std::span<const std::string_view> texts{};
    /// The whole text of an index's hit, given its id and metadata: an index itself keeps no text.
    /// Nothing where there is none; the hit then has no highlights, and says so. Called from the
    /// thread of the call; what it throws ends the call.
    std::function<std::optional<std::string>(std::string_view id, std::string_view metadata)>
        text_of{};
};

/// A word of a highlighted sentence: bytes [begin, end) of the caller's text.
struct highlighted_word {
    std::size_t begin = 0;
    std::size_t end = 0; ///< behind the last byte
    float score = 0;     ///< how well it matches the query; comparable within a sentence
};

/// A sentence that answers the query: bytes [begin, end) of the caller's text, without the white
/// space around. No border splits a character.
struct highlight {
    std::size_t begin = 0;
    std::size_t end = 0;                   ///< behind the last byte
    float score = 0;                       ///< higher is better; comparable within a document
    std::size_t line = 1;                  ///< where it begins, counted from 1
    std::vector<highlighted_word> words{}; ///< best first
};

/// How highlights were computed.
enum class highlight_method {
    none,        ///< there is nothing to highlight
    matching,    ///< by the model's matching head and its own score, over the sentence's states
    own_score,   ///< by the model's own score of the sentence's states: models without such a head
    scored_again ///< by the score of the sentence's text alone: models that keep no states
};

/// What answers a query in one document.
struct highlights {
    std::vector<highlight> sentences{}; ///< best first; equal scores in the order of the text
    highlight_method method = highlight_method::none;
    /// What could not be had, or not from the stored states, and why; empty: nothing.
    std::string note{};
};

MICE_NAMESPACE_END
