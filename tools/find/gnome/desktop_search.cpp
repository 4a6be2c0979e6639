// SPDX-License-Identifier: Apache-2.0
#include "find/gnome/desktop_search.hpp"

#include <algorithm>
#include <string_view>
#include <system_error>
#include <utility>

#include <mice/error.hpp>

#include "find/extract/clean_text.hpp"

namespace mice::find::gnome {
namespace {

constexpr std::size_t most_results = 10;

/// The overview passes the line as it was typed, cut at spaces.
std::string line_of(const std::vector<std::string>& terms) {
    std::string line;
    for (const std::string& each : terms) {
        line += (line.empty() ? "" : " ") + each;
    }
    return line;
}

std::string icon_of(const std::filesystem::path& file) {
    constexpr std::pair<std::string_view, std::string_view> icons[] = {
        {".pdf", "x-office-document"},
        {".epub", "x-office-document"},
        {".odt", "x-office-document"},
        {".docx", "x-office-document"},
        {".ods", "x-office-spreadsheet"},
        {".xlsx", "x-office-spreadsheet"},
        {".odp", "x-office-presentation"},
        {".pptx", "x-office-presentation"},
        {".html", "text-html"},
        {".htm", "text-html"},
        {".eml", "mail-unread"},
        {".mbox", "mail-unread"},
        {".zip", "package-x-generic"},
        {".tar", "package-x-generic"}};
    const std::string ending = file.extension().string();
    const auto* const found = std::find_if(std::begin(icons), std::end(icons),
                                           [&](const auto& each) { return each.first == ending; });
    return std::string(found == std::end(icons) ? "text-x-generic" : found->second);
}

std::string answer_of(const found_passage& found) {
    if (found.highlights.sentences.empty()) {
        return found.passage;
    }
    const highlight& best = found.highlights.sentences.front();
    return found.passage.substr(best.begin, best.end - best.begin);
}

} // namespace

desktop_search::desktop_search(finder_options options, std::filesystem::path program)
    : catalog_(options.folder / catalog::file_name), program_(std::move(program)),
      index_(std::move(options)) {}

/// Nothing as long as there is no index: one may come and go at any time.
finder* desktop_search::reader() {
    std::error_code ignored;
    return std::filesystem::exists(catalog_, ignored) ? &index_.get() : nullptr;
}

std::vector<std::string> desktop_search::results(const std::vector<std::string>& terms) {
    std::vector<std::string> ids;
    finder* const reads = reader();
    if (reads == nullptr) {
        return ids;
    }
    question asked;
    asked.text = line_of(terms);
    asked.results = most_results;
    found_ = reads->query(asked).found;
    ids.reserve(found_.size());
    for (const found_passage& each : found_) {
        ids.push_back("#" + each.document);
    }
    return ids;
}

std::vector<shown_entry> desktop_search::entries(const std::vector<std::string>& ids) {
    std::vector<shown_entry> made;
    for (const std::string& id : ids) {
        const auto found = std::find_if(found_.begin(), found_.end(), [&](const auto& each) {
            return "#" + each.document == id;
        });
        if (found != found_.end()) {
            made.push_back(
                {id, one_line(found->title), one_line(answer_of(*found)), icon_of(found->file)});
        } else if (finder* const reads = reader(); reads != nullptr && id.starts_with('#')) {
            try { // the program may have ended, and been started again, since the search
                const document_text text = reads->get(id, {.from = 1, .count = 5});
                made.push_back({id, one_line(text.title), one_line(text.text), icon_of(text.file)});
            } catch (const error&) {
                continue; // it has left the index
            }
        }
    }
    return made;
}

void desktop_search::open(const std::string& id) {
    finder* const reads = reader();
    if (reads == nullptr || !id.starts_with('#')) {
        throw error(errc::invalid_argument, "there is no document " + detail::errors::quoted(id));
    }
    opener_.open(reads->get(id, {.from = 1, .count = 1}).file);
}

void desktop_search::show_all(const std::vector<std::string>& terms) {
    std::vector<std::string> command{program_.string(), "serve",  "--open",
                                     "--open-files",    "--idle", "1800"};
    if (const std::string line = line_of(terms); !line.empty()) {
        command.push_back("--ask=" + line);
    }
    opener_.start(std::move(command));
}

} // namespace mice::find::gnome
