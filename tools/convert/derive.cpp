// SPDX-License-Identifier: Apache-2.0
#include "derive.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <utility>

#include <mice/model/config_json.hpp>
#include <mice/model/tensors.hpp>

#include "families.hpp"
#include "messages.hpp"
#include "select_tensors.hpp"

namespace mice::tools {
namespace {

constexpr std::array<std::string_view, 4> unused_heads{"cls.", "discriminator_predictions.",
                                                       "lm_head.", "decoder."};

std::optional<std::size_t> count_of(std::string_view text) {
    std::size_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                   : std::nullopt;
}

/// Whether the head of the family's cross-encoders computes what that of its MICE models does.
bool shares_head(const encoder_family& family) {
    return family.pair_head.activation == family.head.activation &&
           family.pair_head.norm == family.head.norm;
}

void rename_prefix(checkpoint& weights, std::string_view from, std::string_view to) {
    io::safetensors::tensor_map renamed;
    for (const auto& [name, view] : weights.tensors) {
        const bool begins = name.starts_with(from);
        renamed.emplace(begins ? std::string(to) + name.substr(from.size()) : name, view);
    }
    weights.tensors = std::move(renamed);
}

/// Pretraining heads, and ELECTRA's two-layer classifier, have no place in MICE; RoBERTa's is the
/// pooler and the classifier of MICE under other names.
void prepare_heads(checkpoint& weights, const encoder_family& family) {
    for (const std::string_view head : unused_heads) {
        if (drop_prefix(weights, head) > 0) {
            weights.notes.push_back("dropped the head '" + std::string(head) + "*'");
        }
    }
    const bool there = has_prefix(weights, std::string(family.pair_head.classifier) + ".") ||
                       has_prefix(weights, std::string(family.pair_head.dense) + ".");
    if (!there || family.pair_head.classifier == family.head.classifier) {
        return;
    }
    if (!shares_head(family)) {
        drop_prefix(weights, "classifier.");
        weights.notes.push_back("dropped " + std::string(family.title) +
                                "'s two-layer classifier; MICE has one layer there");
        return;
    }
    for (const auto& [from, to] : {std::pair(family.pair_head.classifier, family.head.classifier),
                                   std::pair(family.pair_head.dense, family.head.dense)}) {
        rename_prefix(weights, std::string(from) + ".", std::string(to) + ".");
        weights.notes.push_back("renamed " + std::string(from) + " to " + std::string(to));
    }
}

/// The configuration of the backbone alone, as a cross-encoder's: it tells which tensors there must
/// be.
model_config backbone_config(const checkpoint_config& config, const checkpoint& weights) {
    checkpoint_config all;
    for (const auto& [key, value] : config.values.items()) {
        const bool is_option = key.starts_with("max_") && key != "max_position_embeddings";
        if (!is_option) {
            all.values[key] = value;
        }
    }
    return complete_config(all, weights, model_kind::cross_encoder);
}

std::string encoder_layer(std::size_t index) {
    return "layers." + std::to_string(index) + ".";
}

/// The backbone's tensors; all must be there, and no other. `with_mice_head` has as many layers as
/// the backbone.
std::vector<tensor_requirement> backbone_tensors(const model_config& with_mice_head,
                                                 const checkpoint& weights) {
    mice::detail::requirement_list list;
    mice::detail::require_embeddings(list, with_mice_head);
    mice::detail::require_stack(list, tensor_names::layers, with_mice_head.layers, with_mice_head);
    mice::detail::require_head(list, with_mice_head);
    std::erase_if(list.tensors, [&weights](const tensor_requirement& need) {
        bool absent = false; // a head, which is then drawn
        for (const char* head : {"classifier.", "head."}) {
            absent = absent || (need.name.starts_with(head) && !has_prefix(weights, head));
        }
        return absent;
    });
    return std::move(list.tensors);
}

/// Roughly normal numbers from exact arithmetic, so that every machine writes the same bytes.
class normal_source {
  public:
    float next(double deviation) {
        double sum = -6; // twelve uniform numbers have mean 6 and variance 1
        for (int i = 0; i < 12; ++i) {
            sum += static_cast<double>(bits() >> 11) * 0x1p-53;
        }
        return static_cast<float>(sum * deviation);
    }

