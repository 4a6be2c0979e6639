// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/file_system.hpp>
#include <mice/io/json.hpp>
#include <mice/io/mapped_file.hpp>
#include <mice/io/text_bytes.hpp>
#include <mice/store/blob_file.hpp>
#include <mice/store/index_types.hpp>
#include <mice/store/segment_format.hpp>
#include <mice/text/word_form.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Of indexes with words of text::word_form::current; all others are of version 1.
inline constexpr std::uint64_t index_version = 2;
inline constexpr std::string_view lock_name = "lock";
inline constexpr std::size_t largest_manifest = std::size_t{16} << 20;
/// Numbers in a manifest are below this, so that sums of a few do not overflow.
inline constexpr std::uint64_t number_limit = std::uint64_t{1} << 62;
/// Numbers that a writer gives are below this: an index that got there was forged.
inline constexpr std::uint64_t writer_limit = std::uint64_t{1} << 48;

/// The model that an index belongs to.
struct index_model {
    std::string name;        ///< for people
    std::string fingerprint; ///< of what shapes a document's states
    /// 32 hexadecimal digits over the weights that make keys and values; empty where states are
    /// stored.
    std::string key_values;
};

/// One commit: everything that an index holds, as names of files.
struct manifest {
    std::uint64_t generation = 0;
    std::uint64_t next_file = 1; ///< no file of that number or a higher one was ever committed
    index_model model;
    index_codec codec;
    index_words words = index_words::keep;
    text::word_form form = text::word_form::current; ///< of the words, in all segments
    blob_record parameters; ///< of the codec; file 0: none, or not learned yet
    std::vector<segment_record> segments;

    [[nodiscard]] std::uint64_t documents() const noexcept {
        std::uint64_t sum = 0;
        for (const segment_record& each : segments) {
            sum += each.live();
        }
        return sum;
    }
    /// Names of the files that the commit uses, without its own.
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> names;
        if (parameters.file != 0) {
            names.push_back(codec_name(parameters.file));
        }
        for (const segment_record& each : segments) {
            names.push_back(segment_name(each.file));
            if (each.deletions.file != 0) {
                names.push_back(deletions_name(each.deletions.file));
            }
        }
        return names;
    }
};

[[nodiscard]] inline std::string manifest_name(std::uint64_t generation) {
    const std::string digits = std::to_string(generation);
    return "manifest-" + std::string(20 - digits.size(), '0') + digits;
}

namespace detail {

/// The number behind a prefix; nothing for any other name.
inline std::optional<std::uint64_t> number_behind(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix)) {
        return std::nullopt;
    }
    name.remove_prefix(prefix.size());
    std::uint64_t number = 0;
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (name.empty() || code != std::errc{} || end != name.data() + name.size() || number == 0) {
        return std::nullopt;
    }
    return number;
}

/// The number of a file that a writer could have named so: "segment-7", never "segment-007"; of a
/// manifest with its 20 digits. Nothing for any other name.
inline std::optional<std::uint64_t> number_of_file(std::string_view name, std::string_view prefix) {
    const std::optional<std::uint64_t> number = number_behind(name, prefix);
    if (!number || *number >= number_limit) {
        return std::nullopt;
    }
    const bool same = prefix == "manifest-" ? name == manifest_name(*number)
                                            : name.substr(prefix.size()) == std::to_string(*number);
    return same ? number : std::nullopt;
}

/// Whether a name is a manifest's but for what its number is.
inline bool looks_like_manifest(std::string_view name) {
    constexpr std::string_view prefix = "manifest-";
    constexpr std::size_t digits = 20;
    return name.starts_with(prefix) && name.size() == prefix.size() + digits &&
           name.find_first_not_of("0123456789", prefix.size()) == std::string_view::npos;
}

inline std::string_view name_of(dropped_tokens drop) {
    switch (drop) {
    case dropped_tokens::punctuation:
        return "punctuation";
    case dropped_tokens::stop_words:
        return "stop_words";
    default:
        return "none";
    }
}

