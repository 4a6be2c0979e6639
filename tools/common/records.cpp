// SPDX-License-Identifier: Apache-2.0
#include "common/records.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_set>
#include <utility>

#include <mice/error.hpp>
#include <mice/text/unicode.hpp>
#include <mice/text/utf8.hpp>

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

/// The code of "\uXXXX" at `position`, if that is what stands there.
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
std::optional<std::string> text_member(const io::json& object, const char* key,
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
std::string id_member(const io::json& object, std::string_view place) {
    for (const char* key : {"_id", "id"}) {
        const auto member = object.find(key);
        if (member == object.end() || member->is_null()) {
            continue;
        }
        if (member->is_number_integer()) {
            return member->dump();
        }
        if (!member->is_string() || member->get_ref<const std::string&>().empty()) {
            throw bad_line(place, "\"" + std::string(key) +
                                      "\" must be text that is not empty, or a whole number");
        }
        return member->get<std::string>();
    }
    return {};
}

passage to_passage(const io::json& object, std::string_view place) {
    passage entry;
    entry.id = id_member(object, place);
    const std::optional<std::string> title = text_member(object, "title", place);
    const std::optional<std::string> text = text_member(object, "text", place);
    if (!title && !text) {
        throw bad_line(place, "the passage has neither \"text\" nor \"title\"; add one");
    }
    entry.title = title.value_or("");
    entry.text = text.value_or("");
    return entry;
}

passage json_passage(std::string line, std::string_view place, bad_text policy) {
    std::size_t replaced = 0;
    passage entry = to_passage(parse_object_line(std::move(line), place, policy, replaced), place);
    entry.replaced = replaced;
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

std::string duplicate(std::string_view place, std::string_view kind, std::string_view id) {
    return std::string(place) + ": the " + std::string(kind) + " id " + errors::quoted(id) +
           " was there before; this line was left out";
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
    return result;
}

// ---- lines ----

std::size_t repair_line(std::string& line, bad_text policy, std::string_view place) {
    const std::size_t first = text::first_invalid_utf8(line);
    if (first == std::string::npos) {
        return 0;
    }
    if (policy == bad_text::refuse) {
        throw errors::invalid_utf8(place, first);
    }
    text::repaired_text repaired = text::repair_utf8(line);
    line = std::move(repaired.text);
    return repaired.replaced;
}

io::json parse_object_line(std::string line, std::string_view place, bad_text policy,
                           std::size_t& replaced) {
    replaced = repair_line(line, policy, place);
    for (std::size_t at = 0; (at = find_lone_surrogate(line, at)) != std::string::npos; at += 6) {
        if (policy == bad_text::refuse) {
            throw error(errc::encoding, std::string(place) + ": the escape " + line.substr(at, 6) +
                                            " is half of a surrogate pair; repair it, or leave out "
                                            "--strict-utf8");
        }
        line.replace(at, 6, "\\ufffd");
        ++replaced;
    }
    io::json object;
    try {
        object = io::parse_json(line, std::string(place) + ": the line");
    } catch (const error& problem) {
        throw error(problem.code(), problem.what() + std::string("; fix or remove it"));
    }
    if (!object.is_object()) {
        throw bad_line(place, "expected a JSON object, got " + std::string(object.type_name()));
    }
    return object;
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

bool passage_list::add(passage entry) {
    if (passages_.size() == UINT32_MAX) {
        throw errors::bad_argument("more than 4294967295 passages: split the input");
    }
    if (entry.id.empty()) {
        entry.id = std::to_string(passages_.size() + 1);
        while (places_.contains(entry.id)) {
            entry.id.insert(0, 1, '#'); // a passage with an id of its own took the number
        }
    }
    if (!places_.try_emplace(entry.id, static_cast<std::uint32_t>(passages_.size())).second) {
        return false;
    }
    passages_.push_back(std::move(entry));
    return true;
}

const std::uint32_t* passage_list::find(std::string_view id) const {
    const auto found = places_.find(std::string(id));
    return found == places_.end() ? nullptr : &found->second;
}

void read_passages(line_reader& input, passage_format format, bad_text policy, passage_list& into,
                   reading_notes& notes) {
    std::string line;
    while (input.next_filled(line)) {
        if (format == passage_format::detect) {
            format =
                trimmed(line).starts_with('{') ? passage_format::json_lines : passage_format::lines;
        }
        passage entry;
        if (format == passage_format::json_lines) {
            entry = json_passage(std::move(line), input.place(), policy);
        } else {
            entry.replaced = repair_line(line, policy, input.place());
            entry.text = std::move(line);
        }
        notes.replaced(input.place(), entry.replaced);
        const std::string id = entry.id;
        if (!into.add(std::move(entry))) {
            notes.skipped(duplicate(input.place(), "passage", id));
        }
        line.clear();
    }
}

passage_list read_corpus(const std::filesystem::path& file, bad_text policy, reading_notes& notes) {
    line_reader input(file);
    passage_list corpus;
    std::string line;
    while (input.next_filled(line)) {
        passage entry = json_passage(std::move(line), input.place(), policy);
        require_id(entry.id, input.place());
        notes.replaced(input.place(), entry.replaced);
        const std::string id = entry.id;
        if (!corpus.add(std::move(entry))) {
            notes.skipped(duplicate(input.place(), "document", id));
        }
        line.clear();
    }
    return corpus;
}

collection_document read_json_document(std::string line, std::string_view place, bad_text policy) {
    collection_document document;
    const io::json object = parse_object_line(std::move(line), place, policy, document.replaced);
    const passage entry = to_passage(object, place);
    require_id(entry.id, place);
    document.id = entry.id;
    document.text = entry.joined();
    document.place = place;
    const auto metadata = object.find("metadata");
    if (metadata != object.end() && !metadata->is_null()) {
        document.metadata =
            metadata->is_string() ? metadata->get<std::string>() : io::to_text(*metadata);
    }
    return document;
}

std::vector<query_record> read_queries(const std::filesystem::path& file, bad_text policy,
                                       reading_notes& notes) {
    line_reader input(file);
    std::vector<query_record> queries;
    std::unordered_set<std::string> seen;
    std::string line;
    while (input.next_filled(line)) {
        query_record entry;
        const io::json object =
            parse_object_line(std::move(line), input.place(), policy, entry.replaced);
        entry.id = id_member(object, input.place());
        require_id(entry.id, input.place());
        const std::optional<std::string> text = text_member(object, "text", input.place());
        if (!text) {
            throw bad_line(input.place(), "the query has no \"text\"; add it");
        }
        entry.text = *text;
        notes.replaced(input.place(), entry.replaced);
        if (seen.insert(entry.id).second) {
            queries.push_back(std::move(entry));
        } else {
            notes.skipped(duplicate(input.place(), "query", entry.id));
        }
        line.clear();
    }
    return queries;
}

// ---- judgements and runs ----

judgements read_qrels(const std::filesystem::path& file, reading_notes& notes) {
    line_reader input(file);
    judgements result;
    std::string line;
    for (bool first = true; input.next_filled(line); first = false) {
        std::vector<std::string_view> fields = split(line, "\t", true);
        if (fields.size() < 3) {
            fields = split(line, " \t", false);
        }
        const std::optional<int> grade =
            fields.empty() ? std::nullopt : to_number<int>(trimmed(fields.back()));
        if (first && !grade && (fields.size() == 3 || fields.size() == 4)) {
            continue; // the header
        }
        if ((fields.size() != 3 && fields.size() != 4) || !grade) {
            throw bad_line(input.place(),
                           "expected \"query-id <tab> corpus-id <tab> grade\" with a "
                           "whole number as grade");
        }
        const std::string query(trimmed(fields[0]));
        const std::string document(trimmed(fields[fields.size() - 2]));
        if (!result[query].try_emplace(document, *grade).second) {
            notes.skipped(duplicate(input.place(), "judged document", document));
        }
    }
    return result;
}

std::vector<run_list> read_run(const std::filesystem::path& file, reading_notes& notes) {
    struct entry {
        std::string document;
        double score;
        long long rank;
    };
    line_reader input(file);
    std::vector<std::string> order;
    std::unordered_map<std::string, std::vector<entry>> lists;
    std::unordered_map<std::string, std::unordered_set<std::string>> seen;
    std::string line;
    while (input.next_filled(line)) {
        const std::vector<std::string_view> fields = split(line, " \t", false);
        const auto rank = fields.size() == 6 ? to_number<long long>(fields[3]) : std::nullopt;
        const auto score = fields.size() == 6 ? to_number<double>(fields[4]) : std::nullopt;
        if (!rank || !score || !std::isfinite(*score)) {
            throw bad_line(input.place(), "expected the six columns of a TREC run, \"query Q0 "
                                          "document rank score tag\"");
        }
        const std::string query(fields[0]);
        const auto [list, fresh] = lists.try_emplace(query);
        if (fresh) {
            order.push_back(query);
        }
        if (seen[query].emplace(fields[2]).second) {
            list->second.push_back({std::string(fields[2]), *score, *rank});
        } else {
            notes.skipped(duplicate(input.place(), "document", fields[2]));
        }
    }
    std::vector<run_list> runs;
    for (const std::string& query : order) {
        std::vector<entry>& list = lists[query];
        std::stable_sort(list.begin(), list.end(), [](const entry& a, const entry& b) {
            return a.score != b.score ? a.score > b.score : a.rank < b.rank;
        });
        run_list& run = runs.emplace_back(run_list{query, {}});
        for (entry& each : list) {
            run.document_ids.push_back(std::move(each.document));
        }
    }
    return runs;
}

std::string run_line(std::string_view query_id, std::string_view document_id, std::size_t rank,
                     std::string_view score, std::string_view tag) {
    for (const std::string_view field : {query_id, document_id, tag}) {
        if (field.empty() || breaks_fields(field)) {
            throw errors::bad_argument("a TREC run cannot hold the name " + errors::quoted(field) +
                                       ": it is empty, or has white space or control characters; "
                                       "use --json instead");
        }
    }
    return std::string(query_id) + " Q0 " + std::string(document_id) + " " + std::to_string(rank) +
           " " + std::string(score) + " " + std::string(tag) + "\n";
}

} // namespace mice::tools
