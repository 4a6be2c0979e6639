// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/packed.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "find/extract/clean_text.hpp"

#if MICE_HAVE_ARCHIVE
#include <archive.h>
#include <archive_entry.h>
#endif

namespace mice::find {

#if MICE_HAVE_ARCHIVE
namespace {

struct closing {
    void operator()(archive* reader) const { archive_read_free(reader); }
};
using archive_reader = std::unique_ptr<archive, closing>;

std::string trouble_of(archive* reader) {
    const char* const text = archive_error_string(reader);
    return text == nullptr ? "unknown damage" : clean(text);
}

/// Only formats that people mail to each other: each parser more is one more to attack.
archive_reader open_archive(std::string_view bytes) {
    archive_reader reader(archive_read_new());
    archive* const made = reader.get();
    if (made == nullptr)
        throw std::bad_alloc();
    archive_read_support_filter_gzip(made);
    archive_read_support_filter_bzip2(made);
    archive_read_support_filter_xz(made);
    archive_read_support_filter_zstd(made);
    archive_read_support_format_zip(made);
    archive_read_support_format_tar(made);
    archive_read_support_format_7zip(made);
    archive_read_support_format_raw(made); // one packed file, such as a .gz
    if (archive_read_open_memory(made, bytes.data(), bytes.size()) != ARCHIVE_OK) {
        throw extract_error(extract_reason::malformed,
                            "it cannot be unpacked: " + trouble_of(made));
    }
    return reader;
}

std::string name_of(archive_entry* entry) {
    const char* name = archive_entry_pathname_utf8(entry);
    if (name == nullptr)
        name = archive_entry_pathname(entry);
    return name == nullptr ? std::string() : clean(name);
}

std::string read_member(archive* reader, results& out) {
    std::string bytes;
    std::string buffer(std::size_t{64} << 10, '\0');
    for (;;) {
        const auto got = archive_read_data(reader, buffer.data(), buffer.size());
        if (got == 0)
            return bytes;
        if (got == ARCHIVE_RETRY || got == ARCHIVE_WARN)
            continue;
        if (got < 0)
            throw extract_error(extract_reason::malformed, "damaged: " + trouble_of(reader));
        out.count_unpacked(static_cast<std::uint64_t>(got));
        bytes.append(buffer, 0, static_cast<std::size_t>(got));
    }
}

/// The next member; null at the end or where nothing more can be read.
archive_entry* next_entry(archive* reader, std::size_t seen, results* out) {
    archive_entry* entry = nullptr;
    int result = ARCHIVE_RETRY;
    for (int tries = 0; tries < 100 && result == ARCHIVE_RETRY; ++tries)
        result = archive_read_next_header(reader, &entry);
    if (result == ARCHIVE_OK || result == ARCHIVE_WARN)
        return entry;
    if (result != ARCHIVE_EOF && out != nullptr) {
        if (seen == 0)
            throw extract_error(extract_reason::malformed, "damaged: " + trouble_of(reader));
        out->note("damaged behind " + std::to_string(seen) + " members: " + trouble_of(reader));
    }
    return nullptr;
}

/// What anything is that libarchive cannot tell: a packed file has at least a filter.
bool is_raw(archive* reader) {
    return archive_format(reader) == ARCHIVE_FORMAT_RAW;
}

} // namespace

void for_each_member(std::string_view bytes, results& out, const member_visitor& visit) {
    const archive_reader reader = open_archive(bytes);
    std::size_t seen = 0;
    while (archive_entry* const entry = next_entry(reader.get(), seen, &out)) {
        if (is_raw(reader.get()) && archive_filter_count(reader.get()) < 2)
            throw extract_error(extract_reason::malformed, "it is damaged: no archive");
        if (++seen > out.limits().members) {
            out.note("has more than " + std::to_string(out.limits().members) + " members");
            throw output_full{};
        }
        const std::string name = name_of(entry);
        if (archive_entry_is_encrypted(entry) > 0)
            out.note(name + ": encrypted");
        else if (archive_entry_filetype(entry) == AE_IFREG || is_raw(reader.get())) {
            if (!visit(name, [&] { return read_member(reader.get(), out); }))
                return;
        }
    }
}

file_kind kind_of_zip(std::string_view bytes) {
    constexpr std::size_t most_names = 20'000;
    const archive_reader reader = open_archive(bytes);
    bool types = false, office = false;
    for (std::size_t seen = 0; seen < most_names; ++seen) {
        archive_entry* const entry = next_entry(reader.get(), seen, nullptr);
        if (entry == nullptr)
            break;
        const std::string name = name_of(entry);
        if (name == "mimetype" && archive_entry_is_encrypted(entry) <= 0) {
            std::string type(100, '\0');
            const auto got = archive_read_data(reader.get(), type.data(), type.size());
            type.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
            if (type.starts_with("application/epub+zip"))
                return file_kind::epub;
            if (type.starts_with("application/vnd.oasis.opendocument."))
                return file_kind::open_document;
        }
        if (name == "META-INF/container.xml")
            return file_kind::epub;
        types = types || name == "[Content_Types].xml";
        office = office || name.starts_with("word/") || name.starts_with("xl/") ||
                 name.starts_with("ppt/");
    }
    return types && office ? file_kind::office_xml : file_kind::archive;
}
#else
void for_each_member(std::string_view, results&, const member_visitor&) {
    throw built_without("libarchive", "archives");
}

file_kind kind_of_zip(std::string_view) {
    return file_kind::archive;
}
#endif

std::map<std::string, std::string>
read_members(std::string_view bytes, results& out,
             const std::function<bool(const std::string& name)>& wanted) {
    std::map<std::string, std::string> found;
    for_each_member(bytes, out, [&](const std::string& name, const auto& read) {
        if (!wanted(name) || found.contains(name))
            return true;
        try {
            found.emplace(name, read());
        } catch (const extract_error& error) {
            out.note(name + ": " + error.what());
        }
        return true;
    });
    return found;
}

namespace {

/// What file systems put into archives, not people.
bool is_litter(const std::string& name) {
    return name.starts_with("__MACOSX/") || name.ends_with("/.DS_Store") || name == ".DS_Store";
}

} // namespace

void extract_member(const source& member, results& out) {
    const std::string outer = out.member();
    out.set_member(member.name);
    try {
        extract_source(member, out);
    } catch (const extract_error& error) {
        if (error.reason() != extract_reason::not_text)
            out.note(error.what());
    } catch (const std::bad_alloc&) {
        out.note("takes more memory than it may");
        out.set_truncated();
    }
    out.set_member(outer);
}

void extract_archive(const source& file, results& out) {
    if (file.depth > 0) {
        throw extract_error(extract_reason::unsupported,
                            "an archive inside another file is not opened");
    }
    for_each_member(file.bytes, out, [&](const std::string& name, const auto& read) {
        if (is_litter(name))
            return true;
        try {
            // A packed file without a name of its own is called like the file, without the ending.
            const std::size_t dot = file.name.rfind('.');
            const bool unnamed = name.empty() || name == "data";
            const std::string bytes = read();
            extract_member({bytes, unnamed ? file.name.substr(0, dot) : name, 1}, out);
        } catch (const extract_error& error) {
            out.note(name + ": " + error.what());
        }
        return true;
    });
}

} // namespace mice::find
