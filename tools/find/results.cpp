// SPDX-License-Identifier: Apache-2.0
#include "find/results.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

#include <mice/text/unicode/unicode.hpp>

#include "common/percent_encoding.hpp"
#include "common/shown_highlights.hpp"
#include "common/terminal.hpp"

namespace mice::find {
namespace {

using tools::ordered_json;

std::string fixed(double value, int digits) {
    std::array<char, 64> text{};
    const int size = std::snprintf(text.data(), text.size(), "%.*f", digits, value);
    return {text.data(), static_cast<std::size_t>(std::max(size, 0))};
}

/// Five digits are more than a score means.
double rounded(double value) {
    const std::string text = fixed(value, 5);
    return std::strtod(text.c_str(), nullptr);
}

std::string score_text(double score) {
    return fixed(score, 3);
}

std::string linked(const std::string& text, const found_passage& found, bool colours) {
    return colours ? "\x1b]8;;" + link_of(found) + "\x1b\\\x1b[1m" + text + "\x1b[0m\x1b]8;;\x1b\\"
                   : text;
}

std::string place_of(const found_passage& found) {
    std::string place = found.page > 0 ? "page " + std::to_string(found.page) : std::string();
    if (found.page == 0 && found.line > 0) {
        place = "line " + std::to_string(found.line);
    }
    if (!found.member.empty()) {
        place += (place.empty() ? "" : ", ") + found.member;
    }
    return place;
}

std::string explained(const found_passage& found, bool reranked) {
    const auto rank = [](std::size_t number) {
        return number == 0 ? std::string("-") : std::to_string(number);
    };
    std::string text =
        "words: rank " + rank(found.words_rank) + ", BM25 " + fixed(found.words_score, 3);
    if (reranked) {
        text += "; model: rank " + rank(found.model_rank) + ", logit " +
                fixed(found.model_score, 3) + "; together " + fixed(found.fused_score, 3);
        text += found.encoded_now ? "; encoded at this query" : "";
    }
    return text;
}

std::string numbered(std::string_view text, std::int64_t first) {
    std::string made;
    while (!text.empty()) {
        const std::size_t stop = std::min(text.find('\n'), text.size());
        made += std::to_string(first++) + "\t" + std::string(text.substr(0, stop)) + "\n";
        text.remove_prefix(std::min(stop + 1, text.size()));
    }
    return made;
}

/// The passage with its best words in bold, cut into lines of the terminal by the terminal itself.
std::string lit(const found_passage& found, bool colours) {
    std::vector<highlighted_word> words;
    for (const highlight& each : found.highlights.sentences) {
        words.insert(words.end(), each.words.begin(), each.words.end());
    }
    std::sort(words.begin(), words.end(), [](const highlighted_word& a, const highlighted_word& b) {
        return a.begin < b.begin;
    });
    std::string made;
    std::size_t at = 0;
    const std::string_view text = found.passage;
    for (const highlighted_word& each : words) {
        if (colours && each.begin >= at && each.end <= text.size()) {
            made += harmless(text.substr(at, each.begin - at)) + "\x1b[1;33m" +
                    harmless(text.substr(each.begin, each.end - each.begin)) + "\x1b[0m";
            at = each.end;
        }
    }
    return made + harmless(text.substr(at));
}

std::string indented(std::string_view text, std::string_view by) {
    std::string made;
    while (!text.empty()) {
        const std::size_t stop = std::min(text.find('\n'), text.size());
        made += std::string(by) + std::string(text.substr(0, stop)) + "\n";
        text.remove_prefix(std::min(stop + 1, text.size()));
    }
    return made;
}

/// The first lines of a passage.
std::string first_lines(const std::string& text, std::size_t lines) {
    std::size_t end = 0;
    for (std::size_t i = 0; i < lines && end != text.npos; ++i) {
        end = text.find('\n', end + (i > 0 ? 1 : 0));
    }
    return end == text.npos ? text : text.substr(0, end) + "\n...";
}

std::string for_terminal(const shown_result& result, std::size_t number, const shown_parts& how) {
    const found_passage& found = result.found;
    const std::string place = place_of(found);
    std::string made = std::to_string(number) + "  " + score_text(found.score) + "  " +
                       linked(tools::printable(found.file.string()), found, how.colours) +
                       (place.empty() ? "" : ":  " + tools::printable(place)) + "  #" +
                       found.document + "\n";
    const std::string heading = found.heading.empty() ? found.title
                                : found.heading.starts_with(found.title)
                                    ? found.heading
                                    : found.title + " > " + found.heading;
    made += "   " + tools::fit(tools::printable(heading), how.columns - 4) + "\n";
    if (how.explain) {
        made += "   " + explained(found, how.reranked) + "\n";
    }
    if (how.full) {
        const std::string body = harmless(result.body);
        made += indented(how.line_numbers ? numbered(body, 1) : body, "");
    } else {
        constexpr std::size_t most_lines = 6;
        const std::string text = lit(found, how.colours);
        made += indented(how.line_numbers
                             ? numbered(text, found.line > 0 ? found.line : found.first_line)
                             : first_lines(text, most_lines),
                         "   | ");
    }
    return made + "\n";
}

std::string csv_field(std::string_view text) {
    std::string valid = text::repair_utf8(text, [](std::size_t, std::size_t) {}).text;
    if (valid.find_first_of(",\"\r\n") == valid.npos) {
        return valid;
    }
    std::string quoted = "\"";
    for (const char c : valid) {
        quoted += c == '"' ? "\"\"" : std::string(1, c);
    }
    return quoted + "\"";
}

std::string csv_line(const shown_result& result, const shown_parts& how) {
    const found_passage& found = result.found;
    return "#" + found.document + "," + fixed(found.score, 5) + "," + csv_field(found.collection) +
           "," + csv_field(found.file.string()) + "," + csv_field(found.title) + "," +
           std::to_string(found.first_line) + "," + std::to_string(found.last_line) + "," +
           csv_field(how.full ? result.body : found.passage) + "\n";
}

std::string markdown(const shown_result& result, const shown_parts& how) {
    const found_passage& found = result.found;
    std::string made = "## " + tools::printable(found.title) + "\n\n- file: `" +
                       tools::printable(found.file.string()) + "`\n- document: #" + found.document +
                       "\n- score: " + score_text(found.score) +
                       "\n- lines: " + std::to_string(found.first_line) + "-" +
                       std::to_string(found.last_line) + "\n";
    if (!found.heading.empty()) {
        made += "- heading: " + tools::printable(found.heading) + "\n";
    }
    if (how.explain) {
        made += "- " + explained(found, how.reranked) + "\n";
    }
    const std::string text = harmless(how.full ? result.body : found.passage);
    const std::string shown =
        how.line_numbers ? numbered(text, how.full ? 1 : found.first_line) : text;
    return made + "\n" + indented(shown, "> ") + "\n";
}

} // namespace

std::string link_of(const found_passage& found) {
    const std::string link =
        "file://" + tools::percent_encoded(found.file.string(), tools::slashes::kept);
    return found.line > 0 ? link + "#L" + std::to_string(found.line) : link;
}

std::string harmless(std::string_view text) {
    std::string made;
    for (std::size_t at = 0; at < text.size();) {
        const text::decoded next = text::decode_utf8(text, at);
        const bool layout = next.code == U'\n' || next.code == U'\t';
        if (next.valid && (layout || !tools::steers_terminal(next.code))) {
            made.append(text, at, next.bytes);
        } else if (!next.valid) {
            text::append_utf8(made, text::replacement_character);
        }
        at += next.bytes;
    }
    return made;
}

tools::ordered_json to_json(const shown_result& result, const shown_parts& how) {
    const found_passage& found = result.found;
    ordered_json made;
    made["docid"] = "#" + found.document;
    made["score"] = rounded(found.score);
    made["collection"] = found.collection;
    made["file"] = found.file.string();
    made["title"] = found.title;
    made["heading"] = found.heading;
    if (!found.member.empty()) {
        made["member"] = found.member;
    }
    if (found.page > 0) {
        made["page"] = found.page;
    }
    if (found.line > 0) {
        made["line"] = found.line;
    }
    made["snippet"] = found.passage;
    if (how.full) {
        made["body"] = result.body;
    }
    made["start_line"] = found.first_line;
    made["end_line"] = found.last_line;
    made["highlights"] = tools::to_json(found.passage, found.highlights);
    if (how.explain) {
        ordered_json why;
        why["words_rank"] = found.words_rank;
        why["words_score"] = rounded(found.words_score);
        if (how.reranked) {
            why["model_rank"] = found.model_rank;
            why["model_score"] = rounded(found.model_score);
            why["fused_score"] = rounded(found.fused_score);
            why["encoded_now"] = found.encoded_now;
        }
        made["explain"] = std::move(why);
    }
    return made;
}

std::string render(const std::vector<shown_result>& results, const shown_parts& how) {
    std::string made;
    switch (how.as) {
    case form::json: {
        made = "[";
        for (const shown_result& each : results) {
            std::string line = tools::json_line(to_json(each, how));
            line.pop_back();
            made += (made.size() > 1 ? ",\n " : "\n ") + line;
        }
        return made + (results.empty() ? "]\n" : "\n]\n");
    }
    case form::csv:
        made = "docid,score,collection,file,title,start_line,end_line,text\n";
        for (const shown_result& each : results) {
            made += csv_line(each, how);
        }
        return made;
    case form::md:
        for (const shown_result& each : results) {
            made += markdown(each, how);
        }
        return made;
    case form::files:
        for (const shown_result& each : results) {
            made += "#" + each.found.document + "," + fixed(each.found.score, 5) + "," +
                    csv_field(shown_name(each.found.file.string())) + "\n";
        }
        return made;
    case form::terminal:
        break;
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
        made += for_terminal(results[i], i + 1, how);
    }
    return made;
}

tools::ordered_json to_json(const document_text& document) {
    ordered_json made;
    made["docid"] = "#" + document.document;
    made["collection"] = document.collection;
    made["file"] = document.file.string();
    made["title"] = document.title;
    made["kind"] = document.kind;
    made["truncated"] = document.truncated;
    if (!document.notes.empty()) {
        made["notes"] = document.notes;
    }
    made["start_line"] = document.first_line;
    made["lines"] = document.lines;
    made["body"] = document.text;
    return made;
}

tools::ordered_json to_json(const collection_status& status) {
    return {{"name", status.of.name},
            {"path", status.of.root.string()},
            {"mask", status.of.options.mask},
            {"files", status.files},
            {"without_text", status.without_text},
            {"failed", status.failed},
            {"bytes", status.bytes}};
}

tools::ordered_json to_json(const index_status& status) {
    ordered_json collections = ordered_json::array();
    for (const collection_status& each : status.collections) {
        collections.push_back(to_json(each));
    }
    return {{"index", status.folder.string()}, {"collections", std::move(collections)},
            {"files", status.files},           {"documents", status.documents},
            {"passages", status.passages},     {"text_bytes", status.text_bytes},
            {"disk_bytes", status.disk_bytes}, {"model", status.model},
            {"codec", status.codec},           {"unfinished", status.unfinished}};
}

std::string render(const document_text& document, const shown_parts& how, bool several) {
    std::string text = how.colours ? harmless(document.text) : document.text;
    if (how.line_numbers) {
        text = numbered(text, document.first_line);
    }
    if (!text.empty() && !text.ends_with('\n')) {
        text += '\n';
    }
    const std::string name = tools::printable(document.file.string());
    switch (how.as) {
    case form::json:
        return tools::json_line(to_json(document));
    case form::csv:
        return "#" + document.document + "," + csv_field(document.collection) + "," +
               csv_field(document.file.string()) + "," + csv_field(document.title) + "," +
               csv_field(document.text) + "\n";
    case form::md:
        return "## " + tools::printable(document.title) + "\n\n- file: `" + name +
               "`\n- document: #" + document.document + "\n\n" + indented(text, "> ") + "\n";
    case form::files:
        return "#" + document.document + "," + csv_field(shown_name(document.file.string())) + "\n";
    case form::terminal:
        break;
    }
    return several ? "==> " + name + " #" + document.document + " <==\n" + text + "\n" : text;
}

} // namespace mice::find
