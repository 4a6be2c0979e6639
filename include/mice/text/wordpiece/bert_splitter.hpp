// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <mice/text/unicode/unicode.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// Hugging Face's BertPreTokenizer, one code point at a time: words end at white space, punctuation
/// is a word of its own. Calls `sink(std::string_view word, std::size_t chars)` for each word; of a
/// word with more than max_chars code points only the first max_chars + 1 are kept and counted, so
/// a word of any length takes bounded memory.
template <typename Sink> class bert_splitter {
  public:
    bert_splitter(std::size_t max_chars, Sink sink)
        : max_chars_(max_chars), sink_(std::move(sink)) {}

    /// The next code point of the normalized text.
    void add(char32_t code) {
        const std::uint8_t flags = bert_flags(code);
        if (has(flags, bert_flag::white_space)) {
            end();
        } else if (has(flags, bert_flag::punctuation)) {
            end();
            append(code);
            end();
        } else {
            append(code);
        }
    }

    /// Ends the word, if there is one.
    void end() {
        if (chars_ == 0)
            return;
        sink_(std::string_view(word_), chars_);
        word_.clear();
        chars_ = 0;
    }

  private:
    void append(char32_t code) {
        if (chars_ > max_chars_)
            return;
        ++chars_;
        if (code < 0x80)
            word_ += static_cast<char>(code);
        else
            append_utf8(word_, code);
    }

    std::size_t max_chars_;
    Sink sink_;
    std::string word_;
    std::size_t chars_ = 0;
};

/// The same of a whole normalized text: calls `sink(std::size_t start, std::size_t stop,
/// std::size_t chars)` for each word, of any length.
template <typename Sink> void split_bert(std::string_view text, Sink&& sink) {
    std::size_t start = 0, chars = 0;
    const auto end = [&](std::size_t stop) {
        if (chars > 0)
            sink(start, stop, chars);
        chars = 0;
    };
    for (std::size_t at = 0; at < text.size();) {
        const decoded next = decode_utf8(text, at);
        const std::size_t behind = at + next.bytes;
        const std::uint8_t flags = bert_flags(next.code);
        const bool alone = has(flags, bert_flag::punctuation);
        if (has(flags, bert_flag::white_space)) {
            end(at);
        } else {
            if (alone)
                end(at);
            start = chars == 0 ? at : start;
            ++chars;
            if (alone)
                end(behind);
        }
        at = behind;
    }
    end(text.size());
}

} // namespace text
MICE_NAMESPACE_END
