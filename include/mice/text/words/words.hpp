// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/unicode/unicode.hpp>
#include <mice/text/words/older_words.hpp>
#include <mice/text/words/stemmer.hpp>
#include <mice/text/words/word_form.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// Whose words are wanted: a document gives more of them, so that a query finds it by any part.
enum class word_use { document, query };

namespace detail {

/// The lower-case form of the ASCII letters and digits, 0 for every other byte.
inline constexpr std::array<char, 256> ascii_letters = [] {
    std::array<char, 256> made{};
    for (std::size_t byte = 0; byte < 128; ++byte) {
        const char c = static_cast<char>(byte);
        const bool upper = c >= 'A' && c <= 'Z';
        if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            made[byte] = static_cast<char>(upper ? c - 'A' + 'a' : c);
        }
    }
    return made;
}();

/// Cuts texts into words of word_form::current and calls sink(std::string) for each.
template <class Sink> class word_cutter {
  public:
    word_cutter(word_use use, Sink& sink) : use_(use), sink_(sink) {}

    /// Cuts a whole text. Returns its length in words, without words that are part of others.
    std::size_t cut(std::string_view text) {
        length_ = 0;
        for (std::size_t position = 0; position < text.size();) {
            if (static_cast<unsigned char>(text[position]) < 0x80) {
                position = add_ascii(text, position);
                continue;
            }
            const decoded next = decode_utf8(text, position);
            position += next.bytes;
            if (next.valid) {
                add(next.code);
            } else {
                end();
            }
        }
        end();
        return length_;
    }

  private:
    static constexpr std::size_t nowhere = std::string::npos;
    /// The most code points of a base and its marks; more are left out.
    static constexpr std::size_t longest_unit = 8;

    /// Reads ASCII from `position` on, at least one character; returns where it stopped.
    std::size_t add_ascii(std::string_view text, std::size_t position) {
        end_units();
        for (; position < text.size(); ++position) {
            const char letter = ascii_letters[static_cast<unsigned char>(text[position])];
            if (letter == 0) {
                break;
            }
            make_room();
            word_ += letter;
            raised_ = nowhere;
        }
        if (position < text.size() && static_cast<unsigned char>(text[position]) < 0x80) {
            end_word();
            ++position;
        }
        return position;
    }

    void add(char32_t code) {
        const std::uint8_t found = word_class(code);
        if (!has(found, word_flag::folds)) {
            const word_kind kind = kind_of(found);
            raised_ = kind == word_kind::letter ? nowhere : raised_;
            put(code, kind);
            return;
        }
        if (has(found, word_flag::alone)) {
            end();
        }
        const bool raised = has(found, word_flag::raised);
        if (raised) { // the end of a word resets it, also between parts
            raised_ = std::min(raised_, word_.size());
        }
        const folding parts(code);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const word_kind kind = kind_of(word_class(parts[i]));
            raised_ = !raised && kind == word_kind::letter ? nowhere : raised_;
            put(parts[i], kind);
        }
        if (has(found, word_flag::alone)) {
            end();
        }
    }

    void put(char32_t code, word_kind kind) {
        switch (kind) {
        case word_kind::separator:
            return end();
        case word_kind::dropped:
            return;
        case word_kind::letter:
            end_units();
            make_room();
            return append_utf8(word_, code);
        case word_kind::mark:
            return add_mark(code);
        default:
            end_word();
            return add_unit(code, kind);
        }
    }

    // ---- scripts with spaces ----

    void make_room() {
        constexpr std::size_t longest_letter = 16;
        if (word_.size() > longest_word - longest_letter) {
            end_word();
        }
    }
    /// A word that ends in raised characters ("mc²", "Java™") counts with and without them.
    void end_word() {
        if (!word_.empty()) {
            const bool both = raised_ > 0 && raised_ < word_.size();
            const bool plain = both && give(word_.substr(0, raised_));
            length_ += give(std::move(word_)) || plain ? 1 : 0;
            word_.clear();
        }
        raised_ = nowhere;
    }
    bool give(std::string word) {
        if (is_stop_word(word)) {
            return false;
        }
        sink_(porter_stem(std::move(word)));
        return true;
    }

    // ---- scripts without: units, each a character and its marks, and pairs of neighbours ----

    void add_unit(char32_t code, word_kind script) {
        if (script == word_kind::prolonged) {
            script = script_ == word_kind::hiragana ? script_ : word_kind::katakana;
        }
        if (script != script_) {
            end_units();
        } else if (joins(code)) {
            return;
        }
        end_unit();
        script_ = script;
        unit_[0] = code;
        unit_size_ = 1;
    }
    /// Jamo become syllables, and kana with its marks one character, as in Normalization Form C.
    bool joins(char32_t code) {
        const bool may = (code >= 0x1161 && code <= 0x11FF) || code == 0x3099 || code == 0x309A;
        const char32_t whole = may && unit_size_ == 1 ? compose(unit_[0], code) : 0;
        if (whole != 0) {
            unit_[0] = whole;
        }
        return whole != 0;
    }
    /// Voiced marks belong to kana, the others to the scripts whose spelling has them.
    void add_mark(char32_t code) {
        const bool kana = script_ == word_kind::hiragana || script_ == word_kind::katakana;
        const bool voiced = code == 0x3099 || code == 0x309A;
        if ((voiced ? kana && !joins(code) : script_ == word_kind::spaceless) &&
            unit_size_ < longest_unit) {
            unit_[unit_size_++] = code;
        }
    }
    void end_unit() {
        if (unit_size_ == 0) {
            return;
        }
        const std::span<char32_t> marks = std::span(unit_).subspan(1, unit_size_ - 1);
        if (marks.size() > 1) {
            marks_.assign(marks.begin(), marks.end());
            reorder_marks(marks_);
            std::copy(marks_.begin(), marks_.end(), marks.begin());
        }
        std::string unit;
        for (const char32_t code : std::span(unit_).first(unit_size_)) {
            append_utf8(unit, code);
        }
        unit_size_ = 0;
        ++length_;
        // An ideograph means something by itself; of other characters only pairs do.
        if (use_ == word_use::document || script_ == word_kind::han) {
            sink_(std::string(unit));
        }
        if (++units_ > 1) {
            sink_(before_ + unit);
        }
        before_ = std::move(unit);
    }
    void end_units() {
        if (script_ == word_kind::separator) {
            return;
        }
        end_unit();
        if (units_ == 1 && use_ == word_use::query && script_ != word_kind::han) {
            sink_(std::move(before_));
        }
        units_ = 0;
        script_ = word_kind::separator;
    }

    void end() {
        end_units();
        end_word();
    }

    word_use use_;
    Sink& sink_;
    std::size_t length_ = 0;
    std::string word_;
    std::size_t raised_ = nowhere;            ///< where the raised end of word_ begins
    word_kind script_ = word_kind::separator; ///< of the run of units; separator: there is none
    std::size_t units_ = 0;                   ///< of the run, without the one that is open
    std::array<char32_t, longest_unit> unit_{};
    std::size_t unit_size_ = 0;
    std::string before_; ///< the unit before it
    std::vector<char32_t> marks_;
};

} // namespace detail