inline std::optional<std::uint64_t> number_of_hex(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (text.size() != 16 || code != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

/// Reads a manifest's JSON and refuses whatever is not exactly of the form.
class manifest_reader {
  public:
    explicit manifest_reader(const std::string& file) : file_(file) {}

    [[nodiscard]] manifest read(const io::json& all) const {
        if (text(all, "format") != "mice-index") {
            throw wrong("'format' is not 'mice-index'");
        }
        const std::uint64_t version = number(all, "version");
        if (version == 0 || version > index_version) {
            throw errors::newer_index(file_, std::to_string(version));
        }
        check_keys(all, {"format", "version", "generation", "next_file", "model", "codec", "words",
                         "segments"});
        manifest made;
        made.generation = number(all, "generation");
        made.next_file = number(all, "next_file");
        read_model(object(all, "model"), made.model);
        read_codec(object(all, "codec"), made);
        made.words = boolean(all, "words") ? index_words::keep : index_words::none;
        made.form = version == 1 && made.words == index_words::keep ? text::word_form::older
                                                                    : text::word_form::current;
        const io::json& segments = member(all, "segments");
        if (!segments.is_array()) {
            throw wrong("'segments' is no array");
        }
        for (const io::json& each : segments) {
            made.segments.push_back(read_segment(each));
        }
        check_files(made);
        return made;
    }

  private:
    [[nodiscard]] error wrong(const std::string& what) const {
        return errors::bad_index_file(file_, what);
    }
    [[nodiscard]] const io::json& member(const io::json& from, const char* key) const {
        const auto found = from.is_object() ? from.find(key) : from.end();
        if (!from.is_object() || found == from.end()) {
            throw wrong("it has no '" + std::string(key) + "'");
        }
        return *found;
    }
    [[nodiscard]] const io::json& object(const io::json& from, const char* key) const {
        const io::json& found = member(from, key);
        if (!found.is_object()) {
            throw wrong("'" + std::string(key) + "' is no object");
        }
        return found;
    }
    [[nodiscard]] std::uint64_t number(const io::json& from, const char* key) const {
        const io::json& found = member(from, key);
        if (!found.is_number_unsigned() || found.get<std::uint64_t>() >= number_limit) {
            throw wrong("'" + std::string(key) + "' is no number from 0 to 2^62 - 1");
        }
        return found.get<std::uint64_t>();
    }
    [[nodiscard]] bool boolean(const io::json& from, const char* key) const {
        const io::json& found = member(from, key);
        if (!found.is_boolean()) {
            throw wrong("'" + std::string(key) + "' is neither true nor false");
        }
        return found.get<bool>();
    }
    [[nodiscard]] const std::string& text(const io::json& from, const char* key) const {
        const io::json& found = member(from, key);
        if (!found.is_string()) {
            throw wrong("'" + std::string(key) + "' is no text");
        }
        return found.get_ref<const std::string&>();
    }
    [[nodiscard]] std::uint64_t checksum(const io::json& from) const {
        const std::optional<std::uint64_t> value = number_of_hex(text(from, "checksum"));
        if (!value) {
            throw wrong("'checksum' is not of 16 hexadecimal digits");
        }
        return *value;
    }
    void check_keys(const io::json& from, std::initializer_list<std::string_view> known) const {
        for (const auto& [key, value] : from.items()) {
            if (std::find(known.begin(), known.end(), key) == known.end()) {
                throw wrong("the key " + errors::quoted(key) + " is not part of the format");
            }
        }
    }

    void read_model(const io::json& from, index_model& into) const {
        check_keys(from, {"name", "document_fingerprint", "key_values_fingerprint"});
        into.name = text(from, "name");
        into.fingerprint = text(from, "document_fingerprint");
        into.key_values = text(from, "key_values_fingerprint");
    }
    void read_codec(const io::json& from, manifest& into) const {
        check_keys(from, {"name", "pool", "drop", "parameters"});
        into.codec.name = text(from, "name");
        into.codec.pool = static_cast<std::size_t>(number(from, "pool"));
        const std::string& drop = text(from, "drop");
        for (const auto each :
             {dropped_tokens::none, dropped_tokens::punctuation, dropped_tokens::stop_words}) {
            if (drop == name_of(each)) {
                into.codec.drop = each;
            }
        }
        if (drop != name_of(into.codec.drop)) {
            throw wrong("'drop' names no tokens that mice knows");
        }
        if (!member(from, "parameters").is_null()) {
            const io::json& parameters = object(from, "parameters");
            check_keys(parameters, {"file", "bytes", "checksum"});
            into.parameters = {number(parameters, "file"), number(parameters, "bytes"),
                               checksum(parameters)};
        }
    }
    [[nodiscard]] segment_record read_segment(const io::json& from) const {
        segment_record made{number(from, "file"),
                            number(from, "bytes"),
                            checksum(from),
                            number(from, "documents"),
                            {}};
        check_keys(from, {"file", "bytes", "checksum", "documents", "deletions"});
        if (!member(from, "deletions").is_null()) {
            const io::json& deleted = object(from, "deletions");
            check_keys(deleted, {"file", "bytes", "checksum", "documents", "tokens", "rows"});
            made.deletions = {number(deleted, "file"),   number(deleted, "bytes"),
                              checksum(deleted),         number(deleted, "documents"),
                              number(deleted, "tokens"), number(deleted, "rows")};
        }
        if (made.documents >= std::numeric_limits<std::uint32_t>::max() ||
            made.deletions.documents > made.documents) {
            throw wrong("a segment has an impossible number of documents");
        }
        return made;
    }
    void check_files(const manifest& made) const {
        std::vector<std::uint64_t> numbers;
        const auto take = [&numbers](std::uint64_t file) { numbers.push_back(file); };
        if (made.parameters != blob_record{}) {
            take(made.parameters.file);
        }
        for (const segment_record& each : made.segments) {
            take(each.file);
            if (each.deletions != deletions_record{}) {
                take(each.deletions.file);
            }
        }
        std::sort(numbers.begin(), numbers.end());
        if (std::adjacent_find(numbers.begin(), numbers.end()) != numbers.end() ||
            (!numbers.empty() && (numbers.front() == 0 || numbers.back() >= made.next_file))) {
            throw wrong("its numbers of files are not all different and below 'next_file'");
        }
    }

    const std::string& file_;
};

inline io::json to_json(const segment_record& segment) {
    io::json deleted = nullptr;
    if (segment.deletions.file != 0) {
        deleted = {{"file", segment.deletions.file},
                   {"bytes", segment.deletions.bytes},
                   {"checksum", io::hex_digits(segment.deletions.checksum)},
                   {"documents", segment.deletions.documents},
                   {"tokens", segment.deletions.tokens},
                   {"rows", segment.deletions.rows}};
    }
    return {{"file", segment.file},
            {"bytes", segment.bytes},
            {"checksum", io::hex_digits(segment.checksum)},
            {"documents", segment.documents},
            {"deletions", deleted}};
}

} // namespace detail

/// The bytes of a manifest: one line of JSON, and one with the XXH3-128 of the first.
[[nodiscard]] inline std::string to_text(const manifest& given) {
    io::json parameters = nullptr;
    if (given.parameters.file != 0) {
        parameters = {{"file", given.parameters.file},
                      {"bytes", given.parameters.bytes},
                      {"checksum", io::hex_digits(given.parameters.checksum)}};
    }
    io::json segments = io::json::array();
    for (const segment_record& each : given.segments) {
        segments.push_back(detail::to_json(each));
    }
    const bool needs_older = given.words == index_words::none ||
                             given.form == text::word_form::older; // read by older programs, too
    const io::json all = {{"format", "mice-index"},
                          {"version", needs_older ? 1 : index_version},
                          {"generation", given.generation},
                          {"next_file", given.next_file},
                          {"model",
                           {{"name", given.model.name},
                            {"document_fingerprint", given.model.fingerprint},
                            {"key_values_fingerprint", given.model.key_values}}},
                          {"codec",
                           {{"name", given.codec.name},
                            {"pool", given.codec.pool},
                            {"drop", detail::name_of(given.codec.drop)},
                            {"parameters", parameters}}},
                          {"words", given.words == index_words::keep},
                          {"segments", segments}};
    const std::string text = io::to_text(all) + "\n";
    return text + io::hex_digits(io::checksum128(io::text_bytes(text))) + "\n";
}

/// Reads what to_text wrote; `file` is its name. Throws errc::format, or errc::unsupported for a
/// newer version; trusts nothing in the bytes.
[[nodiscard]] inline manifest parse_manifest(std::string_view bytes, const std::string& file) {
    constexpr std::size_t last_line = 33;
    if (bytes.size() > largest_manifest) {
        throw errors::bad_index_file(file, "it is larger than 16 MiB");
    }
    const std::string_view text = bytes.substr(0, bytes.size() - std::min(bytes.size(), last_line));
    const std::string digits = io::hex_digits(io::checksum128(io::text_bytes(text)));
    if (text.empty() || text.back() != '\n' || bytes.substr(text.size()) != digits + "\n") {
        throw errors::bad_index_file(file, "its last line is not the checksum of what precedes");
    }
    const manifest made =
        detail::manifest_reader(file).read(io::parse_json(text, file, {largest_manifest, 8}));
    if (manifest_name(made.generation) != file) {
        throw errors::bad_index_file(file, "it is the manifest of another commit");
    }
    return made;
}

} // namespace store
MICE_NAMESPACE_END
