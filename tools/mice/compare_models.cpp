// SPDX-License-Identifier: Apache-2.0
#include "mice/compare_models.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <mice/error.hpp>

#include "common/model_path.hpp"
#include "mice/commands.hpp"

namespace mice::cli {
namespace {

namespace fs = std::filesystem;

/// The parts of a model given on the command line.
struct model_choice {
    fs::path file;
    std::optional<precision> computed;
};

bool is_there(const fs::path& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

model_choice taken_apart(const std::string& given) {
    const std::size_t at = given.rfind('@');
    if (at == std::string::npos || at == 0 || is_there(given)) {
        return {given, std::nullopt};
    }
    const std::string file = given.substr(0, at);
    const std::string wanted = given.substr(at + 1);
    const std::optional<precision> computed = precision_named(wanted);
    if (!computed && is_there(file)) {
        throw usage_error(detail::errors::quoted(wanted) + " after " +
                          detail::errors::quoted(file) +
                          " is no precision; say f32, bf16, int8 or automatic");
    }
    return computed ? model_choice{file, computed} : model_choice{given, std::nullopt};
}

/// The name of a model in tables: its file's name, and its precision if it was given one.
std::string short_name(const model_choice& choice) {
    constexpr std::string_view ending = ".safetensors";
    std::string name = choice.file.filename().string();
    if (name.size() > ending.size() && name.ends_with(ending)) {
        name.resize(name.size() - ending.size());
    }
    return choice.computed ? name + "@" + std::string(name_of(*choice.computed)) : name;
}

std::string unique_name(const std::string& name, std::span<const compared_model> taken) {
    const auto is_taken = [&taken](const std::string& wanted) {
        return std::any_of(taken.begin(), taken.end(),
                           [&wanted](const compared_model& each) { return each.name == wanted; });
    };
    std::string unique = name;
    for (std::size_t number = 2; is_taken(unique); ++number) {
        unique = name + " (" + std::to_string(number) + ")";
    }
    return unique;
}

} // namespace

error compared_model::failure(const error& cause) const {
    return {cause.code(), detail::errors::quoted(given) + ": " + cause.what()};
}

std::vector<compared_model> load_models(std::span<const std::string> given, precision usual,
                                        const parallel_options& loading) {
    std::vector<model_choice> choices; // a mistake in the last name shows before the first is read
    for (const std::string& each : given) {
        choices.push_back(taken_apart(each));
        if (!is_there(choices.back().file)) {
            throw detail::errors::cannot_open(choices.back().file.string(),
                                              "there is no such model file");
        }
    }
    std::vector<compared_model> models;
    for (std::size_t i = 0; i < given.size(); ++i) {
        const model_choice& choice = choices[i];
        const precision computed = resolved(choice.computed.value_or(usual));
        reranker ranker = tools::load_model(choice.file, computed, loading);
        std::error_code ignored;
        models.push_back({given[i], choice.file, unique_name(short_name(choice), models), computed,
                          fs::file_size(choice.file, ignored), std::move(ranker)});
        try {
            (void)models.back().ranker.text_tokenizer();
        } catch (const error& problem) {
            throw models.back().failure(problem);
        }
    }
    return models;
}

std::size_t baseline_of(std::span<const compared_model> models, const std::string& wanted) {
    if (wanted.empty()) {
        return 0;
    }
    for (std::size_t i = 0; i < models.size(); ++i) {
        if (models[i].given == wanted || models[i].name == wanted) {
            return i;
        }
    }
    std::string names;
    for (const compared_model& each : models) {
        names += (names.empty() ? "" : ", ") + detail::errors::quoted(each.name);
    }
    throw usage_error("the baseline " + detail::errors::quoted(wanted) +
                      " is none of the models; there are " + names);
}

} // namespace mice::cli
