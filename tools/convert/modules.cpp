// SPDX-License-Identifier: Apache-2.0
#include "modules.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/tensor_values.hpp"
#include "families.hpp"
#include "messages.hpp"

namespace mice::tools {
namespace {

namespace fs = std::filesystem;

std::string last_part(const std::string& type) {
    return type.substr(type.rfind('.') + 1); // npos + 1 is 0
}

/// The text under a key; `otherwise` where it is missing or null.
std::string text_at(const json& object, const char* key, const std::string& otherwise) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        return otherwise;
    }
    if (!found->is_string()) {
        throw detail::errors::bad_option(key, "a text", found->type_name());
    }
    return found->get<std::string>();
}

bool switch_at(const json& object, const char* key, bool otherwise) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        return otherwise;
    }
    if (!found->is_boolean()) {
        throw detail::errors::bad_option(key, "true or false", found->type_name());
    }
    return found->get<bool>();
}

std::vector<module_entry> read_entries(const fs::path& directory, const json& list, bool& pylate) {
    std::vector<module_entry> entries;
    for (const json& each : list) {
        if (!each.is_object() || !each.contains("type") || !each.contains("path")) {
            throw messages::bad_modules("an entry lacks 'type' or 'path'");
        }
        const std::string type = text_at(each, "type", "");
        const std::string path = text_at(each, "path", "");
        if (!path.empty() && !is_plain_name(path)) {
            throw messages::bad_modules("the path " + detail::errors::quoted(path) +
                                        " is not a plain folder name");
        }
        pylate = pylate || type.starts_with("pylate.");
        entries.push_back({last_part(type), path, directory / path});
    }
    return entries;
}

/// The configuration of a module other than the transformer.
json config_of(const module_entry& module) {
    const std::string name = module.path + "/config.json";
    return read_object(module.folder.parent_path(), module.path.empty() ? "config.json" : name)
        .value_or(json::object());
}

/// Refuses a default prompt, which would stand before every text.
void check_prompts(const json& settings) {
    const std::string name = text_at(settings, "default_prompt_name", "");
    const auto prompts = settings.find("prompts");
    if (name.empty() || prompts == settings.end() || !prompts->is_object()) {
        return;
    }
    if (!text_at(*prompts, name.c_str(), "").empty()) {
        throw messages::not_yet("the default prompt " + detail::errors::quoted(name) +
                                    " of config_sentence_transformers.json",
                                "convert a checkpoint without one");
    }
}

module_use use_of(const module_list& modules, bool pylate) {
    const std::string type = text_at(modules.settings, "model_type", "");
    const auto has = [&modules](std::string_view kind) {
        return std::any_of(modules.rest.begin(), modules.rest.end(),
                           [kind](const module_entry& each) { return each.kind == kind; });
    };
    if (type == "MultiVectorEncoder" || has("MultiVectorMask")) {
        throw messages::not_yet("a MultiVectorEncoder of sentence-transformers",
                                "convert the model in PyLate's or ColBERT's form");
    }
    if (has("LogitScore")) {
        throw messages::not_yet("the module LogitScore, which reads a language model's words,",
                                "convert a cross-encoder with a classifier");
    }
    if (modules.rest.empty()) {
        return module_use::whole;
    }
    if (pylate || type == "ColBERT" || modules.settings.contains("query_prefix")) {
        return module_use::late_interaction;
    }
    if (type == "CrossEncoder") {
        return module_use::cross_encoder;
    }
    const bool scores =
        std::any_of(modules.rest.begin(), modules.rest.end(), [](const module_entry& each) {
            return each.kind == "Dense" &&
                   text_at(config_of(each), "module_output_name", "") == "scores";
        });
    if (!scores) {
        throw messages::bi_encoder();
    }
    return module_use::cross_encoder;
}

// ---- Dense ----

/// A linear layer and what follows it.
struct dense_module {
    std::string name; ///< of its folder, for errors
    std::size_t out = 0, in = 0;
    std::vector<float> weight;       ///< [out, in]
    std::vector<float> bias;         ///< [out], zeros where it has none
    std::vector<float> residual;     ///< [out, in] added to weight; empty: none
    std::string activation;          ///< the class, such as "Tanh"
    io::dtype type = io::dtype::f32; ///< of `stored`
    std::vector<std::byte> stored;   ///< weight as the file has it; empty once it was changed
};

