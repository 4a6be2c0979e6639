// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <mice/index/files/publish.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Goes back to the newest commit that can be opened, and puts aside what is damaged. For one call
/// of plan() or run(), and one thread.
class index_repairer {
  public:
    index_repairer(io::file_system& files, std::filesystem::path folder,
                   std::shared_ptr<const model> engine)
        : files_(files), folder_(std::move(folder)), engine_(std::move(engine)) {}

    /// What run() would do; changes nothing. Throws errc::format where no commit can be opened,
    /// errc::io where a file is refused by the system.
    [[nodiscard]] index_repair plan() {
        find_commit();
        read_older();
        if (!made_.damage.empty()) {
            choose_moves();
        }
        return made_;
    }

    /// Repairs. The damaged manifests get their new names last, so that a repair that was stopped
    /// on its way can simply be run again.
    index_repair run() {
        const std::unique_ptr<io::file_lock> lock = lock_index(files_, folder_);
        files_.sync_folder(folder_);
        (void)plan();
        if (made_.damage.empty()) {
            return made_;
        }
        const auto manifests = std::partition_point(
            made_.moves.begin(), made_.moves.end(),
            [](const index_move& each) { return !detail::looks_like_manifest(each.file); });
        for (auto each = made_.moves.begin(); each != manifests; ++each) {
            files_.rename(folder_ / each->file, folder_ / each->name);
        }
        if (next_.generation != made_.generation) {
            write_manifest(files_, folder_, next_);
            made_.committed = next_.generation;
        }
        for (auto each = manifests; each != made_.moves.end(); ++each) {
            files_.rename(folder_ / each->file, folder_ / each->name);
        }
        files_.sync_folder(folder_);
        return made_;
    }

  private:
    /// A manifest that is gone or damaged may have named files that are gone, too. More numbers are
    /// left out than any commit has files, so that none is given again.
    static constexpr std::uint64_t most_files = std::uint64_t{1} << 20;

    /// Finds the newest commit that can be opened.
    void find_commit() {
        there_ = manifests_in(files_, folder_);
        if (there_.generations.empty()) {
            throw detail::no_commit(files_, folder_, there_);
        }
        for (const std::string& name : there_.strays) {
            set_aside(name, "it has a number that no commit has");
        }
        made_.newest = there_.generations.front();
        if (there_.lacks_one()) {
            set_aside(manifest_name(made_.newest), errors::lone_commit(made_.newest));
            unknown_ = most_files;
        }
        std::string reasons;
        for (const std::uint64_t generation : there_.generations) {
            open_failure failure;
            const auto opened = try_open(files_, folder_, engine_, generation, nullptr, failure);
            if (opened != nullptr) {
                next_ = opened->commit();
                made_.generation = generation;
                made_.documents = opened->documents();
                if (!made_.goes_back()) {
                    made_.newest_documents = made_.documents;
                }
                used_.insert(manifest_name(generation));
                keep(next_);
                return;
            }
            if (failure.code == errc::io) {
                throw errors::unreadable_commit(failure.code, folder_.string(), failure.reason);
            }
            set_aside(manifest_name(generation), failure.reason);
            note_numbers(generation);
            reasons += (reasons.empty() ? "" : ". ") + failure.reason;
        }
        throw errors::nothing_to_go_back_to(folder_.string(), reasons);
    }

    /// What can still be read of a manifest that cannot be used.
    void note_numbers(std::uint64_t generation) {
        try {
            const manifest damaged = read_manifest(files_, folder_, generation);
            if (damaged.next_file < writer_limit) {
                next_file_ = std::max(next_file_, damaged.next_file);
            }
            if (generation == made_.newest) {
                made_.newest_documents = damaged.documents();
            }
        } catch (const error&) {
            unknown_ = most_files;
        }
    }

