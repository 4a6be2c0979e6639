// SPDX-License-Identifier: Apache-2.0
#include "common/reference_scorer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <mice/error.hpp>

#include "common/tensor_values.hpp"

namespace mice::tools {
namespace {

const io::tensor_view& find_checked(const io::safetensors::tensor_map& tensors,
                                    const std::string& name, const io::tensor_shape& shape) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
        throw errors::missing_tensor(name);
    }
    if (found->second.shape != shape) {
        throw errors::bad_tensor(name, "shape " + shape.text(), found->second.shape.text());
    }
    return found->second;
}

const io::tensor_view& find_scale(const io::safetensors::tensor_map& tensors,
                                  const std::string& name, std::size_t rows) {
    const io::tensor_view& scale = find_checked(tensors, scale_name(name), {rows});
    if (scale.type != io::dtype::f32) {
        throw errors::bad_tensor(scale_name(name), "F32", io::name_of(scale.type));
    }
    return scale;
}

reference_matrix decode(const io::safetensors::tensor_map& tensors,
                        const tensor_requirement& need) {
    const io::tensor_view& view = find_checked(tensors, need.name, need.shape);
    reference_matrix result;
    result.columns = need.shape[need.shape.rank() - 1];
    result.rows = view.elements() / result.columns;
    result.values.resize(view.elements());
    for (std::size_t i = 0; i < result.values.size(); ++i) {
        result.values[i] = value_at(view, i);
    }
    if (view.type == io::dtype::i8) {
        const io::tensor_view& scale = find_scale(tensors, need.name, result.rows);
        for (std::size_t row = 0; row < result.rows; ++row) {
            for (std::size_t i = 0; i < result.columns; ++i) {
                result.row(row)[i] *= value_at(scale, row);
            }
        }
    }
    return result;
}

} // namespace

reference_scorer::reference_scorer(const model_config& config,
                                   const io::safetensors::tensor_map& tensors)
    : config_(config) {
    for (const tensor_requirement& need : required_tensors(config)) {
        if (need.role != tensor_role::table) {
            weights_.emplace(need.name, decode(tensors, need));
            continue;
        }
        const io::tensor_view& view = find_checked(tensors, need.name, need.shape);
        tables_.emplace(need.name, view);
        if (view.type == io::dtype::i8) {
            table_scales_.emplace(need.name, find_scale(tensors, need.name, need.shape[0]));
        }
    }
}

const reference_matrix& reference_scorer::weight(const std::string& name) const {
    return weights_.at(name);
}

void reference_scorer::add_table_row(std::string_view table, std::size_t index,
                                     double* into) const {
    const io::tensor_view& view = tables_.find(table)->second;
    const auto scales = table_scales_.find(table);
    const double scale = scales == table_scales_.end() ? 1 : value_at(scales->second, index);
    const std::size_t width = view.shape[1];
    for (std::size_t i = 0; i < width; ++i) {
        into[i] += scale * value_at(view, index * width + i);
    }
}

reference_matrix reference_scorer::linear(const reference_matrix& x, const matrix_rows& w) const {
    const reference_matrix& all = weight(w.name + ".weight");
    reference_matrix part = all;
    if (w.count != 0) {
        part.rows = w.count;
        part.values.assign(all.row(w.first), all.row(w.first) + w.count * all.columns);
    }
    reference_matrix y = product(x, part);
    if (const auto bias = weights_.find(w.name + ".bias"); bias != weights_.end()) {
        for (std::size_t t = 0; t < y.rows; ++t) {
            for (std::size_t i = 0; i < y.columns; ++i) {
                y.row(t)[i] += bias->second.values[w.first + i];
            }
        }
    }
    return y;
}

reference_matrix reference_scorer::normalised(reference_matrix x,
                                              const std::optional<std::string>& norm) const {
    if (!norm) {
        return x;
    }
    normalise_rows(x, config_.layer_norm_eps);
    const reference_matrix& gain = weight(*norm + ".weight");
    const auto bias = weights_.find(*norm + ".bias");
    for (std::size_t t = 0; t < x.rows; ++t) {
        for (std::size_t i = 0; i < x.columns; ++i) {
            x.row(t)[i] *= gain.values[i];
            x.row(t)[i] += bias == weights_.end() ? 0 : bias->second.values[i];
        }
    }
    return x;
}

