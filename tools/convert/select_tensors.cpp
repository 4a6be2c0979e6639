// SPDX-License-Identifier: Apache-2.0
#include "select_tensors.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/nearest_name.hpp"
#include "common/tensor_values.hpp"
#include "families.hpp"
#include "messages.hpp"

namespace mice::tools {
namespace {

struct name_differences {
    std::vector<std::string> missing, unknown;
};

name_differences compare_names(const checkpoint& weights,
                               std::span<const tensor_requirement> required) {
    name_differences result;
    std::set<std::string_view> known;
    for (const tensor_requirement& need : required) {
        known.insert(need.name);
        if (!weights.tensors.contains(need.name)) {
            result.missing.push_back(need.name);
        }
    }
    for (const auto& [name, view] : weights.tensors) {
        if (!known.contains(name)) {
            result.unknown.push_back(name);
        }
    }
    return result;
}

std::vector<std::string> names_of(const checkpoint& weights) {
    std::vector<std::string> names;
    for (const auto& [name, view] : weights.tensors) {
        names.push_back(name);
    }
    return names;
}

std::vector<std::string> names_of(std::span<const tensor_requirement> required) {
    std::vector<std::string> names;
    for (const tensor_requirement& need : required) {
        names.push_back(need.name);
    }
    return names;
}

/// What may be left out of a checkpoint that holds all that the model needs: a tensor, or all that
/// begin alike. Never layers: these are unknown when the configuration has a wrong count.
std::string droppable(const std::vector<std::string>& unknown) {
    const std::string& first = unknown.front();
    const std::string group = first.substr(0, first.find('.') + 1);
    if (group.empty()) {
        return first;
    }
    if (group.find("layer") != std::string::npos || group == "encoder." || group == "embeddings.") {
        return {};
    }
    const auto alike = [&group](const std::string& name) { return name.starts_with(group); };
    return std::count_if(unknown.begin(), unknown.end(), alike) > 1 ? group + "*" : first;
}

} // namespace

model_kind kind_of(const checkpoint& weights) {
    if (!has_prefix(weights, "layers.")) {
        for (const char* part :
             {"top_layers.", "bottom_layers.", "query_bottom_layers.", "document_bottom_layers."}) {
            if (has_prefix(weights, part)) {
                return model_kind::mice;
            }
        }
        throw messages::no_layers(weights.tensors.empty() ? std::string_view()
                                                          : weights.tensors.begin()->first,
                                  family_titles());
    }
    if (has_prefix(weights, "top_layers.")) {
        return model_kind::mice;
    }
    if (has_prefix(weights, "linear.")) {
        throw messages::unnamed_late_interaction();
    }
    if (has_prefix(weights, "classifier.")) {
        return model_kind::cross_encoder;
    }
    throw messages::plain_backbone(fitting_cut(count_layers(weights, "layers.")));
}

std::string fitting_cut(std::size_t layers) {
    const std::size_t interaction = std::clamp<std::size_t>(layers / 2, 1, 3);
    return "l" + std::to_string(layers - std::min(layers, interaction)) + "+" +
           std::to_string(interaction);
}

void check_labels(const checkpoint& weights) {
    for (const char* name : {"classifier.weight", "classifier.out_proj.weight"}) {
        const auto found = weights.tensors.find(name);
        if (found != weights.tensors.end() && found->second.shape.rank() == 2 &&
            found->second.shape[0] != 1) {
            throw messages::several_labels(found->second.shape[0]);
        }
    }
}

void check_tensors(const checkpoint& weights, std::span<const tensor_requirement> required) {
    const name_differences names = compare_names(weights, required);
    if (!names.unknown.empty()) {
        const std::string& name = names.unknown.front();
        // If a tensor is misspelt, its right name is missing; so the list of missing names is the
        // better guess.
        auto nearest = nearest_name(name, names.missing);
        if (!nearest) {
            nearest = nearest_name(name, names_of(required));
        }
        throw messages::unknown_tensor(name, names.unknown.size() - 1, nearest,
                                       names.missing.empty() ? droppable(names.unknown) : "");
    }
    if (!names.missing.empty()) {
        const std::string& name = names.missing.front();
        throw messages::missing_tensor(name, names.missing.size() - 1,
                                       nearest_name(name, names_of(weights)));
    }
    for (const tensor_requirement& need : required) {
        const io::tensor_view& view = weights.tensors.find(need.name)->second;
        if (!is_floating(view.type)) {
            throw messages::wrong_type(need.name, io::name_of(view.type));
        }
        if (view.shape != need.shape) {
            throw messages::wrong_shape(need.name, need.shape.text(), view.shape.text());
        }
    }
}

void drop_unused(checkpoint& weights, const model_config& config) {
    const head_layout head = config.head();
    if (head.dense_is_optional && !config.pooler && drop_prefix(weights, "pooler.") > 0) {
        weights.notes.emplace_back("dropped the pooler, which pooler = false leaves unused");
    }
    if (config.use_self_attention) {
        return;
    }
    std::size_t dropped = 0;
    for (std::size_t i = 0; i < config.interaction_layers; ++i) {
        // "top_layers.0.attention." of "top_layers.0" and ".attention.self.query"
        const std::string_view query = config.family().self.query;
        dropped += drop_prefix(weights, tensor_names::interaction_layer(i) +
                                            std::string(query.substr(0, query.find('.', 1) + 1)));
    }
    if (dropped > 0) {
        weights.notes.push_back(
            "dropped " + std::to_string(dropped) +
            " self-attention tensors that use_self_attention = false leaves unused");
    }
}

void fold_norms(checkpoint& weights, const model_config& config) {
    if (!config.is_modernbert() || config.kind != model_kind::mice) {
        return;
    }
    for (std::size_t i = 0; i < config.interaction_layers; ++i) {
        const std::string layer = "top_layers." + std::to_string(i) + ".";
        const auto norm = weights.tensors.find(layer + "attn_norm.weight");
        if (norm == weights.tensors.end()) {
            continue; // backbone layer 0 has none
        }
        const std::vector<float> gains = float_values(norm->second);
        for (const char* part : {"crossattention.k_proj.weight", "crossattention.v_proj.weight"}) {
            io::tensor_view& view = weights.tensors.find(layer + part)->second;
            std::vector<float> values = float_values(view);
            for (std::size_t j = 0; j < values.size(); ++j) {
                values[j] *= gains[j % gains.size()];
            }
            std::vector<std::byte>& bytes =
                weights.made.emplace_back(values.size() * sizeof(float));
            std::memcpy(bytes.data(), values.data(), bytes.size());
            view = {io::dtype::f32, view.shape, bytes};
        }
    }
}

} // namespace mice::tools
