// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/unicode.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// The switches of Hugging Face's BertNormalizer.
struct bert_normalizer_options {
    bool clean_text = true;           ///< drop control characters, make white space a space
    bool handle_chinese_chars = true; ///< put spaces around ideographs
    bool lowercase = true;            ///< lowercase every code point
    std::optional<bool>
        strip_accents; ///< decompose and drop nonspacing marks; as lowercase if unset
};

/// Hugging Face's BertNormalizer, one code point at a time. Immutable and thread-safe.
class bert_normalizer {
  public:
    explicit bert_normalizer(const bert_normalizer_options& options)
        : options_(options), strip_(options.strip_accents.value_or(options.lowercase)) {
        for (char32_t code = 0; code < ascii_.size(); ++code)
            ascii_[code] = ascii_form(code);
    }

    /// Calls `sink(char32_t)` for each code point of the normalized form of `text`, which must be
    /// valid UTF-8. `marks` is scratch memory; it grows to the longest run of combining marks.
    template <typename Sink>
    void normalize(std::string_view text, Sink&& sink, std::vector<char32_t>& marks) const {
        marks.clear();
        for (std::size_t position = 0; position < text.size();) {
            const auto byte = static_cast<unsigned char>(text[position]);
            if (byte < ascii_.size()) {
                ++position;
                if (ascii_[byte] == dropped)
                    continue;
                if (!marks.empty())
                    flush(sink, marks);
                sink(static_cast<char32_t>(ascii_[byte]));
                continue;
            }
            const decoded next = decode_utf8(text, position);
            position += next.bytes;
            clean(next.code, sink, marks);
        }
        flush(sink, marks);
    }

    /// The normalized form of a valid UTF-8 text.
    [[nodiscard]] std::string normalize(std::string_view text) const {
        std::string result;
        std::vector<char32_t> marks;
        normalize(
            text, [&result](char32_t code) { append_utf8(result, code); }, marks);
        return result;
    }

  private:
    static constexpr std::uint8_t dropped = 0xFF;

    [[nodiscard]] std::uint8_t ascii_form(char32_t code) const noexcept {
        if (options_.clean_text && is_control(code))
            return dropped;
        if (options_.clean_text && is_whitespace(code))
            return ' ';
        return static_cast<std::uint8_t>(options_.lowercase ? lowercase(code).codes[0] : code);
    }

    template <typename Sink>
    void clean(char32_t code, Sink& sink, std::vector<char32_t>& marks) const {
        const std::uint8_t flags = bert_flags(code);
        if (options_.clean_text) {
            if (has(flags, bert_flag::dropped))
                return;
            if (has(flags, bert_flag::white_space)) {
                starter(U' ', sink, marks);
                return;
            }
        }
        const bool spaced = options_.handle_chinese_chars && has(flags, bert_flag::cjk);
        if (spaced)
            starter(U' ', sink, marks);
        if (strip_)
            strip(code, flags, sink, marks);
        else
            emit(code, flags, sink);
        if (spaced)
            starter(U' ', sink, marks);
    }

    /// Decomposes, drops nonspacing marks and holds other marks back until their order is known.
    /// Dropping before sorting gives the same text: the sort is stable and only moves marks.
    template <typename Sink>
    void strip(char32_t code, std::uint8_t flags, Sink& sink, std::vector<char32_t>& marks) const {
        if (!has(flags, bert_flag::normalizes)) {
            if (has(flags, bert_flag::nonspacing_mark))
                flush(sink, marks); // a mark of class 0 still ends a run
            else
                starter(code, sink, marks);
            return;
        }
        const mapping parts = decompose(code);
        for (const char32_t part : parts.view()) {
            const bool keep = !is_nonspacing_mark(part);
            if (combining_class(part) == 0)
                flush(sink, marks);
            else if (keep)
                marks.push_back(part);
            if (keep && combining_class(part) == 0)
                emit(part, bert_flags(part), sink);
        }
    }

    template <typename Sink>
    void starter(char32_t code, Sink& sink, std::vector<char32_t>& marks) const {
        flush(sink, marks);
        emit(code, bert_flags(code), sink);
    }

    template <typename Sink> void flush(Sink& sink, std::vector<char32_t>& marks) const {
        if (marks.empty())
            return;
        reorder_marks(marks);
        for (const char32_t code : marks)
            emit(code, bert_flags(code), sink);
        marks.clear();
    }

    template <typename Sink> void emit(char32_t code, std::uint8_t flags, Sink& sink) const {
        if (options_.lowercase && has(flags, bert_flag::has_lowercase)) {
            const mapping lower = lowercase(code);
            for (const char32_t part : lower.view())
                sink(part);
        } else {
            sink(code);
        }
    }

    bert_normalizer_options options_;
    bool strip_;
    std::array<std::uint8_t, 128> ascii_{};
};

} // namespace text
MICE_NAMESPACE_END