std::vector<float> values_of(const checkpoint& file, const std::string& name, std::size_t rank,
                             const std::string& where) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end()) {
        throw messages::bad_module(where, "lacks the tensor " + detail::errors::quoted(name));
    }
    if (!is_floating(found->second.type)) {
        throw messages::wrong_type(name, io::name_of(found->second.type));
    }
    if (found->second.shape.rank() != rank) {
        throw messages::bad_module(where, "has the tensor " + detail::errors::quoted(name) +
                                              " of shape " + found->second.shape.text());
    }
    return float_values(found->second);
}

void check_dense_keys(const json& config, const std::string& where) {
    static const std::vector<std::string> known{
        "in_features",       "out_features",       "bias",        "activation_function",
        "module_input_name", "module_output_name", "use_residual"};
    for (const auto& [key, value] : config.items()) {
        if (std::find(known.begin(), known.end(), key) == known.end()) {
            throw messages::not_yet(detail::errors::quoted(key) + " of the module " +
                                        detail::errors::quoted(where),
                                    "convert a checkpoint without it");
        }
    }
}

void add_residual(dense_module& dense, const checkpoint& file) {
    if (file.tensors.contains("residual.weight")) {
        dense.residual = values_of(file, "residual.weight", 2, dense.name);
        if (dense.residual.size() != dense.weight.size()) {
            throw messages::bad_module(dense.name, "has a residual of another shape");
        }
        return;
    }
    if (dense.out != dense.in) {
        throw messages::bad_module(dense.name, "lacks the tensor 'residual.weight'");
    }
    dense.residual.assign(dense.weight.size(), 0.0F);
    for (std::size_t i = 0; i < dense.out; ++i) {
        dense.residual[i * dense.in + i] = 1;
    }
}

dense_module read_dense(const module_entry& module) {
    const json config = config_of(module);
    check_dense_keys(config, module.path);
    dense_module dense;
    dense.name = module.path;
    dense.activation = last_part(text_at(config, "activation_function", ""));
    if (dense.activation.empty()) {
        throw messages::bad_module(module.path, "says no 'activation_function'");
    }
    const checkpoint file = read_checkpoint(module.folder);
    dense.weight = values_of(file, "linear.weight", 2, module.path);
    const io::tensor_view& view = file.tensors.find("linear.weight")->second;
    dense.out = view.shape[0];
    dense.in = view.shape[1];
    dense.type = view.type;
    dense.stored.assign(view.bytes.begin(), view.bytes.end());
    dense.bias.assign(dense.out, 0.0F);
    if (switch_at(config, "bias", true)) {
        dense.bias = values_of(file, "linear.bias", 1, module.path);
        if (dense.bias.size() != dense.out) {
            throw messages::bad_module(module.path, "has a bias of another size");
        }
    }
    if (switch_at(config, "use_residual", false)) {
        add_residual(dense, file);
    }
    for (const auto& [name, tensor] : file.tensors) {
        if (name != "linear.weight" && name != "linear.bias" && name != "residual.weight") {
            throw messages::bad_module(module.path,
                                       "has the unknown tensor " + detail::errors::quoted(name));
        }
    }
    return dense;
}

bool is_zero(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return value == 0; });
}

/// Multiplies a linear layer without an activation into the next one. Sums are in double.
dense_module product(const dense_module& first, const dense_module& second) {
    if (first.out != second.in) {
        throw messages::bad_module(second.name, "takes " + std::to_string(second.in) +
                                                    " values, but gets " +
                                                    std::to_string(first.out));
    }
    dense_module result = second;
    result.in = first.in;
    result.stored.clear();
    result.weight.assign(second.out * first.in, 0.0F);
    std::vector<double> row(first.in);
    for (std::size_t i = 0; i < second.out; ++i) {
        std::fill(row.begin(), row.end(), 0.0);
        auto bias = static_cast<double>(second.bias[i]);
        for (std::size_t k = 0; k < first.out; ++k) {
            const auto factor = static_cast<double>(second.weight[i * second.in + k]);
            bias += factor * static_cast<double>(first.bias[k]);
            for (std::size_t j = 0; j < first.in; ++j) {
                row[j] += factor * static_cast<double>(first.weight[k * first.in + j]);
            }
        }
        std::transform(row.begin(), row.end(),
                       result.weight.begin() + static_cast<std::ptrdiff_t>(i * first.in),
                       [](double value) { return static_cast<float>(value); });
        result.bias[i] = static_cast<float>(bias);
    }
    return result;
}