    /// Commits before the one gone back to keep their files, and damaged ones are put aside. A
    /// killed writer may have removed files of still older ones.
    void read_older() {
        bool first = true;
        for (const std::uint64_t generation : there_.generations) {
            if (generation >= made_.generation) {
                continue;
            }
            open_failure failure;
            const bool whole =
                first ? try_open(files_, folder_, engine_, generation, nullptr, failure) != nullptr
                      : readable(generation, failure);
            first = false;
            if (failure.code == errc::io && !whole) {
                throw errors::unreadable_commit(failure.code, folder_.string(), failure.reason);
            }
            if (whole) {
                keep(read_manifest(files_, folder_, generation));
                used_.insert(manifest_name(generation));
            } else {
                set_aside(manifest_name(generation), failure.reason);
            }
        }
    }
    [[nodiscard]] bool readable(std::uint64_t generation, open_failure& failure) const {
        try {
            (void)read_manifest(files_, folder_, generation);
            return true;
        } catch (const error& e) {
            failure = {e.code(), e.what(), false};
            return false;
        }
    }

    void choose_moves() {
        std::vector<std::string> names = files_.list(folder_);
        std::sort(names.begin(), names.end());
        const std::set<std::string> taken(names.begin(), names.end());
        const std::uint64_t highest = highest_file(files_, folder_);
        std::vector<index_move> manifests;
        for (const std::string& name : names) {
            const bool ours = detail::is_index_file(name) || detail::looks_like_manifest(name);
            std::error_code code;
            const auto status = std::filesystem::symlink_status(folder_ / name, code);
            if (!ours || used_.contains(name) || std::filesystem::is_directory(status)) {
                continue;
            }
            const std::uintmax_t bytes = std::filesystem::file_size(folder_ / name, code);
            index_move move{name, free_name(name, taken),
                            code ? 0 : static_cast<std::uint64_t>(bytes)};
            (detail::looks_like_manifest(name) ? manifests : made_.moves)
                .push_back(std::move(move));
        }
        made_.moves.insert(made_.moves.end(), manifests.begin(), manifests.end());
        // A single commit would look as if another were missing.
        const auto kept = static_cast<std::size_t>(
            std::count_if(there_.generations.begin(), there_.generations.end(),
                          [this](auto each) { return used_.contains(manifest_name(each)); }));
        if (made_.goes_back() || (kept < 2 && made_.generation > 1)) {
            number_next(highest);
        }
    }
    /// No commit and no file gets a number that was given before.
    void number_next(std::uint64_t highest) {
        for (const std::uint64_t each : there_.generations) {
            if (each < writer_limit) {
                next_.generation = std::max(next_.generation, each);
            }
        }
        next_.generation += there_.lacks_one() ? 2 : 1; // the next one may be the missing one's
        next_.next_file = std::max({next_.next_file, next_file_, highest + 1}) + unknown_;
        for (const std::uint64_t number : {next_.generation, next_.next_file}) {
            if (number >= writer_limit) {
                throw errors::index_numbers_used_up(folder_.string(), manifest_name(made_.newest),
                                                    number);
            }
        }
    }
    [[nodiscard]] std::string free_name(const std::string& name,
                                        const std::set<std::string>& taken) const {
        const std::string start = "damaged-" + std::to_string(made_.newest) + ".";
        std::string free = start + name;
        for (int i = 2; taken.contains(free); ++i) {
            free = start;
            free.append(std::to_string(i)).append(".").append(name);
        }
        return free;
    }

    void set_aside(const std::string& name, std::string why) {
        made_.damage.push_back({name, std::move(why)});
    }
    void keep(const manifest& commit) {
        for (std::string& name : commit.files()) {
            used_.insert(std::move(name));
        }
    }

    io::file_system& files_;
    std::filesystem::path folder_;
    std::shared_ptr<const model> engine_;
    index_repair made_;
    manifest_list there_;
    manifest next_;               ///< the new commit
    std::set<std::string> used_;  ///< files that stay
    std::uint64_t next_file_ = 0; ///< that a damaged commit is known to have had
    std::uint64_t unknown_ = 0;   ///< numbers that are left out
};

} // namespace store
MICE_NAMESPACE_END
