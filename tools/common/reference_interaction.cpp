// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <mice/error.hpp>
#include <mice/text/truncation.hpp>

#include "common/reference_scorer.hpp"

// How a query meets a document in each kind of model.
namespace mice::tools {

reference_matrix reference_scorer::query_states(std::span<const std::int32_t> ids) const {
    return encode(config_.bound_bottom_layers ? "bottom_layers" : "query_bottom_layers",
                  config_.query_layers, ids);
}

reference_matrix reference_scorer::document_states(std::span<const std::int32_t> ids) const {
    return encode(config_.bound_bottom_layers ? "bottom_layers" : "document_bottom_layers",
                  config_.document_layers, ids);
}

// ---- MICE ----

/// x += out_proj(M v_proj(D)), where row i of M takes the mean over the document's tokens of query
/// token i's id; without one it takes token 0.
void reference_scorer::add_exact_matches(reference_matrix& x, const reference_matrix& document,
                                         std::span<const std::int32_t> query_ids,
                                         std::span<const std::int32_t> document_ids,
                                         std::size_t layer) const {
    const std::string name = "exact_match_heads." + std::to_string(layer);
    reference_matrix matches = reference_matrix::NullaryExpr(
        x.rows(), document.rows(), [&](Eigen::Index i, Eigen::Index j) {
            return query_ids[static_cast<std::size_t>(i)] ==
                           document_ids[static_cast<std::size_t>(j)]
                       ? 1.0
                       : 0.0;
        });
    for (auto row : matches.rowwise()) {
        if (row.isZero(0)) {
            row(0) = 1;
        }
        row /= row.sum();
    }
    const reference_matrix means = matches * linear(document, {name + ".v_proj"});
    x += linear(means, {name + ".out_proj"});
}

reference_scorer::attention_block reference_scorer::cross_block(std::size_t layer) const {
    const std::string top = "top_layers." + std::to_string(layer);
    const std::string name = top + ".crossattention";
    attention_block block{};
    block.name = name;
    block.heads = config_.interaction_heads();
    block.first_row_mean = config_.cls_cross_attention != cls_cross::full;
    if (config_.is_modernbert()) {
        block.query = {name + ".q_proj"};
        block.key = {name + ".k_proj"};
        block.value = {name + ".v_proj"};
        block.output = {name + ".Wo"};
        if (config_.query_layers + layer > 0) {
            block.norm = top + ".attn_norm";
        }
        return block;
    }
    block.query = {name + ".self.query"};
    block.key = {name + ".self.key"};
    block.value = {name + ".self.value"};
    block.output = {name + ".output.dense"};
    block.norm = name + ".output.LayerNorm";
    return block;
}

void reference_scorer::interact(reference_matrix& x, const reference_matrix& document,
                                std::span<const std::int32_t> query_ids,
                                std::span<const std::int32_t> document_ids, std::size_t layer,
                                const attention_observer& observer) const {
    const std::string name = "top_layers." + std::to_string(layer);
    const auto self = [&] {
        if (config_.use_self_attention) {
            attention_block block =
                self_block(name, config_.query_layers + layer, config_.interaction_heads());
            if (config_.mask_query_to_cls) {
                block.hidden = [](std::size_t i, std::size_t j) { return i > 0 && j == 0; };
            }
            attend(x, nullptr, block, observer);
        }
    };
    const bool skip_first = config_.skips_last_cross() && !config_.cross_attn_first &&
                            layer + 1 == config_.interaction_layers;
    const auto cross = [&] {
        attention_block block = cross_block(layer);
        if (config_.lexical_bias) {
            const reference_matrix& bias = weight(block.name + ".lexical_bias_weight");
            block.bonus = [&](std::size_t head, std::size_t i, std::size_t j) {
                const std::vector<std::int32_t>& special = config_.special_token_ids;
                const bool matches =
                    query_ids[i] == document_ids[j] &&
                    std::find(special.begin(), special.end(), query_ids[i]) == special.end();
                return matches ? bias(0, index_of(head)) : 0;
            };
        }
        // The weight of the norm is in the matrices of keys and values already.
        const bool normed = config_.is_modernbert() && block.norm;
        const reference_matrix source =
            normed ? normalise_rows(document, config_.layer_norm_eps) : document;
        const reference_row first = x.row(0);
        attend(x, &source, block, observer);
        if (skip_first) {
            x.row(0) = first;
        }
    };
    if (config_.cross_attn_first) {
        cross();
        self();
    } else {
        self();
        cross();
    }
    feed_forward(x, name);
}

double reference_scorer::score_mice(std::span<const std::int32_t> query_ids,
                                    std::span<const std::int32_t> document_ids,
                                    const attention_observer& observer) const {
    reference_matrix x = query_states(query_ids);
    reference_matrix document = document_states(document_ids);
    if (config_.has_adapter()) {
        x = linear(x, {"adapter"});
        document = linear(document, {"adapter"});
    }
    if (config_.global_cls_token) {
        reference_matrix longer(x.rows() + 1, x.cols());
        longer << weight("global_cls"), x;
        x = longer;
    }
    for (std::size_t layer = 0; layer < config_.interaction_layers; ++layer) {
        if (config_.extra_attn_bias) {
            add_exact_matches(x, document, query_ids, document_ids, layer);
        }
        interact(x, document, query_ids, document_ids, layer, observer);
    }
    return head(x);
}

// ---- cross-encoder ----

reference_scorer::joined
reference_scorer::join_pair(std::span<const std::int32_t> query_ids,
                            std::span<const std::int32_t> document_ids) const {
    // [CLS] query [SEP] document [SEP], each side cut before its [SEP]; RoBERTa puts another
    // [SEP] before the document
    const bool doubled = config_.family().pairs == pair_form::roberta;
    if (query_ids.size() < 2 || document_ids.size() < 2) {
        throw detail::errors::bad_argument("a pair needs [CLS] .. [SEP] on both sides");
    }
    const auto kept =
        detail::truncate_pair(query_ids.size() - 2, document_ids.size() - 2,
                              config_.max_pair_length - (doubled ? 4 : 3), config_.pair_truncation);
    const auto append = [](std::vector<std::int32_t>& to, std::span<const std::int32_t> ids,
                           std::size_t first, std::size_t count) {
        to.insert(to.end(), ids.begin() + static_cast<std::ptrdiff_t>(first),
                  ids.begin() + static_cast<std::ptrdiff_t>(first + count));
        to.push_back(ids.back());
    };
    joined result{};
    append(result.ids, query_ids, 0, kept.first + 1);
    result.second = result.ids.size();
    result.ids.insert(result.ids.end(), doubled ? 1 : 0, document_ids.back());
    append(result.ids, document_ids, 1, kept.second);
    return result;
}

double reference_scorer::score_pair(const joined& in, const attention_observer& observer) const {
    reference_matrix x = embed(in);
    std::vector<std::size_t> places;
    for (std::size_t t = 0; t < in.ids.size(); ++t) {
        places.push_back(config_.positions_restart && t >= in.second ? t - in.second : t);
    }
    std::size_t range_end = 0;
    auto range = config_.visibility.begin();
    visibility_range seen;
    for (std::size_t i = 0; i < config_.layers; ++i) {
        if (range != config_.visibility.end() && i == range_end) {
            seen = *range++;
            range_end += seen.layers;
        }
        const std::string layer = "layers." + std::to_string(i);
        attention_block block = self_block(layer, i, config_.num_attention_heads);
        block.places = places;
        block.hidden = [&, slides = block.hidden](std::size_t row, std::size_t column) {
            const visible_groups& groups = row == 0          ? seen.cls
                                           : row < in.second ? seen.query
                                                             : seen.document;
            const bool shown = column == 0          ? groups.cls
                               : column < in.second ? groups.query
                                                    : groups.document;
            const bool far = row >= in.second && column >= in.second && seen.document_window > 0 &&
                             (row > column ? row - column : column - row) > seen.document_window;
            return !shown || far || (slides && slides(row, column));
        };
        attend(x, nullptr, block, observer);
        feed_forward(x, layer);
    }
    return head(x);
}

} // namespace mice::tools
