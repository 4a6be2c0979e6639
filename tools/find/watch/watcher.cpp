// SPDX-License-Identifier: Apache-2.0
#include "find/watch/watcher.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <sys/stat.h>

#include <mice/error.hpp>

#include "common/model_path.hpp"
#include "find/ignore_rules.hpp"
#include "find/lock.hpp"
#include "find/updater.hpp"
#include "find/watch/folder_events.hpp"

namespace mice::find::watch {
namespace {

namespace fs = std::filesystem;
using steady_clock = std::chrono::steady_clock;
using time_point = steady_clock::time_point;

steady_clock::duration seconds_of(double seconds) {
    return std::chrono::duration_cast<steady_clock::duration>(
        std::chrono::duration<double>(seconds));
}

/// Which folder it is that has a name.
struct folder_id {
    dev_t device;
    ino_t number;

    friend bool operator==(const folder_id&, const folder_id&) = default;
};

std::optional<folder_id> folder_at(const fs::path& name) {
    struct stat found {};
    if (::stat(name.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
        return std::nullopt;
    }
    return folder_id{found.st_dev, found.st_ino};
}

/// A collection, and when it is looked at next.
struct watched {
    collection of;
    bool polled = false;
    bool changed = true; ///< also before the first look
    bool folders_changed = true;
    time_point first_change{}, last_change{};
    time_point next_look{};          ///< where it is polled
    std::optional<folder_id> root{}; ///< what was there at the last look; nothing: no folder
};

class watcher {
  public:
    explicit watcher(const watch_options& options) : options_(options) {}

    bool run() {
        (void)::umask(S_IRWXG | S_IRWXO); // what is written is for the owner alone
        if (!events_.supported() && options_.poll == 0) {
            options_.tell("note: the system does not tell what changes; folders are looked at "
                          "every " +
                          text_of(poll_seconds()) + " seconds");
        }
        read_collections(true);
        while (!options_.ended()) {
            read_collections(false);
            notice_other_roots();
            look();
            if (stopped_) {
                return false;
            }
            hear(events_.wait(time_to_wait()));
        }
        return true;
    }

  private:
    static constexpr std::chrono::seconds between_lists{5};
    static constexpr std::chrono::seconds after_failure{30};
    static constexpr double usual_poll = 60;
    /// A file that is written all the time is read once in so many seconds, or settle times ten.
    static constexpr double longest_wait = 60;

    static std::string text_of(double seconds) {
        std::string text = std::to_string(seconds);
        text.erase(text.find_last_not_of('0') + 1);
        return text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
    }

    [[nodiscard]] double poll_seconds() const {
        return options_.poll > 0 ? options_.poll : usual_poll;
    }

    [[nodiscard]] steady_clock::duration longest() const {
        return seconds_of(std::max(longest_wait, 10 * options_.settle));
    }

    /// Says a thing once, until something else is said of the same.
    void tell_once(const std::string& of, const std::string& what) {
        std::string& last = told_[of];
        if (last != what) {
            last = what;
            if (!what.empty()) {
                options_.tell(what);
            }
        }
    }

    // ---- collections ----

    /// Other processes add and remove some.
    void read_collections(bool first) {
        const time_point now = steady_clock::now();
        if (!first && now < next_list_) {
            return;
        }
        next_list_ = now + between_lists;
        std::vector<collection> all;
        try {
            all = catalog(options_.folder, access_mode::read).collections();
            tell_once("index", "");
        } catch (const error& problem) {
            if (first) {
                throw;
            }
            tell_once("index", problem.what());
            return;
        }
        if (first) {
            check_names(all);
        }
        std::map<std::int64_t, watched> known = std::move(all_);
        all_.clear();
        for (collection& each : all) {
            const auto named = std::find(options_.names.begin(), options_.names.end(), each.name);
            if (!options_.names.empty() && named == options_.names.end()) {
                continue;
            }
            const auto before = known.find(each.id);
            // A number may come again, for another collection.
            if (before != known.end() && before->second.of.name == each.name &&
                before->second.of.root == each.root) {
                all_.insert(known.extract(before));
            } else {
                start(each);
            }
        }
        for (const auto& [id, gone] : known) {
            if (!all_.contains(id)) {
                events_.forget(id);
            }
        }
        tell_once("none", all_.empty() ? "note: there is no collection to watch yet; 'mice-find "
                                         "add FOLDER' makes one"
                                       : "");
    }

    void check_names(const std::vector<collection>& all) const {
        for (const std::string& name : options_.names) {
            if (std::none_of(all.begin(), all.end(),
                             [&](const collection& each) { return each.name == name; })) {
                throw error(errc::invalid_argument, "there is no collection " +
                                                        detail::errors::quoted(name) +
                                                        "; 'mice-find ls' lists them");
            }
        }
    }

    void start(const collection& added) {
        events_.forget(added.id);
        watched made;
        made.of = added;
        made.of.options.left_out = options_.folder;
        made.polled = options_.poll > 0 || !events_.supported();
        if (!made.polled && on_network(added.root)) {
            made.polled = true;
            options_.tell("note: " + added.name + " lies on a network; it is looked at every " +
                          text_of(poll_seconds()) + " seconds");
        }
        const std::string how =
            made.polled ? " every " + text_of(poll_seconds()) + " seconds" : std::string();
        made.root = folder_at(added.root);
        all_[added.id] = std::move(made);
        options_.tell("watching " + added.name + " (" + added.root.string() + ")" + how);
    }

    /// Watches the folders that are there. A folder that comes meanwhile is seen by the next walk,
    /// or heard by the watch of the one above.
    void watch_folders(watched& in) {
        constexpr int most_walks = 5;
        in.folders_changed = false;
        try {
            for (int i = 0; i < most_walks; ++i) {
                const walk_result found = walk(in.of.root, in.of.options,
                                               [this](std::uint64_t) { return !options_.ended(); });
                const folder_events::outcome made =
                    events_.set(in.of.id, in.of.root, found.folders);
                if (made.limit) {
                    in.polled = true;
                    options_.tell("note: the system watches no more folders (Linux: "
                                  "fs.inotify.max_user_watches); " +
                                  in.of.name + " is looked at every " + text_of(poll_seconds()) +
                                  " seconds");
                    return;
                }
                if (made.added == 0) {
                    break;
                }
            }
            in.next_look = {};
        } catch (const error&) {       // the update tells why
            in.folders_changed = true; // its disk may come back
            in.next_look = steady_clock::now() + after_failure;
        }
    }

    // ---- what changed ----

    void hear(const heard_changes& heard) {
        const time_point now = steady_clock::now();
        if (heard.lost) {
            options_.tell("note: more changed than the system could tell; everything is looked "
                          "at");
            for (auto& [id, each] : all_) {
                mark(each, now, true);
            }
        }
        for (const change& each : heard.changes) {
            const auto found = all_.find(each.collection);
            if (found != all_.end() && matters(found->second, each)) {
                mark(found->second, now, each.folder || is_rules(each.path));
            }
        }
    }

    /// A collection's folder may go and come back, or another one may take its name, by what
    /// happens above it: nothing tells of that.
    void notice_other_roots() {
        const time_point now = steady_clock::now();
        for (auto& [id, each] : all_) {
            if (each.polled) {
                continue;
            }
            const std::optional<folder_id> there = folder_at(each.of.root);
            if (there != each.root) {
                each.root = there;
                mark(each, now, true);
                not_before_ = {}; // what failed may work now
            }
        }
    }

    static void mark(watched& in, time_point now, bool folders) {
        in.first_change = in.changed ? in.first_change : now;
        in.changed = true;
        in.last_change = now;
        in.folders_changed = in.folders_changed || folders;
        in.next_look = in.polled ? in.next_look : time_point{}; // something is there again
    }

    static bool is_rules(const std::string& path) {
        const std::string name = fs::path(path).filename().string();
        return name == ".gitignore" || name == ".ignore";
    }

    static bool matters(const watched& in, const change& what) {
        const std::string name = fs::path(what.path).filename().string();
        const bool hidden = name.starts_with('.') && !in.of.options.hidden;
        if (is_rules(what.path)) {
            return in.of.options.ignore_files;
        }
        return !hidden && (what.folder || in.of.options.mask.empty() ||
                           matches_mask(in.of.options.mask, what.path));
    }

    [[nodiscard]] bool due(const watched& in, time_point now) const {
        if (now < in.next_look) {
            return false;
        }
        return in.polled || (in.changed && (now - in.last_change >= seconds_of(options_.settle) ||
                                            now - in.first_change >= longest()));
    }

    /// Never long: signals may come to another thread.
    static std::chrono::milliseconds time_to_wait_at_most() {
        return std::chrono::milliseconds(1000);
    }

    [[nodiscard]] std::chrono::milliseconds time_to_wait() const {
        const auto quiet = std::chrono::ceil<std::chrono::milliseconds>(
            seconds_of(std::min(options_.settle, poll_seconds()) / 2));
        const bool some = std::any_of(all_.begin(), all_.end(), [](const auto& each) {
            return each.second.changed || each.second.polled;
        });
        return some ? std::clamp(quiet, std::chrono::milliseconds(10), time_to_wait_at_most())
                    : time_to_wait_at_most();
    }

    // ---- updates ----

    [[nodiscard]] bool paused() {
        const bool now = !options_.on_battery && on_battery(options_.power);
        tell_once("power", now ? "on battery: updates wait; --on-battery goes on" : "");
        return now;
    }

    void look() {
        const time_point now = steady_clock::now();
        if (now < not_before_) {
            return;
        }
        std::vector<watched*> wanted;
        for (auto& [id, each] : all_) {
            if (due(each, now)) {
                wanted.push_back(&each);
            }
        }
        if (wanted.empty() || paused()) {
            return;
        }
        for (watched* const each : wanted) {
            if (!each->polled && each->folders_changed) {
                watch_folders(*each);
            }
        }
        try {
            std::optional<write_lock> lock;
            try {
                lock.emplace(options_.folder, "watch", std::chrono::seconds(0),
                             std::function<bool(const std::string&)>());
                tell_once("lock", "");
            } catch (const error& problem) {
                if (problem.code() != errc::mismatch) {
                    throw;
                }
                tell_once("lock", "waiting: the index is written by another process");
                not_before_ = now + std::chrono::seconds(1);
                return;
            }
            update_now(wanted);
            tell_once("update", "");
        } catch (const error& problem) {
            tell_once("update", problem.what());
            not_before_ = steady_clock::now() + after_failure;
        }
    }

    void update_now(const std::vector<watched*>& wanted) {
        const catalog in(options_.folder, access_mode::write);
        std::vector<collection> collections;
        std::string names;
        for (watched* const each : wanted) {
            const std::optional<collection> known = in.find_collection(each->of.name);
            if (known && known->id == each->of.id && known->root == each->of.root) {
                collections.push_back(*known);
                names += (names.empty() ? "" : ", ") + known->name;
            }
        }
        on_power_ = true;
        std::set<std::int64_t> left;
        update_options how;
        how.threads = options_.threads;
        how.waits = [&](const collection& of, const found_file& file) {
            const bool waiting = waits(of, file);
            if (waiting) {
                left.insert(of.id);
            }
            return waiting;
        };
        how.progress = [this](std::uint64_t, std::uint64_t) { return goes_on(); };
        how.re_encoding = how.progress;
        how.looking = [this](std::uint64_t) { return !options_.ended(); };
        const update_report report = update(
            in, options_.folder, collections, [this]() -> const reranker& { return model(); }, how);
        const time_point now = steady_clock::now();
        stopped_ = report.stopped && options_.ended();
        for (watched* const each : wanted) {
            each->next_look = each->polled ? now + seconds_of(poll_seconds()) : each->next_look;
            each->changed = report.stopped || each->folders_changed || left.contains(each->of.id);
            each->first_change = each->last_change = now;
        }
        forget_written(now);
        tell_of(report, names);
        if (changes_of(report) == 0) {
            // Much may change that is not indexed, such as what a compiler writes.
            constexpr double share = 4, most = 30;
            not_before_ = now + seconds_of(std::min(share * report.seconds, most));
        }
    }

    [[nodiscard]] static std::uint64_t changes_of(const update_report& report) {
        return report.added + report.changed + report.removed + report.without_text +
               report.encoded;
    }

    void tell_of(const update_report& report, const std::string& names) {
        if (changes_of(report) > 0) {
            options_.tell(names + ": " + find::text_of(report));
        }
        std::set<std::string> problems;
        for (const file_problem& each : report.problems) {
            const std::string line = each.file.string() + ": " + each.reason;
            if (!problems_.contains(line)) {
                options_.tell(line);
            }
            problems.insert(line);
        }
        problems_ = std::move(problems);
    }

    /// Whether a file was written a moment ago, and so may be written still.
    bool waits(const collection& of, const found_file& file) {
        const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
        const double age = static_cast<double>(now - file.stamp.mtime) / 1e9;
        if (age < 0 || age >= options_.settle) {
            return false;
        }
        const time_point here = steady_clock::now();
        const auto since = written_.emplace(std::pair(of.id, file.path), here).first;
        return here - since->second < longest();
    }

    /// Files that are not written any more, or were read all the same.
    void forget_written(time_point now) {
        const auto long_ago = longest();
        std::erase_if(written_, [&](const auto& each) { return now - each.second >= long_ago; });
    }

    bool goes_on() {
        const time_point now = steady_clock::now();
        if (now >= next_power_) {
            constexpr std::chrono::seconds between{5};
            next_power_ = now + between;
            on_power_ = !paused();
        }
        return on_power_ && !options_.ended();
    }

    const reranker& model() {
        if (!ranker_) {
            ranker_ = tools::load_model(tools::model_path(options_.model), precision::automatic,
                                        {.threads = options_.threads});
        }
        return *ranker_;
    }

    const watch_options& options_;
    folder_events events_;
    std::map<std::int64_t, watched> all_;
    std::map<std::string, std::string> told_;
    std::map<std::pair<std::int64_t, std::string>, time_point> written_; ///< since when
    std::set<std::string> problems_;
    std::optional<reranker> ranker_;
    time_point next_list_{}, not_before_{}, next_power_{};
    bool on_power_ = true;
    bool stopped_ = false;
};

} // namespace

bool watch(const watch_options& options) {
    return watcher(options).run();
}

} // namespace mice::find::watch
