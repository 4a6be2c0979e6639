// SPDX-License-Identifier: Apache-2.0
#include "../support/allocation_counter.hpp"
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <mice/io/file_system.hpp>
#include <mice/networks/work_memory.hpp>
#include <mice/parallel/parallel_for.hpp>
#include <mice/system/processors.hpp>
#endif

namespace {

/// A system's files as /proc and a hierarchy of groups show them.
struct system_files {
    temporary_folder folder;

    void put(const std::string& name, std::string_view text) const {
        const std::filesystem::path path = folder.path() / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary) << text;
    }
    [[nodiscard]] std::optional<std::size_t> quota() const {
        return mice::detail::processor_quota(folder.path());
    }
};

constexpr std::string_view unified_mount =
    "25 1 0:22 / /proc rw,nosuid - proc proc rw\n"
    "31 25 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr std::string_view old_mounts =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
    "32 31 0:29 /docker/f00 /sys/fs/cgroup/cpu,cpuacct ro master:9 - cgroup cgroup "
    "rw,cpu,cpuacct\n";

} // namespace

TEST_CASE("fault 23: a quota of a control group of version 2 limits the processors") {
    const system_files system;
    CHECK(system.quota() == std::nullopt); // no /proc at all
    system.put("proc/self/mountinfo", unified_mount);
    CHECK(system.quota() == std::nullopt);
    system.put("proc/self/cgroup", "0::/pod/box\n");
    CHECK(system.quota() == std::nullopt);
    const std::string group = "sys/fs/cgroup/pod/box/cpu.max";
    const auto of = [&](std::string_view text) {
        system.put(group, text);
        return system.quota();
    };
    CHECK(of("max 100000\n") == std::nullopt);
    CHECK(of("200000 100000\n") == 2);
    CHECK(of("200001 100000\n") == 3); // a part of a processor is one
    CHECK(of("150000 100000\n") == 2);
    CHECK(of("1000 100000\n") == 1);
    CHECK(of("6400000 100000\n") == 64);
    for (const std::string_view damaged :
         {"", "\n", "max", "200000", "x 100000\n", "200000 0\n", "-1 100000\n", "1 2 3\n",
          "99999999999999999999999999 100000\n"}) {
        CHECK(of(damaged) == std::nullopt);
    }
    // the tightest of the groups around it holds
    CHECK(of("800000 100000\n") == 8);
    system.put("sys/fs/cgroup/pod/cpu.max", "300000 100000\n");
    CHECK(system.quota() == 3);
    system.put("sys/fs/cgroup/cpu.max", "100000 100000\n");
    CHECK(system.quota() == 1);
    // of a group beside it nothing does
    system.put("sys/fs/cgroup/cpu.max", "max 100000\n");
    system.put("sys/fs/cgroup/pod/other/cpu.max", "100000 100000\n");
    CHECK(system.quota() == 3);
}

TEST_CASE("fault 23: a quota is found where a container sees its own group as the root") {
    const system_files system;
    system.put("proc/self/mountinfo", unified_mount);
    system.put("sys/fs/cgroup/cpu.max", "400000 100000\n");
    for (const std::string_view membership : {"0::/\n", "0::/../..\n", "0::/../box\n"}) {
        system.put("proc/self/cgroup", membership);
        CHECK(system.quota() == 4);
    }
}