/// x W' + x = x (W + 1)' where no activation stands between.
void fold_residual(dense_module& dense) {
    if (!dense.residual.empty()) {
        dense.stored.clear();
    }
    for (std::size_t i = 0; i < dense.residual.size(); ++i) {
        dense.weight[i] += dense.residual[i];
    }
    dense.residual.clear();
}

/// The Dense modules in order, those without an activation joined with the next.
std::vector<dense_module> joined(std::vector<dense_module> chain) {
    std::vector<dense_module> result;
    for (dense_module& dense : chain) {
        if (dense.activation == "Identity") {
            fold_residual(dense);
        }
        const bool linear =
            !result.empty() && result.back().activation == "Identity" && dense.residual.empty();
        if (linear) {
            dense = product(result.back(), dense);
            result.pop_back();
        }
        result.push_back(std::move(dense));
    }
    return result;
}

void put(checkpoint& weights, const std::string& name, const io::tensor_shape& shape,
         const std::vector<float>& values) {
    std::vector<std::byte>& bytes = weights.made.emplace_back(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    weights.tensors[name] = {io::dtype::f32, shape, bytes};
}

void put(checkpoint& weights, const std::string& name, const dense_module& dense, bool with_bias) {
    const io::tensor_shape shape{dense.out, dense.in};
    if (dense.stored.empty()) {
        put(weights, name + ".weight", shape, dense.weight);
    } else {
        weights.tensors[name + ".weight"] = {dense.type, shape,
                                             weights.made.emplace_back(dense.stored)};
    }
    if (with_bias) {
        put(weights, name + ".bias", {dense.out}, dense.bias);
    }
}

// ---- heads ----

/// The modules behind the transformer of a cross-encoder.
struct module_head {
    std::string pooling; ///< "cls" or "mean"
    std::vector<dense_module> dense;
    std::vector<float> norm; ///< weights of a LayerNorm; empty: none
    std::size_t norm_at = 0; ///< dense modules before it
};

std::string pooling_of(const module_entry& module) {
    const json config = config_of(module);
    const auto mode = config.find("pooling_mode");
    if (mode != config.end()) {
        return mode->is_string() ? mode->get<std::string>() : to_text(*mode);
    }
    std::string active; // a switch for each, of older versions
    for (const auto& [key, value] : config.items()) {
        if (key.starts_with("pooling_mode_") && value == true) {
            active += (active.empty() ? "" : " and ") + key.substr(13);
        }
    }
    return active == "cls_token"                       ? "cls"
           : active == "mean_tokens" || active.empty() ? "mean"
                                                       : active;
}

std::vector<float> norm_of(const module_entry& module) {
    const checkpoint file = read_checkpoint(module.folder);
    if (!is_zero(values_of(file, "norm.bias", 1, module.path))) {
        throw messages::not_yet("a bias of the module " + detail::errors::quoted(module.path) +
                                    " (LayerNorm)",
                                "convert a checkpoint without it");
    }
    return values_of(file, "norm.weight", 1, module.path);
}

module_head read_head(const module_list& modules) {
    module_head head;
    std::vector<dense_module> chain;
    for (const module_entry& module : modules.rest) {
        if (module.kind == "Dropout") {
            continue; // of the training
        }
        if (module.kind == "Pooling" && head.pooling.empty() && chain.empty()) {
            head.pooling = pooling_of(module);
        } else if (module.kind == "Dense" && !head.pooling.empty()) {
            chain.push_back(read_dense(module));
        } else if (module.kind == "LayerNorm" && !chain.empty() && head.norm.empty()) {
            head.norm = norm_of(module);
            head.norm_at = chain.size();
        } else {
            throw messages::no_such_head("the module " + detail::errors::quoted(module.kind) +
                                         " at " + detail::errors::quoted(module.path));
        }
    }
    if (head.norm.empty()) {
        head.dense = joined(std::move(chain));
    } else { // no Dense modules are joined across it
        const auto middle = chain.begin() + static_cast<std::ptrdiff_t>(head.norm_at);
        head.dense = joined({chain.begin(), middle});
        head.norm_at = head.dense.size();
        std::vector<dense_module> behind = joined({middle, chain.end()});
        std::move(behind.begin(), behind.end(), std::back_inserter(head.dense));
    }
    return head;
}

/// The score: one value, as it comes out of the last layer.
void check_last(const module_head& head, checkpoint& weights) {
    if (head.dense.empty()) {
        throw messages::no_such_head("no Dense module behind Pooling");
    }
    const dense_module& last = head.dense.back();
    if (last.out != 1) {
        throw messages::several_labels(last.out);
    }
    if (last.activation == "Sigmoid") {
        weights.notes.emplace_back("scores are those before the last module's sigmoid");
    } else if (last.activation != "Identity") {
        throw messages::no_such_head("the activation " + last.activation + " of the score");
    }
    for (const dense_module& dense : head.dense) {
        if (!dense.residual.empty()) {
            throw messages::no_such_head("a residual around an activation");
        }
    }
}

/// The family that has the layers and the pairs of this one, and a head of that form for pairs; a
/// head of one layer has no activation.
const encoder_family& family_with_head(const encoder_family& family, const module_head& head) {
    const bool one = head.dense.size() == 1;
    const std::string& activation = head.dense.front().activation;
    const kernels::epilogue wanted =
        activation == "GELU" ? kernels::epilogue::gelu : kernels::epilogue::tanh;
    const auto fits = [&](const encoder_family& each) {
        const head_layout& own = each.pair_head;
        return each.pairs == family.pairs && each.self.query == family.self.query &&
               (one ? own.dense_is_optional : own.activation == wanted);
    };
    if (fits(family)) {
        return family;
    }
    for (const encoder_family* each : encoder_families) {
        if (fits(*each)) {
            return *each;
        }
    }
    throw messages::no_such_head(one ? "a single layer, where " + std::string(family.title) +
                                           " has two"
                                     : "the activation " + activation);
}

/// BERT's and ELECTRA's heads differ, their layers do not.
void join_bert(const module_head& head, checkpoint& weights, checkpoint_config& config) {
    const dense_module& first = head.dense.front();
    if (head.pooling != "cls" || !head.norm.empty() || head.dense.size() > 2) {
        throw messages::no_such_head(head.pooling != "cls"
                                         ? "pooling " + detail::errors::quoted(head.pooling)
                                     : head.norm.empty() ? "a third layer"
                                                         : "a LayerNorm");
    }
    const bool one = head.dense.size() == 1;
    if (!one && first.activation != "GELU" && first.activation != "Tanh") {
        throw messages::no_such_head("the activation " + first.activation);
    }
    const std::string given = config.values["model_type"].get<std::string>();
    const encoder_family& found = family_with_head(*checkpoint_family_of(given).stored, head);
    const std::string family(found.model_type);
    if (given != family) {
        const auto table = weights.tensors.find("embeddings.word_embeddings.weight");
        if (table != weights.tensors.end() && table->second.shape.rank() == 2) {
            config.values["embedding_size"] = table->second.shape[1];
        }
        config.notes.push_back("model_type = " + family +
                               ": the same layers, with the head that "
                               "the modules are");
        config.values["model_type"] = family;
    }
    if (found.pair_head.dense_is_optional) {
        config.values["pooler"] = !one;
    }
    if (!one) {
        put(weights, std::string(found.pair_head.dense), first, true);
    }
    put(weights, std::string(found.pair_head.classifier), head.dense.back(), true);
}

void join_modernbert(const module_head& head, checkpoint& weights, checkpoint_config& config) {
    const bool fits = (head.pooling == "cls" || head.pooling == "mean") && head.dense.size() == 2 &&
                      head.norm_at == 1 && head.dense.front().activation == "GELU";
    if (!fits) {
        throw messages::no_such_head(
            "anything but Pooling (cls or mean), Dense with GELU, LayerNorm and Dense");
    }
    if (!is_zero(head.dense.front().bias)) {
        throw messages::no_such_head("a bias of " +
                                     detail::errors::quoted(head.dense.front().name));
    }
    if (config.values.value("norm_eps", json(1e-5)) != 1e-5) { // LayerNorm's own
        throw messages::no_such_head("a LayerNorm of another epsilon than the layers'");
    }
    config.values["classifier_pooling"] = head.pooling;
    put(weights, "head.dense", head.dense.front(), false);
    put(weights, "head.norm.weight", {head.norm.size()}, head.norm);
    put(weights, "classifier", head.dense.back(), true);
}

} // namespace

