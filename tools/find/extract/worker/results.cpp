// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/results.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <unistd.h>

#include "common/whole_characters.hpp"
#include "find/extract/clean_text.hpp"
#include "find/extract/messages.hpp"

namespace mice::find {
namespace {

constexpr std::size_t most_notes = 64;
constexpr std::size_t longest_path = 300;
/// Files of this size may hold anything, however well it is packed.
constexpr std::uint64_t unpacked_anyway = std::uint64_t{16} << 20;

/// White space at the end is nobody's; before the text it counts lines.
void trim_end(std::string& text) {
    const std::size_t last = text.find_last_not_of(" \t\n");
    text.resize(last == std::string::npos ? 0 : last + 1);
}

/// Cuts before `most` bytes, between characters.
void cut(std::string& text, std::uint64_t most) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(most, text.size()));
    text.resize(tools::whole_characters(text, size));
}

} // namespace

void results::add(section part) {
    part.text = clean(part.text);
    trim_end(part.text);
    if (part.text.empty())
        return;
    if (!lead_.empty())
        part.text = clean(std::exchange(lead_, {})) + part.text;
    const std::uint64_t left = limits_.output_bytes - text_bytes_;
    if (sections_ == limits_.sections || left == 0) {
        whole_.truncated = true;
        throw output_full{};
    }
    const bool full = part.text.size() > left;
    if (full)
        cut(part.text, left);
    heading_path path;
    path.open(1, outer_heading_);
    path.open(2, part.heading);
    part.heading = path.text();
    if (part.member.empty())
        part.member = member_;
    if (part.line == 0 && member_.empty())
        part.line = line_;
    ++sections_;
    text_bytes_ += part.text.size();
    write(to_message(part));
    if (full) {
        whole_.truncated = true;
        throw output_full{};
    }
}

void results::note(const std::string& text) {
    if (whole_.notes.size() < most_notes)
        whole_.notes.push_back(one_line(member_.empty() ? text : member_ + ": " + text));
}

void results::set_kind(const std::string& kind) {
    if (whole_.kind.empty())
        whole_.kind = kind;
}

void results::set_title(std::string_view title) {
    if (member_.empty() && whole_.title.empty())
        whole_.title = one_line(title);
}

void results::set_member(std::string_view name) {
    member_ = one_line(name);
}

void results::set_outer_heading(std::string_view heading) {
    outer_heading_ = one_line(heading);
}

void results::end_lead() {
    if (!lead_.empty())
        add({"", "", 0, 0, std::exchange(lead_, {})});
}

void results::count_unpacked(std::uint64_t bytes) {
    unpacked_ += bytes;
    if (unpacked_ > limits_.unpacked_bytes ||
        (unpacked_ > unpacked_anyway && unpacked_ / limits_.ratio > packed_)) {
        note("unpacks to more than it may; the rest is left out");
        whole_.truncated = true;
        throw output_full{};
    }
}

void results::finish() {
    write(to_message(whole_));
}

void results::finish(const extract_error& error) {
    write(to_message(error));
}

void results::write(std::string_view line) const {
    while (!line.empty()) {
        const ssize_t done = ::write(out_, line.data(), line.size());
        if (done < 0 && errno != EINTR)
            _exit(1); // nobody reads
        line.remove_prefix(done < 0 ? 0 : static_cast<std::size_t>(done));
    }
}

void heading_path::open(unsigned level, std::string_view heading) {
    while (!open_.empty() && open_.back().level >= level)
        open_.pop_back();
    if (std::string line = one_line(heading, longest_path); !line.empty())
        open_.push_back({level, std::move(line)});
}

std::string heading_path::text() const {
    std::string path;
    for (auto each = open_.rbegin(); each != open_.rend(); ++each) {
        if (path.empty())
            path = each->heading;
        else if (each->heading.size() + 3 + path.size() <= longest_path)
            path = each->heading + " > " + path;
    }
    return path;
}

} // namespace mice::find
