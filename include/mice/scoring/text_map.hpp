// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/model.hpp>
#include <mice/ranking.hpp>
#include <mice/sentences.hpp>
#include <mice/text/unicode/unicode.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

/// A sentence, and the rows [first, last) of the document's states that its tokens have: at least
/// one.
struct sentence_rows {
    sentence where;
    std::size_t first = 0;
    std::size_t last = 0;
};

/// A word, likewise.
struct word_rows {
    byte_range where;
    std::size_t first = 0;
    std::size_t last = 0;
};

/// Ends of lines in bytes [first, last) of a text: LF, CR LF or CR.
[[nodiscard]] inline std::size_t line_ends(std::string_view text, std::size_t first,
                                           std::size_t last) {
    std::size_t ends = 0;
    for (std::size_t i = first; i < last; ++i) {
        const bool lone_return = text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n');
        ends += text[i] == '\n' || lone_return ? 1 : 0;
    }
    return ends;
}

/// Cuts a text into parts that the model reads to their end: of whole sentences, and of pieces of
/// those that are too long for it alone.
[[nodiscard]] inline std::vector<byte_range>
readable_parts(const model& engine, std::string_view text, const rank_options& options) {
    constexpr std::size_t spare = 4; // a part alone may have other tokens at its ends
    const tokenizer& words = *engine.text_tokenizer();
    const std::size_t around = words.encode("").ids.size() + engine.config().marker_tokens();
    const std::size_t limit = engine.config().max_document_length;
    const std::size_t room = limit > around + spare ? limit - around - spare : 1;
    const encoding all = words.encode(text, {.specials = options.specials,
                                             .on_invalid = options.on_invalid,
                                             .add_markers = markers::omit,
                                             .offsets = true});
    std::vector<byte_range> parts;
    std::size_t used = room; // tokens of the last part
    std::size_t token = 0;
    for (const sentence& each : mice::sentences(text)) {
        std::size_t count = 0;
        const std::size_t first = token;
        for (; token < all.ids.size() && all.offsets[token].begin < each.end; ++token) {
            ++count;
        }
        if (count > room) {
            parts.push_back({each.begin, each.end});
            for (std::size_t at = first + room; at < token; at += room) {
                const std::size_t border = all.offsets[at].begin;
                if (border > parts.back().begin && border < each.end) {
                    parts.back().end = border;
                    parts.push_back({border, each.end});
                }
            }
            used = room;
        } else if (parts.empty() || used + count > room) {
            parts.push_back({each.begin, each.end});
            used = count;
        } else {
            parts.back().end = each.end;
            used += count;
        }
    }
    return parts;
}

/// Where the rows of a document's states come from in its text. Tokenises the text as encoding it
/// did, which takes a small part of the time of scoring, so that nothing has to be stored for it.
class text_map {
  public:
    /// The model and the text outlive this object. Throws as model::tokenize_document.
    text_map(const model& engine, std::string_view text, const rank_options& options)
        : model_(engine), text_(text),
          encoded_(engine.tokenize_document(text, options.specials, options.on_invalid, true)) {
        const std::size_t front = 1 + engine.config().marker_tokens();
        rows_.reserve(encoded_.ids.size());
        for (std::size_t i = 0; i < encoded_.ids.size(); ++i) {
            if (!engine.config().skips(encoded_.ids[i])) {
                const bool marker = i < front || i + 1 == encoded_.ids.size();
                rows_.push_back({marker, encoded_.offsets[i]});
                row_ids_.push_back(encoded_.ids[i]);
            }
        }
        find_sentences();
    }

    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    /// What the model reads, markers included.
    [[nodiscard]] const std::vector<std::int32_t>& ids() const noexcept { return encoded_.ids; }
    /// States of the document.
    [[nodiscard]] std::size_t rows() const noexcept { return rows_.size(); }
    /// [rows()], the tokens that have a state.
    [[nodiscard]] const std::vector<std::int32_t>& row_ids() const noexcept { return row_ids_; }
    /// In the order of the text; those that the model does not read are left out.
    [[nodiscard]] const std::vector<sentence_rows>& sentences() const noexcept {
        return sentences_;
    }

