// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "find/extract/extract.hpp"

// What the extractors of all kinds read from and write to.
namespace mice::find {

/// One file, or one attachment or member of it, whole in memory.
struct source {
    std::string_view bytes;
    std::string name;   ///< its ending helps to tell the kind
    unsigned depth = 0; ///< 0: the file itself
};

/// Ends the extraction: the limit of text or sections is reached.
struct output_full {};

/// Takes sections, makes them clean and writes them at once, so that what was found before a limit
/// is reached is not lost. Not thread-safe.
class results {
  public:
    /// Writes to the descriptor `out`.
    results(int out, const extract_limits& limits) : out_(out), limits_(limits) {}

    /// A section without text is passed over. Throws output_full.
    void add(section part);
    /// For people; at most 64 are kept. Within a member its name is put in front.
    void note(const std::string& text);
    /// Kind and title of the file; of members they are not asked for.
    void set_kind(const std::string& kind);
    void set_title(std::string_view title);
    [[nodiscard]] bool has_title() const { return !whole_.title.empty(); }
    void set_truncated() { whole_.truncated = true; }
    /// The attachment or member that the next sections are in; empty: none.
    void set_member(std::string_view name);
    [[nodiscard]] const std::string& member() const { return member_; }
    [[nodiscard]] const extract_limits& limits() const { return limits_; }

    /// A heading above those of the next sections; empty: none.
    void set_outer_heading(std::string_view heading);
    /// The line of sections without one of their own, such as that where a message begins.
    void set_line(std::uint64_t line) { line_ = line; }
    /// What the text of the next section begins with, such as the header of a message.
    void set_lead(std::string text) { lead_ = std::move(text); }
    /// Writes the lead as a section where none has come, and forgets it.
    void end_lead();

    /// Counts bytes that came out of packed ones. Throws output_full, with a note, where there are
    /// more than limits() allow.
    void count_unpacked(std::uint64_t bytes);
    /// Sets what count_unpacked compares with.
    void set_packed(std::uint64_t bytes) { packed_ = bytes; }

    /// Writes the last line of the answer.
    void finish();
    void finish(const extract_error& error);

  private:
    void write(std::string_view line) const;

    int out_;
    extract_limits limits_;
    extraction whole_;
    std::string member_, outer_heading_, lead_;
    std::uint64_t line_ = 0, text_bytes_ = 0, unpacked_ = 0, packed_ = 0;
    std::uint32_t sections_ = 0;
};

/// Puts together "A > B" of the headings that are open at a place of a text.
class heading_path {
  public:
    /// A heading of that level, from 1, closes those of its level and deeper ones.
    void open(unsigned level, std::string_view heading);
    /// At most 300 bytes: of a longer path the outer headings are left out.
    [[nodiscard]] std::string text() const;

  private:
    struct entry {
        unsigned level;
        std::string heading;
    };
    std::vector<entry> open_;
};

} // namespace mice::find
