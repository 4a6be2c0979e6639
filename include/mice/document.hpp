// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/safetensors.hpp>

MICE_NAMESPACE_BEGIN

/// How a text became tokens.
struct text_origin {
    std::size_t tokens_cut = 0; ///< tokens beyond the model's limit
    std::size_t replaced = 0;   ///< invalid UTF-8 sequences that became U+FFFD
    std::size_t skipped = 0;    ///< tokens that were encoded with the others and have no state
};

/// A document encoded by one model: its states, its token ids, and what its encoding left out. An
/// immutable value: copy, move, store, and read it from many threads.
class document {
  public:
    /// states [ids, hidden] and the ids of their tokens, special ones too, made by the model of
    /// that fingerprint; no states where the model keeps none (a cross-encoder). Throws
    /// errc::invalid_argument when the sizes do not fit.
    document(std::vector<float> states, std::vector<std::int32_t> ids, std::string fingerprint,
             text_origin from = {})
        : states_(std::move(states)), ids_(std::move(ids)), fingerprint_(std::move(fingerprint)),
          from_(from) {
        if (ids_.empty() || states_.size() % ids_.size() != 0) {
            throw errors::bad_argument("a document needs at least one token and the same number of "
                                       "state values for each");
        }
    }

    /// Tokens that were encoded, special tokens included.
    [[nodiscard]] std::size_t tokens() const noexcept { return rows() + from_.skipped; }
    /// Tokens that have a state: all, but for late interaction, which skips some.
    [[nodiscard]] std::size_t rows() const noexcept { return ids_.size(); }
    [[nodiscard]] std::size_t hidden() const noexcept { return states_.size() / rows(); }
    /// [rows, hidden], what a query meets.
    [[nodiscard]] std::span<const float> states() const noexcept { return states_; }
    /// [rows], special tokens included.
    [[nodiscard]] std::span<const std::int32_t> ids() const noexcept { return ids_; }
    /// How its text became tokens.
    [[nodiscard]] const text_origin& origin() const noexcept { return from_; }
    /// Tokens that the model's limit cut off.
    [[nodiscard]] std::size_t tokens_cut() const noexcept { return from_.tokens_cut; }
    /// Invalid UTF-8 sequences that were replaced.
    [[nodiscard]] std::size_t replaced() const noexcept { return from_.replaced; }
    /// Names the weights that shaped the states: a model with another fingerprint refuses them.
    [[nodiscard]] std::string_view fingerprint() const noexcept { return fingerprint_; }

    /// The document as a small safetensors file; docs/format.md describes it.
    [[nodiscard]] std::vector<std::byte> serialize() const;
    /// Reads what serialize wrote. Throws errc::format or errc::tensor; trusts nothing in the
    /// bytes.
    [[nodiscard]] static document deserialize(std::span<const std::byte> bytes);

  private:
    std::vector<float> states_;
    std::vector<std::int32_t> ids_;
    std::string fingerprint_;
    text_origin from_;
};

namespace detail {

inline constexpr const char* tokens_skipped_key = "mice.tokens_skipped"; // absent: none

inline const std::string& document_text(const io::safetensors& file, std::string_view key) {
    const std::string* text = file.find_metadata(key);
    if (text == nullptr) {
        throw errors::bad_document("it has no '" + std::string(key) + "'");
    }
    return *text;
}

inline std::size_t document_count(const io::safetensors& file, std::string_view key) {
    const std::string& text = document_text(file, key);
    std::size_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || end != text.data() + text.size()) {
        throw errors::bad_document("'" + std::string(key) + "' is not a number");
    }
    return value;
}

inline const io::tensor_view& document_tensor(const io::safetensors& file, std::string_view name,
                                              io::dtype type, std::size_t rank) {
    const io::tensor_view* view = file.find(name);
    if (view == nullptr || view->type != type || view->shape.rank() != rank) {
        throw errors::bad_document("tensor '" + std::string(name) + "' must be " +
                                   std::string(io::name_of(type)) + " with " +
                                   std::to_string(rank) + " dimensions");
    }
    return *view;
}

} // namespace detail

inline std::vector<std::byte> document::serialize() const {
    const io::tensor_to_write tensors[] = {
        {"states", {io::dtype::f32, {rows(), hidden()}, std::as_bytes(std::span(states_))}},
        {"ids", {io::dtype::i32, {rows()}, std::as_bytes(std::span(ids_))}}};
    io::safetensors::metadata_map metadata{{"format", "mice-document"},
                                           {"mice.format_version", "1"},
                                           {"mice.document_fingerprint", fingerprint_},
                                           {"mice.tokens_cut", std::to_string(from_.tokens_cut)},
                                           {"mice.replaced", std::to_string(from_.replaced)}};
    if (from_.skipped != 0) {
        metadata[detail::tokens_skipped_key] = std::to_string(from_.skipped);
    }
    return io::write_safetensors(tensors, metadata);
}

inline document document::deserialize(std::span<const std::byte> bytes) {
    const io::safetensors file(bytes);
    if (detail::document_text(file, "format") != "mice-document") {
        throw errors::bad_document("it is a safetensors file of another kind");
    }
    if (const std::string& version = detail::document_text(file, "mice.format_version");
        version != "1") {
        throw errors::not_supported("version " + errors::quoted(version) + " of stored documents");
    }
    const io::tensor_view& states = detail::document_tensor(file, "states", io::dtype::f32, 2);
    const io::tensor_view& ids = detail::document_tensor(file, "ids", io::dtype::i32, 1);
    if (ids.elements() == 0 || states.shape[0] != ids.elements()) {
        throw errors::bad_document("its states " + states.shape.text() + " do not fit its " +
                                   std::to_string(ids.elements()) + " ids");
    }
    std::vector<float> state_values(states.elements());
    if (!state_values.empty()) {
        std::memcpy(state_values.data(), states.bytes.data(), states.bytes.size());
    }
    for (const float value : state_values) {
        if ((std::bit_cast<std::uint32_t>(value) & 0x7f800000U) == 0x7f800000U) {
            throw errors::bad_document("its states hold NaN or infinity");
        }
    }
    std::vector<std::int32_t> id_values(ids.elements());
    std::memcpy(id_values.data(), ids.bytes.data(), ids.bytes.size());
    text_origin from{detail::document_count(file, "mice.tokens_cut"),
                     detail::document_count(file, "mice.replaced")};
    if (file.find_metadata(detail::tokens_skipped_key) != nullptr) {
        from.skipped = detail::document_count(file, detail::tokens_skipped_key);
        if (from.skipped > std::numeric_limits<std::uint32_t>::max()) {
            throw errors::bad_document("it skips " + std::to_string(from.skipped) + " tokens");
        }
    }
    return {std::move(state_values), std::move(id_values),
            detail::document_text(file, "mice.document_fingerprint"), from};
}

MICE_NAMESPACE_END
