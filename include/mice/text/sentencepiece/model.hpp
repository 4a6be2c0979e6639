// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads a sentencepiece model file (a protobuf message) without the sentencepiece library, checks
// all that the library would trust, and writes a clean model for it.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/text/sentencepiece/charsmap.hpp>
#include <mice/text/token_table.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// What a piece of a sentencepiece model is; the numbers are the file's.
enum class piece_kind : std::uint8_t {
    normal = 1,       ///< made of texts
    unknown = 2,      ///< stands for characters that no piece has
    control = 3,      ///< structure: never comes from a text
    user_defined = 4, ///< cut out of a text before anything else
    unused = 5,       ///< known, but never comes from a text
    byte = 6          ///< one byte of a character that no piece has
};

/// A sentencepiece model, as far as it shapes ids. Views into the file's bytes.
struct sentencepiece_model {
    struct piece {
        std::string_view text;
        float score = 0;
        piece_kind kind = piece_kind::normal;
    };
    std::vector<piece> pieces; ///< in the order of the library's ids
    bool bpe = false;          ///< else unigram
    bool byte_fallback = false;
    bool whitespace_suffix = false;
    std::string_view charsmap; ///< normalization rules; see charsmap.hpp
    bool add_dummy_prefix = true;
    bool remove_extra_whitespaces = true;
    bool escape_whitespaces = true;
};

namespace detail {

inline constexpr std::size_t max_sentencepiece_bytes = std::size_t{64} << 20;
inline constexpr std::size_t max_piece_bytes = 256;
/// The most user-defined pieces that are prefixes of one another: the library has room for so many.
inline constexpr std::size_t max_nested_pieces = 64;

/// Walks over the fields of one protobuf message.
class wire_reader {
  public:
    struct field {
        std::uint64_t number = 0;
        unsigned wire = 0;       ///< 0 number, 1 eight bytes, 2 bytes, 5 four bytes
        std::uint64_t value = 0; ///< of wire 0
        std::string_view bytes;  ///< of the others
    };

    explicit wire_reader(std::string_view message) : rest_(message) {}

    /// The next field; false at the end. Throws errc::tokenizer where the bytes are no message.
    [[nodiscard]] bool next(field& out) {
        if (rest_.empty())
            return false;
        const std::uint64_t key = varint();
        out = {key >> 3, static_cast<unsigned>(key & 7), 0, {}};
        if (out.number == 0 || out.number >= 1U << 29)
            throw damaged();
        switch (out.wire) {
        case 0:
            out.value = varint();
            break;
        case 1:
            out.bytes = take(8);
            break;
        case 2:
            out.bytes = take(varint());
            break;
        case 5:
            out.bytes = take(4);
            break;
        default:
            throw damaged();
        }
        return true;
    }

    [[nodiscard]] static error damaged() {
        return errors::bad_sentencepiece("it is damaged, or it is no sentencepiece model");
    }

  private:
    [[nodiscard]] std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take(1).front());
            value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80)
                return value;
        }
        throw damaged();
    }
    [[nodiscard]] std::string_view take(std::uint64_t count) {
        if (count > rest_.size())
            throw damaged();
        const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(count));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::string_view rest_;
};

/// A field's value, which must have that wire type.
[[nodiscard]] inline std::string_view bytes_of(const wire_reader::field& field, unsigned wire) {
    if (field.wire != wire)
        throw wire_reader::damaged();
    return field.bytes;
}
[[nodiscard]] inline std::uint64_t number_of(const wire_reader::field& field) {
    if (field.wire != 0)
        throw wire_reader::damaged();
    return field.value;
}
[[nodiscard]] inline bool flag_of(const wire_reader::field& field) {
    return number_of(field) != 0;
}

[[nodiscard]] inline error unknown_field(const wire_reader::field& field, std::string_view where) {
    return errors::not_supported("field " + std::to_string(field.number) + " in " +
                                 std::string(where) + " of a sentencepiece model");
}

[[nodiscard]] inline sentencepiece_model::piece read_piece(std::string_view message) {
    sentencepiece_model::piece piece;
    wire_reader reader(message);
    for (wire_reader::field field; reader.next(field);) {
        if (field.number == 1) {
            piece.text = bytes_of(field, 2);
        } else if (field.number == 2) {
            piece.score = std::bit_cast<float>(little_endian_u32(bytes_of(field, 5), 0));
        } else if (field.number == 3) {
            if (number_of(field) < 1 || number_of(field) > 6)
                throw errors::not_supported("a piece of type " + std::to_string(field.value) +
                                            " in a sentencepiece model");
            piece.kind = static_cast<piece_kind>(field.value);
        } else {
            throw unknown_field(field, "a piece");
        }
    }
    return piece;
}

