// SPDX-License-Identifier: Apache-2.0
#include "common/reference_scorer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

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

reference_matrix zeros(std::size_t rows, std::size_t columns) {
    return {rows, columns, std::vector<double>(rows * columns)};
}

void add(reference_matrix& x, const reference_matrix& y) {
    for (std::size_t i = 0; i < x.values.size(); ++i) {
        x.values[i] += y.values[i];
    }
}

double dot(const double* a, const double* b, std::size_t size) {
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

/// Softmax over the columns from `first` on; columns before it get 0.
void softmax(std::vector<double>& logits, std::size_t first) {
    double largest = logits[first];
    for (std::size_t j = first; j < logits.size(); ++j) {
        largest = std::max(largest, logits[j]);
    }
    double sum = 0;
    for (std::size_t j = 0; j < logits.size(); ++j) {
        logits[j] = j < first ? 0 : std::exp(logits[j] - largest);
        sum += logits[j];
    }
    for (double& value : logits) {
        value /= sum;
    }
}

/// x W^T without a bias, W being [out, in].
reference_matrix product(const reference_matrix& x, const reference_matrix& w) {
    reference_matrix y = zeros(x.rows, w.rows);
    for (std::size_t out = 0; out < w.rows; ++out) {
        for (std::size_t t = 0; t < x.rows; ++t) {
            y.row(t)[out] = dot(x.row(t), w.row(out), w.columns);
        }
    }
    return y;
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

reference_matrix reference_scorer::linear(const reference_matrix& x,
                                          const std::string& name) const {
    reference_matrix y = product(x, weight(name + ".weight"));
    const reference_matrix& bias = weight(name + ".bias");
    for (std::size_t t = 0; t < y.rows; ++t) {
        for (std::size_t i = 0; i < y.columns; ++i) {
            y.row(t)[i] += bias.values[i];
        }
    }
    return y;
}

void reference_scorer::normalise(reference_matrix& x, const std::string& name) const {
    const reference_matrix& gain = weight(name + ".weight");
    const reference_matrix& bias = weight(name + ".bias");
    const auto width = static_cast<double>(x.columns);
    for (std::size_t t = 0; t < x.rows; ++t) {
        double* row = x.row(t);
        double mean = 0;
        double variance = 0;
        for (std::size_t i = 0; i < x.columns; ++i) {
            mean += row[i] / width;
        }
        for (std::size_t i = 0; i < x.columns; ++i) {
            variance += (row[i] - mean) * (row[i] - mean) / width;
        }
        const double deviation = std::sqrt(variance + config_.layer_norm_eps);
        for (std::size_t i = 0; i < x.columns; ++i) {
            row[i] = (row[i] - mean) / deviation * gain.values[i] + bias.values[i];
        }
    }
}

reference_matrix reference_scorer::embed(std::span<const std::int32_t> ids) const {
    if (ids.empty() || ids.size() > config_.max_position_embeddings) {
        throw errors::bad_argument("a text of " + std::to_string(ids.size()) +
                                   " ids; the model has positions for 1 to " +
                                   std::to_string(config_.max_position_embeddings));
    }
    reference_matrix x = zeros(ids.size(), config_.embedding_size);
    for (std::size_t t = 0; t < ids.size(); ++t) {
        if (ids[t] < 0 || static_cast<std::size_t>(ids[t]) >= config_.vocab_size) {
            throw errors::id_out_of_range(ids[t], config_.vocab_size);
        }
        add_table_row("embeddings.word_embeddings.weight", static_cast<std::size_t>(ids[t]),
                      x.row(t));
        add_table_row("embeddings.position_embeddings.weight", t, x.row(t));
        add_table_row("embeddings.token_type_embeddings.weight", 0, x.row(t));
    }
    normalise(x, "embeddings.LayerNorm");
    return config_.has_embedding_projection() ? linear(x, "embeddings_project") : x;
}

/// x = LN(x + Linear_o(attention)), queries from x, keys and values from `from`.
void reference_scorer::add_attention(reference_matrix& x, const reference_matrix& from,
                                     const std::string& name, const attention_shape& shape) const {
    const reference_matrix q = linear(x, name + ".self.query");
    const reference_matrix k = linear(from, name + ".self.key");
    const reference_matrix v = linear(from, name + ".self.value");
    const std::size_t width = q.columns / shape.heads;
    reference_matrix context = zeros(x.rows, q.columns);
    std::vector<double> attention(from.rows);
    for (std::size_t head = 0; head < shape.heads; ++head) {
        const std::size_t offset = head * width;
        for (std::size_t i = 0; i < x.rows; ++i) {
            for (std::size_t j = 0; j < from.rows; ++j) {
                attention[j] = dot(q.row(i) + offset, k.row(j) + offset, width) /
                               std::sqrt(static_cast<double>(width));
            }
            softmax(attention, shape.hide_first_column && i > 0 ? 1 : 0);
            if (shape.first_row_mean && i == 0) {
                std::fill(attention.begin(), attention.end(), 1 / static_cast<double>(from.rows));
            }
            for (std::size_t j = 0; j < from.rows; ++j) {
                for (std::size_t c = offset; c < offset + width; ++c) {
                    context.row(i)[c] += attention[j] * v.row(j)[c];
                }
            }
        }
    }
    add(x, linear(context, name + ".output.dense"));
    normalise(x, name + ".output.LayerNorm");
}

void reference_scorer::add_feed_forward(reference_matrix& x, const std::string& layer) const {
    reference_matrix inner = linear(x, layer + ".intermediate.dense");
    for (double& value : inner.values) {
        value = 0.5 * value * (1 + std::erf(value / std::numbers::sqrt2));
    }
    add(x, linear(inner, layer + ".output.dense"));
    normalise(x, layer + ".output.LayerNorm");
}

reference_matrix reference_scorer::encode(const std::string& stack, std::size_t layers,
                                          std::span<const std::int32_t> ids) const {
    reference_matrix x = embed(ids);
    for (std::size_t i = 0; i < layers; ++i) {
        const std::string layer = stack + "." + std::to_string(i);
        add_attention(x, reference_matrix(x), layer + ".attention",
                      {config_.num_attention_heads, false, false});
        add_feed_forward(x, layer);
    }
    return x;
}

reference_matrix reference_scorer::query_states(std::span<const std::int32_t> ids) const {
    return encode(config_.bound_bottom_layers ? "bottom_layers" : "query_bottom_layers",
                  config_.query_layers, ids);
}

reference_matrix reference_scorer::document_states(std::span<const std::int32_t> ids) const {
    return encode(config_.bound_bottom_layers ? "bottom_layers" : "document_bottom_layers",
                  config_.document_layers, ids);
}

/// x += out_proj(mean over the document tokens of the same id of v_proj(D)); no match takes token
/// 0.
void reference_scorer::add_exact_matches(reference_matrix& x, const reference_matrix& document,
                                         std::span<const std::int32_t> query_ids,
                                         std::span<const std::int32_t> document_ids,
                                         std::size_t layer) const {
    const std::string name = "exact_match_heads." + std::to_string(layer);
    const reference_matrix v = product(document, weight(name + ".v_proj.weight"));
    reference_matrix means = zeros(x.rows, v.columns);
    for (std::size_t i = 0; i < x.rows; ++i) {
        std::vector<std::size_t> matches;
        for (std::size_t j = 0; j < document_ids.size(); ++j) {
            if (document_ids[j] == query_ids[i]) {
                matches.push_back(j);
            }
        }
        if (matches.empty()) {
            matches.push_back(0);
        }
        for (const std::size_t j : matches) {
            for (std::size_t c = 0; c < v.columns; ++c) {
                means.row(i)[c] += v.row(j)[c] / static_cast<double>(matches.size());
            }
        }
    }
    add(x, product(means, weight(name + ".out_proj.weight")));
}

void reference_scorer::interact(reference_matrix& x, const reference_matrix& document,
                                std::size_t layer) const {
    const std::string name = "top_layers." + std::to_string(layer);
    const std::size_t heads = config_.interaction_heads();
    const auto self = [&] {
        if (config_.use_self_attention) {
            add_attention(x, reference_matrix(x), name + ".attention",
                          {heads, config_.mask_query_to_cls, false});
        }
    };
    const bool mean = config_.cls_cross_attention != cls_cross::full;
    const bool skip_first = config_.cls_cross_attention == cls_cross::mean_skip_last &&
                            !config_.cross_attn_first && layer + 1 == config_.interaction_layers;
    const auto cross = [&] {
        const std::vector<double> first(x.row(0), x.row(0) + x.columns);
        add_attention(x, document, name + ".crossattention", {heads, false, mean});
        if (skip_first) {
            std::copy(first.begin(), first.end(), x.row(0));
        }
    };
    if (config_.cross_attn_first) {
        cross();
        self();
    } else {
        self();
        cross();
    }
    add_feed_forward(x, name);
}

double reference_scorer::score(std::span<const std::int32_t> query_ids,
                               std::span<const std::int32_t> document_ids) const {
    reference_matrix x = query_states(query_ids);
    reference_matrix document = document_states(document_ids);
    if (config_.has_adapter()) {
        x = linear(x, "adapter");
        document = linear(document, "adapter");
    }
    if (config_.global_cls_token) {
        const reference_matrix& row = weight("global_cls");
        x.values.insert(x.values.begin(), row.values.begin(), row.values.end());
        ++x.rows;
    }
    for (std::size_t layer = 0; layer < config_.interaction_layers; ++layer) {
        if (config_.extra_attn_bias) {
            add_exact_matches(x, document, query_ids, document_ids, layer);
        }
        interact(x, document, layer);
    }
    reference_matrix pooled = zeros(1, x.columns);
    std::copy(x.row(0), x.row(0) + x.columns, pooled.row(0));
    if (config_.pooler) {
        pooled = linear(pooled, "pooler.dense");
        for (double& value : pooled.values) {
            value = std::tanh(value);
        }
    }
    return linear(pooled, "classifier").values[0];
}

} // namespace mice::tools
