// SPDX-License-Identifier: Apache-2.0
#include "common/records.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include <mice/error.hpp>
#include <mice/text/unicode/unicode.hpp>
#include <mice/text/unicode/utf8.hpp>

#include "common/json_records.hpp"
#include "common/trimmed.hpp"

namespace mice::tools {
namespace {

constexpr std::size_t examples_shown = 10;

error bad_line(std::string_view place, std::string_view what) {
    return {errc::format, std::string(place) + ": " + std::string(what)};
}

std::vector<std::string_view> split(std::string_view line, std::string_view separators,
                                    bool keep_empty) {
    std::vector<std::string_view> fields;
    for (std::size_t start = 0; start <= line.size();) {
        const std::size_t end = std::min(line.find_first_of(separators, start), line.size());
        if (keep_empty || end > start) {
            fields.push_back(line.substr(start, end - start));
        }
        start = end + 1;
    }
    return fields;
}

template <class Number> std::optional<Number> to_number(std::string_view text) {
    if (text.starts_with('+')) {
        text.remove_prefix(1);
    }
    Number value{};
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

/// The code of "\uXXXX" at `position`, if there is one.
std::optional<unsigned> escaped_unit(std::string_view line, std::size_t position) {
    if (position + 6 > line.size() || line[position] != '\\' || line[position + 1] != 'u') {
        return std::nullopt;
    }
    unsigned unit = 0;
    const char* const end = line.data() + position + 6;
    const auto result = std::from_chars(line.data() + position + 2, end, unit, 16);
    return result.ec == std::errc() && result.ptr == end ? std::optional(unit) : std::nullopt;
}

bool is_high_surrogate(unsigned unit) {
    return unit >= 0xD800 && unit <= 0xDBFF;
}

bool is_low_surrogate(unsigned unit) {
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/// Position of an escape that is half of a surrogate pair, at or after `position`.
std::size_t find_lone_surrogate(std::string_view line, std::size_t position) {
    while ((position = line.find('\\', position)) != std::string_view::npos) {
        const std::optional<unsigned> unit = escaped_unit(line, position);
        if (!unit) {
            position += 2; // another escape: its second character may be a backslash
            continue;
        }
        if (is_high_surrogate(*unit)) {
            const std::optional<unsigned> second = escaped_unit(line, position + 6);
            if (!second || !is_low_surrogate(*second)) {
                return position;
            }
            position += 12;
            continue;
        }
        if (is_low_surrogate(*unit)) {
            return position;
        }
        position += 6;
    }
    return std::string_view::npos;
}

/// A member that is text, or nothing where it is absent or null.
std::optional<std::string> text_member(const json& object, const char* key,
                                       std::string_view place) {
    const auto member = object.find(key);
    if (member == object.end() || member->is_null()) {
        return std::nullopt;
    }
    if (!member->is_string()) {
        throw bad_line(place,
                       "\"" + std::string(key) + "\" must be text, not " + member->type_name());
    }
    return member->get<std::string>();
}

/// "_id" or "id", as text; whole numbers count as text. Empty where neither is there.
std::string id_member(const json& object, std::string_view place) {
    for (const char* key : {"_id", "id"}) {
        const auto member = object.find(key);
        if (member == object.end() || member->is_null()) {
            continue;
        }
        if (member->is_number_integer()) {
            return member->dump();
        }
        if (member->is_number_float()) {
            throw bad_line(place, "\"" + std::string(key) +
                                      "\" must be text or a whole number of at most 64 bits; put "
                                      "other numbers in quotes");
        }
        if (!member->is_string() || member->get_ref<const std::string&>().empty()) {
            throw bad_line(place, "\"" + std::string(key) +
                                      "\" must be text that is not empty, or a whole number");
        }
        return member->get<std::string>();
    }
    return {};
}

/// The line with every invalid sequence, and every escape that is half of a surrogate pair,
/// replaced by `stand_in`; counts them in `replaced`.
std::string repaired_json(const std::string& line, std::string_view place, bad_text policy,
                          std::string_view stand_in, std::size_t& replaced) {
    std::string text = line;
    replaced = 0;
    if (const std::size_t first = text::first_invalid_utf8(line); first != std::string::npos) {
        if (policy == bad_text::refuse) {
            throw detail::errors::invalid_utf8(place, first);
        }
        text.clear();
        for (std::size_t at = 0; at < line.size();) {
            const text::decoded next = text::decode_utf8(line, at);
            text.append(next.valid ? std::string_view(line).substr(at, next.bytes) : stand_in);
            replaced += next.valid ? 0 : 1;
            at += next.bytes;
        }
    }
    for (std::size_t at = 0; (at = find_lone_surrogate(text, at)) != std::string::npos;) {
        if (policy == bad_text::refuse) {
            throw error(errc::encoding, std::string(place) + ": the escape " + text.substr(at, 6) +
                                            " is half of a surrogate pair; repair it, or leave out "
                                            "--strict-utf8");
        }
        text.replace(at, 6, stand_in);
        at += stand_in.size();
        ++replaced;
    }
    return text;
}

json parse_repaired(const std::string& text, std::string_view place) {
    try {
        return parse_json(text, std::string(place) + ": the line");
    } catch (const error& problem) {
        throw error(problem.code(), problem.what() + std::string("; fix or remove it"));
    }
}

/// A record of JSON: a value, and the bytes that it was parsed from.
struct parsed_record {
    const std::string& bytes;
    json value;
    std::size_t replaced = 0;

    parsed_record(const std::string& line, std::string_view place, bad_text policy) : bytes(line) {
        value = parse_repaired(repaired_json(line, place, policy, replacement, replaced), place);
    }

    static constexpr std::string_view replacement = "\uFFFD";
};

void require_object(const json& value, std::string_view place) {
    if (!value.is_object()) {
        throw bad_line(place, "expected a JSON object, got " + std::string(value.type_name()));
    }
}

error broken_id(std::string_view place) {
    return {errc::encoding, std::string(place) + ": the id is not UTF-8, and replacing its bytes "
                                                 "could make two ids one; repair it"};
}

/// The id of a record. An id that had to be repaired is refused: two different ones could become
/// the same.
std::string sound_id(const parsed_record& record, std::string_view place) {
    std::string id = id_member(record.value, place);
    if (record.replaced > 0 && id.find(parsed_record::replacement) != std::string::npos) {
        std::size_t ignored = 0;
        const json other = parse_repaired(
            repaired_json(record.bytes, place, bad_text::replace, "?", ignored), place);
        if (id_member(other, place) != id) {
            throw broken_id(place);
        }
    }
    return id;
}

passage to_passage(const parsed_record& record, std::string_view place) {
    require_object(record.value, place);
    passage entry;
    entry.id = sound_id(record, place);
    const std::optional<std::string> title = text_member(record.value, "title", place);
    const std::optional<std::string> text = text_member(record.value, "text", place);
    if (!title && !text) {
        throw bad_line(place, "the passage has neither \"text\" nor \"title\"; add one");
    }
    entry.title = title.value_or("");
    entry.text = text.value_or("");
    entry.replaced = record.replaced;
    return entry;
}

/// A passage of JSON: an object, or in an array also its text alone.
passage json_passage(const std::string& line, std::string_view place, bad_text policy) {
    const parsed_record record(line, place, policy);
    if (!record.value.is_string()) {
        return to_passage(record, place);
    }
    passage entry;
    entry.text = record.value.get<std::string>();
    entry.replaced = record.replaced;
    return entry;
}

void require_id(const std::string& id, std::string_view place) {
    if (id.empty()) {
        throw bad_line(place, "there is no \"_id\" (or \"id\"); every line of this file needs one");
    }
}

/// White space, which ends a field of a run, and control characters, which could end its line or
/// steer the terminal that shows it.
bool breaks_fields(std::string_view text) {
    for (std::size_t position = 0; position < text.size();) {
        const text::decoded next = text::decode_utf8(text, position);
        const text::category kind = text::general_category(next.code);
        if (next.code == ' ' || kind == text::category::cc || kind == text::category::zl ||
            kind == text::category::zp) {
            return true;
        }
        position += next.bytes;
    }
    return false;
}

} // namespace

// ---- notes ----

void reading_notes::skipped(std::string note) {
    if (skipped_++ < examples_shown) {
        examples_.push_back(std::move(note));
    }
}

void reading_notes::replaced(std::string_view place, std::size_t count) {
    if (count > 0 && replaced_lines_++ == 0) {
        first_replaced_ = place;
    }
    replaced_ += count;
}

std::vector<std::string> reading_notes::lines() const {
    std::vector<std::string> result = examples_;
    if (skipped_ > examples_.size()) {
        result.push_back("... and " + std::to_string(skipped_ - examples_.size()) +
                         " more like these");
    }
    if (replaced_ > 0) {
        result.push_back("invalid UTF-8 was replaced by U+FFFD " + std::to_string(replaced_) +
                         " times in " + std::to_string(replaced_lines_) + " lines, the first at " +
                         first_replaced_ + "; --strict-utf8 refuses it");
    }
    if (passed_over_ > 0) {
        result.push_back(std::to_string(passed_over_) +
                         (passed_over_ == 1 ? " file or folder was" : " files and folders were") +
                         " passed over: hidden (the name begins with a dot) or of an index; give "
                         "one by its own path to add it");
    }
    result.insert(result.end(), remarks_.begin(), remarks_.end());
    return result;
}

// ---- lines ----

std::size_t repair_line(std::string& line, bad_text policy, std::string_view place) {
    const std::size_t first = text::first_invalid_utf8(line);
    if (first == std::string::npos) {
        return 0;
    }
    if (policy == bad_text::refuse) {
        throw detail::errors::invalid_utf8(place, first);
    }
    text::repaired_text repaired = text::repair_utf8(line);
    line = std::move(repaired.text);
    return repaired.replaced;
}

json parse_object_line(const std::string& line, std::string_view place, bad_text policy,
                       std::size_t& replaced) {
    parsed_record record(line, place, policy);
    require_object(record.value, place);
    replaced = record.replaced;
    return std::move(record.value);
}

void require_sound_id(std::string_view id, std::string_view place) {
    if (text::first_invalid_utf8(id) != std::string::npos) {
        throw broken_id(place);
    }
}

std::string duplicate_note(std::string_view place, std::string_view kind, std::string_view id) {
    return std::string(place) + ": the " + std::string(kind) + " id " + detail::errors::quoted(id) +
           " was there before; the first stays, and this one was left out";
}

// ---- passages ----

std::string passage::joined() const {
    const std::string_view head = trimmed(title);
    const std::string_view body = trimmed(text);
    if (head.empty() || body.starts_with(head)) {
        return std::string(body);
    }
    return body.empty() ? std::string(head) : std::string(head) + " " + std::string(body);
}

std::size_t passage::text_in(std::string_view joined) const {
    return joined.size() - std::min(joined.size(), trimmed(text).size());
}

/// Adds an entry under its id, which is free.
void passage_list::append(passage entry) {
    if (passages_.size() == UINT32_MAX) {
        throw detail::errors::bad_argument("more than 4294967295 passages: split the input");
    }
    places_.emplace(entry.id, static_cast<std::uint32_t>(passages_.size()));
    passages_.push_back(std::move(entry));
}

std::string passage_list::free_id(std::string id) const {
    while (places_.contains(id)) {
        id.insert(0, 1, '#');
    }
    return id;
}

bool passage_list::add(passage entry) {
    entry.place = offered_++;
    entry.numbered = false;
    if (const auto taken = places_.find(entry.id); taken != places_.end()) {
        passage& holder = passages_[taken->second];
        if (!holder.numbered) {
            return false;
        }
        const std::uint32_t place = taken->second;
        holder.id = free_id(holder.id); // our number gives way to the user's own id
        places_.erase(taken);
        places_.emplace(holder.id, place);
    }
    append(std::move(entry));
    return true;
}

void passage_list::add_numbered(passage entry, std::string number) {
    entry.place = offered_++;
    entry.numbered = true;
    entry.id = free_id(std::move(number));
    append(std::move(entry));
}

const std::uint32_t* passage_list::find(std::string_view id) const {
    const auto found = places_.find(std::string(id));
    return found == places_.end() ? nullptr : &found->second;
}

namespace {

void add_passage(passage entry, const std::string& place, std::string number, passage_list& into,
                 reading_notes& notes) {
    notes.replaced(place, entry.replaced);
    if (entry.id.empty()) {
        into.add_numbered(std::move(entry), std::move(number));
        return;
    }
    const std::string id = entry.id;
    if (!into.add(std::move(entry))) {
        notes.skipped(duplicate_note(place, "passage", id));
    }
}

} // namespace

void read_passages(line_reader& input, passage_format format, bad_text policy, passage_list& into,
                   reading_notes& notes, std::string_view prefix) {
    input.hold_at_most();
    if (format == passage_format::detect) {
        const std::string* const first = input.peek_filled();
        format = first != nullptr && starts_json(*first) ? passage_format::json_lines
                                                         : passage_format::lines;
    }
    const auto id_of = [&](std::size_t number) {
        return std::string(prefix) + std::to_string(number);
    };
    std::string line;
    if (format == passage_format::json_lines) {
        json_reader records(input);
        while (records.next(line)) {
            add_passage(json_passage(line, records.place(), policy), records.place(),
                        id_of(records.number()), into, notes);
        }
        return;
    }
    while (input.next_filled(line)) {
        passage entry;
        entry.replaced = repair_line(line, policy, input.place());
        entry.text = std::move(line);
        add_passage(std::move(entry), input.place(), id_of(input.number()), into, notes);
    }
}

passage_list read_corpus(const std::filesystem::path& file, bad_text policy, reading_notes& notes) {
    line_reader input(file);
    input.hold_at_most();
    json_reader records(input);
    passage_list corpus;
    std::string line;
    while (records.next(line)) {
        passage entry = json_passage(line, records.place(), policy);
        require_id(entry.id, records.place());
        notes.replaced(records.place(), entry.replaced);
        const std::string id = entry.id;
        if (!corpus.add(std::move(entry))) {
            notes.skipped(duplicate_note(records.place(), "document", id));
        }
    }
    return corpus;
}

collection_document read_json_document(const std::string& line, std::string_view place,
                                       bad_text policy) {
    const parsed_record record(line, place, policy);
    const passage entry = to_passage(record, place);
    require_id(entry.id, place);
    collection_document document;
    document.id = entry.id;
    document.text = entry.joined();
    document.replaced = record.replaced;
    document.place = place;
    const auto metadata = record.value.find("metadata");
    if (metadata != record.value.end() && !metadata->is_null()) {
        document.metadata =
            metadata->is_string() ? metadata->get<std::string>() : to_text(*metadata);
    }
    return document;
}

std::vector<query_record> read_queries(const std::filesystem::path& file, bad_text policy,
                                       reading_notes& notes) {
    line_reader input(file);
    input.hold_at_most();
    json_reader records(input);
    std::vector<query_record> queries;
    std::unordered_set<std::string> seen;
    std::string line;
    while (records.next(line)) {
        const std::string place = records.place();
        const parsed_record record(line, place, policy);
        require_object(record.value, place);
        query_record entry;
        entry.replaced = record.replaced;
        entry.id = sound_id(record, place);
        require_id(entry.id, place);
        const std::optional<std::string> text = text_member(record.value, "text", place);
        if (!text) {
            throw bad_line(place, "the query has no \"text\"; add it");
        }
        entry.text = *text;
        notes.replaced(place, entry.replaced);
        if (seen.insert(entry.id).second) {
            queries.push_back(std::move(entry));
        } else {
            notes.skipped(duplicate_note(place, "query", entry.id));
        }
    }
    return queries;
}

// ---- judgements and runs ----

std::string plain_name(std::string_view field) {
    std::string name;
    for (const char c : trimmed(field)) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
            name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        }
    }
    return name;
}

namespace {

/// A row of names instead of data: "query-id <tab> corpus-id <tab> score", "qid Q0 docno rank ...".
bool is_head(std::span<const std::string_view> fields) {
    static const std::unordered_set<std::string> names{
        "queryid",  "query",  "qid",        "topic",     "topicid", "corpusid", "docid",
        "docno",    "did",    "pid",        "passageid", "doc",     "document", "documentid",
        "score",    "grade",  "relevance",  "relevancy", "rel",     "label",    "judgement",
        "judgment", "iter",   "iteration",  "q0",        "rank",    "tag",      "run",
        "runid",    "runtag", "similarity", "sim",       "id"};
    const auto known = std::count_if(fields.begin(), fields.end(), [](std::string_view field) {
        return names.contains(plain_name(field));
    });
    return known >= 2 && known * 2 > static_cast<std::ptrdiff_t>(fields.size());
}

/// Says what is wrong with a field that should be a number.
std::string number_trouble(std::string_view what, std::string_view field, bool whole) {
    std::string text = "the " + std::string(what) + " " + detail::errors::quoted(field);
    std::string with_point(field);
    std::replace(with_point.begin(), with_point.end(), ',', '.');
    const auto meant = to_number<double>(with_point);
    if (with_point != field && meant && (!whole || *meant == std::floor(*meant))) {
        return text + " has a decimal comma; write " + detail::errors::quoted(with_point);
    }
    if (const auto value = to_number<double>(field)) {
        return text + (std::isfinite(*value) ? " is not a whole number"
                                             : " is not a number that has a place in an order");
    }
    return text + " is not a number";
}

/// A whole number, which may be written with zeros behind a point, as some tools do: "2.0".
template <class Whole> std::optional<Whole> to_whole(std::string_view field) {
    if (const auto whole = to_number<Whole>(field)) {
        return whole;
    }
    const auto value = to_number<double>(field);
    constexpr double limit = 1e9; // beyond it there are no grades and no ranks
    if (!value || !(std::abs(*value) <= limit) || *value != std::floor(*value)) {
        return std::nullopt;
    }
    return static_cast<Whole>(*value);
}

} // namespace

judgements read_qrels(const std::filesystem::path& file, reading_notes& notes) {
    line_reader input(file);
    input.hold_at_most();
    judgements result;
    std::string line;
    for (bool first = true; input.next_filled(line); first = false) {
        std::vector<std::string_view> fields = split(line, "\t", true);
        if (fields.size() < 3) {
            fields = split(line, " \t", false);
        }
        if (first && is_head(fields)) {
            continue;
        }
        if (fields.size() != 3 && fields.size() != 4) {
            throw bad_line(input.place(),
                           "expected \"query-id <tab> corpus-id <tab> grade\", got " +
                               std::to_string(fields.size()) + " columns");
        }
        const std::string_view written = trimmed(fields.back());
        const std::optional<int> grade = to_whole<int>(written);
        if (!grade) {
            throw bad_line(input.place(), number_trouble("grade", written, true) +
                                              "; grades are whole numbers, such as 0, 1 or 2");
        }
        const std::string query(trimmed(fields[0]));
        const std::string document(trimmed(fields[fields.size() - 2]));
        if (!result[query].try_emplace(document, *grade).second) {
            notes.skipped(duplicate_note(input.place(), "judged document", document));
        }
    }
    return result;
}

namespace {

struct run_entry {
    std::string document;
    double score;
    long long rank;
};

/// The columns of a run's line behind the query. Throws for any other line.
run_entry to_run_entry(std::span<const std::string_view> fields, std::string_view place) {
    if (fields.size() != 6) {
        throw bad_line(place, "expected the six columns of a TREC run, \"query Q0 document rank "
                              "score tag\", got " +
                                  std::to_string(fields.size()));
    }
    const auto rank = to_whole<long long>(fields[3]);
    if (!rank) {
        throw bad_line(place, number_trouble("rank", fields[3], true) +
                                  "; it is the fourth column of a TREC run");
    }
    const auto score = to_number<double>(fields[4]);
    if (!score || !std::isfinite(*score)) {
        throw bad_line(place, number_trouble("score", fields[4], false) +
                                  "; it is the fifth column of a TREC run");
    }
    return {std::string(fields[2]), *score, *rank};
}

} // namespace

std::vector<run_list> read_run(const std::filesystem::path& file, reading_notes& notes) {
    line_reader input(file);
    input.hold_at_most();
    std::vector<std::string> order;
    std::unordered_map<std::string, std::vector<run_entry>> lists;
    std::unordered_map<std::string, std::unordered_set<std::string>> seen;
    std::string line;
    for (bool first = true; input.next_filled(line); first = false) {
        const std::vector<std::string_view> fields = split(line, " \t", false);
        if (first && is_head(fields)) {
            continue;
        }
        run_entry entry = to_run_entry(fields, input.place());
        const std::string query(fields[0]);
        const auto [list, fresh] = lists.try_emplace(query);
        if (fresh) {
            order.push_back(query);
        }
        if (seen[query].emplace(entry.document).second) {
            list->second.push_back(std::move(entry));
        } else {
            notes.skipped(duplicate_note(input.place(), "document", entry.document));
        }
    }
    std::vector<run_list> runs;
    for (const std::string& query : order) {
        std::vector<run_entry>& list = lists[query];
        std::stable_sort(list.begin(), list.end(), [](const run_entry& a, const run_entry& b) {
            return a.score != b.score ? a.score > b.score : a.rank < b.rank;
        });
        run_list& run = runs.emplace_back(run_list{query, {}});
        for (run_entry& each : list) {
            run.document_ids.push_back(std::move(each.document));
        }
    }
    return runs;
}

std::string run_line(std::string_view query_id, std::string_view document_id, std::size_t rank,
                     std::string_view score, std::string_view tag) {
    for (const std::string_view field : {query_id, document_id, tag}) {
        if (field.empty() || breaks_fields(field)) {
            throw detail::errors::bad_argument(
                "a TREC run cannot hold the name " + detail::errors::quoted(field) +
                ": it is empty, or has white space or control characters; "
                "use --json instead");
        }
    }
    return std::string(query_id) + " Q0 " + std::string(document_id) + " " + std::to_string(rank) +
           " " + std::string(score) + " " + std::string(tag) + "\n";
}

} // namespace mice::tools
