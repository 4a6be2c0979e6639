// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mice/nn/attention/absorbed.hpp>
#include <mice/nn/attention/coded.hpp>
#include <mice/nn/attention/plain.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// Linear_o(attention of x over D), joined to x. Chooses among three exact forms (MICE paper,
/// section 3): plain, absorbed, and plain with stored 8-bit keys and values. Immutable.
class cross_attention {
  public:
    /// The block of interaction layer `index`, which also selects its part of a document's stored
    /// keys and values.
    cross_attention(const weights& source, std::size_t index, const model_config& config)
        : cross_attention(source, cross_tensors(index, config), index, config) {}

    /// Whether it attends to D itself where other layers attend to D's normalised rows.
    [[nodiscard]] bool attends_to_raw() const noexcept { return attends_to_raw_; }

    /// out [tokens, 2 hidden] = the keys, then the values of states [tokens, hidden].
    void key_values(matrix_view states, matrix_span out, workspace& space) const {
        plain_.key_values(states, out, space);
    }

    /// The query's side for x [rows, hidden], the same for every document.
    [[nodiscard]] cross_query prepare(matrix_view x, workspace& space) const {
        cross_query prepared;
        prepared.projected.resize(x.rows * sizes_.hidden);
        const matrix_span projected = matrix_at(prepared.projected.data(), x.rows, sizes_.hidden);
        query_.apply(residual_.start(x, space), projected, space);
        if (can_absorb(x.rows)) {
            prepared.absorbed = absorbed_.prepare(projected, space);
        }
        return prepared;
    }

    /// x [documents * shared.rows, hidden]: a copy of the query for each document, in place.
    void apply(matrix_span x, document_batch& documents, const shared_query& shared,
               workspace& space) const {
        const std::size_t rows = shared.rows;
        check_shape(x.rows == documents.size() * rows, "cross_attention::apply");
        matrix_view query;
        if (shared.prepared != nullptr) { // the same rows for each document
            query = {shared.prepared->projected.data(), x.rows, sizes_.hidden, sizes_.hidden, rows};
        } else {
            const matrix_span projected = matrix_in(space.query, x.rows, sizes_.hidden);
            query_.apply(residual_.start(x, space), projected, space);
            query = projected;
        }
        const matrix_span attended = matrix_in(space.attended, x.rows, sizes_.hidden);
        for (std::size_t first = 0; first < documents.size();) {
            const std::size_t run = absorbed_run(documents, first, rows);
            const std::size_t count = std::max<std::size_t>(1, run);
            const matrix_view of_run = query.rows_from(first * rows, count * rows);
            const matrix_span out = attended.rows_from(first * rows, count * rows);
            if (run > 0) {
                absorbed_.attend(of_run, documents, first, count, shared, masks_, out, space);
            } else {
                attend_one(of_run, documents, first, shared, out, space);
            }
            first += count;
        }
        const matrix_span projected = matrix_in(space.projected, x.rows, sizes_.hidden);
        output_.apply(attended, projected, space);
        residual_.finish(projected, x);
    }

    /// True where the absorbed form takes fewer multiply-adds: `rows` query rows against `tokens`
    /// document tokens. A rule of the pair alone, so a score never depends on its neighbours.
    [[nodiscard]] bool absorbs(std::size_t rows, std::size_t tokens) const {
        return can_absorb(rows) && absorbed_attention::is_cheaper(sizes_, rows, tokens);
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return query_.bytes() + plain_.bytes() + output_.bytes() + absorbed_.bytes();
    }

  private:
    struct tensors {
        std::string query, key, value, output;
        std::optional<std::string> norm;
    };

    static tensors cross_tensors(std::size_t index, const model_config& config) {
        const std::string layer = tensor_names::interaction_layer(index);
        const attention_names& names = config.family().cross;
        const auto name = [&](std::string_view part) { return tensor_names::of(layer, part); };
        return {name(names.query), name(names.key), name(names.value), name(names.output),
                config.has_attention_norm(config.query_layers + index)
                    ? std::optional(name(names.norm))
                    : std::nullopt};
    }

    cross_attention(const weights& source, const tensors& names, std::size_t index,
                    const model_config& config)
        : sizes_{config.interaction_heads(), config.interaction_hidden(), index,
                 config.interaction_layers},
          query_(source, {{names.query}, config.family().biases}),
          plain_(source, {{names.key, names.value}, config.family().biases}, sizes_),
          output_(source, {{names.output}, config.family().biases}),
          residual_(source, names.norm, config), attends_to_raw_(!names.norm) {
        if (config.lexical_bias) {
            masks_ = document_masks(source[tensor_names::lexical_bias(index)].floats());
        }
        if (can_absorb(1)) {
            absorbed_ =
                absorbed_attention(source, names.key, names.value,
                                   config.family().biases ? source[names.value + ".bias"].floats()
                                                          : std::vector<float>(sizes_.hidden),
                                   sizes_);
        }
    }

    [[nodiscard]] bool can_absorb(std::size_t rows) const {
        return !attends_to_raw_ && absorbed_attention::fits(sizes_, rows);
    }

    /// How many documents from `first` on take the absorbed form together.
    [[nodiscard]] std::size_t absorbed_run(const document_batch& documents, std::size_t first,
                                           std::size_t rows) const {
        const std::size_t most = absorbed_attention::documents_at_once(sizes_, rows);
        std::size_t count = 0;
        while (first + count < documents.size() && count < most &&
               !documents[first + count].has_key_values() &&
               absorbs(rows, documents[first + count].tokens)) {
            ++count;
        }
        return count;
    }

    /// Attends to document i in one of the plain forms.
    void attend_one(matrix_view query, document_batch& documents, std::size_t i,
                    const shared_query& shared, matrix_span out, workspace& space) const {
        const attention_mask mask = masks_.of(documents[i], shared, space);
        if (documents[i].key_value_codes != nullptr) {
            attend_codes(sizes_, query, documents, i, mask, out, space);
        } else {
            plain_.attend(query, documents, i, attends_to_raw_, mask, out, space);
        }
    }

    cross_sizes sizes_;
    linear query_;
    plain_attention plain_;
    linear output_;
    residual residual_;
    bool attends_to_raw_;
    document_masks masks_;
    absorbed_attention absorbed_; // where can_absorb(1)
};

} // namespace nn
MICE_NAMESPACE_END
