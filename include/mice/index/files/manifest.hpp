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

#include <mice/index/files/blob_file.hpp>
#include <mice/index/files/segment_format.hpp>
#include <mice/index_results.hpp>
#include <mice/io/file_system.hpp>
#include <mice/io/json.hpp>
#include <mice/io/mapped_file.hpp>
#include <mice/io/members.hpp>
#include <mice/io/text_bytes.hpp>
#include <mice/text/words/word_form.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// The version of indexes with texts of several passages. Of the others those with words of
/// text::word_form::current have version 2, and the rest has version 1.
inline constexpr std::uint64_t index_version = 3;
inline constexpr std::string_view lock_name = "lock";
inline constexpr std::size_t largest_manifest = std::size_t{16} << 20;
/// Numbers in a manifest are below this, so that sums of a few do not overflow.
inline constexpr std::uint64_t number_limit = std::uint64_t{1} << 62;
/// A writer gives numbers below this; an index that has a higher one was forged.
inline constexpr std::uint64_t writer_limit = std::uint64_t{1} << 48;

/// The model that an index belongs to.
struct index_model {
    std::string name;        ///< for people
    std::string fingerprint; ///< of what shapes a document's states
    /// 32 hexadecimal digits: a hash of the weights that project keys and values; empty where
    /// states are stored.
    std::string key_values;
};

/// One commit: the names of the files that hold everything in an index.
struct manifest {
    std::uint64_t generation = 0;
    std::uint64_t next_file = 1; ///< no file of that number or a higher one was ever committed
    index_model model;
    index_codec codec;
    index_words words = index_words::keep;
    text::word_form form = text::word_form::current; ///< of the words, in all segments
    blob_record parameters; ///< of the codec; file 0: none, or not learned yet
    /// Live entries of segments that are a text's second passage or a later one.
    std::uint64_t passages = 0;
    std::vector<segment_record> segments;

    /// Live entries of segments.
    [[nodiscard]] std::uint64_t entries() const noexcept {
        std::uint64_t sum = 0;
        for (const segment_record& each : segments) {
            sum += each.live();
        }
        return sum;
    }
    /// Documents that have an id of the user's.
    [[nodiscard]] std::uint64_t documents() const noexcept { return entries() - passages; }
    /// Names of the files that the commit uses, without the manifest itself.
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

/// The number in a name that a writer could have given: "segment-7", never "segment-007"; a
/// manifest's with its 20 digits. Nothing for any other name.
inline std::optional<std::uint64_t> number_of_file(std::string_view name, std::string_view prefix) {
    const std::optional<std::uint64_t> number = number_behind(name, prefix);
    if (!number || *number >= number_limit) {
        return std::nullopt;
    }
    const bool same = prefix == "manifest-" ? name == manifest_name(*number)
                                            : name.substr(prefix.size()) == std::to_string(*number);
    return same ? number : std::nullopt;
}

/// Whether a name is a manifest's, whatever its number.
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

/// The errors of a manifest's members.
struct manifest_errors {
    static constexpr std::string_view flag = "neither true nor false";
    static constexpr std::string_view string = "no text";
    static constexpr std::string_view list = "no array";
    static constexpr std::string_view object = "no object";
    static constexpr std::string_view count(std::uint64_t /*largest*/) {
        return "no number from 0 to 2^62 - 1";
    }

    [[nodiscard]] error because(const std::string& what) const {
        return errors::bad_index_file(file, what);
    }
    [[nodiscard]] error no_object() const { return because("a part of it is no JSON object"); }
    [[nodiscard]] error missing(std::string_view key) const {
        return because("it has no '" + std::string(key) + "'");
    }
    [[nodiscard]] error unknown(std::string_view key) const {
        return because("the key " + errors::quoted(key) + " is not part of the format");
    }
    [[nodiscard]] error wrong(std::string_view key, std::string_view found,
                              const io::json& /*value*/) const {
        return because("'" + std::string(key) + "' is " + std::string(found));
    }

    std::string file;
};

/// Reads a manifest's JSON and refuses whatever is not exactly of that form.
class manifest_reader {
  public:
    explicit manifest_reader(const std::string& file) : errors_{file} {}

    [[nodiscard]] manifest read(const io::json& text) const {
        members all(text, errors_);
        if (all.string("format") != "mice-index") {
            throw errors_.because("'format' is not 'mice-index'");
        }
        const std::uint64_t version = number(all, "version");
        if (version == 0 || version > index_version) {
            throw errors::newer_index(errors_.file, std::to_string(version));
        }
        manifest made;
        made.generation = number(all, "generation");
        made.next_file = number(all, "next_file");
        read_model(all.object("model"), made.model);
        read_codec(all.object("codec"), made);
        made.words = all.flag("words") ? index_words::keep : index_words::none;
        made.form = version == 1 && made.words == index_words::keep ? text::word_form::older
                                                                    : text::word_form::current;
        if (version > 2) {
            made.passages = number(all, "passages");
            const std::uint64_t form = number(all, "words_form");
            if (form != 1 && form != 2) {
                throw errors_.because("'words_form' is neither 1 nor 2");
            }
            made.form = form == 1 ? text::word_form::older : text::word_form::current;
        }
        for (const io::json& each : all.list("segments")) {
            made.segments.push_back(read_segment(members(each, errors_)));
        }
        all.finish();
        if (version > 2 && (made.passages == 0 || made.passages >= made.entries())) {
            throw errors_.because("it has an impossible number of passages");
        }
        check_files(made);
        return made;
    }

