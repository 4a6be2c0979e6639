// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/index/errors.hpp>
#include <mice/index/files/snapshot.hpp>
#include <mice/io/text_bytes.hpp>
#include <mice/system/float_mode.hpp>

// Which commit of a folder is opened.
//
// A manifest gets its name when it and all that it names are on the medium. So the highest name is
// the last commit, acknowledged or about to be, and a crash leaves no part of one under such a
// name. The one exception is a medium that confirms a flush before it is done: after a loss of
// power the name may be there without the end of the bytes. Only readers pass that over, and say
// so. Whatever else keeps the last commit from being opened is an error that the caller has to
// resolve.
MICE_NAMESPACE_BEGIN
namespace store {

/// The manifests in a folder.
struct manifest_list {
    std::vector<std::uint64_t> generations; ///< newest first
    /// Files named like manifests, with numbers that no commit has.
    std::vector<std::string> strays;

    /// Whether there is one commit where there are always two: somebody removed a manifest.
    [[nodiscard]] bool lacks_one() const noexcept {
        return generations.size() == 1 && generations.front() > 1;
    }

    friend bool operator==(const manifest_list&, const manifest_list&) = default;
};

/// Finds the manifests in a folder. Throws errc::io.
[[nodiscard]] inline manifest_list manifests_in(io::file_system& files,
                                                const std::filesystem::path& folder) {
    manifest_list found;
    for (const std::string& name : files.list(folder)) {
        if (const auto number = detail::number_of_file(name, "manifest-");
            number && *number < writer_limit) {
            found.generations.push_back(*number);
        } else if (detail::looks_like_manifest(name)) {
            found.strays.push_back(name);
        }
    }
    std::sort(found.generations.begin(), found.generations.end(), std::greater<>());
    std::sort(found.strays.begin(), found.strays.end());
    return found;
}

/// Reads the manifest of a generation. Throws as parse_manifest, and errc::io.
[[nodiscard]] inline manifest read_manifest(io::file_system& files,
                                            const std::filesystem::path& folder,
                                            std::uint64_t generation) {
    const std::string name = manifest_name(generation);
    const io::mapped_file file = files.map(folder / name);
    return parse_manifest({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()},
                          name);
}

/// Whether bytes are only the beginning of a manifest: nothing, or less than its two lines, perhaps
/// with zeros behind them from blocks that the file got and that were never written.
[[nodiscard]] inline bool is_cut_short(std::string_view bytes) {
    while (!bytes.empty() && bytes.back() == '\0') {
        bytes.remove_suffix(1);
    }
    if (bytes.empty()) {
        return true;
    }
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
        return bytes.front() == '{' && bytes.size() <= largest_manifest &&
               std::none_of(bytes.begin(), bytes.end(), [](char c) { return c >= 0 && c < ' '; });
    }
    const std::string_view line = bytes.substr(0, end + 1);
    const std::string digits = io::hex_digits(io::checksum128(io::text_bytes(line)));
    if (!digits.starts_with(bytes.substr(end + 1))) {
        return false;
    }
    try {
        (void)io::parse_json(line, "a manifest", {largest_manifest, 8});
        return true;
    } catch (const error&) {
        return false; // two lines that have become one
    }
}

/// A file that the commit names and the folder lacks, or nothing.
[[nodiscard]] inline std::optional<std::string>
missing_file(io::file_system& files, const std::filesystem::path& folder, const manifest& commit) {
    std::vector<std::string> names = files.list(folder);
    std::sort(names.begin(), names.end());
    for (std::string& each : commit.files()) {
        if (!std::binary_search(names.begin(), names.end(), each)) {
            return std::move(each);
        }
    }
    return std::nullopt;
}

/// A commit that could be opened.
struct opened_commit {
    std::shared_ptr<const snapshot> commit;
    std::string recovered; ///< what readers have to know; empty: it is the last commit
};

/// Why a commit could not be opened.
struct open_failure {
    errc code{};
    std::string reason;
    bool cut_short = false; ///< its manifest is only the beginning of one
};

