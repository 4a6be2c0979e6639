// SPDX-License-Identifier: Apache-2.0
#include "common/text_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/text/unicode/utf8.hpp>

#include "common/encodings.hpp"
#include "common/lines.hpp"

namespace mice::tools {
namespace {

namespace fs = std::filesystem;

bad_record bad_file(std::string_view place, std::string_view what) {
    return {errc::format, std::string(place) + ": " + std::string(what)};
}

/// All of a file, as text without a byte order mark. Throws bad_record.
std::string content(const fs::path& file, const std::string& place) {
    std::error_code problem;
    if (!fs::is_regular_file(file, problem)) {
        throw bad_file(place, problem ? problem.message() : "not a regular file");
    }
    const std::uintmax_t size = fs::file_size(file, problem);
    if (problem || size > longest_record) {
        throw bad_file(place, problem ? problem.message() : "larger than 256 MiB; split it");
    }
    errno = 0;
    std::ifstream stream(file, std::ios::binary);
    std::string text;
    if (stream) {
        text.assign(std::istreambuf_iterator<char>(stream), {});
    }
    if (!stream || stream.bad()) {
        throw bad_file(place, errno != 0
                                  ? "cannot be read: " + std::generic_category().message(errno)
                                  : std::string("cannot be read"));
    }
    if (const reading_deadline* const limit = reading_deadline::current(); limit != nullptr) {
        constexpr std::size_t cost_of_opening = 4096;
        limit->was_read(place, text.size() + cost_of_opening);
    }
    if (const std::string found = foreign_encoding(text); !found.empty()) {
        throw bad_file(place, "it is " + found);
    }
    if (text.find('\0') != std::string::npos) {
        throw bad_file(place, "not a text file: it holds NUL bytes");
    }
    if (text.starts_with("\xEF\xBB\xBF")) {
        text.erase(0, 3);
    }
    return text;
}

/// Reads one file into a document. Throws bad_record.
void read_whole(const fs::path& file, const fs::path& id, bad_text policy,
                collection_document& into) {
    into = {};
    into.id = id.generic_string();
    into.place = file.string();
    into.file = file;
    into.text = content(file, into.place);
    try {
        into.replaced = repair_line(into.text, policy, into.place);
    } catch (const error& problem) {
        throw bad_record(problem.code(), problem.what());
    }
    if (text::first_invalid_utf8(into.id) != std::string::npos) {
        throw bad_file(into.place, "the file's name is not UTF-8; rename it");
    }
}

class text_collection : public collection_reader {
  public:
    text_collection(fs::path file, bad_text policy) : file_(std::move(file)), policy_(policy) {}

    bool next(collection_document& into) override {
        if (std::exchange(done_, true)) {
            return false;
        }
        read_whole(file_, file_.filename(), policy_, into);
        return true;
    }
    [[nodiscard]] double share() const override { return done_ ? 1.0 : 0.0; }
    [[nodiscard]] bool of_files() const override { return true; }

  private:
    fs::path file_;
    bad_text policy_;
    bool done_ = false;
};

class folder_collection : public collection_reader {
  public:
    folder_collection(fs::path folder, bad_text policy)
        : folder_(std::move(folder)), policy_(policy) {
        list();
    }

    bool next(collection_document& into) override {
        if (next_ == entries_.size()) {
            return false;
        }
        const entry& each = entries_[next_++];
        const fs::path file = folder_ / each.path;
        if (!each.problem.empty()) {
            throw bad_file(file.string(), each.problem);
        }
        if (fs::is_symlink(file)) {
            throw bad_file(file.string(), "a link is not followed; add what it points to");
        }
        read_whole(file, each.path, policy_, into);
        return true;
    }
    [[nodiscard]] double share() const override {
        return entries_.empty() ? 1.0
                                : static_cast<double>(next_) / static_cast<double>(entries_.size());
    }
    [[nodiscard]] bool of_files() const override { return true; }
    [[nodiscard]] std::size_t passed_over() const override { return passed_over_; }

  private:
    struct entry {
        fs::path path;       ///< below the folder
        std::string problem; ///< of a folder that cannot be read
    };

    static bool hidden(const fs::path& path) {
        return path.filename().native().starts_with(fs::path::value_type('.'));
    }

    /// A file that only an index has: the folder of an index may lie in the one that is added.
    static bool is_manifest(const fs::path& path) {
        constexpr std::string_view start = "manifest-";
        const std::string name = path.filename().string();
        return name.starts_with(start) && name.size() == start.size() + 20 &&
               name.find_first_not_of("0123456789", start.size()) == std::string::npos;
    }

    /// All files in the order of their names, so that every run gives the same order.
    void list() {
        if (const std::string problem = list_one(folder_); !problem.empty()) {
            throw detail::errors::cannot_open(folder_.string(), problem);
        }
        while (!folders_.empty()) {
            const fs::path folder = std::move(folders_.back());
            folders_.pop_back();
            if (std::string problem = list_one(folder); !problem.empty()) {
                entries_.push_back({folder.lexically_relative(folder_), std::move(problem)});
            }
        }
        std::sort(entries_.begin(), entries_.end(),
                  [](const entry& a, const entry& b) { return a.path < b.path; });
    }

    /// Lists one folder; returns why it cannot be read, or nothing.
    std::string list_one(const fs::path& folder) {
        std::error_code problem;
        fs::directory_iterator each(folder, problem);
        const std::size_t entries = entries_.size();
        const std::size_t folders = folders_.size();
        for (; !problem && each != fs::directory_iterator(); each.increment(problem)) {
            std::error_code ignored; // a file that goes away is noticed when it is read
            if (hidden(each->path())) {
                ++passed_over_;
                continue;
            }
            if (is_manifest(each->path())) {
                entries_.resize(entries);
                folders_.resize(folders);
                ++passed_over_;
                return {};
            }
            if (each->is_directory(ignored) && !each->is_symlink(ignored)) {
                folders_.push_back(each->path());
            } else {
                entries_.push_back({each->path().lexically_relative(folder_), {}});
            }
        }
        return problem ? problem.message() : std::string();
    }

    fs::path folder_;
    bad_text policy_;
    std::vector<entry> entries_;
    std::vector<fs::path> folders_; ///< still to be listed
    std::size_t next_ = 0;
    std::size_t passed_over_ = 0;
};

} // namespace

std::unique_ptr<collection_reader> open_folder(const fs::path& folder, bad_text policy) {
    return std::make_unique<folder_collection>(folder, policy);
}

std::unique_ptr<collection_reader> open_text(const fs::path& file, bad_text policy) {
    return std::make_unique<text_collection>(file, policy);
}

} // namespace mice::tools