std::optional<module_list> read_modules(const fs::path& directory, bool backbone_only) {
    std::error_code ignored;
    if (!fs::exists(directory / "modules.json", ignored)) {
        return std::nullopt;
    }
    const json list = read_json(directory, "modules.json");
    bool pylate = false;
    if (!list.is_array() || list.empty()) {
        throw messages::bad_modules("it is not a list of modules");
    }
    std::vector<module_entry> entries = read_entries(directory, list, pylate);
    if (entries.front().kind != "Transformer") {
        throw messages::not_yet("the first module " + detail::errors::quoted(entries.front().kind),
                                "convert a folder that begins with a Transformer");
    }
    module_list modules;
    modules.backbone = entries.front().path.empty() ? directory : entries.front().folder;
    modules.rest.assign(entries.begin() + 1, entries.end());
    modules.settings =
        read_object(directory, "config_sentence_transformers.json").value_or(json::object());
    if (const auto reading = read_object(modules.backbone, "sentence_bert_config.json")) {
        modules.lowercases = switch_at(*reading, "do_lower_case", false);
    }
    if (backbone_only && text_at(modules.settings, "model_type", "") != "CrossEncoder") {
        modules.rest.clear();
        return modules;
    }
    check_prompts(modules.settings);
    modules.use = use_of(modules, pylate);
    return modules;
}

