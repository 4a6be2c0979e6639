// SPDX-License-Identifier: Apache-2.0
#include "common/encodings.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <mice/text/unicode/utf8.hpp>

namespace mice::tools {
namespace {

using namespace std::string_view_literals;

enum class byte_order { little, big };

std::string conversion(std::string_view encoding, std::string_view iconv_name) {
    return std::string(encoding) + ", not UTF-8; convert it first, such as with 'iconv -f " +
           std::string(iconv_name) + " -t UTF-8'";
}

std::string wide_name(std::size_t width, byte_order order) {
    const std::string bits = width == 2 ? "UTF-16" : "UTF-32";
    return order == byte_order::little ? conversion(bits + " (little-endian)", bits + "LE")
                                       : conversion(bits + " (big-endian)", bits + "BE");
}

struct signature {
    std::string_view bytes, name, program;
};

/// The first bytes of compressed files that people forget to unpack, and marks of rarer encodings.
std::string known_start(std::string_view start) {
    static constexpr std::array<signature, 6> packed{
        {{"\x1F\x8B"sv, "gzip", "gzip -dc"},
         {"\x28\xB5\x2F\xFD"sv, "zstd", "zstd -dc"},
         {"\xFD"
          "7zXZ\0"sv,
          "xz", "xz -dc"},
         {"BZh"sv, "bzip2", "bzip2 -dc"},
         {"PK\x03\x04"sv, "zip", "unzip -p"},
         {"7z\xBC\xAF\x27\x1C"sv, "7-Zip", "7z x -so"}}};
    for (const signature& each : packed) {
        const bool text_may_start_so = each.name == "bzip2"sv;
        if (start.starts_with(each.bytes) &&
            (!text_may_start_so || start.substr(4).starts_with("1AY&SY"sv))) {
            return "compressed with " + std::string(each.name) +
                   "; unpack it first, such as with '" + std::string(each.program) + "'";
        }
    }
    static constexpr std::array<signature, 6> marks{{{"\xFF\xFE\0\0"sv, "", ""},
                                                     {"\0\0\xFE\xFF"sv, "", ""},
                                                     {"\xFF\xFE"sv, "", ""},
                                                     {"\xFE\xFF"sv, "", ""},
                                                     {"\x84\x31\x95\x33"sv, "GB18030", "GB18030"},
                                                     {"\x0E\xFE\xFF"sv, "SCSU", "SCSU"}}};
    for (std::size_t i = 0; i < marks.size(); ++i) {
        if (start.starts_with(marks[i].bytes)) {
            return i < 4
                       ? wide_name(i < 2 ? 4 : 2, i % 2 == 0 ? byte_order::little : byte_order::big)
                       : conversion(marks[i].name, marks[i].program);
        }
    }
    return {};
}

std::uint32_t unit_at(std::string_view bytes, std::size_t place, std::size_t width,
                      byte_order order) {
    std::uint32_t unit = 0;
    for (std::size_t i = 0; i < width; ++i) {
        const std::size_t from = order == byte_order::big ? i : width - 1 - i;
        unit = unit << 8 | static_cast<unsigned char>(bytes[place + from]);
    }
    return unit;
}

bool is_text_code(std::uint32_t code) {
    return (code >= 0x20 && code != 0x7F && code <= 0x10FFFF && (code & 0xFFFE) != 0xFFFE &&
            (code < 0xD800 || code > 0xDFFF) && (code < 0x80 || code >= 0xA0)) ||
           (code >= '\t' && code <= '\r');
}

/// If all whole units are characters of a text: how many of them are below U+0100. Every text has
/// such ones, spaces and line ends.
std::optional<std::size_t> reads_as(std::string_view bytes, std::size_t width, byte_order order) {
    const std::size_t units = bytes.size() / width;
    std::size_t low = 0;
    for (std::size_t i = 0; i < units; ++i) {
        std::uint32_t code = unit_at(bytes, i * width, width, order);
        if (width == 2 && code >= 0xD800 && code <= 0xDBFF) {
            if (++i == units) {
                break; // the other half of the pair is behind the sample
            }
            const std::uint32_t second = unit_at(bytes, i * width, width, order);
            code = second >= 0xDC00 && second <= 0xDFFF
                       ? 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00)
                       : 0xFFFF;
        }
        if (!is_text_code(code)) {
            return std::nullopt;
        }
        low += code < 0x100 ? 1 : 0;
    }
    return units > 0 ? std::optional(low) : std::nullopt;
}

/// The name of the encoding with units of this width in which the bytes are text. Bytes in the
/// wrong order are often characters, too, but from scripts all over Unicode.
std::string wide_text(std::string_view bytes, std::size_t width) {
    const auto little = reads_as(bytes, width, byte_order::little);
    const auto big = reads_as(bytes, width, byte_order::big);
    if (!little && !big) {
        return {};
    }
    return wide_name(width,
                     !big || (little && *little >= *big) ? byte_order::little : byte_order::big);
}

struct byte_counts {
    std::size_t nuls = 0;
    std::size_t invalid = 0;  ///< sequences that are not UTF-8
    std::size_t controls = 0; ///< other than white space
};

byte_counts count(std::string_view sample) {
    byte_counts counts;
    for (std::size_t at = 0; at < sample.size();) {
        const text::decoded next = text::decode_utf8(sample, at);
        const bool cut_off = !next.valid && at + 4 > sample.size();
        counts.invalid += next.valid || cut_off ? 0 : 1;
        counts.nuls += next.valid && next.code == 0 ? 1 : 0;
        counts.controls += next.valid && next.code != 0 && !is_text_code(next.code) ? 1 : 0;
        at += next.bytes;
    }
    return counts;
}

} // namespace

std::string foreign_encoding(std::string_view start) {
    if (std::string known = known_start(start); !known.empty()) {
        return known;
    }
    const std::string_view sample = start.substr(0, recognised_bytes);
    const byte_counts counts = count(sample);
    if (counts.nuls == 0) {
        return {};
    }
    if (std::string found = wide_text(sample, 4); !found.empty()) {
        return found;
    }
    // A text in UTF-8 may hold a NUL. In UTF-16 every ASCII letter has one, and the bytes of other
    // scripts are invalid UTF-8 or control characters.
    const bool mostly_ascii = counts.nuls * 5 >= sample.size() * 2;
    const bool other_scripts = (counts.invalid + counts.controls) * 10 >= sample.size();
    if (mostly_ascii || other_scripts) {
        if (std::string found = wide_text(sample, 2); !found.empty()) {
            return found;
        }
    }
    if (counts.nuls == sample.size() && sample.size() == recognised_bytes) {
        return "no text: it begins with " + std::to_string(sample.size()) + " NUL bytes";
    }
    if (counts.invalid * 10 >= sample.size()) {
        return "no text: it holds NUL bytes and much that is not UTF-8";
    }
    return {};
}

} // namespace mice::tools
