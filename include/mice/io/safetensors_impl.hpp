// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/io/safetensors.hpp>

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
    bool has_offsets = false;

    [[nodiscard]] bool complete() const { return type && has_shape && offset_count == 2; }
};

/// Takes the header's JSON event by event, so that nothing but the format's own structure is ever
/// built in memory: whatever else a hostile header holds stops the parse at once.
class header_reader : public nlohmann::json_sax<nlohmann::json> {
  public:
    std::vector<header_entry> entries;
    safetensors::metadata_map metadata;
    std::string problem;

    bool null() override { return fail("null is not allowed"); }
    bool boolean(bool) override { return fail("true and false are not allowed"); }
    bool number_integer(number_integer_t) override { return fail("negative number"); }
    bool number_float(number_float_t, const string_t&) override {
        return fail("fractional number");
    }
    bool binary(binary_t&) override { return fail("binary value"); }

    bool number_unsigned(number_unsigned_t value) override {
        if (place_ == place::shape) {
            if (value > SIZE_MAX ||
                !entries.back().shape.push_back(static_cast<std::size_t>(value))) {
                return fail("tensor " + errors::quoted(entries.back().name) +
                            " has more than eight dimensions or a dimension that is too large");
            }
            return true;
        }
        if (place_ == place::offsets) {
            header_entry& entry = entries.back();
            if (entry.offset_count == 2) {
                return fail("data_offsets needs two numbers");
            }
            entry.offsets[entry.offset_count++] = value;
            return true;
        }
        return fail("a number where none belongs");
    }

    bool string(string_t& value) override {
        if (place_ == place::metadata) {
            if (metadata.size() == max_header_entries) {
                return too_many("texts in __metadata__");
            }
            return metadata.emplace(key_, std::move(value)).second ||
                   fail("__metadata__ names " + errors::quoted(key_) + " twice");
        }
        if (place_ == place::tensor && key_ == "dtype") {
            header_entry& entry = entries.back();
            if (entry.type) {
                return fail("dtype given twice");
            }
            entry.type = dtype_from(value);
            return entry.type.has_value() ||
                   fail("tensor " + errors::quoted(entry.name) + " has the unknown dtype " +
                        errors::quoted(value));
        }
        return fail("a text where none belongs");
    }

    bool start_object(std::size_t) override {
        if (place_ == place::outside) {
            place_ = place::top;
            return true;
        }
        if (place_ != place::top) {
            return fail("an object where none belongs");
        }
        if (key_ == "__metadata__") {
            if (seen_metadata_) {
                return fail("__metadata__ given twice");
            }
            seen_metadata_ = true;
            place_ = place::metadata;
            return true;
        }
        if (entries.size() == max_header_entries) {
            return too_many("tensors");
        }
        entries.emplace_back().name = key_;
        place_ = place::tensor;
        return true;
    }

    bool key(string_t& value) override {
        key_ = std::move(value);
        if (place_ == place::tensor && key_ != "dtype" && key_ != "shape" &&
            key_ != "data_offsets") {
            return fail("tensor " + errors::quoted(entries.back().name) +
                        " has the unknown field " + errors::quoted(key_));
        }
        return true;
    }

    bool end_object() override {
        // refused here, before a header of empty entries grows into something much larger
        if (place_ == place::tensor && !entries.back().complete()) {
            return fail("tensor " + errors::quoted(entries.back().name) +
                        " lacks its dtype, shape or data_offsets");
        }
        place_ = place_ == place::top ? place::outside : place::top;
        return true;
    }

    bool start_array(std::size_t) override {
        if (place_ != place::tensor || key_ == "dtype") {
            return fail("an array where none belongs");
        }
        bool& seen = key_ == "shape" ? entries.back().has_shape : entries.back().has_offsets;
        if (seen) {
            return fail(key_ + " given twice");
        }
        seen = true;
        place_ = key_ == "shape" ? place::shape : place::offsets;
        return true;
    }

