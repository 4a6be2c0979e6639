// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/sentencepiece/charsmap.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// The normalization rules of a sentencepiece model as Hugging Face's Precompiled applies them.
/// Immutable and thread-safe.
class charsmap_rules {
  public:
    /// No rules.
    charsmap_rules() = default;

    /// Throws errc::tokenizer for a damaged table, see detail::charsmap_checker.
    explicit charsmap_rules(std::span<const std::byte> bytes) {
        const std::string_view blob(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        detail::charsmap_checker::check(blob);
        if (blob.empty())
            return;
        units_.resize(detail::little_endian_u32(blob, 0) / 4);
        for (std::size_t i = 0; i < units_.size(); ++i)
            units_[i] = detail::little_endian_u32(blob, 4 + 4 * i);
        replacements_ = blob.substr(4 + 4 * units_.size());
    }

    [[nodiscard]] bool empty() const noexcept { return units_.empty(); }

    /// What stands for `text` under the shortest rule that it begins with (so does Hugging Face; a
    /// NUL ends the search), or nothing. Lives as long as the rules.
    [[nodiscard]] std::optional<std::string_view> find(std::string_view text) const noexcept {
        if (empty())
            return std::nullopt;
        std::size_t at = behind(0, units_[0]);
        for (const char byte : text) {
            const auto label = static_cast<unsigned char>(byte);
            if (label == 0)
                break;
            at ^= label;
            const std::uint32_t unit = units_[at];
            if ((unit & (leaf_mark | 0xFF)) != label)
                break;
            at = behind(at, unit);
            if ((unit >> 8 & 1) != 0)
                return replacement(units_[at] & ~leaf_mark);
        }
        return std::nullopt;
    }

  private:
    static constexpr std::uint32_t leaf_mark = 1U << 31;

    [[nodiscard]] static std::size_t behind(std::size_t at, std::uint32_t unit) noexcept {
        return at ^ static_cast<std::size_t>(unit >> 10) << ((unit & 1U << 9) >> 6);
    }
    [[nodiscard]] std::string_view replacement(std::size_t at) const noexcept {
        const std::string_view rest = std::string_view(replacements_).substr(at);
        return rest.substr(0, rest.find('\0'));
    }

    std::vector<std::uint32_t> units_; // a double array
    std::string replacements_;         // each ended by NUL
};

} // namespace text
MICE_NAMESPACE_END