  private:
    std::uint64_t bits() { // splitmix64
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    std::uint64_t state_ = 0;
};

void add_made_tensor(checkpoint& weights, const std::string& name, const io::tensor_shape& shape,
                     const std::vector<float>& values) {
    std::vector<std::byte>& bytes = weights.made.emplace_back(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    weights.tensors[name] = {io::dtype::f32, shape, bytes};
}

/// Adds the head's tensors that the checkpoint lacks: random matrices, norms that do nothing.
bool make_head(checkpoint& weights, const model_config& config, double deviation) {
    normal_source source;
    bool made = false;
    for (const tensor_requirement& need : required_tensors(config)) {
        if (weights.tensors.contains(need.name)) {
            continue;
        }
        made = true;
        std::vector<float> values(*need.shape.elements(), need.name.ends_with("norm.weight"));
        for (float& value : values) {
            value = need.shape.rank() == 2 ? source.next(deviation) : value;
        }
        add_made_tensor(weights, need.name, need.shape, values);
    }
    return made;
}

/// Copies (as views) every tensor under `from` to the same name under `to`.
void copy_layer(const io::safetensors::tensor_map& source, const std::string& from,
                const std::string& to, io::safetensors::tensor_map& target) {
    for (auto place = source.lower_bound(from);
         place != source.end() && place->first.starts_with(from); ++place) {
        target[to + place->first.substr(from.size())] = place->second;
    }
}

/// The first part of an attention block's names, such as "attention." of ".attention.self.query".
std::string block_of(const attention_names& names) {
    return std::string(names.query.substr(1, names.query.find('.', 1)));
}

/// Copies ModernBERT's self-attention `from`attn.* as a cross-attention; the rows of Wqkv are
/// queries, keys and values.
void copy_stacked_cross(const io::safetensors::tensor_map& source, const encoder_family& family,
                        const std::string& from, const std::string& to,
                        io::safetensors::tensor_map& target) {
    const auto name = [](const std::string& layer, std::string_view part) {
        return layer + std::string(part.substr(1)) + ".weight";
    };
    const io::tensor_view& all = source.find(name(from, family.self.query))->second;
    const std::size_t width = all.shape[1];
    const std::size_t bytes = all.bytes.size() / 3;
    std::size_t part = 0;
    for (const std::string_view each : {family.cross.query, family.cross.key, family.cross.value}) {
        target[name(to, each)] = {
            all.type, {width, width}, all.bytes.subspan(bytes * part++, bytes)};
    }
    target[name(to, family.cross.output)] = source.find(name(from, family.self.output))->second;
}

struct layer_plan {
    std::size_t query, document, interaction, first_interaction;
    bool bound, self_attention;
    const encoder_family* family;
};

void rewrite_tensors(checkpoint& weights, const layer_plan& plan) {
    io::safetensors::tensor_map result;
    const auto stack = [&](const std::string& name, std::size_t layers) {
        for (std::size_t i = 0; i < layers; ++i) {
            copy_layer(weights.tensors, encoder_layer(i), name + std::to_string(i) + ".", result);
        }
    };
    if (plan.bound) {
        stack("bottom_layers.", plan.query);
    } else {
        stack("query_bottom_layers.", plan.query);
        stack("document_bottom_layers.", plan.document);
    }
    for (std::size_t i = 0; i < plan.interaction; ++i) {
        const std::string from = encoder_layer(plan.first_interaction + i);
        const std::string to = "top_layers." + std::to_string(i) + ".";
        copy_layer(weights.tensors, from, to, result);
        const encoder_family& family = *plan.family;
        if (family.self.is_stacked()) {
            copy_stacked_cross(weights.tensors, family, from, to, result);
        } else {
            copy_layer(weights.tensors, from + block_of(family.self), to + block_of(family.cross),
                       result);
        }
        if (!plan.self_attention) {
            std::erase_if(result, [drop = to + block_of(family.self)](const auto& entry) {
                return entry.first.starts_with(drop);
            });
        }
    }
    for (const auto& [name, view] : weights.tensors) {
        if (!name.starts_with("layers.")) {
            result.emplace(name, view);
        }
    }
    weights.tensors = std::move(result);
}

std::size_t count_in(const checkpoint_config& config, const char* key, std::size_t otherwise) {
    const auto found = config.values.find(key);
    if (found == config.values.end() || found->is_null()) {
        return otherwise;
    }
    if (!found->is_number_unsigned()) {
        throw detail::errors::bad_option(key, "a whole number, not negative", found->type_name());
    }
    return found->get<std::size_t>();
}

bool switch_in(const checkpoint_config& config, const char* key, bool otherwise) {
    const auto found = config.values.find(key);
    if (found == config.values.end() || found->is_null()) {
        return otherwise;
    }
    if (!found->is_boolean()) {
        throw detail::errors::bad_option(key, "true or false", found->type_name());
    }
    return found->get<bool>();
}

/// The cut nearest to `cut` that fits the backbone, as --derive takes it.
std::string nearest_cut(const derive_cut& cut, const derivation& how, std::size_t layers) {
    const std::size_t query = how.from_layer ? std::min(cut.contextualization, layers)
                                             : std::min(cut.contextualization, layers - 1);
    const std::size_t above = layers - how.from_layer.value_or(query);
    return "l" + std::to_string(query) + "+" +
           (cut.interaction ? std::to_string(std::min(*cut.interaction, above)) : "all");
}

/// Throws for layers that the backbone does not have, and names a cut that fits.
void check_cut(const layer_plan& plan, const derive_cut& cut, const derivation& how,
               std::size_t layers) {
    const std::string has = "the backbone has only " + std::to_string(layers) + " layers; ";
    if (how.from_layer && *how.from_layer >= layers) {
        throw messages::bad_derive(how.text, has + "give --from-layer " +
                                                 std::to_string(layers - 1) + " at most");
    }
    if (plan.query > layers || plan.first_interaction >= layers) {
        throw messages::bad_derive(how.text, has + "choose a smaller cut: --derive " +
                                                 nearest_cut(cut, how, layers));
    }
    if (plan.document > layers) {
        throw messages::bad_derive(how.text, has + "give --n-docs-ctx-layers " +
                                                 std::to_string(layers) + " at most");
    }
    const std::size_t above = layers - plan.first_interaction;
    if (cut.interaction.value_or(above) > above) {
        throw messages::bad_derive(how.text, "the backbone has " + std::to_string(layers) +
                                                 " layers, of which " + std::to_string(above) +
                                                 " are left for interaction; choose a smaller "
                                                 "cut: --derive " +
                                                 nearest_cut(cut, how, layers));
    }
}

const checkpoint_family& family_of(const checkpoint_config& config) {
    return checkpoint_family_of(config.values.at("model_type").get_ref<const std::string&>());
}

layer_plan make_plan(const checkpoint_config& config, const derivation& how, std::size_t layers) {
    const std::optional<derive_cut> parsed = parse_cut(how.text);
    if (!parsed) {
        throw messages::bad_derive(how.text, "expected a cut such as --derive " +
                                                 fitting_cut(layers) + " or --derive l" +
                                                 std::to_string(layers - 1) + "+all");
    }
    const derive_cut& cut = *parsed;
    layer_plan plan{};
    plan.query = cut.contextualization;
    plan.document = count_in(config, "n_docs_ctx_layers", plan.query);
    plan.bound = switch_in(config, "bound_bottom_layers", true);
    plan.self_attention = switch_in(config, "use_self_attention", true);
    plan.first_interaction = how.from_layer.value_or(plan.query);
    plan.family = family_of(config).stored;
    if (plan.family->positions == position_kind::rotary && plan.first_interaction != plan.query) {
        throw messages::bad_derive(how.text, "an interaction layer of " +
                                                 std::string(plan.family->title) +
                                                 " has the positions of the layer at its place; "
                                                 "leave --from-layer out");
    }
    check_cut(plan, cut, how, layers);
    plan.interaction = cut.interaction.value_or(layers - plan.first_interaction);
    return plan;
}

/// Options whose weights only training can give.
void check_derivable(const checkpoint_config& config, const derivation& how) {
    const std::string leave_out = "leave it out of the command line and config.json";
    for (const char* key : {"global_cls_token", "extra_attn_bias", "lexical_bias"}) {
        if (switch_in(config, key, false)) {
            throw messages::bad_derive(how.text,
                                       std::string(key) + " needs trained tensors; " + leave_out);
        }
    }
    const auto factor = config.values.find("compress_dim");
    if (factor != config.values.end() && *factor != 1) {
        throw messages::bad_derive(how.text, "compress_dim needs trained tensors; " + leave_out);
    }
    for (const char* key : {"n_contextualization_layers", "n_interaction_layers"}) {
        if (config.values.contains(key)) {
            throw messages::bad_derive(
                how.text,
                std::string(key) + " is given as well, and the cut says it already; " + leave_out);
        }
    }
}

void rewrite_config(checkpoint_config& config, const layer_plan& plan) {
    json& values = config.values;
    values["n_contextualization_layers"] = plan.query;
    values["n_docs_ctx_layers"] = plan.document;
    values["n_interaction_layers"] = plan.interaction;
    values["bound_bottom_layers"] = plan.bound;
    // The later public runs, which start from the same kind of weights.
    values.emplace("cross_attn_first", plan.self_attention);
    values.emplace("cls_cross_attention", "full");
}

} // namespace

std::optional<derive_cut> parse_cut(std::string_view text) {
    const std::size_t plus = text.find('+');
    const auto lower = plus == std::string_view::npos || !text.starts_with('l')
                           ? std::nullopt
                           : count_of(text.substr(1, plus - 1));
    const std::string_view rest = lower ? text.substr(plus + 1) : std::string_view();
    const auto upper = rest == "all" ? std::nullopt : count_of(rest);
    if (!lower || (rest != "all" && upper.value_or(0) == 0)) {
        return std::nullopt;
    }
    return derive_cut{*lower, upper};
}

std::vector<std::string> derive_mice(checkpoint& weights, checkpoint_config& config,
                                     const derivation& how) {
    if (has_prefix(weights, "top_layers.")) {
        throw messages::bad_derive(how.text,
                                   "the checkpoint is a MICE model already; leave --derive out");
    }
    check_derivable(config, how);
    const std::size_t layers = count_in(config, "num_hidden_layers", 0);
    if (layers == 0) {
        throw messages::missing_key("num_hidden_layers");
    }
    const layer_plan plan = make_plan(config, how, layers);
    check_labels(weights);
    prepare_heads(weights, *plan.family);
    model_config with_mice_head = backbone_config(config, weights);
    with_mice_head.kind = model_kind::mice; // some families' cross-encoders have another
    if (shares_head(*plan.family) && !plan.family->pair_head.dense_is_optional) {
        with_mice_head.pooler = has_prefix(weights, std::string(plan.family->head.dense) + ".");
    }
    check_tensors(weights, backbone_tensors(with_mice_head, weights));

    std::vector<std::string> warnings;
    const auto range = config.values.find("initializer_range");
    const double deviation =
        range != config.values.end() && range->is_number() ? range->get<double>() : 0.02;
    if (make_head(weights, with_mice_head, deviation)) {
        warnings.emplace_back("the checkpoint has no usable classifier: a random one was made, and "
                              "scores mean nothing until the model is fine-tuned");
    } else {
        warnings.emplace_back(
            "a derived model has untrained cross-attention; fine-tune it before use");
    }
    rewrite_tensors(weights, plan);
    rewrite_config(config, plan);
    weights.notes.push_back("derived " + how.text + ": interaction layers from backbone layers " +
                            std::to_string(plan.first_interaction) + ".." +
                            std::to_string(plan.first_interaction + plan.interaction - 1) + " of " +
                            std::to_string(layers));
    return warnings;
}

} // namespace mice::tools
