// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "../support/random_model.hpp"

#include <mice/io/tensor.hpp>

namespace fuzz {

using fixtures::random_numbers;
using byte_string = std::vector<std::byte>;

inline byte_string bytes_of(std::string_view text) {
    return fixtures::bytes_of(text);
}

inline std::string_view text_of(const byte_string& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Places where a change is worth the most.
struct region {
    std::size_t first, last;
};

/// Pieces of JSON headers, configurations and tokenizers, right and wrong.
inline constexpr std::array<std::string_view, 44> fragments{"0",
                                                            "1",
                                                            "-1",
                                                            "2",
                                                            "4096",
                                                            "65536",
                                                            "16777217",
                                                            "1e308",
                                                            "0.5",
                                                            "18446744073709551615",
                                                            "9223372036854775808",
                                                            "4294967296",
                                                            "null",
                                                            "true",
                                                            "false",
                                                            "[]",
                                                            "{}",
                                                            "\"\"",
                                                            "[[",
                                                            "}}",
                                                            ",",
                                                            ":",
                                                            "\"",
                                                            "\\",
                                                            "\\u0000",
                                                            "\\ud800",
                                                            "F32",
                                                            "I8",
                                                            "BF16",
                                                            "F64",
                                                            "bert",
                                                            "electra",
                                                            "modernbert",
                                                            "mean",
                                                            "full",
                                                            "mean_skip_last",
                                                            "wordpiece",
                                                            "__metadata__",
                                                            "shape",
                                                            "dtype",
                                                            "data_offsets",
                                                            ".scale",
                                                            "[SEP]",
                                                            "##"};

/// Seeded changes to a file: bits, bytes, numbers, pieces moved, doubled, cut or put in.
class mutator {
  public:
    explicit mutator(std::uint64_t seed) : random_(seed) {}

    /// A copy with 1 to `most` changes; most of them fall into `hot`.
    byte_string change(const byte_string& original, region hot, std::size_t most = 4) {
        byte_string bytes = original;
        for (std::size_t left = 1 + random_.below(most); left > 0; --left) {
            change_once(bytes, hot);
        }
        return bytes;
    }

    /// A copy with so many bytes of `hot` changed in one bit each: of the same length.
    byte_string flip(const byte_string& original, region hot, std::size_t count) {
        byte_string bytes = original;
        for (; count > 0; --count) {
            bytes[place(bytes, hot)] ^= static_cast<std::byte>(1U << random_.below(8));
        }
        return bytes;
    }

    random_numbers& random() { return random_; }

  private:
    std::size_t place(const byte_string& bytes, region hot) {
        hot.last = std::min(hot.last, bytes.size());
        if (hot.first >= hot.last || random_.below(8) == 0) {
            hot = {0, bytes.size()};
        }
        return hot.first + random_.below(hot.last - hot.first);
    }

    void change_once(byte_string& bytes, region hot) {
        if (bytes.empty()) {
            bytes.push_back(static_cast<std::byte>(random_.below(256)));
            return;
        }
        const std::size_t at = place(bytes, hot);
        const auto here = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        const std::size_t length = std::min(bytes.size() - at, 1 + random_.below(24));
        const auto there = here + static_cast<std::ptrdiff_t>(length);
        switch (random_.below(9)) {
        case 0:
            *here ^= static_cast<std::byte>(1U << random_.below(8));
            break;
        case 1:
            *here = static_cast<std::byte>(random_.below(256));
            break;
        case 2:
            overwrite_number(bytes, at);
            break;
        case 3:
            bytes.erase(here, there);
            break;
        case 4: {
            const byte_string piece(here, there);
            bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(place(bytes, hot)),
                         piece.begin(), piece.end());
            break;
        }
        case 5:
            bytes.resize(at);
            break;
        case 6: {
            const std::string_view piece = fragments[random_.below(fragments.size())];
            const byte_string put = bytes_of(piece);
            bytes.insert(here, put.begin(), put.end());
            break;
        }
        case 7:
            replace_word(bytes, at);
            break;
        default: // one digit or letter for another keeps JSON valid
            *here = static_cast<std::byte>("0123456789abcdefIFU"[random_.below(19)]);
        }
    }

    void overwrite_number(byte_string& bytes, std::size_t at) {
        static constexpr std::array<std::uint64_t, 8> numbers{
            0, 1, 0x7fffffffU, 0x80000000U, 0x7f800000U, 0xffffffffffffffffU, 0x7fc0000000000000U,
            8};
        const std::uint64_t number = numbers[random_.below(numbers.size())];
        const std::size_t size = std::size_t{1} << random_.below(4);
        std::memcpy(bytes.data() + at, &number, std::min(size, bytes.size() - at));
    }

    /// Replaces the word or number around `at` by a fragment.
    void replace_word(byte_string& bytes, std::size_t at) {
        const auto inside = [&](std::size_t i) {
            const char c = static_cast<char>(bytes[i]);
            return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                   c == '_';
        };
        std::size_t first = at;
        std::size_t last = at;
        while (first > 0 && at - first < 64 && inside(first - 1)) {
            --first;
        }
        while (last < bytes.size() && last - at < 64 && inside(last)) {
            ++last;
        }
        bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(first),
                    bytes.begin() + static_cast<std::ptrdiff_t>(last));
        const byte_string put = bytes_of(fragments[random_.below(fragments.size())]);
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(first), put.begin(), put.end());
    }

    random_numbers random_;
};

/// Length of the JSON header of a safetensors file that has not been changed.
inline std::size_t header_length(const byte_string& file) {
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof length);
    return static_cast<std::size_t>(length);
}

/// Changes a safetensors file. Every other time it corrects the header's length, so that the change
/// gets past the first check.
inline byte_string change_safetensors(mutator& mutate, const byte_string& original) {
    const std::size_t length = header_length(original);
    if (mutate.random().below(2) == 0) {
        return mutate.change(original, {0, 8 + length});
    }
    const byte_string header(original.begin() + 8,
                             original.begin() + 8 + static_cast<std::ptrdiff_t>(length));
    const byte_string changed = mutate.change(header, {0, length});
    const std::uint64_t new_length = changed.size();
    byte_string file = fixtures::bytes_of(&new_length, sizeof new_length);
    file.insert(file.end(), changed.begin(), changed.end());
    file.insert(file.end(), original.begin() + 8 + static_cast<std::ptrdiff_t>(length),
                original.end());
    return file;
}

/// Swaps rows of so many bytes: a list in another order is often still valid.
inline byte_string swap_rows(mutator& mutate, const byte_string& original, std::size_t row) {
    byte_string bytes = original;
    const std::size_t rows = bytes.size() / row;
    const auto begin_of = [&](std::size_t i) {
        return bytes.begin() + static_cast<std::ptrdiff_t>(i * row);
    };
    for (std::size_t left = 1 + mutate.random().below(4); left > 0; --left) {
        const std::size_t one = mutate.random().below(rows), other = mutate.random().below(rows);
        if (one != other) {
            std::swap_ranges(begin_of(one), begin_of(one + 1), begin_of(other));
        }
    }
    return bytes;
}

/// How often inputs were accepted and refused.
struct tally {
    std::size_t accepted = 0;
    std::size_t refused = 0;

    /// Runs `call`; mice::error is a refusal, any other exception reaches the test runner.
    template <class Call> void run(Call&& call) {
        try {
            call();
            ++accepted;
        } catch (const mice::error& e) {
            if (std::string_view(e.what()).empty() || std::string_view(e.what()).size() > 2000) {
                throw std::runtime_error("an error without a usable text");
            }
            ++refused;
        }
    }
};

} // namespace fuzz
