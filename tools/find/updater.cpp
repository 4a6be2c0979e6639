// SPDX-License-Identifier: Apache-2.0
#include "find/updater.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include <mice/error.hpp>
#include <mice/io/checksum.hpp>
#include <mice/system/processors.hpp>

#include "find/elapsed.hpp"
#include "find/text_maker.hpp"

namespace mice::find {
namespace {

namespace fs = std::filesystem;
using steady_clock = std::chrono::steady_clock;

/// A file that has to be read.
struct pending_file {
    const collection* in = nullptr;
    found_file found;
    std::optional<known_file> before;

    [[nodiscard]] fs::path path() const { return in->root / found.path; }
};

/// A file that was read.
struct read_file {
    enum class outcome { text, known, without_text, failed, changing, gone };
    const pending_file* file = nullptr;
    outcome what = outcome::failed;
    std::string key;
    std::string reason;
    bool lasting = false; ///< fails until the file changes
    stored_text text;
};

// ---- reading files, on a thread of its own ----

/// Reads files in their order, some ahead of the one who takes them.
class file_reader {
  public:
    file_reader(const std::vector<pending_file>& files, const reranker& ranker,
                std::unordered_map<std::string, std::int64_t> known, const extract_limits& limits)
        : files_(files), ranker_(ranker), known_(std::move(known)), limits_(limits),
          thread_([this] { run(); }) {}
    ~file_reader() {
        {
            const std::lock_guard guard(mutex_);
            stopped_ = true;
        }
        room_.notify_all();
        thread_.join();
    }
    file_reader(const file_reader&) = delete;
    file_reader& operator=(const file_reader&) = delete;

    /// The next file, or nothing behind the last one.
    std::optional<read_file> next() {
        std::unique_lock guard(mutex_);
        filled_.wait(guard, [this] { return !ready_.empty() || done_; });
        if (ready_.empty()) {
            return std::nullopt;
        }
        read_file taken = std::move(ready_.front());
        ready_.pop_front();
        bytes_ -= taken.text.bytes;
        room_.notify_one();
        return taken;
    }

  private:
    static constexpr std::size_t most_files = 256;
    static constexpr std::int64_t most_bytes = std::int64_t{32} << 20;

    void run() {
        for (const pending_file& each : files_) {
            read_file made = read(each);
            std::unique_lock guard(mutex_);
            room_.wait(guard, [this] {
                return stopped_ || (ready_.size() < most_files && bytes_ < most_bytes);
            });
            if (stopped_) {
                break;
            }
            bytes_ += made.text.bytes;
            ready_.push_back(std::move(made));
            filled_.notify_one();
        }
        const std::lock_guard guard(mutex_);
        done_ = true;
        filled_.notify_one();
    }

    /// Whether the file is not what it was when it was found.
    static bool differs(const pending_file& file) {
        return stamp_of(file.path()) != file.found.stamp;
    }

    read_file read(const pending_file& file) {
        read_file made;
        made.file = &file;
        const fs::path path = file.path();
        try {
            made.key = hash_of_file(path, file.found.stamp.size) + ending_of(file.found.path);
            if (known_.contains(made.key)) {
                made.what = read_file::outcome::known;
            } else {
                made.text = make_text(path, ranker_, limits_);
                made.text.key = made.key;
                made.what = made.text.slices.empty() ? read_file::outcome::without_text
                                                     : read_file::outcome::text;
                made.reason = "it has no text";
            }
            if (differs(file)) {
                throw changed_while_read();
            }
        } catch (const extract_error& problem) {
            refuse(made, problem);
        } catch (const changed_while_read& problem) {
            made = {.file = &file,
                    .what = read_file::outcome::changing,
                    .key = {},
                    .reason = problem.what(),
                    .lasting = false,
                    .text = {}};
        } catch (const std::bad_alloc&) {
            made.reason = "there is not enough memory for it";
        } catch (const std::exception& problem) {
            made.reason = problem.what();
        }
        std::error_code ignored;
        if (made.what != read_file::outcome::text && made.what != read_file::outcome::known &&
            !fs::exists(path, ignored) && !ignored) {
            made.what = read_file::outcome::gone;
        }
        return made;
    }

    static void refuse(read_file& made, const extract_error& problem) {
        const extract_reason reason = problem.reason();
        const bool none = reason == extract_reason::not_text ||
                          reason == extract_reason::unsupported ||
                          reason == extract_reason::too_large;
        made.what = none ? read_file::outcome::without_text : read_file::outcome::failed;
        made.lasting = reason == extract_reason::time || reason == extract_reason::memory ||
                       reason == extract_reason::malformed;
        made.reason = problem.what();
    }

