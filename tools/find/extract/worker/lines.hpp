// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace mice::find {

/// Walks over the lines of a text in memory. They end at "\n", "\r\n" or "\r", as clean() has it.
class line_walker {
  public:
    explicit line_walker(std::string_view text) : text_(text) {}

    /// Steps to the next line; false at the end.
    bool next() {
        at_ = next_;
        if (at_ == text_.size())
            return false;
        ++number_;
        const std::size_t found = text_.find_first_of("\r\n", at_);
        end_ = found == std::string_view::npos ? text_.size() : found;
        next_ = std::min(text_.size(), end_ + 1);
        if (end_ + 1 < text_.size() && text_[end_] == '\r' && text_[end_ + 1] == '\n')
            ++next_;
        return true;
    }
    /// The line without its end.
    [[nodiscard]] std::string_view line() const { return text_.substr(at_, end_ - at_); }
    [[nodiscard]] bool blank() const {
        return line().find_first_not_of(" \t") == std::string_view::npos;
    }
    /// Where the line begins, and where the next one does.
    [[nodiscard]] std::size_t begin() const { return at_; }
    [[nodiscard]] std::size_t behind() const { return next_; }
    /// From 1.
    [[nodiscard]] std::uint64_t number() const { return number_; }

  private:
    std::string_view text_;
    std::size_t at_ = 0, end_ = 0, next_ = 0;
    std::uint64_t number_ = 0;
};

} // namespace mice::find
