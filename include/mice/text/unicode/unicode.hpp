// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <mice/config.hpp>
#include <mice/text/unicode/unicode_data.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

inline constexpr char32_t last_code_point = 0x10FFFF;

/// The bert_flag bits of a code point (0 past U+10FFFF).
[[nodiscard]] constexpr std::uint8_t bert_flags(char32_t code) noexcept {
    if (code > last_code_point)
        return 0;
    const std::size_t block = data::flag_index[code / data::flag_block];
    return data::flag_blocks[block * data::flag_block + code % data::flag_block];
}

/// Whether `flags` has that bit.
[[nodiscard]] constexpr bool has(std::uint8_t flags, bert_flag flag) noexcept {
    return (flags & static_cast<std::uint8_t>(flag)) != 0;
}

/// What BertNormalizer's clean_text drops: control, format and private use characters (not
/// unassigned ones) and U+FFFD, but not tab, line feed and carriage return.
[[nodiscard]] constexpr bool is_control(char32_t code) noexcept {
    return has(bert_flags(code), bert_flag::dropped);
}

/// Unicode's White_Space, which is Rust's char::is_whitespace and \s in its regular expressions.
[[nodiscard]] constexpr bool is_whitespace(char32_t code) noexcept {
    return has(bert_flags(code), bert_flag::white_space);
}

/// Punctuation as BertPreTokenizer splits at it: ASCII symbols and Unicode's P categories.
[[nodiscard]] constexpr bool is_punctuation(char32_t code) noexcept {
    return has(bert_flags(code), bert_flag::punctuation);
}

/// The ideographs that BertNormalizer's handle_chinese_chars puts spaces around.
[[nodiscard]] constexpr bool is_cjk(char32_t code) noexcept {
    return has(bert_flags(code), bert_flag::cjk);
}

/// Nonspacing marks as BertNormalizer's strip_accents removes them.
[[nodiscard]] constexpr bool is_nonspacing_mark(char32_t code) noexcept {
    return has(bert_flags(code), bert_flag::nonspacing_mark);
}

/// Word characters: \w of Rust's regular expressions.
[[nodiscard]] constexpr bool is_word(char32_t code) noexcept {
    return has(bert_flags(code), bert_flag::word);
}

/// The class of a code point in byte-level BPE's split rule: letter is \p{L}, number \p{N}, white
/// space \s, and everything else other.
[[nodiscard]] constexpr split_class split_class_of(char32_t code) noexcept {
    if (code > last_code_point)
        return split_class::other;
    const std::size_t block = data::split_index[code / data::flag_block];
    return static_cast<split_class>(
        data::split_blocks[block * data::flag_block + code % data::flag_block]);
}

/// A word_kind and word_flag bits of a code point (a separator past U+10FFFF).
[[nodiscard]] constexpr std::uint8_t word_class(char32_t code) noexcept {
    if (code > last_code_point)
        return 0;
    const std::size_t block = data::word_index[code / data::flag_block];
    return data::word_blocks[block * data::flag_block + code % data::flag_block];
}

/// The kind in a word_class; meaningless where it has word_flag::folds.
[[nodiscard]] constexpr word_kind kind_of(std::uint8_t word_class) noexcept {
    return static_cast<word_kind>(word_class & 0x0F);
}

/// Whether a word_class has that flag.
[[nodiscard]] constexpr bool has(std::uint8_t word_class, word_flag flag) noexcept {
    return (word_class & static_cast<std::uint8_t>(flag)) != 0;
}

