// SPDX-License-Identifier: Apache-2.0
#include "find/mcp/tools.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <mice/error.hpp>

#include "find/documents.hpp"
#include "find/mcp/arguments.hpp"
#include "find/mcp/resources.hpp"
#include "find/mcp/tool_schemas.hpp"
#include "find/results.hpp"

namespace mice::find::mcp {
namespace {

/// What a tool gives back.
struct tool_result {
    ordered_json content = ordered_json::array();
    ordered_json structured;
};

ordered_json text_block(std::string text) {
    return {{"type", "text"}, {"text", std::move(text)}};
}

/// A structured result whose text is the same: clients of older versions read that.
tool_result same_as_text(ordered_json structured) {
    tool_result made;
    std::string line = tools::json_line(structured);
    line.pop_back();
    made.content.push_back(text_block(std::move(line)));
    made.structured = std::move(structured);
    return made;
}

// ---- query ----

/// The text of a question: "query", or those of "searches" one after the other.
std::string text_of(arguments& given) {
    std::optional<std::string> text = given.text("query");
    const json* const searches = given.value("searches");
    if (text.has_value() == (searches != nullptr)) {
        throw rpc_error(rpc_code::invalid_params, "give either \"query\" or \"searches\"");
    }
    if (text) {
        return std::move(*text);
    }
    if (!searches->is_array() || searches->empty()) {
        throw rpc_error(rpc_code::invalid_params, "\"searches\" must be an array of objects");
    }
    std::string all;
    for (const json& each : *searches) {
        arguments search(each);
        const std::string type = search.text("type").value_or("lex");
        if (type != "lex" && type != "vec" && type != "hyde") {
            throw rpc_error(rpc_code::invalid_params, "\"type\" must be lex, vec or hyde");
        }
        all += (all.empty() ? "" : " ") + search.needed_text("query");
        search.refuse_others();
    }
    return all;
}

question question_of(const json& params) {
    arguments given(params);
    question asked;
    asked.text = text_of(given);
    asked.collections = given.texts("collections");
    asked.results = static_cast<std::size_t>(given.whole("limit", 1, most_results).value_or(10));
    asked.min_score = given.number("minScore");
    asked.candidates =
        static_cast<std::size_t>(given.whole("candidateLimit", 1, most_candidates).value_or(100));
    asked.rerank = given.flag("rerank", true);
    given.refuse_others();
    return asked;
}

ordered_json json_of(finder& find, const found_passage& found) {
    const ordered_json shown = to_json({found, {}}, {});
    ordered_json made;
    for (const auto& member : shown.items()) {
        if (member.key() != "highlights") {
            made[member.key()] = member.value();
        }
        if (member.key() == "docid") {
            made["uri"] = uri_of(find, found.collection, found.file);
        }
    }
    ordered_json sentences = ordered_json::array();
    for (const highlight& each : found.highlights.sentences) {
        sentences.push_back(found.passage.substr(each.begin, each.end - each.begin));
    }
    made["highlights"] = std::move(sentences);
    return made;
}

tool_result query(const json& params, const tool_call& call) {
    question asked = question_of(params);
    asked.cancel = &call.stop;
    finder& find = call.index.get();
    if (asked.rerank) {
        call.progress(0, 2, "loading the model");
        (void)find.ranker();
    }
    call.progress(1, 2, "searching");
    const answer found = find.query(asked);
    ordered_json results = ordered_json::array();
    for (const found_passage& each : found.found) {
        results.push_back(json_of(find, each));
    }
    call.progress(2, 2, "done");
    ordered_json made;
    if (results.empty()) {
        made["note"] = found.no_words ? "the question has no word that could be looked for"
                                      : "nothing was found";
    }
    made["results"] = std::move(results);
    return same_as_text(std::move(made));
}

// ---- documents ----

ordered_json json_of(const document_text& document, const std::string& uri) {
    const ordered_json shown = to_json(document);
    ordered_json made;
    for (const auto& member : shown.items()) {
        made[member.key()] = member.value();
        if (member.key() == "docid") {
            made["uri"] = uri;
        }
    }
    return made;
}

/// The text as a resource, so that it is told from what the server itself says.
ordered_json resource_block(const document_text& document, const std::string& uri, bool numbers) {
    shown_parts how;
    how.line_numbers = true;
    return {{"type", "resource"},
            {"resource",
             contents_of(uri, document, numbers ? render(document, how, false) : document.text)}};
}

wanted_lines lines_of(arguments& given, bool from) {
    wanted_lines lines;
    if (from) {
        lines.from = given.whole("fromLine", 1, last_line);
    }
    lines.count = given.whole("maxLines", 0, last_line);
    return lines;
}

tool_result get(const json& params, const tool_call& call) {
    arguments given(params);
    const std::string name = given.needed_text("file");
    const wanted_lines lines = lines_of(given, true);
    const bool numbers = given.flag("lineNumbers", true);
    given.refuse_others();
    finder& find = call.index.get();
    document_text found;
    if (is_uri(name)) {
        const std::optional<std::int64_t> file = file_at(find, name);
        if (!file) {
            throw error(errc::invalid_argument, "there is no such file in the index");
        }
        found = find.text_of(*file, {lines.from.value_or(1), lines.count.value_or(0)});
    } else {
        found = document_of(find, name, lines);
    }
    const std::string uri = uri_of(find, found.collection, found.file);
    tool_result made;
    made.content.push_back(resource_block(found, uri, numbers));
    made.structured = json_of(found, uri);
    return made;
}

tool_result multi_get(const json& params, const tool_call& call) {
    constexpr std::size_t most_in_all = std::size_t{4} << 20, most_left_out = 1000;
    arguments given(params);
    documents_asked asked;
    asked.names = {given.needed_text("pattern")};
    asked.lines = lines_of(given, false);
    asked.max_bytes = given.whole("maxBytes", 1, most_bytes).value_or(usual_bytes);
    const bool numbers = given.flag("lineNumbers", true);
    given.refuse_others();
    finder& find = call.index.get();
    tool_result made;
    ordered_json documents = ordered_json::array(), left_out = ordered_json::array();
    std::string told;
    const auto leave_out = [&](const std::string& name, const std::string& reason) {
        if (left_out.size() < most_left_out) {
            left_out.push_back({{"name", name}, {"reason", reason}});
            told += "left out " + name + ": " + reason + "\n";
        }
    };
    std::size_t bytes = 0;
    documents_of(
        find, asked,
        [&](const document_text& each) {
            bytes += each.text.size();
            if (bytes > most_in_all) {
                leave_out(each.file.string(), "with it and what comes behind it the answer would "
                                              "be too long; ask for fewer documents");
                return false;
            }
            const std::string uri = uri_of(find, each.collection, each.file);
            made.content.push_back(resource_block(each, uri, numbers));
            documents.push_back(json_of(each, uri));
            return !call.stop.requested();
        },
        leave_out);
    if (!told.empty()) {
        made.content.push_back(text_block(told));
    }
    made.structured = {{"documents", std::move(documents)}, {"left_out", std::move(left_out)}};
    return made;
}

tool_result status(const json& params, const tool_call& call) {
    arguments(params).refuse_others();
    return same_as_text(to_json(call.index.get().status()));
}

using tool_function = tool_result (*)(const json&, const tool_call&);

tool_function function_of(const std::string& name) {
    return name == "query"       ? query
           : name == "get"       ? get
           : name == "multi_get" ? multi_get
           : name == "status"    ? status
                                 : nullptr;
}

} // namespace

ordered_json list_tools(const protocol_features& features) {
    ordered_json list = ordered_json::array();
    for (const tool_description& each : tool_descriptions()) {
        ordered_json tool;
        tool["name"] = each.name;
        if (features.structured) {
            tool["title"] = each.title;
        }
        tool["description"] = each.description;
        tool["inputSchema"] = each.input;
        if (features.structured) {
            tool["outputSchema"] = each.output;
        }
        if (features.annotations) {
            tool["annotations"] = {{"title", each.title},
                                   {"readOnlyHint", true},
                                   {"destructiveHint", false},
                                   {"idempotentHint", true},
                                   {"openWorldHint", false}};
        }
        list.push_back(std::move(tool));
    }
    return {{"tools", std::move(list)}};
}

ordered_json call_tool(const json& params, const tool_call& call,
                       const protocol_features& features) {
    arguments given(params);
    const std::string name = given.needed_text("name");
    const json* const wanted = given.value("arguments");
    const tool_function function = function_of(name);
    if (function == nullptr) {
        throw rpc_error(rpc_code::invalid_params,
                        "there is no tool " + detail::errors::quoted(name));
    }
    ordered_json made;
    try {
        tool_result result = function(wanted == nullptr ? json::object() : *wanted, call);
        made["content"] = std::move(result.content);
        if (features.structured) {
            made["structuredContent"] = std::move(result.structured);
        }
        made["isError"] = false;
    } catch (const error& problem) {
        if (problem.code() == errc::io || problem.code() == errc::format) {
            call.index.close(); // the next call finds what is there then
        }
        made["content"] = ordered_json::array({text_block(problem.what())});
        made["isError"] = true;
    }
    return made;
}

} // namespace mice::find::mcp
