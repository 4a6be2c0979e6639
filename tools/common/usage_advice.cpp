// SPDX-License-Identifier: Apache-2.0
#include "common/usage_advice.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "common/nearest_name.hpp"

namespace mice::tools {
namespace {

std::string did_you_mean(const std::optional<std::string>& name) {
    return name ? "; did you mean '" + *name + "'?" : "";
}

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
        names.push_back(each->get_name());
    }
    return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* each : app.get_options()) {
        for (const std::string& name : each->get_lnames()) {
            names.push_back("--" + name);
        }
    }
    return names;
}

bool takes_query(const CLI::App& app) {
    for (const CLI::Option* each : app.get_options()) {
        if (each->get_name() == "QUERY") {
            return true;
        }
    }
    return false;
}

} // namespace

const CLI::App& named_command(const CLI::App& app) {
    const CLI::App* named = &app;
    for (auto below = app.get_subcommands(); !below.empty(); below = named->get_subcommands()) {
        named = below.front();
    }
    return *named;
}

std::string usage_advice(const CLI::App& app) {
    const CLI::App& named = named_command(app);
    const std::vector<std::string> commands = command_names(named);
    for (const std::string& word : app.remaining(true)) {
        if (word.starts_with('-')) {
            const std::string name = word.substr(0, word.find('='));
            const std::vector<std::string> options = option_names(named);
            if (std::find(options.begin(), options.end(), name) != options.end()) {
                return "; it is an option of '" + named.get_name() + "': put it behind that";
            }
            return did_you_mean(nearest_name(name, options));
        }
        if (!commands.empty()) {
            return did_you_mean(nearest_name(word, commands));
        }
    }
    return takes_query(named) ? "; a query of several words stands in quotes" : "";
}

} // namespace mice::tools