namespace detail {

/// How many of the sorted codes are below `code`.
[[nodiscard]] constexpr std::size_t count_below(std::u32string_view sorted,
                                                char32_t code) noexcept {
    std::size_t first = 0;
    for (std::size_t count = sorted.size(); count > 0;) {
        const std::size_t half = count / 2;
        if (sorted[first + half] < code) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

/// What the tables `codes`, `places` and `pool` have for a code point; empty where that is nothing.
[[nodiscard]] constexpr std::u32string_view sequence_of(std::u32string_view codes,
                                                        std::u32string_view places,
                                                        std::u32string_view pool,
                                                        char32_t code) noexcept {
    const std::size_t entry = count_below(codes, code);
    if (entry == codes.size() || codes[entry] != code)
        return {};
    return {pool.data() + (places[entry] >> 8), places[entry] & 0xFF};
}

} // namespace detail

/// General category in Unicode 15.0; cn for unassigned code points and past U+10FFFF.
[[nodiscard]] constexpr category general_category(char32_t code) noexcept {
    if (code > last_code_point)
        return category::cn;
    const std::size_t next = detail::count_below(data::category_runs, (code + 1) << 5);
    return static_cast<category>(data::category_runs[next - 1] & 0x1F); // the first is that of 0
}

/// Canonical combining class in Unicode 15.0, 0 for starters.
[[nodiscard]] constexpr std::uint8_t combining_class(char32_t code) noexcept {
    const auto run = std::lower_bound(
        data::combining_runs.begin(), data::combining_runs.end(), code,
        [](const data::combining_run& entry, char32_t c) { return entry.last < c; });
    return run != data::combining_runs.end() && run->first <= code ? run->combining_class
                                                                   : std::uint8_t{0};
}

/// A code point's full canonical decomposition or lowercase form: 1 to 4 code points.
struct mapping {
    std::array<char32_t, 4> codes{};
    std::uint8_t length = 0;

    [[nodiscard]] constexpr std::u32string_view view() const& noexcept {
        return {codes.data(), length};
    }
    std::u32string_view view() const&& = delete; // would dangle in a range-for
};

namespace detail {

constexpr mapping decompose_hangul(char32_t code) noexcept {
    constexpr char32_t leads = 0x1100, vowels = 0x1161, trails = 0x11A7;
    constexpr char32_t vowel_count = 21, trail_count = 28;
    const char32_t index = code - 0xAC00;
    const char32_t trail = index % trail_count;
    return {{leads + index / (vowel_count * trail_count),
             vowels + index / trail_count % vowel_count, trails + trail, 0},
            static_cast<std::uint8_t>(trail == 0 ? 2 : 3)};
}

template <std::size_t Count>
constexpr char32_t map_lowercase(const std::array<data::lowercase_run, Count>& runs,
                                 char32_t code) noexcept {
    const auto run = std::lower_bound(
        runs.begin(), runs.end(), code,
        [](const data::lowercase_run& entry, char32_t c) { return entry.last < c; });
    if (run == runs.end() || run->first > code || (code - run->first) % run->stride != 0)
        return code;
    return run->target + (code - run->first);
}

} // namespace detail

/// Full canonical decomposition in Unicode 15.0 (NFD of the one code point).
[[nodiscard]] constexpr mapping decompose(char32_t code) noexcept {
    if (code >= 0xAC00 && code <= 0xD7A3)
        return detail::decompose_hangul(code);
    mapping result{{code}, 1};
    const std::u32string_view parts = detail::sequence_of(
        data::decomposition_codes, data::decomposition_places, data::decomposition_pool, code);
    if (!parts.empty()) {
        result.length = static_cast<std::uint8_t>(parts.size());
        for (std::size_t i = 0; i < parts.size(); ++i)
            result.codes[i] = parts[i];
    }
    return result;
}

namespace detail {

constexpr char32_t compose_hangul(char32_t first, char32_t second) noexcept {
    constexpr char32_t leads = 0x1100, vowels = 0x1161, trails = 0x11A7, syllables = 0xAC00;
    constexpr char32_t lead_count = 19, vowel_count = 21, trail_count = 28;
    const char32_t lead = first - leads, vowel = second - vowels; // huge when below
    if (lead < lead_count && vowel < vowel_count)
        return syllables + (lead * vowel_count + vowel) * trail_count;
    const char32_t syllable = first - syllables, trail = second - trails;
    if (syllable < lead_count * vowel_count * trail_count && syllable % trail_count == 0 &&
        trail > 0 && trail < trail_count)
        return first + trail;
    return 0;
}

} // namespace detail

/// The primary composite of two code points in Unicode 15.0, 0 where there is none.
[[nodiscard]] constexpr char32_t compose(char32_t first, char32_t second) noexcept {
    if (const char32_t syllable = detail::compose_hangul(first, second); syllable != 0)
        return syllable;
    const std::u32string_view firsts = data::composition_firsts;
    std::size_t entry = detail::count_below(firsts, first);
    for (; entry < firsts.size() && firsts[entry] == first; ++entry) { // about three of each
        if (data::composition_seconds[entry] == second)
            return data::composites[entry];
    }
    return 0;
}

/// What a code point becomes in words, where its word_class has word_flag::folds: 1 to 18 code
/// points. Compatibility decomposition, full case folding and the removal of accents in one step.
class folding {
  public:
    constexpr explicit folding(char32_t code) noexcept : single_(code) {
        const std::size_t run = detail::count_below(data::folding_lasts, code);
        if (run < data::folding_lasts.size() && data::folding_firsts[run] <= code) {
            const char32_t off = code - data::folding_firsts[run];
            const char32_t stride = data::folding_steps[run] >> 8;
            if (off % stride == 0) {
                const char32_t step = data::folding_steps[run] & 0xFF;
                single_ = data::folding_targets[run] + off / stride * step;
                return;
            }
        }
        several_ = detail::sequence_of(data::sequence_codes, data::sequence_places,
                                       data::sequence_pool, code);
    }

    [[nodiscard]] constexpr std::size_t size() const noexcept {
        return several_.empty() ? 1 : several_.size();
    }
    /// Code point i, which is below size().
    [[nodiscard]] constexpr char32_t operator[](std::size_t i) const noexcept {
        return several_.empty() ? single_ : several_[i];
    }

  private:
    char32_t single_;
    std::u32string_view several_;
};

/// Full lowercase mapping in Unicode 15.0, without context (U+0130 gives two code points, a capital
/// sigma never becomes a final one).
[[nodiscard]] constexpr mapping lowercase_15_0(char32_t code) noexcept {
    if (code == 0x130)
        return {{U'i', 0x307}, 2};
    return {{detail::map_lowercase(data::lowercase_runs, code)}, 1};
}

/// Full lowercase mapping as the current Rust standard library has it: lowercase_15_0 and what
/// Unicode 16.0 and 17.0 added.
[[nodiscard]] constexpr mapping lowercase(char32_t code) noexcept {
    const mapping result = lowercase_15_0(code);
    if (result.length != 1 || result.codes[0] != code)
        return result;
    return {{detail::map_lowercase(data::lowercase_runs_after_15_0, code)}, 1};
}

namespace detail {

inline constexpr int class_shift = 24; // a code point has 21 bits

/// Sorts a run of marks by class; equal ones stay in their order. Short runs are sorted by
/// insertion, the others by counting: the time is linear in the run.
template <typename Code, typename ClassOf>
void sort_run(Code* run, std::size_t size, const ClassOf& class_of) {
    constexpr std::size_t short_run = 16;
    if (size > short_run) {
        std::array<std::size_t, 257> begins{};
        for (std::size_t i = 0; i < size; ++i)
            ++begins[std::size_t{class_of(run[i])} + 1];
        for (std::size_t i = 1; i < begins.size(); ++i)
            begins[i] += begins[i - 1];
        const std::vector<Code> given(run, run + size);
        for (const Code& code : given)
            run[begins[class_of(code)]++] = code;
        return;
    }
    for (std::size_t next = 1; next < size; ++next) {
        const Code code = run[next];
        std::size_t place = next;
        for (; place > 0 && class_of(run[place - 1]) > class_of(code); --place)
            run[place] = run[place - 1];
        run[place] = code;
    }
}

/// Sorts every run of codes whose class is not 0.
template <typename Code, typename ClassOf>
void sort_runs(std::vector<Code>& codes, const ClassOf& class_of) {
    for (std::size_t first = 0; first < codes.size();) {
        std::size_t last = first;
        std::uint8_t largest = 0;
        bool sorted = true;
        for (; last < codes.size(); ++last) {
            const std::uint8_t of = class_of(codes[last]);
            if (of == 0)
                break;
            sorted = sorted && of >= largest;
            largest = of;
        }
        if (!sorted)
            sort_run(codes.data() + first, last - first, class_of);
        first = last + 1;
    }
}

/// Sorts runs of codes whose highest byte, their class, is not 0, and takes those bytes away.
inline void sort_classified(std::vector<char32_t>& codes) {
    sort_runs(codes, [](char32_t code) { return static_cast<std::uint8_t>(code >> class_shift); });
    for (char32_t& code : codes)
        code &= (char32_t{1} << class_shift) - 1;
}

} // namespace detail

/// Puts each run of non-starters in canonical order under `class_of(char32_t)`, in linear time.
template <typename ClassOf>
void reorder_marks(std::vector<char32_t>& codes, const ClassOf& class_of) {
    for (char32_t& code : codes)
        code |= char32_t{class_of(code)} << detail::class_shift;
    detail::sort_classified(codes); // compiled once, whatever gives the classes
}

/// The same for codes that carry more than a code point.
template <typename Code, typename ClassOf>
void reorder_marks(std::vector<Code>& codes, const ClassOf& class_of) {
    detail::sort_runs(codes, class_of);
}

/// The same with the classes of Unicode 15.0.
inline void reorder_marks(std::vector<char32_t>& codes) {
    reorder_marks(codes, [](char32_t code) { return combining_class(code); });
}

/// Normalization form D in Unicode 15.0 of a text; invalid UTF-8 becomes U+FFFD.
[[nodiscard]] inline std::string nfd(std::string_view text) {
    std::vector<char32_t> codes;
    codes.reserve(text.size());
    for (std::size_t position = 0; position < text.size();) {
        const decoded next = decode_utf8(text, position);
        const mapping parts = decompose(next.code);
        for (const char32_t part : parts.view())
            codes.push_back(part);
        position += next.bytes;
    }
    reorder_marks(codes);
    return to_utf8(codes);
}

} // namespace text
MICE_NAMESPACE_END