/// Opens one generation. Null, with the failure, where a file is damaged, gone or refused by the
/// system. Throws what going back to an older commit would only hide: another model, a newer
/// format.
[[nodiscard]] inline std::shared_ptr<const snapshot>
try_open(io::file_system& files, const std::filesystem::path& folder,
         const std::shared_ptr<const model>& engine, std::uint64_t generation,
         const snapshot* before, open_failure& failure) {
    std::optional<manifest> commit;
    try {
        commit = read_manifest(files, folder, generation);
        return mice::detail::in_default_float_mode([&] {
            return std::make_shared<const snapshot>(files, folder, engine, *commit, before);
        });
    } catch (const error& e) {
        if (e.code() != errc::io && e.code() != errc::format) {
            throw;
        }
        failure = {e.code(), e.what(), false};
    }
    if (failure.code == errc::io && commit) {
        if (const auto missing = missing_file(files, folder, *commit)) {
            failure.code = errc::format;
            failure.reason = errors::missing_index_file(*missing).what();
        }
    } else if (failure.code == errc::format && !commit) {
        const io::mapped_file file = files.map(folder / manifest_name(generation));
        failure.cut_short =
            is_cut_short({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
    }
    return nullptr;
}

/// What to do where the last manifest was cut short, or one is missing.
enum class cut_manifest {
    refuse,   ///< errc::format: for those who write, or copy what the index holds
    pass_over ///< opens the last commit that can be opened, and says so
};

namespace detail {

/// Opens the last commit of a list of manifests.
inline opened_commit open_listed(io::file_system& files, const std::filesystem::path& folder,
                                 const std::shared_ptr<const model>& engine,
                                 const manifest_list& found, cut_manifest how,
                                 const snapshot* before) {
    open_failure newest;
    opened_commit made;
    made.commit = try_open(files, folder, engine, found.generations.front(), before, newest);
    if (made.commit == nullptr) {
        if (how == cut_manifest::refuse || !newest.cut_short || found.generations.size() < 2) {
            throw errors::unreadable_commit(newest.code, folder.string(), newest.reason);
        }
        open_failure second;
        made.commit = try_open(files, folder, engine, found.generations[1], before, second);
        if (made.commit == nullptr && second.code == errc::io) {
            throw errors::unreadable_commit(second.code, folder.string(), second.reason);
        }
        if (made.commit == nullptr) {
            throw errors::unreadable_index(folder.string(), newest.reason, second.reason);
        }
        made.recovered = notes::older_commit(found.generations[1], newest.reason);
    } else if (!found.strays.empty()) {
        made.recovered = notes::stray_manifest(found.strays.back());
    } else if (found.lacks_one()) {
        if (how == cut_manifest::refuse) {
            throw errors::missing_manifest(folder.string(), found.generations.front());
        }
        made.recovered = notes::lone_commit(found.generations.front());
    }
    return made;
}

} // namespace detail

namespace detail {

/// Why a folder without a manifest of a possible number is not opened.
[[nodiscard]] inline error no_commit(io::file_system& files, const std::filesystem::path& folder,
                                     const manifest_list& found) {
    if (!found.strays.empty()) {
        return errors::stray_manifest(folder.string(), found.strays.back());
    }
    for (const std::string& name : files.list(folder)) {
        if (number_of_file(name, "segment-")) {
            return errors::lost_manifests(folder.string(), name);
        }
    }
    return errors::no_index(folder.string());
}

} // namespace detail

/// Opens the last commit of an index. Takes no lock: a writer that removes files in between makes
/// this start again. Throws errc::io where there is no index or a file cannot be opened now,
/// errc::format where one is damaged or gone, errc::mismatch and errc::unsupported as snapshot.
[[nodiscard]] inline opened_commit open_newest(io::file_system& files,
                                               const std::filesystem::path& folder,
                                               const std::shared_ptr<const model>& engine,
                                               cut_manifest how = cut_manifest::pass_over,
                                               const snapshot* before = nullptr) {
    constexpr int attempts = 100;
    manifest_list found = manifests_in(files, folder);
    for (int attempt = 0;; ++attempt) {
        if (found.generations.empty()) {
            throw detail::no_commit(files, folder, found);
        }
        std::exception_ptr failure;
        opened_commit made;
        try {
            made = detail::open_listed(files, folder, engine, found, how, before);
            if (made.recovered.empty()) {
                return made;
            }
        } catch (const error& e) {
            if (e.code() != errc::io && e.code() != errc::format) {
                throw;
            }
            failure = std::current_exception();
        }
        // A list that was read while a writer changed the folder proves nothing: read it again.
        manifest_list now = manifests_in(files, folder);
        if (now == found || attempt == attempts) {
            if (failure) {
                std::rethrow_exception(failure);
            }
            return made;
        }
        found = std::move(now);
    }
}

} // namespace store
MICE_NAMESPACE_END