    const std::vector<pending_file>& files_;
    const reranker& ranker_;
    const std::unordered_map<std::string, std::int64_t> known_;
    const extract_limits limits_;
    std::mutex mutex_;
    std::condition_variable filled_, room_;
    std::deque<read_file> ready_;
    std::int64_t bytes_ = 0;
    bool done_ = false, stopped_ = false;
    std::thread thread_; // the last member: it uses the others
};

// ---- the update ----

class updating {
  public:
    updating(const catalog& in, fs::path folder, const std::function<const reranker&()>& ranker,
             const update_options& options)
        : catalog_(in), folder_(std::move(folder)), load_(ranker), options_(options) {}

    update_report run(const std::vector<collection>& collections) {
        const steady_clock::time_point start = steady_clock::now();
        for (const collection& each : collections) {
            look_at(each);
        }
        if (!stopped_) {
            remove_gone();
            read_pending();
        }
        if (!stopped_) {
            clean();
        }
        report_.stopped = stopped_;
        report_.encoded = states_ ? states_->encoded() : 0;
        report_.seconds = seconds_since(start);
        return std::move(report_);
    }

  private:
    void problem(const fs::path& file, const std::string& reason) {
        constexpr std::size_t most = 1000;
        ++report_.failed;
        if (report_.problems.size() < most) {
            report_.problems.push_back({file, reason});
        }
    }

    // ---- what has to be done ----

    void look_at(const collection& in) {
        walk_options options = in.options;
        options.left_out = folder_;
        walk_result found;
        try {
            found = walk(in.root, options, [this](std::uint64_t files) {
                stopped_ = stopped_ || (options_.looking && !options_.looking(files));
                return !stopped_;
            });
        } catch (const error& refused) {
            problem(in.root, std::string(refused.what()) + "; its files stay as they were");
            return;
        }
        if (stopped_) {
            return;
        }
        std::unordered_map<std::string, known_file> known = catalog_.files_of(in.id);
        if (found.empty && !known.empty()) {
            problem(in.root, "it is empty now: is its disk mounted? Its files stay as they were; "
                             "'mice-find remove " +
                                 in.name + "' removes them");
            return;
        }
        for (const walk_problem& each : found.problems) {
            problem(in.root / each.path, each.reason);
        }
        for (found_file& each : found.files) {
            const auto before = known.find(each.path);
            const bool same = before != known.end() && before->second.stamp == each.stamp;
            if (!same && options_.waits && options_.waits(in, each)) {
                ++report_.left;
                known.erase(each.path);
            } else if (before == known.end()) {
                pending_.push_back({&in, std::move(each), std::nullopt});
            } else {
                if (same) {
                    ++report_.unchanged;
                } else {
                    pending_.push_back({&in, std::move(each), before->second});
                }
                known.erase(before);
            }
        }
        for (const auto& [path, file] : known) {
            if (!hidden(path, found.problems)) {
                gone_.push_back(file.id);
            }
        }
    }

    /// Whether a path lies in a folder that could not be read: it may still be there.
    static bool hidden(const std::string& path, const std::vector<walk_problem>& problems) {
        return std::any_of(problems.begin(), problems.end(), [&](const walk_problem& each) {
            return path == each.path || path.starts_with(each.path + "/") || each.path.empty();
        });
    }

    /// Smallest and newest first; but a codec that learns from what comes first gets files of all
    /// kinds before.
    void sort_pending() {
        const auto size_class = [](const pending_file& each) {
            return std::bit_width(static_cast<std::uint64_t>(each.found.stamp.size)) / 3;
        };
        std::sort(pending_.begin(), pending_.end(),
                  [&](const pending_file& a, const pending_file& b) {
                      const auto x = size_class(a), y = size_class(b);
                      return x != y ? x < y : a.found.stamp.mtime > b.found.stamp.mtime;
                  });
        if (options_.max_files > 0 && pending_.size() > options_.max_files) {
            report_.left += pending_.size() - options_.max_files;
            pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(options_.max_files),
                           pending_.end());
        }
        for (const pending_file& each : pending_) {
            total_ += static_cast<std::uint64_t>(each.found.stamp.size);
        }
    }

