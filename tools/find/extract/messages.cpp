// SPDX-License-Identifier: Apache-2.0
#include "find/extract/messages.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "find/extract/clean_text.hpp"

namespace mice::find {
namespace {

using json = nlohmann::json;

constexpr std::array reason_names{"unreadable", "too_large", "not_text", "unsupported",
                                  "time",       "memory",    "crashed",  "malformed"};
/// More are of no use to anybody.
constexpr std::size_t most_notes = 64;

std::string line_of(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

[[noreturn]] void refuse(const char* what) {
    throw extract_error(extract_reason::crashed,
                        std::string("the process that read the file answered ") + what);
}

/// A value of an answer; never throws anything but extract_error.
template <class Value> Value get(const json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end())
        refuse("without what belongs to an answer");
    if constexpr (std::is_same_v<Value, std::string>) {
        if (!found->is_string() || !is_clean(found->get_ref<const std::string&>()))
            refuse("with a text that is none");
    } else if constexpr (std::is_same_v<Value, bool>) {
        if (!found->is_boolean())
            refuse("with a value of another type");
    } else if (!found->is_number_unsigned() ||
               found->get<std::uint64_t>() > std::numeric_limits<Value>::max()) {
        refuse("with a number out of its range");
    }
    return found->get<Value>();
}

std::vector<std::string> texts(const json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_array() || found->size() > most_notes)
        refuse("with a list that is none");
    std::vector<std::string> result;
    for (const json& each : *found) {
        if (!each.is_string() || !is_clean(each.get_ref<const std::string&>()))
            refuse("with a text that is none");
        result.push_back(each.get<std::string>());
    }
    return result;
}

section section_of(const json& object) {
    return {get<std::string>(object, "heading"), get<std::string>(object, "member"),
            get<std::uint32_t>(object, "page"), get<std::uint64_t>(object, "line"),
            get<std::string>(object, "text")};
}

sandbox_report report_of(const json& object) {
    sandbox_report report;
    report.started = true;
    report.no_opens = get<bool>(object, "no_opens");
    report.no_writes = get<bool>(object, "no_writes");
    report.no_sockets = get<bool>(object, "no_sockets");
    report.no_programs = get<bool>(object, "no_programs");
    report.memory_bound = get<bool>(object, "memory_bound");
    report.kinds = texts(object, "kinds");
    report.notes = texts(object, "notes");
    return report;
}

} // namespace

const char* name_of(extract_reason reason) noexcept {
    return reason_names.at(static_cast<std::size_t>(reason));
}

std::string to_message(const extract_request& request) {
    // The ending tells the kind, and escapes take six bytes at most.
    constexpr std::size_t longest_name = 1024;
    const std::size_t cut =
        request.name.size() > longest_name ? request.name.size() - longest_name : 0;
    const extract_limits& limits = request.limits;
    return line_of({{"name", request.name.substr(cut)},
                    {"probe", request.probe},
                    {"seconds", limits.seconds},
                    {"memory_bytes", limits.memory_bytes},
                    {"file_bytes", limits.file_bytes},
                    {"output_bytes", limits.output_bytes},
                    {"sections", limits.sections},
                    {"members", limits.members},
                    {"unpacked_bytes", limits.unpacked_bytes},
                    {"ratio", limits.ratio}});
}

extract_request request_of(std::string_view message) {
    const json object = json::parse(message);
    extract_request request;
    request.name = object.at("name").get<std::string>();
    request.probe = object.at("probe").get<bool>();
    extract_limits& limits = request.limits;
    limits.seconds = object.at("seconds").get<double>();
    limits.memory_bytes = object.at("memory_bytes").get<std::uint64_t>();
    limits.file_bytes = object.at("file_bytes").get<std::uint64_t>();
    limits.output_bytes = object.at("output_bytes").get<std::uint64_t>();
    limits.sections = object.at("sections").get<std::uint32_t>();
    limits.members = object.at("members").get<std::uint32_t>();
    limits.unpacked_bytes = object.at("unpacked_bytes").get<std::uint64_t>();
    limits.ratio = object.at("ratio").get<std::uint32_t>();
    return request;
}

std::string to_message(const section& part) {
    return line_of({{"heading", part.heading},
                    {"member", part.member},
                    {"page", part.page},
                    {"line", part.line},
                    {"text", part.text}});
}

std::string to_message(const extraction& whole) {
    auto notes = whole.notes;
    notes.resize(std::min(notes.size(), most_notes));
    return line_of({{"kind", whole.kind},
                    {"title", whole.title},
                    {"truncated", whole.truncated},
                    {"notes", notes}});
}

std::string to_message(const extract_error& error) {
    return line_of({{"error", name_of(error.reason())}, {"message", one_line(error.what())}});
}

std::string to_message(const sandbox_report& report) {
    return line_of({{"probe", true},
                    {"no_opens", report.no_opens},
                    {"no_writes", report.no_writes},
                    {"no_sockets", report.no_sockets},
                    {"no_programs", report.no_programs},
                    {"memory_bound", report.memory_bound},
                    {"kinds", report.kinds},
                    {"notes", report.notes}});
}

void answer_reader::add(std::string_view bytes) {
    if (complete_)
        refuse("on after the end");
    // Escapes double a text at most; what else is in a section takes less than 1.5 KiB.
    const auto most = std::uint64_t{1} << 20;
    bytes_ += bytes.size();
    if (bytes_ > most + 2 * limits_.output_bytes + std::uint64_t{limits_.sections} * 1536)
        refuse("more than it may");
    for (;;) {
        const std::size_t end = bytes.find('\n');
        if (end == std::string_view::npos)
            break;
        if (complete_)
            refuse("on after the end");
        if (pending_.empty()) {
            line(bytes.substr(0, end));
        } else {
            pending_.append(bytes.substr(0, end));
            line(pending_);
            pending_.clear();
        }
        bytes.remove_prefix(end + 1);
    }
    pending_.append(bytes);
}

void answer_reader::line(std::string_view text) {
    const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= 2; };
    const json object = json::parse(text.begin(), text.end(), shallow, false);
    if (!object.is_object())
        refuse("with what is no object");
    if (object.contains("text")) {
        section part = section_of(object);
        text_bytes_ += part.text.size();
        if (answer_.sections.size() == limits_.sections || text_bytes_ > limits_.output_bytes)
            refuse("more than it may");
        answer_.sections.push_back(std::move(part));
        return;
    }
    complete_ = true;
    if (object.contains("error")) {
        const auto named = get<std::string>(object, "error");
        const auto* const found = std::find(reason_names.begin(), reason_names.end(), named);
        if (found == reason_names.end())
            refuse("with an unknown reason");
        error_.emplace(static_cast<extract_reason>(found - reason_names.begin()),
                       get<std::string>(object, "message"));
    } else if (object.contains("probe")) {
        report_ = report_of(object);
    } else {
        answer_.kind = get<std::string>(object, "kind");
        answer_.title = get<std::string>(object, "title");
        answer_.truncated = get<bool>(object, "truncated");
        answer_.notes = texts(object, "notes");
    }
}

extraction answer_reader::take() {
    if (error_)
        throw extract_error(*error_);
    return std::move(answer_);
}

} // namespace mice::find
