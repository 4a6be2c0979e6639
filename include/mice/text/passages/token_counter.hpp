// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <mice/text/encoding.hpp>
#include <mice/text/tokenizer.hpp>
#include <mice/text/tokenizer_impl.hpp>
#include <mice/text/unicode/unicode.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// Counts the tokens of texts, faster than by tokenising them: a text is taken apart into words,
/// and the counts of words are kept. Where the tokenizer takes words apart from each other
/// (WordPiece), the sum is exact; elsewhere it is an estimate. For one thread.
class token_counter {
  public:
    /// The tokenizer must outlive the counter.
    token_counter(const tokenizer& words, special_tokens specials)
        : words_(&words), specials_(specials), slots_(first_slots), apart_(has_words_apart()) {
        for (std::size_t byte = 0; byte < kinds_.size(); ++byte)
            kinds_[byte] = kind_of(static_cast<char>(byte));
    }

    /// Whether sum() is exact.
    [[nodiscard]] bool is_exact() const noexcept { return apart_; }

    /// The tokens of `text` without markers, by the tokenizer itself.
    [[nodiscard]] std::size_t exact(std::string_view text) const {
        return words_
            ->encode(text, {.max_tokens = 0, .specials = specials_, .add_markers = markers::omit})
            .cut;
    }

    /// The tokens of `text` without markers, by its words.
    [[nodiscard]] std::size_t sum(std::string_view text) {
        std::size_t total = 0, at = 0;
        while (at < text.size()) {
            const kind here = kinds_[static_cast<unsigned char>(text[at])];
            if (here != kind::word) {
                total += here == kind::mark ? 1U : 0U;
                ++at;
                continue;
            }
            // Other tokenizers see the space before a word.
            const std::size_t first = !apart_ && at > 0 && text[at - 1] == ' ' ? at - 1 : at;
            do
                ++at;
            while (at < text.size() && kinds_[static_cast<unsigned char>(text[at])] == kind::word);
            total += of_word(text, first, at - first);
        }
        return total;
    }

    /// Whether the tokens of a text are those of its parts up to `stop` and from `start` on, and
    /// what lies between has none. Only asked where is_exact().
    [[nodiscard]] static bool is_apart(std::string_view text, std::size_t stop,
                                       std::size_t start) noexcept {
        for (std::size_t at = stop; at < start;) {
            const decoded next = decode_utf8(text, at);
            if (is_whitespace(next.code) && !is_control(next.code))
                return true; // others are dropped, and join what they stood between
            at += next.bytes;
        }
        std::size_t first = stop - 1;
        while (first > 0 && stop - first < 4 && is_continuation(text[first]))
            --first;
        const decoded last = decode_utf8(text, first);
        return last.valid && last.code != '_' && is_punctuation(last.code);
    }

  private:
    enum class kind : std::uint8_t { word, space, mark };
    /// A short text takes a small table: a large one, given back between what callers keep, leaves
    /// holes in the allocator's memory.
    static constexpr std::size_t first_slots = std::size_t{1} << 8;
    static constexpr std::size_t most_slots = std::size_t{1} << 14, key_bytes = 24;
    using key = std::array<std::uint64_t, key_bytes / sizeof(std::uint64_t)>;
    /// A word, whose last byte is its size, and its tokens: half a cache line.
    struct alignas(32) slot {
        key word{};
        std::uint64_t tokens = 0;
    };

    [[nodiscard]] kind kind_of(char c) const noexcept {
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            return kind::space;
        // A mark is one token. '_' is a word's character to added tokens.
        const auto code = static_cast<unsigned char>(c);
        return apart_ && code < 0x80 && c != '_' && is_punctuation(code) ? kind::mark : kind::word;
    }

    /// Whether this is WordPiece without added tokens that marks or white space would cut.
    [[nodiscard]] bool has_words_apart() {
#if defined(__cpp_rtti) || defined(_CPPRTTI)
        using wordpiece_tokenizer = mice::detail::framed_tokenizer<wordpiece>;
        if (specials_ == special_tokens::parse ||
            dynamic_cast<const wordpiece_tokenizer*>(words_) == nullptr)
            return false;
        for (std::size_t id = 0; id < words_->vocabulary_size(); ++id) {
            const auto number = static_cast<std::int32_t>(id);
            if (is_cut(words_->piece(number).text)) {
                const encoding found =
                    words_->encode(words_->token(number), {.add_markers = markers::omit});
                if (found.ids.size() == 1 && found.ids.front() == number)
                    return false;
            }
        }
        return true;
#else
        return false;
#endif
    }
    [[nodiscard]] static bool is_cut(std::string_view token) noexcept {
        bool cut = false;
        for (const char c : token) {
            const auto code = static_cast<unsigned char>(c);
            cut = cut || code <= ' ' || (code < 0x80 && c != '_' && is_punctuation(code));
        }
        return cut && token.size() > 1;
    }

    [[nodiscard]] std::size_t of_word(std::string_view text, std::size_t first, std::size_t size) {
        const std::string_view word = text.substr(first, size);
        if (size >= key_bytes)
            return exact(word);
        key wanted{};
        if (first + key_bytes <= text.size()) {
            std::memcpy(wanted.data(), word.data(), key_bytes);
            mask(wanted, size);
        } else {
            std::memcpy(wanted.data(), word.data(), size);
        }
        reinterpret_cast<char*>(wanted.data())[key_bytes - 1] = static_cast<char>(size);
        std::uint64_t hash = wanted[0] * 0x9e3779b97f4a7c15U;
        hash = (hash ^ wanted[1] ^ hash >> 29) * 0xbf58476d1ce4e5b9U;
        hash = (hash ^ wanted[2] ^ hash >> 32) * 0x94d049bb133111ebU;
        const slot& kept = slots_[hash >> shift_];
        if (kept.word[0] == wanted[0] && kept.word[1] == wanted[1] && kept.word[2] == wanted[2])
            return kept.tokens;
        if (++missed_ > slots_.size() && slots_.size() < most_slots)
            grow();
        slot& made = slots_[hash >> shift_];
        made.tokens = exact(word);
        made.word = wanted;
        return made.tokens;
    }

    /// Begins a larger table; what the words before cost is counted again.
    void grow() {
        slots_.assign(4 * slots_.size(), slot{});
        shift_ -= 2;
        missed_ = 0;
    }

    /// Keeps the first `size` bytes.
    static void mask(key& bytes, std::size_t size) noexcept {
        static constexpr auto masks = [] {
            std::array<std::array<unsigned char, key_bytes>, key_bytes> made{};
            for (std::size_t length = 0; length < key_bytes; ++length)
                for (std::size_t i = 0; i < length; ++i)
                    made[length][i] = 0xFF;
            return made;
        }();
        key wanted;
        std::memcpy(wanted.data(), masks[size].data(), key_bytes);
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] &= wanted[i];
    }

    const tokenizer* words_;
    special_tokens specials_;
    std::vector<slot> slots_; // a word has one place
    unsigned shift_ = 64 - 8; // of a hash, to its place
    std::size_t missed_ = 0;  // words that were not in this table
    bool apart_;
    std::array<kind, 256> kinds_{};
};

} // namespace text
MICE_NAMESPACE_END
