// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

// The texts of a file, taken out by another process that can do nothing else.
namespace mice::find {

/// A part of a file: what stands below one heading, on one page, in one attachment.
struct section {
    std::string heading;    ///< the headings above it, "A > B"; may be empty
    std::string member;     ///< the attachment or archive member that it is in; may be empty
    std::uint32_t page = 0; ///< page or slide, from 1; 0: the file has none
    std::uint64_t line = 0; ///< of the file, from 1, where the text begins; 0: not known
    /// Without markup. Where `line` is set and the file's kind is "text", "code" or "markdown",
    /// line n of the text, from 0, is line `line + n` of the file.
    std::string text;
};

/// What a file holds. Every text is UTF-8 without control characters but tabs and newlines, and
/// without characters that nobody sees; headings and titles are one trimmed line.
struct extraction {
    /// "text", "markdown", "html", "code", "mail", "pdf", "office", "epub" or "archive".
    std::string kind;
    std::string title; ///< may be empty
    std::vector<section> sections;
    bool truncated = false;         ///< a limit was reached: there is more text in the file
    std::vector<std::string> notes; ///< for people: what was guessed or left out
};

/// What one file may cost.
struct extract_limits {
    double seconds = 20;                                     ///< of the clock, and of the processor
    std::uint64_t memory_bytes = std::uint64_t{1} << 30;     ///< of the process that reads the file
    std::uint64_t file_bytes = std::uint64_t{256} << 20;     ///< a longer file is refused
    std::uint64_t output_bytes = std::uint64_t{32} << 20;    ///< of text; the rest is left out
    std::uint32_t sections = 100'000;                        ///< the rest is left out
    std::uint32_t members = 10'000;                          ///< of an archive, attachments
    std::uint64_t unpacked_bytes = std::uint64_t{512} << 20; ///< of all members, without packing
    std::uint32_t ratio = 200; ///< of unpacked to packed bytes, above 16 MiB
};

/// Why a file gave no text.
enum class extract_reason {
    unreadable,  ///< it is not there, not a regular file, or may not be read
    too_large,   ///< longer than extract_limits::file_bytes
    not_text,    ///< a picture, a program, other bytes without text
    unsupported, ///< a known kind that this build cannot read, or an encrypted file
    time,        ///< more than extract_limits::seconds
    memory,      ///< more than extract_limits::memory_bytes
    crashed,     ///< the process that read it died
    malformed    ///< it contradicts its own format
};

/// The name of a reason, such as "too_large".
[[nodiscard]] const char* name_of(extract_reason reason) noexcept;

/// A file gave no text; what() is for people and does not name the file.
class extract_error : public std::runtime_error {
  public:
    extract_error(extract_reason reason, const std::string& message)
        : std::runtime_error(message), reason_(reason) {}
    [[nodiscard]] extract_reason reason() const noexcept { return reason_; }

  private:
    extract_reason reason_;
};

/// Takes the texts out of a file. The file is opened here; mice-find-extract reads it, in a process
/// of its own for every file, which can neither open files or sockets nor start programs. Links are
/// followed. Throws extract_error. Thread-safe: calls run beside each other.
[[nodiscard]] extraction extract_file(const std::filesystem::path& file,
                                      const extract_limits& limits = {});

/// What protects this system from the files that are read here, tried out by the program itself.
struct sandbox_report {
    bool started = false;  ///< mice-find-extract is there and answers
    bool no_opens = false; ///< it cannot open files, but what PDF needs below /usr/share/poppler
    bool no_writes = false;
    bool no_sockets = false;
    bool no_programs = false; ///< it can start neither processes nor programs
    bool memory_bound = false;
    std::vector<std::string> kinds; ///< that this build reads
    std::vector<std::string> notes; ///< for people: what is missing, and why
};

/// Starts mice-find-extract and lets it try. Does not throw. Thread-safe.
[[nodiscard]] sandbox_report check_sandbox();

} // namespace mice::find