    /// Whether the model does not read all of the text.
    [[nodiscard]] bool is_cut() const noexcept { return encoded_.cut > 0; }
    /// The line of a byte, counted from 1.
    [[nodiscard]] std::size_t line(std::size_t at) const { return 1 + line_ends(text_, 0, at); }

    /// What the model did not read, for people; else "".
    [[nodiscard]] std::string note() const {
        if (encoded_.cut == 0) {
            return {};
        }
        const std::size_t end = rows_.size() > 1 ? rows_[rows_.size() - 2].where.end : 0;
        return "the model reads no further than byte " + std::to_string(end) + " of this text";
    }

    /// The words of a sentence: pieces of one word together, punctuation left out.
    [[nodiscard]] std::vector<word_rows> words_of(byte_range in) const {
        std::vector<word_rows> words;
        for (std::size_t row = 0; row < rows_.size(); ++row) {
            const byte_range where = within(rows_[row].where, in);
            if (rows_[row].marker || where.begin >= where.end) {
                continue;
            }
            const bool goes_on = !words.empty() && words.back().last == row &&
                                 (where.begin < words.back().where.end ||
                                  (where.begin == words.back().where.end &&
                                   model_.text_tokenizer()->piece(row_ids_[row]).continues));
            if (goes_on) {
                words.back().where.end = std::max(words.back().where.end, where.end);
                words.back().last = row + 1;
            } else {
                words.push_back({where, row, row + 1});
            }
        }
        std::erase_if(words, [this](word_rows& each) {
            each.where = trimmed(each.where);
            return each.where.begin >= each.where.end;
        });
        return words;
    }

  private:
    struct token {
        bool marker;
        byte_range where;
    };

    void find_sentences() {
        std::size_t at = 0; // row
        std::size_t read = 0;
        for (const token& each : rows_) {
            read = each.marker ? read : std::max(read, each.where.end);
        }
        for (const sentence& each : mice::sentences(text_.substr(0, text_end(read)))) {
            while (at < rows_.size() && (rows_[at].marker || rows_[at].where.end <= each.begin)) {
                ++at;
            }
            const std::size_t first = at;
            while (at < rows_.size() && !rows_[at].marker && rows_[at].where.begin < each.end) {
                ++at;
            }
            if (first < at) {
                sentences_.push_back({each, first, at});
            }
        }
    }

    /// Where to stop looking for sentences in a text of which the model reads `read` bytes: the
    /// sentence that it stops in is shown whole where it is not too long.
    [[nodiscard]] std::size_t text_end(std::size_t read) const {
        constexpr std::size_t more = 4096;
        if (text_.size() - read <= more) {
            return text_.size();
        }
        std::size_t end = read + more;
        while (end > read && text::is_continuation(text_[end])) {
            --end;
        }
        return end;
    }

    static byte_range within(byte_range a, byte_range b) {
        return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
    }

    /// Without what is neither a letter nor a digit at either end.
    [[nodiscard]] byte_range trimmed(byte_range where) const {
        std::size_t first = where.end; // of the first word character, and behind the last
        std::size_t last = where.end;
        for (std::size_t at = where.begin; at < where.end;) {
            const text::decoded next = text::decode_utf8(text_, at);
            const std::size_t end = std::min(at + next.bytes, where.end);
            if (text::is_word(next.code)) {
                first = std::min(first, at);
                last = end;
            }
            at = end;
        }
        return {first, last};
    }

    const model& model_;
    std::string_view text_;
    encoding encoded_;
    std::vector<token> rows_; // of each state
    std::vector<std::int32_t> row_ids_;
    std::vector<sentence_rows> sentences_;
};

} // namespace detail
MICE_NAMESPACE_END
