// SPDX-License-Identifier: Apache-2.0
#include "find/text_maker.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <mice/passages.hpp>
#include <mice/text/unicode/utf8.hpp>

namespace mice::find {
namespace {

/// Tokens that a passage leaves for the lines above it that say what it is about.
constexpr std::size_t context_tokens = 40;

std::string joined(std::string_view first, const std::vector<std::string>& others) {
    std::string path(first);
    for (const std::string& each : others) {
        path += (path.empty() ? "" : " > ") + each;
    }
    return path;
}

text_kind kind_of(const std::string& name) {
    return name == "markdown" ? text_kind::markdown
           : name == "code"   ? text_kind::code
           : name == "log"    ? text_kind::log
           : name == "text"   ? text_kind::automatic
                              : text_kind::plain; // laid out by what extracted it
}

std::int64_t line_breaks(std::string_view text) {
    return std::count(text.begin(), text.end(), '\n');
}

std::string valid_utf8(const std::string& text) {
    std::string valid = text::first_invalid_utf8(text) == text.npos
                            ? text
                            : text::repair_utf8(text, [](std::size_t, std::size_t) {}).text;
    std::replace(valid.begin(), valid.end(), '\0', ' ');
    return valid;
}

/// Whether a file's text has the file's lines.
bool keeps_lines(const extraction& found) {
    return found.kind == "text" || found.kind == "code" || found.kind == "markdown";
}

/// The sections of such a file as one text, on the lines that they have in it: passages are then
/// cut from the whole. Nothing where they say no lines that can be.
std::optional<std::string> on_their_lines(const std::vector<section>& sections) {
    constexpr std::uint64_t most_empty_lines = 100'000;
    std::string text;
    std::uint64_t line = 1;
    for (const section& each : sections) {
        if (!each.member.empty() || each.line < line || each.line - line > most_empty_lines) {
            return std::nullopt;
        }
        text.append(static_cast<std::size_t>(each.line - line), '\n');
        text += each.text;
        line = each.line + static_cast<std::uint64_t>(line_breaks(each.text));
        if (!text.ends_with('\n')) {
            text += '\n';
            ++line;
        }
    }
    return text;
}

/// Appends the passages of sections to a text.
class cutter {
  public:
    cutter(stored_text& into, const std::string& name, const reranker& ranker)
        : into_(into), ranker_(ranker) {
        options_.kind = kind_of(into.kind);
        options_.file_name = name;
        const std::size_t limit = ranker.config().max_document_length;
        options_.max_tokens = limit > 4 * context_tokens ? limit - context_tokens : 0;
    }

    void add(const section& part) {
        const std::string text = valid_utf8(part.text);
        const std::vector<passage> cut = passages(text, ranker_, options_);
        if (cut.empty()) {
            return;
        }
        std::string lead = separator();
        std::size_t from = 0;
        for (std::size_t i = 0; i < cut.size(); ++i) {
            const passage& each = cut[i];
            const std::size_t end = i + 1 < cut.size() ? each.end : text.size();
            stored_slice made;
            made.heading = joined(part.heading, each.headings);
            made.member = part.member;
            made.page = part.page;
            made.line =
                part.line == 0 ? 0 : static_cast<std::int64_t>(part.line + each.first_line - 1);
            made.slice = std::exchange(lead, {});
            made.begin = static_cast<std::int64_t>(made.slice.size() + each.begin - from);
            made.size = static_cast<std::int64_t>(each.end - each.begin);
            made.slice.append(text, from, end - from);
            from = end;
            finish(std::move(made));
        }
    }

  private:
    /// Sections are apart by an empty line.
    [[nodiscard]] std::string separator() const {
        if (into_.slices.empty()) {
            return {};
        }
        return into_.slices.back().slice.ends_with('\n') ? "\n" : "\n\n";
    }

    void finish(stored_slice made) {
        const std::string_view slice = made.slice;
        const std::string_view text = made.passage();
        made.hash =
            hash_of_passage(encoded_text(context_of(into_.title, made.heading, text), text));
        made.first_line =
            line_ + line_breaks(slice.substr(0, static_cast<std::size_t>(made.begin)));
        made.last_line = made.first_line + line_breaks(text);
        line_ += line_breaks(slice);
        into_.bytes += static_cast<std::int64_t>(slice.size());
        into_.lines = line_ - (slice.ends_with('\n') ? 1 : 0);
        into_.slices.push_back(std::move(made));
    }

    stored_text& into_;
    const reranker& ranker_;
    passage_options options_;
    std::int64_t line_ = 1;
};

} // namespace

std::string ending_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    std::string_view name = slash == path.npos ? path : path.substr(slash + 1);
    const std::size_t dot = name.rfind('.');
    if (dot != name.npos && dot + 1 < name.size()) {
        name.remove_prefix(dot + 1);
    }
    std::string ending(name);
    std::transform(ending.begin(), ending.end(), ending.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return ending;
}

stored_text make_text(const extraction& found, const std::string& name, const reranker& ranker) {
    stored_text made;
    made.kind = found.kind;
    made.title = valid_utf8(found.title);
    made.truncated = found.truncated;
    for (const std::string& each : found.notes) {
        made.notes += (made.notes.empty() ? "" : "\n") + each;
    }
    cutter cut(made, name, ranker);
    const std::optional<std::string> whole =
        keeps_lines(found) ? on_their_lines(found.sections) : std::nullopt;
    if (whole) {
        cut.add({"", "", 0, 1, *whole});
        return made;
    }
    for (const section& each : found.sections) {
        cut.add(each);
    }
    return made;
}

stored_text make_text(const std::filesystem::path& file, const reranker& ranker,
                      const extract_limits& limits) {
    return make_text(extract_file(file, limits), file.filename().string(), ranker);
}

} // namespace mice::find
