// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <mice/error.hpp>
#include <mice/kernels/buffer.hpp>

// How rows of floats become bytes. docs/format.md describes every codec's bytes.
MICE_NAMESPACE_BEGIN
namespace store {

class head_codec;

/// Turns rows of `width` floats into bytes and back. Immutable, safe from many threads. The codes
/// of a document are one piece of memory at any alignment.
class row_codec {
  public:
    row_codec(std::string name, std::size_t width) : name_(std::move(name)), width_(width) {}
    row_codec(const row_codec&) = delete;
    row_codec& operator=(const row_codec&) = delete;
    virtual ~row_codec() = default;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::size_t width() const noexcept { return width_; }
    /// The bytes of a row in a document's codes.
    [[nodiscard]] virtual std::size_t row_bytes() const noexcept = 0;
    /// rows [count, width], finite, to out [count * row_bytes()]. `ids` [count] are the tokens of
    /// states, null for keys and values. Throws errc::unsupported for values that the codec cannot
    /// hold.
    virtual void encode(const float* rows, const std::int32_t* ids, std::size_t count,
                        std::byte* out) const = 0;
    /// The codes of `count` rows to out [count, width]. `scratch` is free to use. Throws
    /// errc::format for codes that do not stand for finite numbers.
    virtual void decode(const std::byte* codes, std::size_t count, float* out,
                        kernels::buffer& scratch) const = 0;
    /// This, where attention multiplies the codes as they are; else null.
    [[nodiscard]] virtual const head_codec* as_head_codec() const noexcept { return nullptr; }

  private:
    std::string name_;
    std::size_t width_;
};

} // namespace store
MICE_NAMESPACE_END
