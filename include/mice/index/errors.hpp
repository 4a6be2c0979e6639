// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <mice/error.hpp>

// The wording of errors about folders and commits of an index.
MICE_NAMESPACE_BEGIN
namespace detail::errors {

/// The newest commit exists but cannot be opened; `code` is that of the reason.
[[nodiscard]] inline error unreadable_commit(errc code, std::string_view folder,
                                             std::string_view reason) {
    const std::string_view advice =
        code == errc::io
            ? "remove the cause (permissions, too little memory, a failing medium) and try again"
            : "restore the file from a copy; 'mice index repair' says what would be lost by going "
              "back to the commit before, and does so when told to";
    return {code, "the last commit of the index in " + quoted(folder) + " cannot be opened: " +
                      std::string(reason) + ". Nothing was changed: " + std::string(advice)};
}

/// The folder holds files of an index, but no manifest that names them.
[[nodiscard]] inline error lost_manifests(std::string_view folder, std::string_view file) {
    return {errc::format, "the folder " + quoted(folder) + " holds files of an index, such as " +
                              quoted(file) +
                              ", but no manifest: restore the files 'manifest-...' from a copy, "
                              "or build the index again in another folder"};
}

/// A writer could not take its lock.
[[nodiscard]] inline error unwritable_index(errc code, std::string_view folder,
                                            std::string_view reason) {
    return {code, "the index in " + quoted(folder) +
                      " cannot be written to: " + std::string(reason) +
                      "; make its folder writable for this user, or work on a copy (reading "
                      "and searching need no right to write)"};
}

[[nodiscard]] inline error missing_index_file(std::string_view file) {
    return {errc::format, "file " + quoted(file) + " of the index is missing"};
}

/// Two commits are kept: one alone means that the manifest of another is gone.
[[nodiscard]] inline std::string lone_commit(std::uint64_t generation) {
    return "commit " + std::to_string(generation) +
           " is there without the one before it: that manifest, or the one of a later commit, is "
           "missing";
}
[[nodiscard]] inline error missing_manifest(std::string_view folder, std::uint64_t generation) {
    return {errc::format, "the index in " + quoted(folder) +
                              " is not whole: " + lone_commit(generation) +
                              ". Nothing was changed: restore the file from a copy, or let 'mice "
                              "index repair' go on from that commit"};
}

/// A file that is named like a commit and cannot be one.
[[nodiscard]] inline error stray_manifest(std::string_view folder, std::string_view file) {
    return {errc::format, "the file " + quoted(file) + " in the index " + quoted(folder) +
                              " has a number that no commit has; nothing is written while it is "
                              "there: move it away, or let 'mice index repair' do so"};
}

/// A commit of that number or a higher one turned up while this writer held the lock.
[[nodiscard]] inline error foreign_manifest(std::string_view folder, std::string_view file) {
    return {errc::mismatch, "the file " + quoted(file) + " came into the index " + quoted(folder) +
                                " while it was being written to, and would hide this commit or be "
                                "replaced by it; nothing was committed: move it away"};
}

/// Numbers so high that the next ones would not fit.
[[nodiscard]] inline error index_numbers_used_up(std::string_view folder, std::string_view file,
                                                 std::uint64_t number) {
    return {errc::unsupported,
            "the index in " + quoted(folder) + " cannot be written to: " + quoted(file) +
                " leads to the number " + std::to_string(number) +
                ", more than any index gets to; move that file away if it is not the index's own, "
                "or copy the documents into a new index with 'mice index merge'"};
}

[[nodiscard]] inline error nothing_to_go_back_to(std::string_view folder,
                                                 std::string_view reasons) {
    return {errc::format, "the index in " + quoted(folder) +
                              " holds no commit that can be opened: " + std::string(reasons) +
                              ". Nothing was changed: restore the files from a copy, or build the "
                              "index again in another folder"};
}

} // namespace detail::errors

namespace notes {

/// Why readers see an older commit.
[[nodiscard]] inline std::string older_commit(std::uint64_t generation, std::string_view reason) {
    return "this is commit " + std::to_string(generation) +
           ", the one before the last, whose manifest was cut short: " + std::string(reason) +
           "; nothing can be written before 'mice index repair'";
}

[[nodiscard]] inline std::string lone_commit(std::uint64_t generation) {
    return detail::errors::lone_commit(generation) +
           "; nothing can be written before 'mice index repair'";
}

[[nodiscard]] inline std::string stray_manifest(std::string_view file) {
    return "the file " + detail::errors::quoted(file) +
           " has a number that no commit has, and was passed over; nothing can be written while "
           "it is there";
}

} // namespace notes
MICE_NAMESPACE_END