TEST_CASE("fault 23: a quota of a control group of version 1 limits the processors") {
    const system_files system;
    system.put("proc/self/mountinfo", old_mounts);
    // the group of the mount's root is written with its path outside of the container
    for (const std::string_view membership :
         {"5:cpuset:/docker/f00\n4:cpu,cpuacct:/docker/f00/inner\n0::/\n",
          "4:cpuacct,cpu:/docker/f00/inner\n"}) {
        system.put("proc/self/cgroup", membership);
        const std::string folder = "sys/fs/cgroup/cpu,cpuacct/inner/";
        system.put(folder + "cpu.cfs_period_us", "50000\n");
        system.put(folder + "cpu.cfs_quota_us", "-1\n");
        CHECK(system.quota() == std::nullopt);
        system.put(folder + "cpu.cfs_quota_us", "150000\n");
        CHECK(system.quota() == 3);
        system.put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "90000\n");
        system.put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
        CHECK(system.quota() == 1);
        std::filesystem::remove(system.folder.path() /
                                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us");
    }
    // both versions at once: the tighter one holds, wherever it is mounted
    system.put("proc/self/mountinfo",
               std::string(old_mounts) + "34 1 0:31 / /mnt/a\\040b rw - cgroup2 none rw\n");
    system.put("proc/self/cgroup", "4:cpu,cpuacct:/docker/f00/inner\n0::/\n");
    system.put("mnt/a b/cpu.max", "200000 100000\n");
    CHECK(system.quota() == 2);
}

#if defined(__linux__)

namespace {

/// work() on a thread that may run on one processor alone.
template <class Work> void on_one_processor(Work&& work) {
    std::thread([&work] {
        cpu_set_t allowed;
        REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
        std::size_t first = 0;
        while (!CPU_ISSET(first, &allowed)) {
            ++first;
        }
        CPU_ZERO(&allowed);
        CPU_SET(first, &allowed);
        REQUIRE(sched_setaffinity(0, sizeof allowed, &allowed) == 0);
        work();
    }).join();
}

} // namespace

TEST_CASE("fault 23: threads follow the processors that the caller may run on") {
    cpu_set_t allowed;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    CHECK(mice::usable_processors() >= 1);
    CHECK(mice::usable_processors() <= static_cast<std::size_t>(CPU_COUNT(&allowed)));
    CHECK(mice::parallel::threads_for({.threads = 64}, 1000) == mice::usable_processors());
    on_one_processor([] {
        CHECK(mice::usable_processors() == 1);
        CHECK(mice::parallel::threads_for({}, 1000) == 1);
        CHECK(mice::parallel::threads_for({.threads = 64}, 1000) == 1);
    });
}

TEST_CASE("fault 23: sixty-four threads on one processor are one thread and its memory") {
    const fixtures::model_in_memory model;
    std::vector<std::string> texts;
    for (std::uint64_t i = 0; i < 120; ++i) {
        texts.push_back(fixtures::passage(i));
    }
    on_one_processor([&] {
        const auto cost_of = [&](std::size_t threads) {
            std::set<std::thread::id> used;
            std::mutex mutex;
            std::size_t pieces = 0;
            const mice::rank_options options{.threads = threads,
                                             .progress = [&](std::size_t, std::size_t) {
                                                 const std::lock_guard lock(mutex);
                                                 used.insert(std::this_thread::get_id());
                                                 ++pieces;
                                             }};
            model.ranker.release_work_memory();
            allocations::reset();
            const mice::ranking made = model.ranker.rank(fixtures::question, texts, options);
            const std::size_t bytes = allocations::since_reset().bytes;
            CHECK(made.size() == texts.size());
            CHECK(used == std::set<std::thread::id>{std::this_thread::get_id()});
            return std::pair(pieces, bytes);
        };
        (void)cost_of(1);
        CHECK(cost_of(64) == cost_of(1));
    });
}

#endif

#if MICE_USE_OPENMP
TEST_CASE("fault 23: without a number of threads OpenMP's own setting holds") {
    std::thread([] { // the setting is the thread's
        omp_set_num_threads(1);
        CHECK(mice::parallel::threads_for({}, 1000) == 1);
        CHECK(mice::parallel::threads_for({.threads = 64}, 1000) == mice::usable_processors());
        omp_set_num_threads(100'000);
        CHECK(mice::parallel::threads_for({}, 1000) == mice::usable_processors());
    })
        .join();
}
#endif
