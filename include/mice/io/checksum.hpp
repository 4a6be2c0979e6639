// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
// GCC 12 warns of the deliberately undefined registers inside its own AVX-512 intrinsics.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <xxhash.h> // the only include of xxHash
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <mice/config.hpp>
#include <mice/io/text_bytes.hpp>

MICE_NAMESPACE_BEGIN
namespace io {

/// XXH3-64 of the bytes. Finds damage, not forgery. Thread-safe.
[[nodiscard]] inline std::uint64_t checksum64(std::span<const std::byte> bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

/// A hash of 128 bits.
struct hash128 {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    friend bool operator==(const hash128&, const hash128&) = default;
};

/// A number as 16 hexadecimal digits, the highest first.
[[nodiscard]] inline std::string hex_digits(std::uint64_t value) {
    std::string text(16, '0');
    for (std::size_t i = 0; i < text.size(); ++i) {
        text[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15U];
    }
    return text;
}

/// A hash as 32 hexadecimal digits, xxHash's canonical form.
[[nodiscard]] inline std::string hex_digits(hash128 value) {
    return hex_digits(value.high) + hex_digits(value.low);
}

/// XXH3-128 over any number of pieces. For one thread.
class hasher128 {
  public:
    hasher128() : state_(XXH3_createState()) {
        if (state_ == nullptr) {
            throw std::bad_alloc();
        }
        XXH3_128bits_reset(state_.get());
    }

    /// The next bytes.
    void add(std::span<const std::byte> bytes) {
        XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
    }
    /// A text with its length before it, so that no two lists of texts hash the same bytes.
    void add_item(std::span<const std::byte> bytes) {
        const std::uint64_t size = bytes.size();
        add({reinterpret_cast<const std::byte*>(&size), sizeof size});
        add(bytes);
    }
    /// As add_item. A name of its own, as the compiler has a long way to choose between the two
    /// for a std::string.
    void add_text(std::string_view text) { add_item(text_bytes(text)); }

    /// The hash of everything so far.
    [[nodiscard]] hash128 digest() const {
        const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
        return {hash.low64, hash.high64};
    }

  private:
    struct free_state {
        void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
    };
    std::unique_ptr<XXH3_state_t, free_state> state_;
};

/// XXH3-128 of the bytes. Thread-safe.
[[nodiscard]] inline hash128 checksum128(std::span<const std::byte> bytes) {
    const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
    return {hash.low64, hash.high64};
}

} // namespace io
MICE_NAMESPACE_END