    bool end_array() override {
        place_ = place::tensor;
        return true;
    }

    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::json::exception&) override {
        return fail("header is not valid JSON at byte " + std::to_string(position));
    }

  private:
    enum class place { outside, top, metadata, tensor, shape, offsets };

    bool fail(std::string what) {
        if (problem.empty()) {
            problem = std::move(what);
        }
        return false;
    }

    bool too_many(const std::string& what) {
        return fail("more than " + std::to_string(max_header_entries) + " " + what);
    }

    place place_ = place::outside;
    std::string key_;
    bool seen_metadata_ = false;
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
inline void check_layout(std::vector<header_entry>& entries, std::size_t data_size) {
    std::sort(entries.begin(), entries.end(),
              [](const header_entry& a, const header_entry& b) { return a.offsets < b.offsets; });
    std::uint64_t position = 0;
    for (const header_entry& entry : entries) {
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

inline safetensors::safetensors(std::span<const std::byte> file) {
    const std::size_t length = detail::checked_header_length(file);
    const auto* text = reinterpret_cast<const char*>(file.data() + 8);
    if (length == 0 || text[0] != '{') {
        throw errors::bad_file("the header is not a JSON object");
    }
    // The parser takes a NUL byte for the end: what stands behind it would go unread.
    if (std::memchr(text, 0, length) != nullptr) {
        throw errors::bad_file("the header holds a NUL byte");
    }
    detail::header_reader reader;
    if (!mice::detail::in_default_float_mode(
            [&] { return nlohmann::json::sax_parse(text, text + length, &reader); })) {
        throw errors::bad_file(reader.problem);
    }
    const std::span<const std::byte> data = file.subspan(8 + length);
    for (const detail::header_entry& entry : reader.entries) {
        if (!tensors_.emplace(entry.name, detail::checked_view(entry, data)).second) {
            throw errors::bad_tensor_entry(entry.name, "named twice");
        }
    }
    detail::check_layout(reader.entries, data.size());
    metadata_ = std::move(reader.metadata);
}

inline std::string safetensors_header(std::span<const tensor_to_write> tensors,
                                      const safetensors::metadata_map& metadata) {
    if (tensors.size() > max_header_entries || metadata.size() > max_header_entries) {
        throw errors::bad_argument("a safetensors file has at most " +
                                   std::to_string(max_header_entries) + " tensors and texts");
    }
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty()) {
        header["__metadata__"] = metadata;
    }
    std::uint64_t position = 0;
    for (const tensor_to_write& tensor : tensors) {
        const tensor_view& view = tensor.view;
        const auto elements = view.shape.elements();
        if (!elements || *elements > SIZE_MAX / bytes_of(view.type) ||
            *elements * bytes_of(view.type) != view.bytes.size()) {
            throw errors::bad_argument("tensor " + errors::quoted(tensor.name) +
                                       ": its bytes do not fit its shape");
        }
        if (header.contains(tensor.name) || tensor.name == "__metadata__") {
            throw errors::bad_argument("tensor " + errors::quoted(tensor.name) + " given twice");
        }
        nlohmann::ordered_json entry;
        entry["dtype"] = name_of(view.type);
        entry["shape"] = nlohmann::ordered_json::array();
        for (std::size_t axis = 0; axis < view.shape.rank(); ++axis) {
            entry["shape"].push_back(view.shape[axis]);
        }
        entry["data_offsets"] = {position, position + view.bytes.size()};
        header[tensor.name] = std::move(entry);
        position += view.bytes.size();
    }
    std::string text = header.dump();
    constexpr std::size_t alignment = 64;
    text.append((alignment - (8 + text.size()) % alignment) % alignment, ' ');
    const std::uint64_t length = text.size();
    std::string prefix(sizeof length, '\0');
    std::memcpy(prefix.data(), &length, sizeof length);
    return prefix + text;
}

inline std::vector<std::byte> write_safetensors(std::span<const tensor_to_write> tensors,
                                                const safetensors::metadata_map& metadata) {
    std::vector<tensor_to_write> sorted(tensors.begin(), tensors.end());
    // Largest elements first keeps every tensor aligned to its own element size without gaps.
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const tensor_to_write& a, const tensor_to_write& b) {
                         return bytes_of(a.view.type) > bytes_of(b.view.type);
                     });
    const std::string header = safetensors_header(sorted, metadata);
    std::size_t size = header.size();
    for (const tensor_to_write& tensor : sorted) {
        size += tensor.view.bytes.size();
    }
    std::vector<std::byte> file;
    file.reserve(size);
    const auto append = [&file](const void* data, std::size_t bytes) {
        const auto* first = static_cast<const std::byte*>(data);
        file.insert(file.end(), first, first + bytes);
    };
    append(header.data(), header.size());
    for (const tensor_to_write& tensor : sorted) {
        append(tensor.view.bytes.data(), tensor.view.bytes.size());
    }
    return file;
}

} // namespace io
MICE_NAMESPACE_END
