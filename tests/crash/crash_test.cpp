// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"

#include "faulty_files.hpp"
#include "workload.hpp"

#if !defined(_WIN32)

#include <chrono>
#include <iostream>

#include <sys/wait.h>
#include <unistd.h>

namespace {

using fixtures::catch_error;
using fixtures::failing_files;
using fixtures::model_in_memory;
using fixtures::volatile_files;
using fixtures::workload;
namespace fs = std::filesystem;

/// A model, an index to merge, and a folder for the one that is tried.
struct place {
    model_in_memory model;
    temporary_folder folder;
    workload work{model, folder.path() / "other"};

    [[nodiscard]] fs::path fresh() const {
        fs::remove_all(folder.path() / "index");
        fs::remove_all(folder.path() / "image");
        return folder.path() / "index";
    }
};

/// Runs the workload in a process of its own. Returns how many steps it acknowledged before it
/// ended.
struct child_end {
    std::size_t acknowledged = 0;
    bool killed = false;
    int code = 0;
};
child_end run_child(const workload& work, const fs::path& folder, failing_files::fault fault,
                    std::size_t at, std::chrono::microseconds kill_after = {}) {
    int ends[2];
    if (::pipe(ends) != 0) {
        throw std::runtime_error("no pipe");
    }
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        int code = 0;
        try {
            failing_files files(fault, at);
            work.run(folder, &files, 0, [&](std::size_t) {
                if (::write(ends[1], "a", 1) != 1) {
                    ::_exit(3);
                }
            });
        } catch (const std::exception&) {
            code = 2;
        }
        ::_exit(code);
    }
    ::close(ends[1]);
    if (kill_after.count() != 0) {
        ::usleep(static_cast<useconds_t>(kill_after.count()));
        ::kill(child, SIGKILL);
    }
    child_end end;
    char byte = 0;
    while (::read(ends[0], &byte, 1) == 1) {
        ++end.acknowledged;
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    end.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    end.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return end;
}

/// File-system calls of the whole workload.
std::size_t calls_of(const place& at) {
    failing_files files(failing_files::fault::none, 0);
    at.work.run(at.fresh(), &files);
    return files.calls();
}

/// Cuts the power at every call. Returns how many cuts left an index that lost or gained something.
struct cut_counts {
    std::size_t cuts = 0;
    std::size_t faults = 0;
    std::string first;
};
cut_counts cut_everywhere(const place& at, fixtures::forgotten_flushes lost, std::uint64_t seeds) {
    cut_counts counts;
    for (std::size_t call = 1;; ++call) {
        const fs::path folder = at.fresh();
        volatile_files files(call, lost);
        std::size_t acknowledged = 0;
        bool cut = false;
        try {
            at.work.run(folder, &files, 0, [&](std::size_t steps) { acknowledged = steps; });
        } catch (const fixtures::power_cut&) {
            cut = true;
        } catch (const std::exception& e) { // something ran into the missing flush
            counts.first = e.what();
            ++counts.faults;
        }
        // A failure while segments are joined only postpones the join, so the cut is not thrown
        // then.
        for (std::uint64_t seed = 0; seed < seeds; ++seed) {
            const fs::path image = at.folder.path() / "image";
            fs::remove_all(image);
            fs::create_directories(image);
            files.write_image(image, seed == 0 ? 0 : 1000 * call + seed);
            ++counts.cuts;
            const std::string fault =
                at.work.fault_of(image, acknowledged, std::min(acknowledged + 1, at.work.steps()));
            if (!fault.empty()) {
                ++counts.faults;
                counts.first = counts.first.empty() ? "call " + std::to_string(call) + ", seed " +
                                                          std::to_string(seed) + ": " + fault
                                                    : counts.first;
            }
        }
        if (!cut && files.calls() < call) {
            return counts;
        }
    }
}

} // namespace

TEST_CASE("a process killed at every call or at any time loses no commit") {
    const place at;
    std::size_t kills = 0;
    const std::size_t calls = calls_of(at);
    REQUIRE(calls > 150);
    for (const auto fault : {failing_files::fault::kill, failing_files::fault::kill_half_way}) {
        for (std::size_t call = 1; call <= calls; ++call) {
            CAPTURE(call);
            const fs::path folder = at.fresh();
            const child_end end = run_child(at.work, folder, fault, call);
            REQUIRE(end.killed);
            ++kills;
            const std::string wrong = at.work.fault_of(
                folder, end.acknowledged, std::min(end.acknowledged + 1, at.work.steps()));
            REQUIRE(wrong == "");
        }
    }
    const std::size_t at_calls = kills;
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(run_child(at.work, at.fresh(), failing_files::fault::none, 0).code == 0);
    const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - start);
    fixtures::random_numbers random(4);
    for (int round = 0; round < 250; ++round) {
        CAPTURE(round);
        const fs::path folder = at.fresh();
        const auto after =
            std::chrono::microseconds(1 + random.below(static_cast<std::size_t>(whole.count())));
        const child_end end = run_child(at.work, folder, failing_files::fault::none, 0, after);
        kills += end.killed ? 1 : 0;
        const std::string wrong = at.work.fault_of(folder, end.acknowledged,
                                                   std::min(end.acknowledged + 1, at.work.steps()));
        REQUIRE(wrong == "");
    }
    std::cout << "crash: " << kills << " kills (" << at_calls << " at every one of " << calls
              << " calls before it and half-way, " << kills - at_calls
              << " at random times): no commit lost\n";
    REQUIRE(kills >= 500);
}

TEST_CASE("a power cut at every call loses no commit") {
    const place at;
    const cut_counts counts = cut_everywhere(at, {}, 4);
    std::cout << "crash: " << counts.cuts << " power cuts: " << counts.faults << " commits lost\n";
    CAPTURE(counts.first);
    REQUIRE(counts.faults == 0);
    REQUIRE(counts.cuts > 600);
}