/// How the model was trained. Most of it no longer matters.
inline void read_trainer(std::string_view message, sentencepiece_model& model) {
    wire_reader reader(message);
    for (wire_reader::field field; reader.next(field);) {
        if (field.number == 3) {
            constexpr std::array<std::string_view, 5> names = {"0", "unigram", "bpe", "word",
                                                               "char"};
            const std::uint64_t type = number_of(field);
            if (type < 1 || type > 2)
                throw errors::not_supported(
                    "a sentencepiece model of type " +
                    (type < names.size() ? std::string(names[type]) : std::to_string(type)));
            model.bpe = type == 2;
        } else if (field.number == 24) {
            model.whitespace_suffix = flag_of(field);
        } else if (field.number == 35) {
            model.byte_fallback = flag_of(field);
        }
    }
}

inline void read_normalizer(std::string_view message, sentencepiece_model& model) {
    wire_reader reader(message);
    for (wire_reader::field field; reader.next(field);) {
        switch (field.number) {
        case 1: // the rules' name
        case 6: // the rules as text
            break;
        case 2:
            model.charsmap = bytes_of(field, 2);
            break;
        case 3:
            model.add_dummy_prefix = flag_of(field);
            break;
        case 4:
            model.remove_extra_whitespaces = flag_of(field);
            break;
        case 5:
            model.escape_whitespaces = flag_of(field);
            break;
        default: // a later library's, which may change ids
            throw unknown_field(field, "the normalizer");
        }
    }
}

/// The value of a byte piece, <0x00> to <0xFF>, or -1.
[[nodiscard]] inline int byte_of_piece(std::string_view text) noexcept {
    constexpr std::string_view digits = "0123456789ABCDEF";
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>')
        return -1;
    const std::size_t high = digits.find(text[3]), low = digits.find(text[4]);
    return high == digits.npos || low == digits.npos ? -1 : static_cast<int>(16 * high + low);
}

[[nodiscard]] inline std::string byte_piece(std::size_t byte) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    return std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + '>';
}

/// One string for each byte.
[[nodiscard]] inline std::string_view byte_text(std::size_t byte) noexcept {
    static constexpr std::array<char, 256> bytes = [] {
        std::array<char, 256> all{};
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = static_cast<char>(i);
        return all;
    }();
    return {&bytes[byte], 1};
}

inline void check_piece(const sentencepiece_model::piece& piece, std::size_t id, bool bpe) {
    const std::string name = "piece " + std::to_string(id);
    if (piece.text.empty() || piece.text.size() > max_piece_bytes)
        throw errors::bad_sentencepiece(name + " has " + std::to_string(piece.text.size()) +
                                        " bytes, expected 1 to " + std::to_string(max_piece_bytes));
    if (first_invalid_utf8(piece.text) != std::string_view::npos)
        throw errors::bad_sentencepiece(name + " is not valid UTF-8");
    if (piece.text.find('\0') != std::string_view::npos)
        throw errors::bad_sentencepiece(name + " contains a NUL byte");
    if (!std::isfinite(piece.score))
        throw errors::bad_sentencepiece(name + " has a score that is not finite");
    // Segmentation by BPE starts from characters, and would take structure that looks like one for
    // it.
    const bool structure = piece.kind == piece_kind::control || piece.kind == piece_kind::unknown;
    if (bpe && structure && decode_utf8(piece.text, 0).bytes == piece.text.size())
        throw errors::bad_sentencepiece("the special token " + errors::quoted(piece.text) +
                                        " is a single character: a text could make it");
}

inline void check_kinds(const sentencepiece_model& model) {
    std::size_t unknown = 0;
    std::array<bool, 256> bytes{};
    std::size_t different = 0;
    for (const sentencepiece_model::piece& piece : model.pieces) {
        unknown += piece.kind == piece_kind::unknown ? 1 : 0;
        if (piece.kind != piece_kind::byte)
            continue;
        const int byte = byte_of_piece(piece.text);
        if (!model.byte_fallback || byte < 0)
            throw errors::bad_sentencepiece(
                "the piece " + errors::quoted(piece.text) +
                (byte < 0 ? " names no byte" : " is a byte, but bytes are switched off"));
        different += std::exchange(bytes[static_cast<std::size_t>(byte)], true) ? 0 : 1;
    }
    if (unknown != 1)
        throw errors::bad_sentencepiece("it has " + std::to_string(unknown) +
                                        " unknown pieces, expected one");
    if (model.byte_fallback && different != bytes.size())
        throw errors::bad_sentencepiece("it has pieces for " + std::to_string(different) +
                                        " of the 256 bytes");
}

