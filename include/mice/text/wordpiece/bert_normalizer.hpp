// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/traced_form.hpp>
#include <mice/text/unicode/unicode.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// The switches of Hugging Face's BertNormalizer.
struct bert_normalizer_options {
    bool clean_text = true;           ///< drops control characters, turns white space into a space
    bool handle_chinese_chars = true; ///< puts spaces around ideographs
    bool lowercase = true;            ///< lowercases every code point
    std::optional<bool>
        strip_accents; ///< decomposes and drops nonspacing marks; as lowercase if unset
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

    /// The same with origins, of a text that begins at byte `place` of the whole.
    [[nodiscard]] traced_text normalize_traced(std::string_view text, std::size_t place) const {
        std::vector<traced_code> codes;
        codes.reserve(text.size());
        for (std::size_t at = 0; at < text.size();) {
            const decoded next = decode_utf8(text, at);
            clean_traced(next.code, {place + at, place + at + next.bytes}, codes);
            at += next.bytes;
        }
        if (strip_)
            codes = stripped(codes);
        traced_text result;
        result.text.reserve(text.size());
        result.origins.reserve(text.size());
        for (const auto& [code, origin] : codes) {
            const auto put = [&result, from = origin](char32_t each) { result.append(each, from); };
            emit(code, bert_flags(code), put);
        }
        return result;
    }

  private:
    using traced_code = std::pair<char32_t, byte_range>;
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

    void clean_traced(char32_t code, byte_range origin, std::vector<traced_code>& out) const {
        const std::uint8_t flags = bert_flags(code);
        if (options_.clean_text && has(flags, bert_flag::dropped))
            return;
        const bool space = options_.clean_text && has(flags, bert_flag::white_space);
        const bool spaced = !space && options_.handle_chinese_chars && has(flags, bert_flag::cjk);
        if (spaced)
            out.emplace_back(U' ', origin);
        out.emplace_back(space ? U' ' : code, origin);
        if (spaced)
            out.emplace_back(U' ', origin);
    }

    /// As strip() for all of a text. Origins go by places before marks are dropped.
    [[nodiscard]] static std::vector<traced_code> stripped(const std::vector<traced_code>& codes) {
        const detail::normal_tables tables{normalizer_version::unicode_9_0};
        std::vector<code_change> changes;
        changes.reserve(codes.size());
        std::vector<char32_t> parts;
        for (const auto& [code, origin] : codes) {
            parts.clear();
            tables.append_parts(parts, code);
            detail::append_changes(changes, parts);
        }
        reorder_marks(changes,
                      [&tables](const code_change& each) { return tables.class_of(each.code); });
        std::vector<traced_code> result;
        result.reserve(codes.size());
        std::size_t next = 0;
        for (const code_change& each : changes) {
            next += each.change == 0 ? 1U : 0U;
            if (!is_nonspacing_mark(each.code))
                result.emplace_back(each.code, next == 0 ? byte_range{} : codes[next - 1].second);
        }
        return result;
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