  private:
    using members = io::members<manifest_errors>;

    [[nodiscard]] static std::uint64_t number(members& from, const char* key) {
        return from.number(key, number_limit - 1);
    }
    [[nodiscard]] std::uint64_t checksum(members& from) const {
        const std::optional<std::uint64_t> value = number_of_hex(from.string("checksum"));
        if (!value) {
            throw errors_.because("'checksum' is not of 16 hexadecimal digits");
        }
        return *value;
    }

    static void read_model(members from, index_model& into) {
        into.name = from.string("name");
        into.fingerprint = from.string("document_fingerprint");
        into.key_values = from.string("key_values_fingerprint");
        from.finish();
    }
    void read_codec(members from, manifest& into) const {
        into.codec.name = from.string("name");
        into.codec.pool = static_cast<std::size_t>(number(from, "pool"));
        const std::string& drop = from.string("drop");
        for (const auto each :
             {dropped_tokens::none, dropped_tokens::punctuation, dropped_tokens::stop_words}) {
            if (drop == name_of(each)) {
                into.codec.drop = each;
            }
        }
        if (drop != name_of(into.codec.drop)) {
            throw errors_.because("'drop' names no tokens that mice knows");
        }
        if (!from.at("parameters").is_null()) {
            members parameters = from.object("parameters");
            into.parameters = {number(parameters, "file"), number(parameters, "bytes"),
                               checksum(parameters)};
            parameters.finish();
        }
        from.finish();
    }
    [[nodiscard]] segment_record read_segment(members from) const {
        segment_record made{number(from, "file"),
                            number(from, "bytes"),
                            checksum(from),
                            number(from, "documents"),
                            {}};
        if (!from.at("deletions").is_null()) {
            members deleted = from.object("deletions");
            made.deletions = {number(deleted, "file"),   number(deleted, "bytes"),
                              checksum(deleted),         number(deleted, "documents"),
                              number(deleted, "tokens"), number(deleted, "rows")};
            deleted.finish();
        }
        from.finish();
        if (made.documents >= std::numeric_limits<std::uint32_t>::max() ||
            made.deletions.documents > made.documents) {
            throw errors_.because("a segment has an impossible number of documents");
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
            throw errors_.because(
                "its numbers of files are not all different and below 'next_file'");
        }
    }

    manifest_errors errors_;
};

/// Where a file is named; keys are in the order of the alphabet in all of a manifest.
inline io::json to_json(const blob_record& named) {
    io::json object = io::json::object();
    object.insert("file", named.file);
    object.insert("bytes", named.bytes);
    object.insert("checksum", io::hex_digits(named.checksum));
    return object;
}

inline io::json to_json(const segment_record& segment) {
    io::json object = to_json(blob_record{segment.file, segment.bytes, segment.checksum});
    object.insert("documents", segment.documents);
    io::json& deletions = object.insert("deletions", nullptr);
    if (const deletions_record& deleted = segment.deletions; deleted.file != 0) {
        deletions = to_json(blob_record{deleted.file, deleted.bytes, deleted.checksum});
        deletions.insert("documents", deleted.documents);
        deletions.insert("tokens", deleted.tokens);
        deletions.insert("rows", deleted.rows);
    }
    return object;
}

} // namespace detail

/// The bytes of a manifest: one line of JSON, and one with the XXH3-128 of the first.
[[nodiscard]] inline std::string to_text(const manifest& given) {
    const bool needs_older = given.words == index_words::none ||
                             given.form == text::word_form::older; // read by older programs, too
    io::json all = io::json::object();
    all.insert("format", "mice-index");
    all.insert("version", given.passages > 0 ? index_version : needs_older ? 1 : 2);
    all.insert("generation", given.generation);
    all.insert("next_file", given.next_file);
    io::json& model = all.insert("model", io::json::object());
    model.insert("name", given.model.name);
    model.insert("document_fingerprint", given.model.fingerprint);
    model.insert("key_values_fingerprint", given.model.key_values);
    io::json& codec = all.insert("codec", io::json::object());
    codec.insert("name", given.codec.name);
    codec.insert("pool", given.codec.pool);
    codec.insert("drop", detail::name_of(given.codec.drop));
    codec.insert("parameters",
                 given.parameters.file == 0 ? nullptr : detail::to_json(given.parameters));
    all.insert("words", given.words == index_words::keep);
    if (given.passages > 0) {
        all.insert("passages", given.passages);
        all.insert("words_form", given.form == text::word_form::older ? 1 : 2);
    }
    io::json& segments = all.insert("segments", io::json::array());
    for (const segment_record& each : given.segments) {
        segments.push_back(detail::to_json(each));
    }
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
    manifest made =
        detail::manifest_reader(file).read(io::parse_json(text, file, {largest_manifest, 8}));
    if (manifest_name(made.generation) != file) {
        throw errors::bad_index_file(file, "it is the manifest of another commit");
    }
    return made;
}

} // namespace store
MICE_NAMESPACE_END
