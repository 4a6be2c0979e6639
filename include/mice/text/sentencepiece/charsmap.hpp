// SPDX-License-Identifier: Apache-2.0
#pragma once

// The normalization rules inside a sentencepiece model ("precompiled_charsmap"): the size of a
// double array in bytes (u32), the double array, and the replacements, each ended by NUL. The
// sentencepiece library follows the array without checking whether it leads outside.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN
namespace text::detail {

/// The most rules along one text: the library has room for so many.
inline constexpr std::size_t max_nested_rules = 32;
/// The most bytes of a replacement. The longest of Unicode's compatibility forms takes 33.
inline constexpr std::size_t max_replacement_bytes = 128;

[[nodiscard]] inline std::uint32_t little_endian_u32(std::string_view bytes,
                                                     std::size_t at) noexcept {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i)
        value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << 8 * i;
    return value;
}

/// Checks everything that a walk over the double array can reach. A unit belongs to the one base
/// that its place and label add up to, and leads to one base. So bases are nodes and units are
/// edges.
class charsmap_checker {
  public:
    /// Throws errc::tokenizer unless any text may be normalized with these rules.
    static void check(std::string_view blob) {
        if (blob.empty()) // no rules
            return;
        charsmap_checker checker(blob);
        checker.sort_units();
        checker.walk();
        checker.check_depth();
    }

  private:
    static constexpr std::size_t block = 256;
    static constexpr std::uint32_t leaf_mark = 1U << 31;
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

    explicit charsmap_checker(std::string_view blob) {
        const std::size_t size = blob.size() < 4 ? 0 : little_endian_u32(blob, 0);
        if (size == 0 || size % (4 * block) != 0 || size >= blob.size() - 4)
            throw damaged("the size of their table");
        blob.remove_prefix(4);
        units_.resize(size / 4);
        for (std::size_t i = 0; i < units_.size(); ++i)
            units_[i] = little_endian_u32(blob, 4 * i);
        replacements_ = blob.substr(size);
        if (replacements_.back() != '\0')
            throw damaged("the end of their replacements");
    }

    [[nodiscard]] static error damaged(std::string_view what) {
        return errors::bad_sentencepiece("its normalization rules are damaged: " +
                                         std::string(what));
    }

    [[nodiscard]] bool is_edge(std::size_t unit) const { return (units_[unit] & leaf_mark) == 0; }
    [[nodiscard]] std::size_t base_before(std::size_t unit) const {
        return unit ^ (units_[unit] & 0xFF);
    }
    [[nodiscard]] std::size_t base_behind(std::size_t unit) const {
        const std::uint32_t value = units_[unit];
        return unit ^ static_cast<std::size_t>(value >> 10) << ((value & 1U << 9) >> 6);
    }
    [[nodiscard]] bool ends_rule(std::size_t unit) const { return (units_[unit] >> 8 & 1) != 0; }

    /// Lists the units of each base: first_[base], then next_[unit].
    void sort_units() {
        first_.assign(units_.size(), none);
        next_.assign(units_.size(), none);
        for (std::size_t unit = units_.size(); unit-- > 0;)
            if (is_edge(unit)) {
                next_[unit] = first_[base_before(unit)];
                first_[base_before(unit)] = static_cast<std::uint32_t>(unit);
            }
    }

    template <typename Step> void each_unit(std::size_t base, Step&& step) const {
        for (std::uint32_t unit = first_[base]; unit != none; unit = next_[unit])
            step(unit);
    }

    /// The array consists of whole blocks, and a byte of a text changes only the last bits of a
    /// base. So a base inside the array never leads out of it.
    [[nodiscard]] std::size_t checked_base(std::size_t unit) const {
        const std::size_t base = base_behind(unit);
        if (base >= units_.size())
            throw damaged("a step leads out of their table");
        return base;
    }

    void check_replacement(std::size_t at) const {
        if (at >= replacements_.size())
            throw damaged("a replacement that is not there");
        const std::string_view text = replacements_.substr(at, replacements_.find('\0', at) - at);
        if (text.size() > max_replacement_bytes)
            throw damaged("a replacement of " + std::to_string(text.size()) + " bytes");
        if (first_invalid_utf8(text) != std::string_view::npos)
            throw damaged("a replacement that is not UTF-8");
    }

    /// Visits every base that a text can reach.
    void walk() {
        const std::size_t root = checked_base(0);
        before_.assign(units_.size(), 0);
        std::vector<std::uint8_t> seen(units_.size());
        seen[root] = 1;
        reached_.push_back(root);
        for (std::size_t i = 0; i < reached_.size(); ++i)
            each_unit(reached_[i], [&](std::size_t unit) {
                const std::size_t base = checked_base(unit);
                if (ends_rule(unit))
                    check_replacement(units_[base] & ~leaf_mark);
                ++before_[base];
                if (seen[base] == 0) {
                    seen[base] = 1;
                    reached_.push_back(base);
                }
            });
    }

    /// Counts the rules that end along one text. A base is taken once all before it are done, so
    /// the bases of a circle are never taken.
    void check_depth() {
        std::vector<std::uint32_t> rules(units_.size());
        std::vector<std::size_t> ready;
        if (before_[reached_.front()] == 0)
            ready.push_back(reached_.front());
        std::size_t done = 0;
        for (; done < ready.size(); ++done) {
            const std::size_t here = ready[done];
            each_unit(here, [&](std::size_t unit) {
                const std::size_t base = base_behind(unit);
                rules[base] = std::max(rules[base], rules[here] + (ends_rule(unit) ? 1U : 0U));
                if (rules[base] > max_nested_rules)
                    throw damaged("more than 32 rules inside each other");
                if (--before_[base] == 0)
                    ready.push_back(base);
            });
        }
        if (done < reached_.size())
            throw damaged("their table goes in circles");
    }

    std::vector<std::uint32_t> units_;
    std::string_view replacements_;
    std::vector<std::uint32_t> first_, next_; // the units of a base
    std::vector<std::uint32_t> before_;       // edges that lead to a base
    std::vector<std::size_t> reached_;        // bases, the root's first
};

} // namespace text::detail
MICE_NAMESPACE_END
