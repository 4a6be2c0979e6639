// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/json.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/io/text_bytes.hpp>

MICE_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// What the header says of one tensor, before it is checked against the file.
struct header_entry {
    std::string name;
    std::optional<dtype> type;
    tensor_shape shape;
    std::array<std::uint64_t, 2> offsets{};
    std::size_t offset_count = 0;
    bool has_shape = false;

    [[nodiscard]] bool complete() const { return type && has_shape && offset_count == 2; }
};

/// Takes the header's JSON event by event and builds nothing but the format's own structure:
/// whatever else a hostile header holds stops the parse at once.
class header_reader final : public json_events {
  public:
    std::vector<header_entry> entries;
    safetensors::metadata_map metadata;

    void null() override { refuse("null is not allowed"); }
    void boolean(bool /*value*/) override { refuse("true and false are not allowed"); }
    void integer(std::int64_t /*value*/) override { refuse("negative number"); }
    void real(double /*value*/) override { refuse("fractional number"); }

    void unsigned_integer(std::uint64_t value) override {
        if (place_ == place::shape) {
            if (value > SIZE_MAX ||
                !entries.back().shape.push_back(static_cast<std::size_t>(value))) {
                refuse("tensor " + errors::quoted(entries.back().name) +
                       " has more than eight dimensions or a dimension that is too large");
            }
        } else if (place_ == place::offsets) {
            header_entry& entry = entries.back();
            if (entry.offset_count == 2) {
                refuse("data_offsets needs two numbers");
            }
            entry.offsets[entry.offset_count++] = value;
        } else {
            refuse("a number where none belongs");
        }
    }

    void string(std::string_view value) override {
        if (place_ == place::metadata) {
            if (metadata.size() == max_header_entries) {
                too_many("texts in __metadata__");
            }
            metadata[key_] = value;
        } else if (place_ == place::tensor && key_ == "dtype") {
            header_entry& entry = entries.back();
            entry.type = dtype_from(value);
            if (!entry.type) {
                refuse("tensor " + errors::quoted(entry.name) + " has the unknown dtype " +
                       errors::quoted(value));
            }
        } else {
            refuse("a text where none belongs");
        }
    }

    void begin_object() override {
        if (place_ == place::outside) {
            place_ = place::top;
        } else if (place_ != place::top) {
            refuse("an object where none belongs");
        } else if (key_ == "__metadata__") {
            place_ = place::metadata;
        } else {
            if (entries.size() == max_header_entries) {
                too_many("tensors");
            }
            entries.emplace_back().name = key_;
            place_ = place::tensor;
        }
    }

    void key(std::string_view name) override {
        key_ = name;
        if (place_ == place::tensor && key_ != "dtype" && key_ != "shape" &&
            key_ != "data_offsets") {
            refuse("tensor " + errors::quoted(entries.back().name) + " has the unknown field " +
                   errors::quoted(key_));
        }
    }

    void end_object() override {
        // refused here, before a header of empty entries grows into something much larger
        if (place_ == place::tensor && !entries.back().complete()) {
            refuse("tensor " + errors::quoted(entries.back().name) +
                   " lacks its dtype, shape or data_offsets");
        }
        place_ = place_ == place::top ? place::outside : place::top;
    }

    void begin_array() override {
        if (place_ != place::tensor || key_ == "dtype") {
            refuse("an array where none belongs");
        }
        entries.back().has_shape |= key_ == "shape";
        place_ = key_ == "shape" ? place::shape : place::offsets;
    }

    void end_array() override { place_ = place::tensor; }

  private:
    enum class place { outside, top, metadata, tensor, shape, offsets };

    [[noreturn]] static void refuse(const std::string& what) { throw errors::bad_file(what); }

    [[noreturn]] static void too_many(const std::string& what) {
        refuse("more than " + std::to_string(max_header_entries) + " " + what);
    }

    place place_ = place::outside;
    std::string key_;
};

/// The view of one complete entry, checked against the size of the file's data.
inline tensor_view checked_view(const header_entry& entry, std::span<const std::byte> data) {
    const auto [begin, end] = entry.offsets;
    if (begin > end || end > data.size()) {
        throw errors::bad_tensor_entry(entry.name, "data_offsets " + std::to_string(begin) + ".." +
                                                       std::to_string(end) + " leave the data of " +
                                                       std::to_string(data.size()) + " bytes");
    }
    const auto elements = entry.shape.elements();
    const std::size_t size = bytes_of(*entry.type);
    if (!elements || *elements > SIZE_MAX / size || *elements * size != end - begin) {
        throw errors::bad_tensor_entry(
            entry.name, "shape " + entry.shape.text() + " of " + std::string(name_of(*entry.type)) +
                            " does not fit its " + std::to_string(end - begin) + " bytes");
    }
    return {*entry.type, entry.shape,
            data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))};
}