void reference_scorer::join(reference_matrix& x, const reference_matrix& f,
                            const std::optional<std::string>& norm) const {
    add(x, f);
    if (!config_.is_modernbert()) {
        x = normalised(std::move(x), norm);
    }
}

reference_scorer::attention_block reference_scorer::self_block(const std::string& layer,
                                                               std::size_t backbone_layer,
                                                               std::size_t heads) const {
    attention_block block{};
    block.name = layer;
    block.heads = heads;
    if (config_.is_modernbert()) {
        const std::size_t width = config_.hidden_size;
        block.query = {layer + ".attn.Wqkv", 0, width};
        block.key = {layer + ".attn.Wqkv", width, width};
        block.value = {layer + ".attn.Wqkv", 2 * width, width};
        block.output = {layer + ".attn.Wo"};
        if (backbone_layer > 0) {
            block.norm = layer + ".attn_norm";
        }
        const bool local = config_.sliding_layers[backbone_layer];
        block.theta = local ? config_.local_rope_theta : config_.global_rope_theta;
        const std::size_t window = config_.sliding_window;
        if (local && window > 0 && !layer.starts_with("top_layers.")) {
            block.hidden = [window](std::size_t i, std::size_t j) {
                return (i > j ? i - j : j - i) > window;
            };
        }
        return block;
    }
    const std::string name = layer + ".attention";
    block.query = {name + ".self.query"};
    block.key = {name + ".self.key"};
    block.value = {name + ".self.value"};
    block.output = {name + ".output.dense"};
    block.norm = name + ".output.LayerNorm";
    return block;
}

void reference_scorer::attend(reference_matrix& x, const reference_matrix* from,
                              const attention_block& block,
                              const attention_observer& observer) const {
    const reference_matrix start = config_.is_modernbert() ? normalised(x, block.norm) : x;
    const reference_matrix& source = from != nullptr ? *from : start;
    reference_matrix q = linear(start, block.query);
    reference_matrix k = linear(source, block.key);
    const reference_matrix v = linear(source, block.value);
    const std::size_t width = q.columns / block.heads;
    reference_matrix context = zeros(x.rows, q.columns);
    std::vector<double> attention(source.rows);
    for (std::size_t head = 0; head < block.heads; ++head) {
        const std::size_t offset = head * width;
        for (std::size_t i = 0; block.theta && i < x.rows; ++i) {
            const std::size_t place = block.places.empty() ? i : block.places[i];
            rotate(q.row(i) + offset, width, place, *block.theta);
            rotate(k.row(i) + offset, width, place, *block.theta);
        }
        for (std::size_t i = 0; i < x.rows; ++i) {
            for (std::size_t j = 0; j < source.rows; ++j) {
                attention[j] = dot(q.row(i) + offset, k.row(j) + offset, width) /
                               std::sqrt(static_cast<double>(width));
                attention[j] += block.bonus ? block.bonus(head, i, j) : 0;
                if (block.hidden && block.hidden(i, j)) {
                    attention[j] = -std::numeric_limits<double>::infinity();
                }
            }
            softmax(attention);
            if (block.first_row_mean && i == 0) {
                std::fill(attention.begin(), attention.end(), 1 / static_cast<double>(source.rows));
            }
            if (observer) {
                observer({block.name, head, i, attention});
            }
            for (std::size_t j = 0; j < source.rows; ++j) {
                for (std::size_t c = offset; c < offset + width; ++c) {
                    context.row(i)[c] += attention[j] * v.row(j)[c];
                }
            }
        }
    }
    join(x, linear(context, block.output), block.norm);
}

void reference_scorer::feed_forward(reference_matrix& x, const std::string& layer) const {
    if (!config_.is_modernbert()) {
        reference_matrix inner = linear(x, {layer + ".intermediate.dense"});
        std::transform(inner.values.begin(), inner.values.end(), inner.values.begin(), exact_gelu);
        join(x, linear(inner, {layer + ".output.dense"}), layer + ".output.LayerNorm");
        return;
    }
    const reference_matrix both = linear(normalised(x, layer + ".mlp_norm"), {layer + ".mlp.Wi"});
    reference_matrix inner = zeros(x.rows, both.columns / 2);
    for (std::size_t t = 0; t < x.rows; ++t) {
        for (std::size_t i = 0; i < inner.columns; ++i) {
            inner.row(t)[i] = exact_gelu(both.row(t)[i]) * both.row(t)[inner.columns + i];
        }
    }
    add(x, linear(inner, {layer + ".mlp.Wo"}));
}

