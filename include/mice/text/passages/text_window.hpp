// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// The part of a text in memory; places count from the beginning of the text.
class text_window {
  public:
    void add(std::string_view bytes) { bytes_ += bytes; }

    [[nodiscard]] std::uint64_t end() const noexcept { return begin_ + bytes_.size(); }

    /// Bytes [begin, end), which have to be in memory. Valid until the window changes.
    [[nodiscard]] std::string_view view(std::uint64_t begin, std::uint64_t end) const noexcept {
        return std::string_view(bytes_).substr(static_cast<std::size_t>(begin - begin_),
                                               static_cast<std::size_t>(end - begin));
    }

    /// Forgets what lies before `begin`, now or later: bytes are moved seldom.
    void forget(std::uint64_t begin) {
        constexpr std::size_t least = std::size_t{1} << 18;
        const auto count = static_cast<std::size_t>(begin - begin_);
        if (count < least || count < bytes_.size() / 2)
            return;
        bytes_.erase(0, count);
        begin_ = begin;
    }

    /// Where the first line end is in [from, to); `to` if there is none.
    [[nodiscard]] std::uint64_t line_end(std::uint64_t from, std::uint64_t to) const noexcept {
        const std::string_view part = view(from, to);
        const auto find = [](std::string_view in, char c) {
            const void* const found = in.empty() ? nullptr : std::memchr(in.data(), c, in.size());
            return found == nullptr
                       ? in.size()
                       : static_cast<std::size_t>(static_cast<const char*>(found) - in.data());
        };
        // Near pieces first, so that a text with line ends of one kind is not searched to its end
        // for the other at every line.
        constexpr std::size_t step = 256;
        for (std::size_t at = 0; at < part.size(); at += step) {
            const std::string_view near = part.substr(at, step);
            const std::size_t feed = find(near, '\n');
            const std::size_t found = find(near.substr(0, feed), '\r');
            if (found < near.size())
                return from + at + found;
        }
        return to;
    }

  private:
    std::string bytes_;
    std::uint64_t begin_ = 0; // of bytes_ in the text
};

} // namespace text
MICE_NAMESPACE_END