/// Tensors must lie end to end: a gap could hide bytes, an overlap could alias two tensors.
inline void check_layout(const std::vector<header_entry>& entries, std::size_t data_size) {
    std::vector<const header_entry*> sorted;
    sorted.reserve(entries.size());
    for (const header_entry& entry : entries) {
        sorted.push_back(&entry);
    }
    std::sort(sorted.begin(), sorted.end(),
              [](const header_entry* a, const header_entry* b) { return a->offsets < b->offsets; });
    std::uint64_t position = 0;
    for (const header_entry* each : sorted) {
        const header_entry& entry = *each;
        if (entry.offsets[0] != position) {
            throw errors::bad_tensor_entry(entry.name, entry.offsets[0] < position
                                                           ? "overlaps the tensor before it"
                                                           : "leaves a gap before it");
        }
        position = entry.offsets[1];
    }
    if (position != data_size) {
        throw errors::bad_file(std::to_string(data_size - position) +
                               " bytes after the last tensor");
    }
}

inline std::size_t checked_header_length(std::span<const std::byte> file) {
    if (file.size() < 8) {
        throw errors::bad_file("it has " + std::to_string(file.size()) +
                               " bytes, the header length alone takes 8");
    }
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof length);
    if (length > max_header_bytes || length > file.size() - 8) {
        throw errors::bad_file("it announces a header of " + std::to_string(length) +
                               " bytes in a file of " + std::to_string(file.size()) +
                               "; the file may be cut or of another kind");
    }
    return static_cast<std::size_t>(length);
}

} // namespace detail

MICE_INLINE safetensors::safetensors(std::span<const std::byte> file) {
    const std::size_t length = detail::checked_header_length(file);
    const auto* text = reinterpret_cast<const char*>(file.data() + 8);
    if (length == 0 || text[0] != '{') {
        throw errors::bad_file("the header is not a JSON object");
    }
    detail::header_reader reader;
    read_json({text, length}, "not a usable safetensors file: its header",
              {.max_bytes = max_header_bytes, .max_values = SIZE_MAX}, reader);
    const std::span<const std::byte> data = file.subspan(8 + length);
    for (const detail::header_entry& entry : reader.entries) {
        tensors_.emplace(entry.name, detail::checked_view(entry, data));
    }
    detail::check_layout(reader.entries, data.size());
    metadata_ = std::move(reader.metadata);
}

MICE_INLINE std::string safetensors_header(const std::vector<tensor_to_write>& tensors,
                                           const safetensors::metadata_map& metadata) {
    if (tensors.size() > max_header_entries || metadata.size() > max_header_entries) {
        throw errors::bad_argument("a safetensors file has at most " +
                                   std::to_string(max_header_entries) + " tensors and texts");
    }
    const auto checked = [](const std::string& text) {
        return is_utf8(text) ? text
                             : throw errors::bad_argument(errors::quoted(text) +
                                                          " is not valid UTF-8, as all texts of a "
                                                          "safetensors file must be");
    };
    json header = json::object();
    if (!metadata.empty()) {
        json& texts = header.add("__metadata__", json::object());
        for (const auto& [key, text] : metadata) {
            texts.add(checked(key), checked(text));
        }
    }
    std::set<std::string, std::less<>> names{"__metadata__"};
    std::uint64_t position = 0;
    for (const tensor_to_write& tensor : tensors) {
        const tensor_view& view = tensor.view;
        const auto elements = view.shape.elements();
        if (!elements || *elements > SIZE_MAX / bytes_of(view.type) ||
            *elements * bytes_of(view.type) != view.bytes.size()) {
            throw errors::bad_argument("tensor " + errors::quoted(tensor.name) +
                                       ": its bytes do not fit its shape");
        }
        if (!names.insert(tensor.name).second) {
            throw errors::bad_argument("tensor " + errors::quoted(tensor.name) + " given twice");
        }
        json& entry = header.add(checked(tensor.name), json::object());
        entry.add("dtype", name_of(view.type));
        json& shape = entry.add("shape", json::array());
        for (std::size_t axis = 0; axis < view.shape.rank(); ++axis) {
            shape.push_back(view.shape[axis]);
        }
        json& offsets = entry.add("data_offsets", json::array());
        offsets.push_back(position);
        position += view.bytes.size();
        offsets.push_back(position);
    }
    std::string text = to_text(header);
    constexpr std::size_t alignment = 64;
    text.append((alignment - (8 + text.size()) % alignment) % alignment, ' ');
    const std::uint64_t length = text.size();
    std::string prefix(sizeof length, '\0');
    std::memcpy(prefix.data(), &length, sizeof length);
    return prefix + text;
}

MICE_INLINE std::vector<std::byte> write_safetensors(const std::vector<tensor_to_write>& tensors,
                                                     const safetensors::metadata_map& metadata) {
    // Largest elements first keeps every tensor aligned to its own element size without gaps.
    std::vector<tensor_to_write> sorted;
    for (std::size_t element = 8; element > 0; element /= 2) {
        for (const tensor_to_write& tensor : tensors) {
            if (bytes_of(tensor.view.type) == element) {
                sorted.push_back(tensor);
            }
        }
    }
    const std::string header = safetensors_header(sorted, metadata);
    std::size_t size = header.size();
    for (const tensor_to_write& tensor : sorted) {
        size += tensor.view.bytes.size();
    }
    std::vector<std::byte> file;
    file.resize(size);
    std::byte* end = std::copy_n(text_bytes(header).data(), header.size(), file.data());
    for (const tensor_to_write& tensor : sorted) {
        end = std::copy_n(tensor.view.bytes.data(), tensor.view.bytes.size(), end);
    }
    return file;
}

} // namespace io
MICE_NAMESPACE_END
