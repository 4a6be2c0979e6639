// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// A hash that grows byte by byte, so that all prefixes of a word are hashed in one pass (FNV-1a).
class running_hash {
  public:
    constexpr void add(char byte) noexcept {
        state_ = (state_ ^ static_cast<unsigned char>(byte)) * 0x100000001B3U;
    }
    constexpr void add(std::string_view text) noexcept {
        for (const char byte : text)
            add(byte);
    }
    /// The state with all bits mixed: by itself it is weak in its upper bits.
    [[nodiscard]] constexpr std::uint64_t value() const noexcept {
        return (state_ ^ state_ >> 29) * 0x9E3779B97F4A7C15U;
    }

  private:
    std::uint64_t state_ = 0xCBF29CE484222325U;
};

/// Tokens by id and ids by token. Immutable and thread-safe after construction.
class token_table {
  public:
    static constexpr std::int32_t none = -1;
    static constexpr std::size_t max_tokens = std::size_t{1} << 21;
    static constexpr std::size_t max_token_bytes = 1024;

    /// `tokens[id]` is the text of id; "" means that no token has this id. Throws errc::tokenizer
    /// for two equal tokens, too many tokens, or one that is too long.
    explicit token_table(const std::vector<std::string>& tokens) {
        if (tokens.size() > max_tokens)
            throw errors::bad_vocabulary("the vocabulary has " + std::to_string(tokens.size()) +
                                         " entries, at most " + std::to_string(max_tokens) +
                                         " are supported");
        copy(tokens);
        const std::size_t slots = std::bit_ceil(std::max<std::size_t>(16, tokens.size() * 2));
        slots_.resize(slots);
        shift_ = 64 - std::countr_zero(slots);
        for (std::size_t id = 0; id < tokens.size(); ++id)
            if (!tokens[id].empty())
                insert(static_cast<std::int32_t>(id));
    }

    /// Number of ids, holes included.
    [[nodiscard]] std::size_t size() const noexcept { return offsets_.size() - 1; }
    /// Length of the longest token in bytes.
    [[nodiscard]] std::size_t longest() const noexcept { return longest_; }

    /// The token of an id, "" where there is none. Lives as long as the table.
    [[nodiscard]] std::string_view token(std::int32_t id) const noexcept {
        if (id < 0 || static_cast<std::size_t>(id) >= size())
            return {};
        const auto index = static_cast<std::size_t>(id);
        return std::string_view(bytes_).substr(offsets_[index],
                                               offsets_[index + 1] - offsets_[index]);
    }

    /// The id of a token, or none.
    [[nodiscard]] std::int32_t find(std::string_view token) const noexcept {
        running_hash hash;
        hash.add(token);
        return find(hash, {}, token);
    }

    /// The id of the token `prefix + rest` whose hash the caller has already, or none.
    [[nodiscard]] std::int32_t find(const running_hash& hash, std::string_view prefix,
                                    std::string_view rest) const noexcept {
        const std::uint64_t value = hash.value();
        for (std::size_t at = value >> shift_;; ++at) {
            const slot& each = slots_[at & (slots_.size() - 1)];
            if (each.id == none)
                return none;
            if (each.tag == static_cast<std::uint32_t>(value)) {
                const std::string_view text = token(each.id);
                if (text.size() == prefix.size() + rest.size() && same(text.data(), prefix) &&
                    same(text.data() + prefix.size(), rest))
                    return each.id;
            }
        }
    }

  private:
    struct slot {
        std::uint32_t tag = 0;
        std::int32_t id = none;
    };

    /// As starts_with, which compilers inline in some programs only.
    [[nodiscard]] MICE_ALWAYS_INLINE static bool same(const char* text,
                                                      std::string_view other) noexcept {
        return other.empty() || std::memcmp(text, other.data(), other.size()) == 0;
    }

    void copy(const std::vector<std::string>& tokens) {
        offsets_.reserve(tokens.size() + 1);
        offsets_.push_back(0);
        for (std::size_t id = 0; id < tokens.size(); ++id) {
            const std::size_t length = tokens[id].size();
            if (length > max_token_bytes)
                throw errors::bad_vocabulary("token " + std::to_string(id) + " has " +
                                             std::to_string(length) + " bytes, at most " +
                                             std::to_string(max_token_bytes) + " are supported");
            longest_ = std::max(longest_, length);
            bytes_ += tokens[id];
            offsets_.push_back(bytes_.size());
        }
    }

    void insert(std::int32_t id) {
        // The hash has no secret, so with a crafted vocabulary every search could walk the whole
        // table. Real vocabularies, at this load, stay far below the limit.
        constexpr std::size_t longest_walk = 512;
        const std::string_view text = token(id);
        running_hash hash;
        hash.add(text);
        const std::uint64_t value = hash.value();
        std::size_t at = value >> shift_;
        for (std::size_t walked = 0; walked < longest_walk; ++walked, ++at) {
            slot& each = slots_[at & (slots_.size() - 1)];
            if (each.id == none) {
                each = {static_cast<std::uint32_t>(value), id};
                return;
            }
            if (token(each.id) == text)
                throw errors::bad_vocabulary("the token " + errors::quoted(text) +
                                             " has two ids, " + std::to_string(each.id) + " and " +
                                             std::to_string(id));
        }
        throw errors::bad_vocabulary("the tokens collide as no real vocabulary's do, near id " +
                                     std::to_string(id));
    }

    std::string bytes_;                // all tokens, one after the other
    std::vector<std::size_t> offsets_; // size() + 1 positions in bytes_
    std::vector<slot> slots_;          // open addressing, at most half full
    int shift_ = 0;
    std::size_t longest_ = 0;
};

} // namespace text
MICE_NAMESPACE_END