void reference_scorer::check_ids(std::span<const std::int32_t> ids) const {
    if (ids.empty() || ids.size() > config_.max_position_embeddings) {
        throw errors::bad_argument("a text of " + std::to_string(ids.size()) +
                                   " ids; the model has positions for 1 to " +
                                   std::to_string(config_.max_position_embeddings));
    }
    for (const std::int32_t id : ids) {
        if (id < 0 || static_cast<std::size_t>(id) >= config_.vocab_size) {
            throw errors::id_out_of_range(id, config_.vocab_size);
        }
    }
}

reference_matrix reference_scorer::embed(const joined& in) const {
    check_ids(in.ids);
    reference_matrix x = zeros(in.ids.size(), config_.embedding_size);
    for (std::size_t t = 0; t < in.ids.size(); ++t) {
        const auto id = static_cast<std::size_t>(in.ids[t]);
        if (config_.is_modernbert()) {
            add_table_row("embeddings.tok_embeddings.weight", id, x.row(t));
            continue;
        }
        const bool is_second = t >= in.second;
        const std::size_t place = is_second && config_.positions_restart ? t - in.second : t;
        add_table_row("embeddings.word_embeddings.weight", id, x.row(t));
        add_table_row("embeddings.position_embeddings.weight", place, x.row(t));
        add_table_row("embeddings.token_type_embeddings.weight", is_second ? 1 : 0, x.row(t));
    }
    if (config_.is_modernbert()) {
        return normalised(std::move(x), "embeddings.norm");
    }
    x = normalised(std::move(x), "embeddings.LayerNorm");
    return config_.has_embedding_projection() ? linear(x, {"embeddings_project"}) : x;
}

reference_matrix reference_scorer::encode(const std::string& stack, std::size_t layers,
                                          std::span<const std::int32_t> ids) const {
    reference_matrix x = embed({{ids.begin(), ids.end()}, ids.size()});
    for (std::size_t i = 0; i < layers; ++i) {
        const std::string layer = stack + "." + std::to_string(i);
        attend(x, nullptr, self_block(layer, i, config_.num_attention_heads), {});
        feed_forward(x, layer);
    }
    return x;
}

double reference_scorer::head(const reference_matrix& x) const {
    const bool mean = config_.classifier_pooling == pooling::mean;
    const reference_matrix last = config_.is_modernbert() ? normalised(x, "final_norm") : x;
    reference_matrix pooled = zeros(1, x.columns);
    const std::size_t rows = config_.is_modernbert() && mean ? x.rows : 1;
    for (std::size_t t = 0; t < rows; ++t) {
        for (std::size_t i = 0; i < x.columns; ++i) {
            pooled.values[i] += last.row(t)[i] / static_cast<double>(rows);
        }
    }
    const auto apply = [&pooled](double (*function)(double)) {
        std::transform(pooled.values.begin(), pooled.values.end(), pooled.values.begin(), function);
    };
    if (config_.is_modernbert()) {
        pooled = linear(pooled, {"head.dense"});
        apply(exact_gelu);
        pooled = normalised(std::move(pooled), "head.norm");
    } else if (config_.kind == model_kind::cross_encoder && config_.model_type == "electra") {
        pooled = linear(pooled, {"classifier.dense"});
        apply(exact_gelu);
        return linear(pooled, {"classifier.out_proj"}).values[0];
    } else if (config_.pooler) {
        pooled = linear(pooled, {"pooler.dense"});
        apply(std::tanh);
    }
    return linear(pooled, {"classifier"}).values[0];
}

double reference_scorer::score(std::span<const std::int32_t> query_ids,
                               std::span<const std::int32_t> document_ids,
                               const attention_observer& observer) const {
    check_ids(query_ids);
    check_ids(document_ids);
    switch (config_.kind) {
    case model_kind::cross_encoder:
        return score_pair(join_pair(query_ids, document_ids), observer);
    case model_kind::mice:
        return score_mice(query_ids, document_ids, observer);
    case model_kind::late_interaction:
        break;
    }
    return late_interaction(query_ids, document_ids, observer);
}

} // namespace mice::tools
