// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <clocale>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/json_events.hpp>
#include <mice/io/rapidjson.hpp>
#include <mice/system/float_mode.hpp>

MICE_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// Memory of the parser, which does not look whether it got any.
struct parser_memory {
    // NOLINTBEGIN(readability-identifier-naming)
    static constexpr bool kNeedFree = true;

    void* Malloc(std::size_t size) { return Realloc(nullptr, 0, size); }
    void* Realloc(void* old, std::size_t /*old_size*/, std::size_t size) {
        if (size == 0) {
            std::free(old);
            return nullptr;
        }
        void* const made = std::realloc(old, size);
        if (made == nullptr) {
            throw std::bad_alloc();
        }
        return made;
    }
    static void Free(void* memory) { std::free(memory); }
    // NOLINTEND(readability-identifier-naming)
};

/// A number with a point or an exponent, as JSON writes it. strtod reads the decimal point of the
/// host's locale.
inline double real_of(std::string text) {
    if (const std::size_t point = text.find('.'); point != std::string::npos) {
        text.replace(point, 1, std::localeconv()->decimal_point);
    }
    return std::strtod(text.c_str(), nullptr);
}

/// Stands between parser and events: limits, keys that come twice, and what the parser lets pass.
/// The functions are named and called by RapidJSON; they throw where something is wrong.
class json_checker {
  public:
    json_checker(std::string_view what, const json_limits& limits, json_events& events)
        : what_(what), limits_(limits), events_(events) {}

    // NOLINTBEGIN(readability-identifier-naming)
    bool Null() { return count(), events_.null(), true; }
    bool Bool(bool value) { return count(), events_.boolean(value), true; }
    // Numbers come as text: the parser's own ones overflow where an exponent is absurd.
    bool Int(int /*value*/) { return false; }
    bool Uint(unsigned /*value*/) { return false; }
    bool Int64(std::int64_t /*value*/) { return false; }
    bool Uint64(std::uint64_t /*value*/) { return false; }
    bool Double(double /*value*/) { return false; }
    bool RawNumber(const char* data, std::size_t size, bool /*copy*/) {
        count();
        const char* const end = data + size;
        if (std::string_view(data, size).find_first_of(".eE") == std::string_view::npos) {
            std::uint64_t natural = 0;
            if (std::from_chars(data, end, natural).ec == std::errc{}) {
                return events_.unsigned_integer(natural), true;
            }
            std::int64_t whole = 0;
            if (*data == '-' && std::from_chars(data, end, whole).ec == std::errc{}) {
                return events_.integer(whole), true;
            }
        }
        const double value = real_of(std::string(data, size));
        constexpr double largest = std::numeric_limits<double>::max();
        if (!(value >= -largest && value <= largest)) {
            return false;
        }
        return events_.real(value), true;
    }
    bool String(const char* data, std::size_t size, bool /*copy*/) {
        count();
        return is_text({data, size}) && (events_.string({data, size}), true);
    }
    bool StartObject() { return open(), events_.begin_object(), true; }
    bool Key(const char* data, std::size_t size, bool /*copy*/) {
        if (!is_text({data, size})) {
            return false;
        }
        const std::string key(data, size);
        if (const auto [place, fresh] = keys_.back().insert(key); !fresh) {
            throw errors::bad_json(what_, "the key " + errors::quoted(*place) +
                                              " appears twice in one object");
        }
        return events_.key({data, size}), true;
    }
    bool EndObject(std::size_t /*members*/) { return keys_.pop_back(), events_.end_object(), true; }
    bool StartArray() { return open(), events_.begin_array(), true; }
    bool EndArray(std::size_t /*items*/) { return keys_.pop_back(), events_.end_array(), true; }
    // NOLINTEND(readability-identifier-naming)

