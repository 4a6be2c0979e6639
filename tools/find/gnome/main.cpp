// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <poll.h>

#include <sdbus-c++/sdbus-c++.h>

#include <mice/version.hpp>

#include "common/output.hpp"
#include "common/program.hpp"
#include "common/program_file.hpp"
#include "common/terminal.hpp"
#include "find/gnome/desktop_search.hpp"

// mice-find-gnome: GNOME's search provider, version 2 of its interface
// (https://developer.gnome.org/documentation/tutorials/search-provider.html). The session's bus
// starts it when the overview searches; it ends when nobody has asked for a while.
namespace mice::find::gnome {
namespace {

using std::chrono::steady_clock;

constexpr const char* bus_name = "org.mice.Find";
constexpr const char* object_path = "/org/mice/Find/SearchProvider";
constexpr const char* interface = "org.gnome.Shell.SearchProvider2";

using properties = std::map<std::string, sdbus::Variant>;
using words = std::vector<std::string>;

/// Calls `task`; what goes wrong is said on standard error, where the session's log finds it, and
/// to the caller.
template <class Task> auto told(const Task& task) {
    try {
        return task();
    } catch (const std::exception& problem) {
        tools::print_message(std::string("mice-find-gnome: ") + problem.what());
        throw sdbus::Error(std::string(bus_name) + ".Failed", problem.what());
    }
}

std::vector<properties> described(const std::vector<shown_entry>& entries) {
    std::vector<properties> made;
    made.reserve(entries.size());
    for (const shown_entry& each : entries) {
        made.push_back({{"id", sdbus::Variant(each.id)},
                        {"name", sdbus::Variant(each.name)},
                        {"description", sdbus::Variant(each.description)},
                        {"gicon", sdbus::Variant(each.icon)}});
    }
    return made;
}

void add_methods(sdbus::IObject& object, desktop_search& search,
                 steady_clock::time_point& asked_last) {
    const auto counted = [&asked_last](const auto& task) {
        const auto given = told(task);
        asked_last = steady_clock::now();
        return given;
    };
    object.registerMethod("GetInitialResultSet")
        .onInterface(interface)
        .withInputParamNames("terms")
        .withOutputParamNames("results")
        .implementedAs([&search, counted](const words& terms) {
            return counted([&] { return search.results(terms); });
        });
    // All are ranked anew: a longer question is another one.
    object.registerMethod("GetSubsearchResultSet")
        .onInterface(interface)
        .withInputParamNames("previous_results", "terms")
        .withOutputParamNames("results")
        .implementedAs([&search, counted](const words&, const words& terms) {
            return counted([&] { return search.results(terms); });
        });
    object.registerMethod("GetResultMetas")
        .onInterface(interface)
        .withInputParamNames("identifiers")
        .withOutputParamNames("metas")
        .implementedAs([&search, counted](const words& ids) {
            return counted([&] { return described(search.entries(ids)); });
        });
    object.registerMethod("ActivateResult")
        .onInterface(interface)
        .withInputParamNames("identifier", "terms", "timestamp")
        .implementedAs([&search](const std::string& id, const words&, std::uint32_t) {
            told([&] { search.open(id); });
        });
    object.registerMethod("LaunchSearch")
        .onInterface(interface)
        .withInputParamNames("terms", "timestamp")
        .implementedAs([&search](const words& terms, std::uint32_t) {
            told([&] { search.show_all(terms); });
        });
    object.finishRegistration();
}

/// Answers until nobody has asked for so long, or the session's bus has gone.
void serve(sdbus::IConnection& bus, const steady_clock::time_point& asked_last,
           std::chrono::seconds patience) {
    for (;;) {
        while (bus.processPendingRequest()) {
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(asked_last + patience -
                                                                       steady_clock::now());
        if (left.count() <= 0) {
            return;
        }
        const auto data = bus.getEventLoopPollData();
        const auto wanted = static_cast<std::uint64_t>(data.timeout_usec) / 1000;
        const auto most = static_cast<std::uint64_t>(left.count());
        pollfd asked{data.fd, data.events, 0};
        if (poll(&asked, 1, static_cast<int>(std::min(wanted, most))) < 0 && errno != EINTR) {
            return;
        }
    }
}

tools::exit_code run(int argc, char** argv) {
    CLI::App app{"Answers searches of GNOME's overview. The session's bus starts it.",
                 "mice-find-gnome"};
    std::size_t idle = 60;
    app.add_option("--idle", idle, "End when nobody has asked for so many seconds (60)")
        ->check(CLI::Range(1, 86400))
        ->type_name("SECONDS");
    tools::command chosen = [&idle] {
        desktop_search search({.folder = default_folder(), .model = {}},
                              tools::program_file().parent_path() / "mice-find");
        steady_clock::time_point asked_last = steady_clock::now();
        const auto bus = sdbus::createSessionBusConnection();
        const auto object = sdbus::createObject(*bus, object_path);
        add_methods(*object, search, asked_last);
        bus->requestName(bus_name);
        try {
            serve(*bus, asked_last, std::chrono::seconds(idle));
            bus->releaseName(bus_name);
            while (bus->processPendingRequest()) { // what came before the name was given back
            }
        } catch (const sdbus::Error&) { // the session has ended
        }
        return tools::exit_code::ok;
    };
    return tools::run_command_line(
        app, argc, argv, chosen,
        {"Print the version",
         [] { return std::string("mice-find-gnome " MICE_VERSION_STRING "\n"); }});
}

} // namespace
} // namespace mice::find::gnome

int main(int argc, char** argv) {
    return mice::tools::run_program("mice-find-gnome", "",
                                    [&] { return mice::find::gnome::run(argc, argv); });
}
