// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "find/database.hpp"

// Words as the catalog's full-text tables hold them: those of mice's own BM25 (each_word).
namespace mice::find {

/// The name that tables give as their tokenizer.
inline constexpr const char* tokenizer_name = "mice_words";

/// Lets a connection read and write tables with that tokenizer. Throws mice::error.
void register_tokenizer(const database& in);

/// A word and its place. Characters of scripts without spaces come alone and in pairs; a pair has
/// the place of its second character.
struct placed_word {
    std::string word;
    std::size_t place = 0;

    friend bool operator==(const placed_word&, const placed_word&) = default;
};

/// The words of a text as a table holds them.
[[nodiscard]] std::vector<placed_word> words_of_text(std::string_view text);

/// What a user's line asks for. Every line is a question: what has no meaning here is text.
struct parsed_query {
    std::string text;        ///< for the model: the line without the marks below
    std::string words;       ///< the expression for the table of passages; empty: finds nothing
    std::string names;       ///< the same for the table of names
    std::string paths;       ///< expression that a file's name has to match; empty: any
    bool only_paths = false; ///< nothing but path: was asked for
    std::string empty_field; ///< "title:" or "path:" with nothing behind it; empty: none
};

/// Reads a line: words (any of them), "a phrase" (has to be there), begin* (a word that begins so),
/// title:word and path:word (have to be in the title, in the path). With more than 16 words beside
/// them, quotes make no phrases outside of fields. At most `most` different words
/// are looked for; the expressions hold nothing but words that mice has cut, so no line can be an
/// error of the database.
[[nodiscard]] parsed_query parse_query(std::string_view line, std::size_t most = 64);

} // namespace mice::find