  private:
    void count() {
        if (++values_ > limits_.max_values) {
            throw errors::bad_json(what_,
                                   "more than " + std::to_string(limits_.max_values) + " values");
        }
    }
    void open() {
        if (keys_.size() >= limits_.max_depth) {
            throw errors::bad_json(what_, "nested deeper than " +
                                              std::to_string(limits_.max_depth) + " levels");
        }
        count();
        keys_.emplace_back();
    }
    /// RapidJSON 1.1 makes invalid UTF-8 of the second half of a pair, "\udc00", without the first.
    static bool is_text(std::string_view text) {
        for (std::size_t at = 0; (at = text.find('\xED', at)) != std::string_view::npos; ++at) {
            if (static_cast<unsigned char>(text[at + 1]) >= 0xA0) {
                return false;
            }
        }
        return true;
    }

    std::string_view what_;
    const json_limits& limits_;
    json_events& events_;
    std::vector<std::set<std::string, std::less<>>> keys_; // of every open object; arrays have none
    std::size_t values_ = 0;
};

inline const char* reason_of(RAPIDJSON_NAMESPACE::ParseErrorCode code) {
    namespace parser = RAPIDJSON_NAMESPACE;
    switch (code) {
    case parser::kParseErrorDocumentEmpty:
        return "there is no value";
    case parser::kParseErrorDocumentRootNotSingular:
        return "something stands behind the value";
    case parser::kParseErrorObjectMissName:
        return "a key is expected";
    case parser::kParseErrorObjectMissColon:
        return "':' is expected";
    case parser::kParseErrorObjectMissCommaOrCurlyBracket:
        return "',' or '}' is expected";
    case parser::kParseErrorArrayMissCommaOrSquareBracket:
        return "',' or ']' is expected";
    case parser::kParseErrorStringMissQuotationMark:
        return "a string has no end";
    case parser::kParseErrorStringInvalidEncoding:
        return "a string is not valid UTF-8";
    case parser::kParseErrorNumberTooBig:
        return "a number is too large";
    case parser::kParseErrorNumberMissFraction:
    case parser::kParseErrorNumberMissExponent:
        return "a digit is expected";
    case parser::kParseErrorStringUnicodeEscapeInvalidHex:
    case parser::kParseErrorStringUnicodeSurrogateInvalid:
    case parser::kParseErrorStringEscapeInvalid:
        return "a string has a control character or a wrong escape";
    case parser::kParseErrorTermination: // json_checker's word
        return "a number is too large, or a string has half a pair of surrogates";
    default:
        return "a value is expected";
    }
}

} // namespace detail

MICE_INLINE void read_json(std::string_view text, std::string_view what, const json_limits& limits,
                           json_events& events) {
    constexpr std::size_t largest = std::numeric_limits<std::int32_t>::max(); // the parser's sizes
    if (const std::size_t most = std::min(limits.max_bytes, largest); text.size() > most) {
        throw errors::bad_json(what, std::to_string(text.size()) + " bytes, at most " +
                                         std::to_string(most) + " are read");
    }
    // The parser takes a NUL byte for the end and would not read what stands behind it.
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
        throw errors::bad_json(what, "at byte " + std::to_string(nul) + ": a NUL byte");
    }
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    const std::size_t start = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
    namespace parser = RAPIDJSON_NAMESPACE;
    parser::MemoryStream stream(text.data() + start, text.size() - start);
    detail::json_checker checker(what, limits, events);
    detail::parser_memory memory;
    parser::GenericReader<parser::UTF8<>, parser::UTF8<>, detail::parser_memory> reader(&memory);
    constexpr unsigned flags = parser::kParseIterativeFlag | parser::kParseValidateEncodingFlag |
                               parser::kParseNumbersAsStringsFlag;
    const parser::ParseResult result = mice::detail::in_default_float_mode(
        [&] { return reader.Parse<flags>(stream, checker); }); // of the numbers with a point
    if (result.IsError()) {
        throw errors::bad_json(what, "at byte " + std::to_string(start + result.Offset()) + ": " +
                                         detail::reason_of(result.Code()));
    }
}

} // namespace io
MICE_NAMESPACE_END