/// Counts user-defined pieces that are prefixes of one another.
inline void check_nesting(const sentencepiece_model& model) {
    std::vector<std::string_view> texts;
    for (const sentencepiece_model::piece& piece : model.pieces)
        if (piece.kind == piece_kind::user_defined)
            texts.push_back(piece.text);
    std::sort(texts.begin(), texts.end());
    std::vector<std::string_view> open;
    for (const std::string_view text : texts) {
        while (!open.empty() && !text.starts_with(open.back()))
            open.pop_back();
        open.push_back(text);
        if (open.size() > max_nested_pieces)
            throw errors::bad_sentencepiece("more than 64 user-defined pieces begin with each "
                                            "other, up to " +
                                            errors::quoted(text));
    }
}

[[nodiscard]] inline std::string_view text_view(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace detail

/// Reads and checks a sentencepiece model file; the result points into `bytes`. Throws
/// errc::tokenizer for what is damaged or unusable, errc::unsupported for what mice does not have,
/// naming it. The caller has to look for equal pieces.
[[nodiscard]] inline sentencepiece_model
read_sentencepiece_model(std::span<const std::byte> bytes) {
    if (bytes.size() > detail::max_sentencepiece_bytes)
        throw errors::bad_sentencepiece(
            "it has " + std::to_string(bytes.size()) + " bytes, at most " +
            std::to_string(detail::max_sentencepiece_bytes) + " are supported");
    sentencepiece_model model;
    bool trainer = false, normalizer = false;
    detail::wire_reader reader(detail::text_view(bytes));
    for (detail::wire_reader::field field; reader.next(field);) {
        if (field.number > 5)
            throw detail::unknown_field(field, "the message");
        const std::string_view message = detail::bytes_of(field, 2);
        const bool twice = (field.number == 2 && std::exchange(trainer, true)) ||
                           (field.number == 3 && std::exchange(normalizer, true));
        if (twice)
            throw detail::wire_reader::damaged();
        if (model.pieces.size() > token_table::max_tokens)
            throw errors::bad_sentencepiece("it has more than " +
                                            std::to_string(token_table::max_tokens) + " pieces");
        if (field.number == 1)
            model.pieces.push_back(detail::read_piece(message));
        else if (field.number == 2)
            detail::read_trainer(message, model);
        else if (field.number == 3)
            detail::read_normalizer(message, model);
        // 4 are the trainer's self-tests, 5 is for making texts of pieces.
    }
    for (std::size_t id = 0; id < model.pieces.size(); ++id)
        detail::check_piece(model.pieces[id], id, model.bpe);
    detail::check_kinds(model);
    detail::check_nesting(model);
    detail::charsmap_checker::check(model.charsmap);
    return model;
}

namespace detail {

inline void put_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}
inline void put_number(std::string& out, unsigned number, std::uint64_t value) {
    put_varint(out, number << 3);
    put_varint(out, value);
}
inline void put_bytes(std::string& out, unsigned number, std::string_view bytes) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.size());
    out += bytes;
}
inline void put_piece(std::string& out, const sentencepiece_model::piece& piece) {
    std::string message;
    put_bytes(message, 1, piece.text);
    put_varint(message, 2 << 3 | 5);
    const auto score = std::bit_cast<std::uint32_t>(piece.score);
    for (unsigned i = 0; i < 4; ++i)
        message += static_cast<char>(score >> 8 * i);
    put_number(message, 3, static_cast<std::uint64_t>(piece.kind));
    put_bytes(out, 1, message);
}

/// The model that the library gets: only what was read and checked. Unknown characters are always
/// spelt as bytes, with 256 pieces behind the others where the model has none, because the library
/// joins a run of unknown pieces by copying the run for every piece.
[[nodiscard]] inline std::string to_library(const sentencepiece_model& model) {
    std::string out;
    for (const sentencepiece_model::piece& piece : model.pieces)
        put_piece(out, piece);
    for (std::size_t byte = 0; byte < 256 && !model.byte_fallback; ++byte)
        put_piece(out, {byte_piece(byte), 0, piece_kind::byte});
    std::string trainer, normalizer;
    put_number(trainer, 3, model.bpe ? 2 : 1);
    put_number(trainer, 24, model.whitespace_suffix ? 1 : 0);
    put_number(trainer, 35, 1);
    put_bytes(normalizer, 2, model.charsmap);
    put_number(normalizer, 3, model.add_dummy_prefix ? 1 : 0);
    put_number(normalizer, 4, model.remove_extra_whitespaces ? 1 : 0);
    put_number(normalizer, 5, model.escape_whitespaces ? 1 : 0);
    put_bytes(out, 2, trainer);
    put_bytes(out, 3, normalizer);
    return out;
}

} // namespace detail
} // namespace text
MICE_NAMESPACE_END
