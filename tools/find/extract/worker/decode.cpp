// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/decode.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <iconv.h>

#include <mice/text/unicode/utf8.hpp>

namespace mice::find {
namespace {

constexpr std::size_t looked_at = std::size_t{64} << 10;

/// Those that the WHATWG's Encoding Standard names, as iconv does.
constexpr std::array encodings{
    "UTF-16LE",     "UTF-16BE",     "UTF-32LE",     "UTF-32BE",     "UTF-16",       "UTF-7",
    "US-ASCII",     "ISO-8859-1",   "ISO-8859-2",   "ISO-8859-3",   "ISO-8859-4",   "ISO-8859-5",
    "ISO-8859-6",   "ISO-8859-7",   "ISO-8859-8",   "ISO-8859-9",   "ISO-8859-10",  "ISO-8859-13",
    "ISO-8859-14",  "ISO-8859-15",  "ISO-8859-16",  "WINDOWS-1250", "WINDOWS-1251", "WINDOWS-1252",
    "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255", "WINDOWS-1256", "WINDOWS-1257", "WINDOWS-1258",
    "CP874",        "IBM866",       "KOI8-R",       "KOI8-U",       "MACINTOSH",    "GBK",
    "GB2312",       "GB18030",      "BIG5",         "BIG5-HKSCS",   "EUC-JP",       "SHIFT_JIS",
    "CP932",        "ISO-2022-JP",  "EUC-KR",       "UHC",          "ISO-2022-KR"};

struct mark {
    std::string_view bytes;
    const char* encoding;
};
using namespace std::string_view_literals;
/// UTF-32 before UTF-16, whose mark begins that of UTF-32.
constexpr std::array marks{mark{"\xEF\xBB\xBF"sv, "UTF-8"}, mark{"\xFF\xFE\0\0"sv, "UTF-32LE"},
                           mark{"\0\0\xFE\xFF"sv, "UTF-32BE"}, mark{"\xFF\xFE"sv, "UTF-16LE"},
                           mark{"\xFE\xFF"sv, "UTF-16BE"}};

mark mark_of(std::string_view bytes) {
    for (const mark& each : marks) {
        if (bytes.starts_with(each.bytes))
            return each;
    }
    return {"", nullptr};
}

/// UTF-16 without a mark: every second byte of mostly Latin text is NUL.
const char* unmarked_utf16(std::string_view bytes) {
    const std::string_view start = bytes.substr(0, 4096);
    if (start.size() < 8 || bytes.size() % 2 != 0)
        return nullptr;
    std::array<std::size_t, 2> zeros{};
    for (std::size_t i = 0; i < start.size(); ++i)
        zeros[i % 2] += start[i] == '\0' ? 1 : 0;
    const std::size_t many = start.size() / 2 * 7 / 10;
    if (zeros[1] >= many && zeros[0] == 0)
        return "UTF-16LE";
    return zeros[0] >= many && zeros[1] == 0 ? "UTF-16BE" : nullptr;
}

/// Converts all that can be; what cannot becomes U+FFFD. Empty where the encoding is not known.
bool convert(std::string_view bytes, const char* encoding, std::string& text) {
    const iconv_t made = iconv_open("UTF-8", encoding);
    if (made == reinterpret_cast<iconv_t>(-1)) // NOLINT(performance-no-int-to-ptr)
        return false;
    std::array<char, 16384> buffer{};
    char* from = const_cast<char*>(bytes.data());
    std::size_t left = bytes.size();
    while (left > 0) {
        char* to = buffer.data();
        std::size_t room = buffer.size();
        const std::size_t result = iconv(made, &from, &left, &to, &room);
        const int why = errno;
        text.append(buffer.data(), to);
        if (result == static_cast<std::size_t>(-1) && why != E2BIG) {
            text += "\xEF\xBF\xBD";
            if (why != EILSEQ || left == 0)
                break; // the last character is cut
            ++from;
            --left;
        }
    }
    iconv_close(made);
    return true;
}

/// Whether most of what is not ASCII is valid UTF-8: a text with some damage.
bool is_mostly_utf8(std::string_view bytes) {
    std::size_t valid = 0, invalid = 0;
    for (std::size_t at = 0; at < bytes.size();) {
        const text::decoded next = text::decode_utf8(bytes, at);
        valid += next.valid && next.bytes > 1 ? 1 : 0;
        invalid += next.valid ? 0 : 1;
        at += next.bytes;
    }
    return valid > 4 * invalid;
}

/// The labels of the web that iconv calls otherwise, or means otherwise.
std::string iconv_name(std::string_view named) {
    std::string name;
    for (const char c : named.substr(0, 40)) {
        const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '-' || c == '_' || c == ':';
        if (allowed)
            name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    for (const auto& [label, meant] : {std::pair{"ISO-8859-1", "WINDOWS-1252"},
                                       {"LATIN1", "WINDOWS-1252"},
                                       {"US-ASCII", "WINDOWS-1252"},
                                       {"ASCII", "WINDOWS-1252"},
                                       {"ISO-8859-9", "WINDOWS-1254"},
                                       {"GB2312", "GB18030"},
                                       {"GBK", "GB18030"},
                                       {"X-SJIS", "CP932"},
                                       {"SHIFT_JIS", "CP932"},
                                       {"SHIFT-JIS", "CP932"},
                                       {"EUC-KR", "UHC"},
                                       {"KS_C_5601-1987", "UHC"},
                                       {"UTF8", "UTF-8"}}) {
        if (name == label)
            return meant;
    }
    return name;
}

} // namespace

bool looks_like_text(std::string_view bytes) {
    if (mark_of(bytes).encoding != nullptr || unmarked_utf16(bytes) != nullptr)
        return true;
    const std::string_view start = bytes.substr(0, looked_at);
    std::size_t odd = 0;
    for (const char c : start) {
        const auto byte = static_cast<unsigned char>(c);
        // Not ESC and BS: terminal recordings and manual pages have them.
        odd += byte < 0x20 && !(byte >= 8 && byte <= 13) && byte != 0x1B ? 1 : 0;
    }
    // A NUL or two are damage, or a separator.
    return odd <= start.size() / 100 + (start.size() > 64 ? 1 : 0);
}

std::string to_utf8(std::string_view bytes, std::string_view named, results& out) {
    if (!looks_like_text(bytes))
        throw extract_error(extract_reason::not_text, "it is not text");
    const mark found = mark_of(bytes);
    bytes.remove_prefix(found.bytes.size());
    std::string encoding = found.encoding == nullptr ? std::string() : found.encoding;
    if (encoding.empty()) {
        const char* const guessed = unmarked_utf16(bytes);
        encoding = guessed != nullptr ? guessed : iconv_name(named);
    }
    std::string text;
    if (!encoding.empty() && encoding != "UTF-8") {
        if (convert(bytes, encoding.c_str(), text))
            return text;
        out.note("the encoding " + encoding + " is not known");
    }
    if (text::first_invalid_utf8(bytes) == std::string_view::npos)
        return std::string(bytes);
    if (encoding == "UTF-8" || is_mostly_utf8(bytes)) {
        text::repaired_text repaired = text::repair_utf8(bytes);
        out.note(std::to_string(repaired.replaced) + " places are not UTF-8");
        return std::move(repaired.text);
    }
    convert(bytes, "WINDOWS-1252", text);
    out.note("read as Windows-1252, as it is not UTF-8");
    return text;
}

void load_encodings() {
    for (const char* const name : encodings) {
        // Stay open: the C library forgets converters that nobody uses.
        static_cast<void>(iconv_open("UTF-8", name));
        static_cast<void>(iconv_open(name, "UTF-8"));
    }
}

} // namespace mice::find
