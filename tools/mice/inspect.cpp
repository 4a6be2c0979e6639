// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/model.hpp>
#include <mice/model/config_json.hpp>

#include "common/json.hpp"
#include "common/model_path.hpp"
#include "common/output.hpp"
#include "common/terminal.hpp"
#include "mice/commands.hpp"

namespace mice::cli {
namespace {

struct inspect_options {
    std::string file;
    bool json = false;
};

struct tensor_group {
    std::string name; ///< "bottom_layers.0-3.attention.self.query.weight"
    std::string type;
    std::string shape;
    std::size_t count = 0;
    std::size_t parameters = 0;
    std::size_t bytes = 0;
};

bool holds_weights(std::string_view name) {
    return !name.starts_with("tokenizer.") && !name.starts_with("selftest.") &&
           !name.ends_with(".scale");
}

/// The name with its layer number, if any, replaced by "N".
std::string family_of(const std::string& name) {
    for (std::size_t dot = name.find('.'); dot != std::string::npos;
         dot = name.find('.', dot + 1)) {
        std::size_t end = dot + 1;
        while (end < name.size() && std::isdigit(static_cast<unsigned char>(name[end])) != 0) {
            ++end;
        }
        if (end > dot + 1 && end < name.size() && name[end] == '.') {
            return name.substr(0, dot + 1) + "N" + name.substr(end);
        }
    }
    return name;
}

/// Tensors that differ only in their layer are one group.
std::vector<tensor_group> group_tensors(const io::safetensors& file) {
    std::map<std::string, tensor_group> groups;
    for (const auto& [name, view] : file.tensors()) {
        const std::string family = family_of(name);
        const std::string type(io::name_of(view.type));
        std::string key = family;
        key.append(" ").append(type).append(view.shape.text());
        tensor_group& group = groups[key];
        group.name = family;
        group.type = type;
        group.shape = view.shape.text();
        group.count += 1;
        group.parameters += holds_weights(name) ? view.elements() : 0;
        group.bytes += view.bytes.size();
    }
    std::vector<tensor_group> result;
    result.reserve(groups.size());
    for (auto& entry : groups) {
        result.push_back(std::move(entry.second));
    }
    return result;
}

std::size_t total_parameters(const std::vector<tensor_group>& groups) {
    std::size_t sum = 0;
    for (const tensor_group& group : groups) {
        sum += group.parameters;
    }
    return sum;
}

std::size_t selftest_pairs(const io::safetensors& file) {
    const io::tensor_view* const scores = file.find("selftest.scores");
    return scores == nullptr ? 0 : scores->elements();
}

/// Metadata for people: all but the two long JSON texts.
std::map<std::string, std::string> provenance(const io::safetensors& file) {
    std::map<std::string, std::string> result;
    for (const auto& [key, value] : file.metadata()) {
        if (key != "mice.config" && key != "mice.tokenizer") {
            result.emplace(key, value);
        }
    }
    return result;
}

std::string json_text(const std::filesystem::path& path, const reranker& ranker) {
    const std::vector<tensor_group> groups = group_tensors(ranker.file());
    tools::ordered_json tensors = tools::ordered_json::array();
    for (const auto& [name, view] : ranker.file().tensors()) {
        tools::ordered_json shape = tools::ordered_json::array();
        for (std::size_t axis = 0; axis < view.shape.rank(); ++axis) {
            shape.push_back(view.shape[axis]);
        }
        tensors.push_back({{"name", name},
                           {"dtype", std::string(io::name_of(view.type))},
                           {"shape", std::move(shape)},
                           {"bytes", view.bytes.size()}});
    }
    const tools::ordered_json object{
        {"file", path.string()},
        {"kind", std::string(name_of(ranker.config().kind))},
        {"file_bytes", std::filesystem::file_size(path)},
        {"memory_bytes", ranker.memory_bytes()},
        {"computed_in", std::string(name_of(ranker.shared_model()->computed_in()))},
        {"parameters", total_parameters(groups)},
        {"tokenizer", ranker.has_tokenizer()},
        {"selftest_pairs", selftest_pairs(ranker.file())},
        {"document_fingerprint", std::string(ranker.fingerprint())},
        {"config", tools::ordered_json::parse(config_to_json(ranker.config()))},
        {"metadata", provenance(ranker.file())},
        {"tensors", std::move(tensors)}};
    return tools::json_line(object);
}

std::string with_gap(const std::string& text, std::size_t columns) {
    return text + std::string(columns > text.size() ? columns - text.size() : 1, ' ');
}

std::string line(const std::string& name, const std::string& value) {
    return "  " + with_gap(name, 30) + tools::printable(value) + "\n";
}

std::string plain_text(const std::filesystem::path& path, const reranker& ranker) {
    const std::vector<tensor_group> groups = group_tensors(ranker.file());
    std::string text = tools::printable(path.string()) + "\n";
    text += line("kind", std::string(title_of(ranker.config().kind)));
    text += line("file size", std::to_string(std::filesystem::file_size(path)) + " bytes");
    text += line("memory for the weights", std::to_string(ranker.memory_bytes()) + " bytes");
    text += line("computed in", std::string(name_of(ranker.shared_model()->computed_in())) +
                                    " by default on this processor");
    text += line("parameters", std::to_string(total_parameters(groups)));
    text += line("tokenizer",
                 ranker.has_tokenizer()
                     ? std::to_string(ranker.text_tokenizer().vocabulary_size()) + " tokens"
                     : "none: scores token ids only");
    text += line("self-test", std::to_string(selftest_pairs(ranker.file())) + " pairs");
    text += "configuration\n";
    const tools::json config = tools::parse_json(config_to_json(ranker.config()), "mice.config");
    for (const auto& [key, value] : config.items()) {
        text += line(key, value.is_string() ? value.get<std::string>() : tools::to_text(value));
    }
    text += "provenance\n";
    for (const auto& [key, value] : provenance(ranker.file())) {
        text += line(key, value);
    }
    text += "tensors (N: one for each layer)\n";
    std::size_t width = 0;
    for (const tensor_group& group : groups) {
        width = std::max(width, group.name.size());
    }
    for (const tensor_group& group : groups) {
        text += "  " + with_gap(tools::printable(group.name), width + 2) +
                with_gap(std::to_string(group.count) + " x", 6) + with_gap(group.type, 5) +
                with_gap(group.shape, 16) + std::to_string(group.bytes) + " bytes\n";
    }
    return text;
}

exit_code run_inspect(const inspect_options& options) {
    const std::filesystem::path path = tools::model_path(options.file);
    const reranker ranker = tools::load_model(path);
    tools::output out;
    out.write(options.json ? json_text(path, ranker) : plain_text(path, ranker));
    out.flush();
    return exit_code::ok;
}

} // namespace

void add_inspect_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<inspect_options>();
    CLI::App* const inspect =
        app.add_subcommand("inspect", "Show a model file's configuration, tensors and provenance");
    inspect->add_option("FILE,--model", options->file, "Model file; the default model if not given")
        ->type_name("FILE")
        ->check(not_empty());
    inspect->add_flag("--json", options->json, "Print one JSON object");
    inspect->callback([options, &chosen] { chosen = [options] { return run_inspect(*options); }; });
}

} // namespace mice::cli
