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

#include <mice/document.hpp>
#include <mice/error.hpp>
#include <mice/io/safetensors.hpp>

MICE_NAMESPACE_BEGIN
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

MICE_INLINE document::document(std::vector<float> states, std::vector<std::int32_t> ids,
                               std::string fingerprint, text_origin from)
    : states_(std::move(states)), ids_(std::move(ids)), fingerprint_(std::move(fingerprint)),
      from_(from) {
    if (ids_.empty() || states_.size() % ids_.size() != 0) {
        throw detail::errors::bad_argument(
            "a document needs at least one token and the same number of "
            "state values for each");
    }
}

MICE_INLINE std::vector<std::byte> document::serialize() const {
    const std::vector<io::tensor_to_write> tensors{
        {"states", {io::dtype::f32, {rows(), hidden()}, std::as_bytes(states())}},
        {"ids", {io::dtype::i32, {rows()}, std::as_bytes(ids())}}};
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

MICE_INLINE document document::deserialize(std::span<const std::byte> bytes) {
    const io::safetensors file(bytes);
    if (detail::document_text(file, "format") != "mice-document") {
        throw detail::errors::bad_document("it is a safetensors file of another kind");
    }
    if (const std::string& version = detail::document_text(file, "mice.format_version");
        version != "1") {
        throw detail::errors::not_supported("version " + detail::errors::quoted(version) +
                                            " of stored documents");
    }
    const io::tensor_view& states = detail::document_tensor(file, "states", io::dtype::f32, 2);
    const io::tensor_view& ids = detail::document_tensor(file, "ids", io::dtype::i32, 1);
    if (ids.elements() == 0 || states.shape[0] != ids.elements()) {
        throw detail::errors::bad_document("its states " + states.shape.text() +
                                           " do not fit its " + std::to_string(ids.elements()) +
                                           " ids");
    }
    std::vector<float> state_values(states.elements());
    if (!state_values.empty()) {
        std::memcpy(state_values.data(), states.bytes.data(), states.bytes.size());
    }
    for (const float value : state_values) {
        if ((std::bit_cast<std::uint32_t>(value) & 0x7f800000U) == 0x7f800000U) {
            throw detail::errors::bad_document("its states hold NaN or infinity");
        }
    }
    std::vector<std::int32_t> id_values(ids.elements());
    std::memcpy(id_values.data(), ids.bytes.data(), ids.bytes.size());
    text_origin from{detail::document_count(file, "mice.tokens_cut"),
                     detail::document_count(file, "mice.replaced")};
    if (file.find_metadata(detail::tokens_skipped_key) != nullptr) {
        from.skipped = detail::document_count(file, detail::tokens_skipped_key);
        if (from.skipped > std::numeric_limits<std::uint32_t>::max()) {
            throw detail::errors::bad_document("it skips " + std::to_string(from.skipped) +
                                               " tokens");
        }
    }
    return {std::move(state_values), std::move(id_values),
            detail::document_text(file, "mice.document_fingerprint"), from};
}

MICE_NAMESPACE_END
