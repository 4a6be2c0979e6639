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
        throw detail::errors::missing_tensor(name);
    }
    if (found->second.shape != shape) {
        throw detail::errors::bad_tensor(name, "shape " + shape.text(), found->second.shape.text());
    }
    return found->second;
}

const io::tensor_view& find_scale(const io::safetensors::tensor_map& tensors,
                                  const std::string& name, std::size_t rows) {
    const io::tensor_view& scale = find_checked(tensors, scale_name(name), {rows});
    if (scale.type != io::dtype::f32) {
        throw detail::errors::bad_tensor(scale_name(name), "F32", io::name_of(scale.type));
    }
    return scale;
}

reference_matrix decode(const io::safetensors::tensor_map& tensors,
                        const tensor_requirement& need) {
    const io::tensor_view& view = find_checked(tensors, need.name, need.shape);
    const std::size_t columns = need.shape[need.shape.rank() - 1];
    const std::size_t rows = view.elements() / columns;
    const bool scaled = view.type == io::dtype::i8;
    const io::tensor_view* const scale = scaled ? &find_scale(tensors, need.name, rows) : nullptr;
    return reference_matrix::NullaryExpr(
        index_of(rows), index_of(columns), [&](Eigen::Index row, Eigen::Index column) {
            const auto at = static_cast<std::size_t>(row);
            const double value = value_at(view, at * columns + static_cast<std::size_t>(column));
            return scale == nullptr ? value : value * value_at(*scale, at);
        });
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

reference_row reference_scorer::table_row(std::string_view table, std::size_t index) const {
    const io::tensor_view& view = tables_.find(table)->second;
    const auto scales = table_scales_.find(table);
    const double scale = scales == table_scales_.end() ? 1 : value_at(scales->second, index);
    const std::size_t width = view.shape[1];
    return reference_row::NullaryExpr(index_of(width), [&](Eigen::Index i) {
        return scale * value_at(view, index * width + static_cast<std::size_t>(i));
    });
}

/// x W^T + b
reference_matrix reference_scorer::linear(const reference_matrix& x, const matrix_rows& w) const {
    const reference_matrix& all = weight(w.name + ".weight");
    const Eigen::Index first = index_of(w.first);
    const Eigen::Index count = w.count == 0 ? all.rows() : index_of(w.count);
    reference_matrix y = x * all.middleRows(first, count).transpose();
    if (const auto bias = weights_.find(w.name + ".bias"); bias != weights_.end()) {
        y.rowwise() += bias->second.row(0).segment(first, count);
    }
    return y;
}

/// LN(x) = (x - mean) / sqrt(variance + eps) * gain + bias
reference_matrix reference_scorer::normalised(const reference_matrix& x,
                                              const std::optional<std::string>& norm) const {
    if (!norm) {
        return x;
    }
    const reference_matrix& gain = weight(*norm + ".weight");
    reference_matrix y = normalise_rows(x, config_.layer_norm_eps);
    y.array().rowwise() *= gain.row(0).array();
    if (const auto bias = weights_.find(*norm + ".bias"); bias != weights_.end()) {
        y.rowwise() += bias->second.row(0);
    }
    return y;
}

void reference_scorer::join(reference_matrix& x, const reference_matrix& f,
                            const std::optional<std::string>& norm) const {
    x += f;
    if (!config_.is_modernbert()) {
        x = normalised(x, norm);
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

reference_matrix reference_scorer::attention_mask(const attention_block& block, std::size_t head,
                                                  Eigen::Index rows, Eigen::Index columns) const {
    return reference_matrix::NullaryExpr(rows, columns, [&](Eigen::Index i, Eigen::Index j) {
        const auto row = static_cast<std::size_t>(i);
        const auto column = static_cast<std::size_t>(j);
        if (block.hidden && block.hidden(row, column)) {
            return -std::numeric_limits<double>::infinity();
        }
        return block.bonus ? block.bonus(head, row, column) : 0.0;
    });
}

/// join(x, Linear_o(concat_h A_h V_h)), A_h = softmax(Q_h K_h^T / sqrt(d_h) + mask)
void reference_scorer::attend(reference_matrix& x, const reference_matrix* from,
                              const attention_block& block,
                              const attention_observer& observer) const {
    const reference_matrix start = config_.is_modernbert() ? normalised(x, block.norm) : x;
    const reference_matrix& source = from != nullptr ? *from : start;
    const reference_matrix q = linear(start, block.query);
    const reference_matrix k = linear(source, block.key);
    const reference_matrix v = linear(source, block.value);
    const Eigen::Index width = q.cols() / index_of(block.heads);
    reference_matrix context(q.rows(), width * index_of(block.heads));
    for (std::size_t head = 0; head < block.heads; ++head) {
        const Eigen::Index first = index_of(head) * width;
        reference_matrix q_h = q.middleCols(first, width);
        reference_matrix k_h = k.middleCols(first, width);
        if (block.theta) {
            q_h = rotate_rows(q_h, block.places, *block.theta);
            k_h = rotate_rows(k_h, block.places, *block.theta);
        }
        reference_matrix a =
            softmax_rows(q_h * k_h.transpose() / std::sqrt(static_cast<double>(width)) +
                         attention_mask(block, head, q.rows(), k.rows()));
        if (block.first_row_mean) {
            a.row(0).setConstant(1 / static_cast<double>(a.cols()));
        }
        for (Eigen::Index i = 0; observer && i < a.rows(); ++i) {
            observer({block.name, head, static_cast<std::size_t>(i),
                      std::span(a.row(i).data(), static_cast<std::size_t>(a.cols()))});
        }
        context.middleCols(first, width) = a * v.middleCols(first, width);
    }
    join(x, linear(context, block.output), block.norm);
}

/// LN(x + Linear_2(gelu(Linear_1(x)))), or x + Linear_2(gelu(a) * b) with a, b = Linear_1(LN(x))
void reference_scorer::feed_forward(reference_matrix& x, const std::string& layer) const {
    if (!config_.is_modernbert()) {
        const reference_matrix inner = gelu(linear(x, {layer + ".intermediate.dense"}));
        join(x, linear(inner, {layer + ".output.dense"}), layer + ".output.LayerNorm");
        return;
    }
    const reference_matrix both = linear(normalised(x, layer + ".mlp_norm"), {layer + ".mlp.Wi"});
    const Eigen::Index width = both.cols() / 2;
    const reference_matrix inner = gelu(both.leftCols(width)).cwiseProduct(both.rightCols(width));
    x += linear(inner, {layer + ".mlp.Wo"});
}

void reference_scorer::check_ids(std::span<const std::int32_t> ids) const {
    if (ids.empty() || ids.size() > config_.max_position_embeddings) {
        throw detail::errors::bad_argument("a text of " + std::to_string(ids.size()) +
                                           " ids; the model has positions for 1 to " +
                                           std::to_string(config_.max_position_embeddings));
    }
    for (const std::int32_t id : ids) {
        if (id < 0 || static_cast<std::size_t>(id) >= config_.vocab_size) {
            throw detail::errors::id_out_of_range(id, config_.vocab_size);
        }
    }
}

reference_matrix reference_scorer::embed(const joined& in) const {
    check_ids(in.ids);
    reference_matrix x(index_of(in.ids.size()), index_of(config_.embedding_size));
    for (std::size_t t = 0; t < in.ids.size(); ++t) {
        const auto id = static_cast<std::size_t>(in.ids[t]);
        auto row = x.row(index_of(t));
        if (config_.is_modernbert()) {
            row = table_row("embeddings.tok_embeddings.weight", id);
            continue;
        }
        const bool is_second = t >= in.second;
        const std::size_t place = is_second && config_.positions_restart ? t - in.second : t;
        row = table_row("embeddings.word_embeddings.weight", id) +
              table_row("embeddings.position_embeddings.weight", place);
        if (config_.type_vocab_size > 0) {
            const bool second_type = is_second && config_.family().pairs == pair_form::bert;
            row += table_row("embeddings.token_type_embeddings.weight", second_type ? 1 : 0);
        }
    }
    if (config_.is_modernbert()) {
        return normalised(x, "embeddings.norm");
    }
    x = normalised(x, "embeddings.LayerNorm");
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
    if (config_.is_modernbert()) {
        const reference_matrix last = normalised(x, "final_norm");
        const bool mean = config_.classifier_pooling == pooling::mean;
        const reference_matrix pooled =
            mean ? reference_matrix(last.colwise().mean()) : reference_matrix(last.row(0));
        return linear(normalised(gelu(linear(pooled, {"head.dense"})), "head.norm"),
                      {"classifier"})(0);
    }
    const reference_matrix first = x.row(0);
    const auto tanh = [](const reference_matrix& y) -> reference_matrix {
        return y.unaryExpr([](double value) { return std::tanh(value); });
    };
    if (config_.kind == model_kind::cross_encoder && weights_.contains("classifier.dense.weight")) {
        const reference_matrix inner = linear(first, {"classifier.dense"});
        const bool gelus = config_.model_type == "electra";
        return linear(gelus ? gelu(inner) : tanh(inner), {"classifier.out_proj"})(0);
    }
    const reference_matrix pooled = config_.pooler ? tanh(linear(first, {"pooler.dense"})) : first;
    return linear(pooled, {"classifier"})(0);
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