    void move_sample_ahead() {
        constexpr std::int64_t smallest = 200, largest = 64 << 10;
        std::vector<std::pair<std::uint64_t, std::size_t>> order;
        for (std::size_t i = 0; i < pending_.size(); ++i) {
            const found_file& file = pending_[i].found;
            if (file.stamp.size >= smallest && file.stamp.size <= largest) {
                order.emplace_back(io::checksum64(std::as_bytes(std::span(file.path))), i);
            }
        }
        std::sort(order.begin(), order.end());
        std::vector<bool> ahead(pending_.size());
        std::vector<pending_file> sorted;
        std::int64_t bytes = 0;
        for (const auto& [hash, i] : order) {
            if (bytes >= sample_bytes) {
                break;
            }
            bytes += pending_[i].found.stamp.size;
            ahead[i] = true;
            sorted.push_back(std::move(pending_[i]));
        }
        for (std::size_t i = 0; i < pending_.size(); ++i) {
            if (!ahead[i]) {
                sorted.push_back(std::move(pending_[i]));
            }
        }
        pending_ = std::move(sorted);
    }

    // ---- doing it ----

    void remove_gone() {
        constexpr std::size_t at_once = 5000;
        for (std::size_t i = 0; i < gone_.size(); i += at_once) {
            transaction changes(catalog_.base());
            for (std::size_t k = i; k < std::min(gone_.size(), i + at_once); ++k) {
                catalog_.remove_file(gone_[k]);
            }
            changes.commit();
        }
        report_.removed += gone_.size();
    }

    void open_states() {
        const std::size_t threads = options_.threads > 0
                                        ? options_.threads
                                        : std::max<std::size_t>(1, usable_processors() / 2);
        const reranker& ranker = load_();
        if (options_.re_encode || !catalog_.setting(next_states_setting).empty()) {
            states_.emplace(states_writer::any_model{}, catalog_, folder_, ranker, threads);
            make_anew(options_.re_encode ? std::optional(options_.codec) : std::nullopt);
            return;
        }
        const std::uint64_t expected = total_ / bytes_of_token;
        states_.emplace(catalog_, folder_, ranker, options_.codec, threads, expected);
        if (states_->worth_learning(expected)) {
            make_anew(grown_codec());
        }
    }

    void make_anew(const std::optional<std::string>& codec) {
        states_->make_anew(codec, [this](std::uint64_t done, std::uint64_t all) {
            stopped_ = stopped_ || (options_.re_encoding && !options_.re_encoding(done, all));
            return !stopped_;
        });
    }

    /// The codec that this index is to have when there is enough to learn from.
    [[nodiscard]] std::string grown_codec() const {
        const std::string later = catalog_.setting(later_setting);
        return later.empty() ? catalog_.setting(codec_setting) : later;
    }

    void read_pending() {
        sort_pending();
        const bool begun = !catalog_.setting(next_states_setting).empty();
        if (pending_.empty() && !options_.re_encode && !begun) {
            return;
        }
        open_states();
        if (stopped_ || pending_.empty()) {
            return;
        }
        if (states_->fresh()) {
            move_sample_ahead();
        }
        file_reader reader(pending_, load_(), catalog_.text_keys(), options_.limits);
        std::size_t taken = 0;
        while (!stopped_) {
            std::optional<read_file> next = reader.next();
            if (!next) {
                break;
            }
            ++taken;
            take(std::move(*next));
            if (options_.progress && !options_.progress(report_.bytes, total_)) {
                stopped_ = true;
            }
            if (due() || stopped_) {
                commit();
            }
        }
        commit();
        report_.left += pending_.size() - taken;
    }

    void take(read_file file) {
        const steady_clock::time_point start = steady_clock::now();
        report_.bytes += static_cast<std::uint64_t>(file.file->found.stamp.size);
        if (file.what == read_file::outcome::text) {
            for (const stored_slice& each : file.text.slices) {
                const std::string_view text = each.passage();
                states_->put(each.hash,
                             encoded_text(context_of(file.text.title, each.heading, text), text));
                doomed_.push_back(each.hash);
            }
            waiting_bytes_ += file.text.bytes;
        }
        batch_.push_back(std::move(file));
        report_.encoding_seconds += seconds_since(start);
    }

    [[nodiscard]] bool due() const {
        constexpr std::int64_t most_bytes = std::int64_t{64} << 20;
        constexpr std::size_t most_files = 20'000;
        if (waiting_bytes_ >= most_bytes || batch_.size() >= most_files) {
            return true;
        }
        if (states_->fresh() && waiting_bytes_ < sample_bytes) {
            return false; // what the codec learns from comes in one commit
        }
        return seconds_since(last_commit_) >=
               (commits_ == 0 ? options_.first_commit : options_.commits);
    }