/// Calls sink(std::string) for each word of a text that BM25 counts, and returns the text's length:
/// how many words it has, those that are part of another or hold one not counted.
///
/// Words are runs of letters, marks and digits. Compatibility forms (full-width, ligatures, raised,
/// circled) become what they stand for, case and accents are folded, and digits of every script
/// become 0 to 9. Soft hyphens, zero-width and other ignorable characters are dropped. English stop
/// words are left out, and what remains is stemmed by porter_stem.
///
/// Han, kana, hangul, Thai and other scripts without spaces are cut into characters with their
/// marks. A document has all of them, and all pairs of neighbours of one script, as words. A query
/// has the pairs, and those characters that stand alone or are ideographs.
///
/// Invalid bytes separate words. A word has at most longest_word bytes. Time follows the text's
/// length, memory does not. Thread-safe.
template <class Sink>
std::size_t each_word(std::string_view text, word_use use, word_form form, Sink&& sink) {
    if (form == word_form::older) {
        std::size_t length = 0;
        const auto counted = [&](std::string word) {
            ++length;
            sink(std::move(word));
        };
        detail::each_older_word(text, counted);
        return length;
    }
    return detail::word_cutter(use, sink).cut(text);
}

/// The words of a text in a list; see each_word.
[[nodiscard]] inline std::vector<std::string> analyse(std::string_view text,
                                                      word_use use = word_use::query,
                                                      word_form form = word_form::current) {
    std::vector<std::string> words;
    each_word(text, use, form, [&words](std::string word) { words.push_back(std::move(word)); });
    return words;
}

} // namespace text
MICE_NAMESPACE_END
