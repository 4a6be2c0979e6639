// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "find/extract/clean_text.hpp"
#include "find/extract/extract.hpp"
#include "find/extract/messages.hpp"

// Extracts what extract_test.py names on standard input, a JSON object a line, and answers a line
// each. A request without a file asks for the sandbox report; one with "count" reads the file so
// often on "threads" threads, and answers how many of these gave text.
namespace {

using nlohmann::json;
namespace find = mice::find;

find::extract_limits limits_of(const json& request) {
    find::extract_limits limits;
    limits.seconds = request.value("seconds", limits.seconds);
    limits.memory_bytes = request.value("memory_bytes", limits.memory_bytes);
    limits.file_bytes = request.value("file_bytes", limits.file_bytes);
    limits.output_bytes = request.value("output_bytes", limits.output_bytes);
    limits.sections = request.value("sections", limits.sections);
    limits.members = request.value("members", limits.members);
    limits.unpacked_bytes = request.value("unpacked_bytes", limits.unpacked_bytes);
    limits.ratio = request.value("ratio", limits.ratio);
    return limits;
}

json extracted(const json& request) {
    try {
        const auto found =
            find::extract_file(request.at("file").get<std::string>(), limits_of(request));
        json sections = json::array();
        for (const find::section& each : found.sections) {
            if (!find::is_clean(each.text) || !find::is_clean(each.heading + each.member))
                return {{"error", "driver"}, {"message", "a text is not clean"}};
            sections.push_back({{"heading", each.heading},
                                {"member", each.member},
                                {"page", each.page},
                                {"line", each.line},
                                {"text", each.text}});
        }
        return {{"kind", found.kind},
                {"title", found.title},
                {"truncated", found.truncated},
                {"notes", found.notes},
                {"sections", sections}};
    } catch (const find::extract_error& error) {
        return {{"error", find::name_of(error.reason())}, {"message", error.what()}};
    }
}

json counted(const json& request) {
    std::atomic<int> left = request.at("count").get<int>(), good = 0;
    std::vector<std::thread> threads;
    for (int i = request.value("threads", 1); i > 0; --i) {
        threads.emplace_back([&] {
            while (left-- > 0)
                good += extracted(request).contains("kind") ? 1 : 0;
        });
    }
    for (std::thread& each : threads)
        each.join();
    return {{"good", good.load()}};
}

json sandbox() {
    const auto report = find::check_sandbox();
    json made = json::parse(find::to_message(report));
    made["started"] = report.started;
    return made;
}

} // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const json request = json::parse(line);
        const json answer = request.contains("count")  ? counted(request)
                            : request.contains("file") ? extracted(request)
                                                       : sandbox();
        std::cout << answer.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
    }
}
