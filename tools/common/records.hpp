// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/json.hpp"
#include "common/json_output.hpp"
#include "common/lines.hpp"

// Reads passages, collections and runs. A line that cannot be understood ends the reading with an
// error that names its file and number. What can be left out without guessing (a duplicate id) is
// left out and noted.
namespace mice::tools {

/// What was left out or changed while reading, for the user and the exit code.
class reading_notes {
  public:
    /// Notes that something was left out: the program should end with "incomplete".
    void skipped(std::string note);
    /// Notes something that the user should know, although nothing is missing.
    void remark(std::string note) { remarks_.push_back(std::move(note)); }
    /// Notes how many files and folders were passed over (collection_reader::passed_over).
    void passed_over(std::size_t count) { passed_over_ += count; }
    /// Notes that bytes at `place` were not UTF-8 and became U+FFFD.
    void replaced(std::string_view place, std::size_t count);

    [[nodiscard]] bool anything_skipped() const { return skipped_ > 0; }
    /// One line for every kind of note, with a few examples and how many more there are.
    [[nodiscard]] std::vector<std::string> lines() const;

  private:
    std::vector<std::string> examples_;
    std::vector<std::string> remarks_;
    std::size_t passed_over_ = 0;
    std::size_t skipped_ = 0;
    std::size_t replaced_ = 0;
    std::size_t replaced_lines_ = 0;
    std::string first_replaced_;
};

/// What to do with bytes that are not UTF-8, and with escaped lone surrogates in JSON.
enum class bad_text { replace, refuse };

/// Repairs one line: each invalid sequence becomes U+FFFD. Returns how many there were. Throws
/// mice::error (errc::encoding) naming `place` under bad_text::refuse.
std::size_t repair_line(std::string& line, bad_text policy, std::string_view place);

/// Parses one JSON object from a line. Invalid UTF-8 and escaped lone surrogates ("\ud800") become
/// U+FFFD first, counted in `replaced`. Throws mice::error naming `place`.
[[nodiscard]] json parse_object_line(const std::string& line, std::string_view place,
                                     bad_text policy, std::size_t& replaced);

/// Throws mice::error (errc::encoding) naming `place` for an id, as it stands in the file, that is
/// not UTF-8: repaired, two ids could become one.
void require_sound_id(std::string_view id, std::string_view place);

/// The note about a record whose id was there before: in every command the first one stays.
[[nodiscard]] std::string duplicate_note(std::string_view place, std::string_view kind,
                                         std::string_view id);

/// One text to rank.
struct passage {
    std::string id;
    std::string title;
    std::string text;
    std::size_t replaced = 0; ///< invalid sequences of its line that became U+FFFD
    std::size_t place = 0;    ///< in the input, from 0; passages that were left out count
    bool numbered = false;    ///< the id is our number, not the user's own

    /// What the model reads: "title text", or the text alone where it starts with the title.
    [[nodiscard]] std::string joined() const;
    /// Where the text begins in joined(), behind the title.
    [[nodiscard]] std::size_t text_in(std::string_view joined) const;
};

/// One document of a collection.
struct collection_document {
    std::string id;
    std::string text;           ///< what the model reads: title and text joined
    std::string metadata;       ///< the record's own; empty where it has none
    std::size_t replaced = 0;   ///< invalid sequences that became U+FFFD
    std::string place;          ///< "corpus.jsonl:17", for messages
    std::filesystem::path file; ///< its file; empty: it is a record of a larger file
};

/// Passages in file order, and the position of every id.
class passage_list {
  public:
    /// Adds a passage with an id of its own; false when another has it already.
    bool add(passage entry);
    /// Adds a passage without an id: it gets `number`. If another passage, before or behind it, has
    /// that as its own id, "#" is put in front until the id is free.
    void add_numbered(passage entry, std::string number);
    [[nodiscard]] const std::vector<passage>& all() const { return passages_; }
    [[nodiscard]] const passage& operator[](std::size_t index) const { return passages_[index]; }
    [[nodiscard]] std::size_t size() const { return passages_.size(); }
    /// Position of an id, or nullptr. Valid until the next add().
    [[nodiscard]] const std::uint32_t* find(std::string_view id) const;

  private:
    void append(passage entry);
    [[nodiscard]] std::string free_id(std::string id) const;

    std::vector<passage> passages_;
    std::unordered_map<std::string, std::uint32_t> places_;
    std::size_t offered_ = 0; ///< of passages, those left out included
};

enum class passage_format {
    detect,     ///< JSON if the first filled line looks like it, else lines
    lines,      ///< each line is a passage
    json_lines, ///< {"id" or "_id", "title", "text"}: text or title must be there; JSON Lines, or
                ///< an array of such objects or of texts
    text        ///< the file is one passage, and its path the id; for open_collection
};

/// Appends the passages of a file or stream. Empty lines are not passages. A passage without an id
/// gets `prefix` and a number from 1 as id: that of its line, or in a JSON array of the element.
void read_passages(line_reader& input, passage_format format, bad_text policy, passage_list& into,
                   reading_notes& notes, std::string_view prefix = {});

/// corpus.jsonl: JSON in which every record has an id.
[[nodiscard]] passage_list read_corpus(const std::filesystem::path& file, bad_text policy,
                                       reading_notes& notes);

struct query_record {
    std::string id;
    std::string text;
    std::size_t replaced = 0;
};

/// One line of a collection with an id: {"_id" or "id", "title", "text", "metadata"}. Metadata that
/// is not text is kept as JSON. Throws mice::error naming `place`.
[[nodiscard]] collection_document read_json_document(const std::string& line,
                                                     std::string_view place, bad_text policy);

/// queries.jsonl: {"_id" or "id", "text"} in file order.
[[nodiscard]] std::vector<query_record> read_queries(const std::filesystem::path& file,
                                                     bad_text policy, reading_notes& notes);

/// The name in a field of a head line: its letters and digits in lower case ("query-id":
/// "queryid").
[[nodiscard]] std::string plain_name(std::string_view field);

/// Judgements: query id -> document id -> grade.
using judgements = std::map<std::string, std::map<std::string, int, std::less<>>, std::less<>>;

/// qrels.tsv: "query-id <tab> corpus-id <tab> grade" with or without a header line, or TREC's four
/// columns "query 0 document grade". Grades are whole numbers; "2.0" is one.
[[nodiscard]] judgements read_qrels(const std::filesystem::path& file, reading_notes& notes);

struct run_list {
    std::string query_id;
    std::vector<std::string> document_ids; ///< best first
};

/// A TREC run, "query Q0 document rank score tag", with or without a header line: the queries in
/// the order of their first lines, the documents of each by falling score, then rising rank, then
/// line.
[[nodiscard]] std::vector<run_list> read_run(const std::filesystem::path& file,
                                             reading_notes& notes);

/// One line of a TREC run; `score` is a number as text. Throws mice::error when an id is empty, or
/// holds white space or control characters, which the format cannot express.
[[nodiscard]] std::string run_line(std::string_view query_id, std::string_view document_id,
                                   std::size_t rank, std::string_view score, std::string_view tag);

} // namespace mice::tools