void join_head(const module_list& modules, checkpoint& weights, checkpoint_config& config) {
    if (modules.use != module_use::cross_encoder) {
        return;
    }
    if (drop_prefix(weights, "pooler.") > 0) {
        weights.notes.emplace_back("dropped the transformer's own pooler, which the modules behind "
                                   "it do not read");
    }
    for (const char* own : {"classifier.", "head."}) {
        if (has_prefix(weights, own)) {
            throw messages::no_such_head("a transformer with a head of its own");
        }
    }
    const module_head head = read_head(modules);
    check_last(head, weights);
    const std::string type = config.values["model_type"].get<std::string>();
    checkpoint_family_of(type).stored == &modernbert_family ? join_modernbert(head, weights, config)
                                                            : join_bert(head, weights, config);
}

void join_projection(const module_list& modules, checkpoint& weights) {
    std::vector<dense_module> chain;
    for (const module_entry& module : modules.rest) {
        if (module.kind == "Normalize" && &module == &modules.rest.back()) {
            continue; // vectors are normalised anyway
        }
        if (module.kind != "Dense") {
            throw messages::not_yet("the module " + detail::errors::quoted(module.kind) +
                                        " in late interaction",
                                    "convert a checkpoint without it");
        }
        chain.push_back(read_dense(module));
        if (chain.back().activation != "Identity" || !is_zero(chain.back().bias)) {
            throw messages::not_yet((chain.back().activation != "Identity"
                                         ? "the activation " + chain.back().activation
                                         : std::string("a bias")) +
                                        " of the module " + detail::errors::quoted(module.path) +
                                        " in late interaction",
                                    "convert a checkpoint whose Dense modules are matrices alone");
        }
    }
    const std::size_t count = chain.size();
    const std::vector<dense_module> all = joined(std::move(chain));
    if (all.empty()) {
        throw messages::not_yet("late interaction without a Dense module",
                                "convert a checkpoint with one");
    }
    if (count > 1) {
        weights.notes.push_back("multiplied " + std::to_string(count) +
                                " Dense modules into one projection");
    }
    put(weights, "linear", all.front(), false);
}

json colbert_settings_of(const module_list& modules) {
    const json& given = modules.settings;
    const std::string similarity = text_at(given, "similarity_fn_name", "MaxSim");
    if (similarity != "MaxSim" && similarity != "maxsim") {
        throw messages::not_yet("similarity_fn_name " + detail::errors::quoted(similarity),
                                "only MaxSim is");
    }
    if (!switch_at(given, "do_query_expansion", true)) {
        throw messages::not_yet("do_query_expansion = false (queries that are not filled up)",
                                "convert a checkpoint with it");
    }
    json settings = {{"query_maxlen", 32}, {"doc_maxlen", 180}, {"attend_to_mask_tokens", false}};
    for (const auto& [key, own] : {std::pair("query_length", "query_maxlen"),
                                   {"document_length", "doc_maxlen"},
                                   {"attend_to_expansion_tokens", "attend_to_mask_tokens"},
                                   {"skiplist_words", "skiplist_words"}}) {
        if (const auto found = given.find(key); found != given.end() && !found->is_null()) {
            settings[own] = *found;
        }
    }
    settings["query_token_id"] = text_at(given, "query_prefix", "[Q] ");
    settings["doc_token_id"] = text_at(given, "document_prefix", "[D] ");
    for (const char* key : {"query_token_id", "doc_token_id"}) {
        if (settings[key] == "") {
            throw messages::not_yet("late interaction without a prefix token",
                                    "convert a checkpoint with query_prefix and document_prefix");
        }
    }
    return settings;
}

} // namespace mice::tools