    /// States first: what the catalog names is there. Until the catalog names them they are on its
    /// list of states to be removed, so that nothing is left behind after a crash.
    void commit() {
        if (!batch_.empty()) {
            const steady_clock::time_point start = steady_clock::now();
            if (!doomed_.empty()) {
                catalog_.doom_states(doomed_);
                states_->commit();
            }
            report_.encoding_seconds += seconds_since(start);
            transaction changes(catalog_.base());
            for (const read_file& each : batch_) {
                put(each);
            }
            changes.commit();
        }
        if (!stopped_ && !catalog_.setting(later_setting).empty() && states_->worth_learning(0)) {
            make_anew(grown_codec()); // as soon as there is enough to learn from
        }
        batch_.clear();
        doomed_.clear();
        waiting_bytes_ = 0;
        last_commit_ = steady_clock::now();
        ++commits_;
    }

    void put(const read_file& file) {
        const pending_file& of = *file.file;
        const std::int64_t in = of.in->id;
        std::int64_t content = 0;
        switch (file.what) {
        case read_file::outcome::gone:
            if (of.before) {
                catalog_.remove_file(of.before->id);
                ++report_.removed;
            }
            return;
        case read_file::outcome::changing:
        case read_file::outcome::failed:
            problem(of.path(), file.reason);
            put_failed(file);
            return;
        case read_file::outcome::without_text:
            ++report_.without_text;
            catalog_.put_file(in, of.found.path, of.found.stamp, 0, "", file.reason);
            return;
        case read_file::outcome::known:
        case read_file::outcome::text:
            content = catalog_.find_text(file.key);
            content = content == 0 && file.what == read_file::outcome::text
                          ? catalog_.add_text(file.text)
                          : content;
            break;
        }
        if (of.before && of.before->content == content) {
            ++report_.touched;
            catalog_.set_stamp(of.before->id, of.found.stamp);
            return;
        }
        ++(of.before ? report_.changed : report_.added);
        catalog_.put_file(in, of.found.path, of.found.stamp, content, catalog_.title_of(content),
                          "");
    }

    /// A file that is being written keeps the text that it had. What could not be opened is tried
    /// again by the next update, whatever its time says: permissions change without it.
    void put_failed(const read_file& file) {
        const pending_file& of = *file.file;
        file_stamp again = of.found.stamp;
        again.size = file.lasting ? again.size : -1;
        if (of.before && file.what == read_file::outcome::changing) {
            catalog_.set_stamp(of.before->id, again);
            return;
        }
        catalog_.put_file(of.in->id, of.found.path, again, 0, "", file.reason);
    }

    /// Texts of no file, and their states.
    void clean() {
        while (catalog_.remove_unused_texts()) {
        }
        for (const fs::path& each : unused_states(catalog_, folder_)) {
            fs::remove_all(each); // of an update that was killed behind its last commit
        }
        remove_doomed();
        if (states_ && !stopped_) {
            states_->give_room_back();
        }
    }

    void remove_doomed() {
        if (catalog_.base().integer("SELECT count(*) FROM doomed") == 0) {
            return;
        }
        if (!states_ && catalog_.doomed_states().empty()) {
            catalog_.forget_doomed(); // all of them are in use
            return;
        }
        if (!states_) {
            if (catalog_.setting(states_setting).empty() ||
                !states_writer::fits(catalog_, load_())) {
                return; // they go with the states of the other model
            }
            open_states();
        }
        if (!stopped_) {
            states_->remove_doomed();
        }
    }

    static constexpr std::int64_t sample_bytes = 250'000;

    const catalog& catalog_;
    fs::path folder_;
    const std::function<const reranker&()>& load_;
    const update_options& options_;
    update_report report_;
    std::vector<pending_file> pending_;
    std::vector<std::int64_t> gone_;
    std::uint64_t total_ = 0;
    std::optional<states_writer> states_;
    std::vector<read_file> batch_;
    std::vector<std::string> doomed_;
    std::int64_t waiting_bytes_ = 0;
    std::size_t commits_ = 0;
    steady_clock::time_point last_commit_ = steady_clock::now();
    bool stopped_ = false;
};

} // namespace

std::string text_of(const update_report& report) {
    const auto part = [](std::uint64_t number, const char* what) {
        return number == 0 ? std::string() : ", " + std::to_string(number) + " " + what;
    };
    return std::to_string(report.added) + " added, " + std::to_string(report.changed) +
           " changed, " + std::to_string(report.removed) + " removed, " +
           std::to_string(report.unchanged + report.touched) + " unchanged" +
           part(report.without_text, "without text") + part(report.failed, "not read") +
           part(report.left, "left for the next update") + "; " + std::to_string(report.encoded) +
           " passages encoded";
}

update_report update(const catalog& in, const fs::path& folder,
                     const std::vector<collection>& collections,
                     const std::function<const reranker&()>& ranker,
                     const update_options& options) {
    return updating(in, folder, ranker, options).run(collections);
}

} // namespace mice::find
