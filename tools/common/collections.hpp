// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "common/records.hpp"

// Reads collections of any size, one document after the other.
namespace mice::tools {

enum class collection_format {
    detect,     ///< a folder, what the first filled line looks like, or else one text
    json_lines, ///< {"_id" or "id", "title", "text", "metadata"}: JSON Lines or an array
    tsv,        ///< id <tab> text, or id <tab> title <tab> text; a head line may name them
    trec,       ///< <DOC><DOCNO>id</DOCNO> ... <TEXT> ... </TEXT></DOC>
    folder,     ///< every file in a folder is a document; its path is its id
    text        ///< the whole file is one document; its name is its id
};

/// A record that cannot be used. The records behind it can still be read.
class bad_record : public error {
  public:
    using error::error;
};

/// Documents in the order of their source. Not thread-safe.
class collection_reader {
  public:
    collection_reader() = default;
    virtual ~collection_reader() = default;
    collection_reader(const collection_reader&) = delete;
    collection_reader& operator=(const collection_reader&) = delete;

    /// The next document; false at the end. Throws bad_record for one that cannot be used, and
    /// mice::error (errc::io) when reading fails.
    virtual bool next(collection_document& into) = 0;
    /// False while the next document has to be waited for, on standard input.
    [[nodiscard]] virtual bool ready() { return true; }
    /// Whether every document is a file of its own, so that a bad one says nothing about the
    /// others.
    [[nodiscard]] virtual bool of_files() const { return false; }
    /// How many files and folders were passed over because their names begin with a dot or because
    /// they are an index.
    [[nodiscard]] virtual std::size_t passed_over() const { return 0; }
    /// How much of the source has been read, from 0 to 1; below 0 where that is unknown.
    [[nodiscard]] virtual double share() const = 0;
};

/// The format that open_collection uses for a path: `wanted`, or what is detected. It stays
/// `detect` for standard input, for what can be read only once, and for a file of blank lines.
/// Names such as "note.md" are texts, whatever is in them. Throws like open_collection.
[[nodiscard]] collection_format format_of(const std::filesystem::path& path,
                                          collection_format wanted);

/// Opens a file, a folder, or standard input for "-". Throws mice::error: errc::io, or
/// errc::format where the format cannot be detected.
[[nodiscard]] std::unique_ptr<collection_reader>
open_collection(const std::filesystem::path& path, collection_format format, bad_text policy);

} // namespace mice::tools