TEST_CASE("the test of power cuts notices a flush that is forgotten") {
    const place at;
    REQUIRE(cut_everywhere(at, {.files = true}, 1).faults > 0);
    REQUIRE(cut_everywhere(at, {.folders = true}, 1).faults > 0);
}

TEST_CASE("a full disk and failing writes at every call lose no commit") {
    const place at;
    const std::size_t calls = calls_of(at);
    std::size_t failures = 0;
    for (const auto fault : {failing_files::fault::error_once, failing_files::fault::error_from}) {
        for (std::size_t call = 1; call <= calls; ++call) {
            CAPTURE(call);
            const fs::path folder = at.fresh();
            const bool full = fault == failing_files::fault::error_from;
            failing_files files(fault, call,
                                full ? "No space left on device" : "Input/output error");
            std::optional<mice::index> index;
            std::size_t step = 0;
            for (; step < at.work.steps(); ++step) {
                const auto failed =
                    catch_error([&] { at.work.run_step(folder, &files, step, index); });
                if (!failed.thrown) {
                    continue;
                }
                REQUIRE(failed.code == mice::errc::io);
                REQUIRE(failed.says(full ? "No space" : "Input/output"));
                // Another process meets the last commit or the one under way.
                if (mice::index::exists(folder)) {
                    const mice::index reader =
                        mice::index::open(folder, at.model.ranker, workload::one_thread());
                    const fixtures::documents_held got = at.work.held_in(reader);
                    REQUIRE(
                        (got == at.work.held_after(step) || got == at.work.held_after(step + 1)));
                } else {
                    REQUIRE(step == 0);
                }
                files.heal();
                if (index) {
                    index->rollback();
                }
                at.work.run_step(folder, &files, step, index);
            }
            failures += files.failed() ? 1 : 0;
            files.heal();
            index.reset();
            REQUIRE(at.work.fault_of(folder, at.work.steps(), at.work.steps()) == "");
        }
    }
    std::cout << "crash: " << failures << " failed calls (ENOSPC, EIO): no commit lost\n";
    REQUIRE(failures == 2 * calls);
}

TEST_CASE("another process's lock is respected, and a killed one's is gone") {
    const place at;
    const fs::path folder = at.fresh();
    at.work.run(folder, nullptr);
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            mice::index index = mice::index::open(folder, at.model.ranker, workload::one_thread());
            index.put("held", "the lock");
            (void)!::write(ready[1], "r", 1);
            ::pause();
        } catch (const std::exception&) {
        }
        ::_exit(1);
    }
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    mice::index index = mice::index::open(folder, at.model.ranker, workload::one_thread());
    const auto refused = catch_error([&] { index.put("mine", "the river"); });
    CHECK(refused.code == mice::errc::mismatch);
    CHECK(refused.says("another program is writing"));
    CHECK(at.work.held_in(index) == at.work.held_after(at.work.steps())); // reading goes on
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    index.put("mine", "the river", "7");
    CHECK(index.commit().documents == at.work.held_after(at.work.steps()).size() + 1);
    CHECK_FALSE(index.contains("held"));
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_CASE("processes read while another one commits and compacts") {
    const place at;
    const fs::path folder = at.fresh();
    at.work.run(folder, nullptr);
    std::vector<pid_t> readers;
    int going[2];
    REQUIRE(::pipe(going) == 0);
    for (int i = 0; i < 2; ++i) {
        readers.push_back(::fork());
        if (readers.back() == 0) {
            ::close(going[1]);
            int code = 0;
            try {
                mice::index index =
                    mice::index::open(folder, at.model.ranker, workload::one_thread());
                std::size_t before = 0;
                std::size_t rounds = 0;
                for (bool last = false; !last && code == 0; ++rounds) {
                    last = index.contains("doc-229");
                    const fixtures::documents_held got = at.work.held_in(index);
                    code = got.size() < before ? 4 : 0;
                    before = got.size();
                    (void)index.refresh();
                }
                code = rounds < 2 ? 5 : code;
            } catch (const std::exception&) {
                code = 6;
            }
            ::_exit(code);
        }
    }
    ::close(going[0]);
    mice::index index = mice::index::open(folder, at.model.ranker, workload::one_thread());
    for (std::uint64_t i = 200; i < 230; ++i) {
        index.put(fixtures::id_of(i), fixtures::passage(i), std::to_string(i));
        index.commit();
        if (i % 5 == 0) {
            index.compact();
        }
    }
    for (const pid_t reader : readers) {
        int status = 0;
        ::waitpid(reader, &status, 0);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
    ::close(going[1]);
}

TEST_CASE("an index on a read-only medium is read and not written") {
    const place at;
    const fs::path folder = at.fresh();
    at.work.run(folder, nullptr);
    const auto before = fixtures::files_in(folder);
    fixtures::read_only_files files;
    mice::index_access access = workload::one_thread();
    access.files = &files;
    mice::index index = mice::index::open(folder, at.model.ranker, access);
    CHECK(at.work.held_in(index) == at.work.held_after(at.work.steps()));
    CHECK(index.verify().empty());
    CHECK_FALSE(index.refresh());
    CHECK_FALSE(index.candidates("river", 3).empty());
    const auto refused = catch_error([&] { index.put("a", "b"); });
    CHECK(refused.code == mice::errc::io);
    CHECK(refused.says("Read-only"));
    CHECK(catch_error([&] { index.compact(); }).code == mice::errc::io);
    CHECK(at.work.held_in(index) == at.work.held_after(at.work.steps()));
    CHECK(fixtures::files_in(folder) == before);
}

#endif
