// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mice/nn/attention/cross.hpp>
#include <mice/nn/feed_forward.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// The exact-match option (`extra_attn_bias`): x += out_proj(v_proj(mean of the matching document
/// states)); v_proj is linear, so it is applied to the mean. Immutable.
class exact_match {
  public:
    exact_match(const weights& source, const std::string& name)
        : value_(source, {{name + tensor_names::exact_value}, false}),
          output_(source, {{name + tensor_names::exact_output}, false}) {}

    /// x [m, hidden] += ..., matched [m, hidden].
    void apply(matrix_span x, matrix_view matched, workspace& space) const {
        const matrix_span value = matrix_in(space.query, x.rows, value_.out());
        const matrix_span projected = matrix_in(space.projected, x.rows, output_.out());
        value_.apply(matched, value, space);
        output_.apply(value, projected, space);
        add_rows(projected, x);
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return value_.bytes() + output_.bytes(); }

  private:
    linear value_;
    linear output_;
};

/// out [ids, hidden]: for each query token the mean of the document's states [tokens, hidden] of
/// the same id in document_ids [tokens], or state 0 where the document has no such token.
inline void match_states(std::span<const std::int32_t> ids, matrix_view states,
                         std::span<const std::int32_t> document_ids, matrix_span out) {
    const std::size_t hidden = states.columns;
    check_shape(states.rows == document_ids.size() && out.columns == hidden &&
                    out.rows == ids.size(),
                "match_states");
    for (std::size_t t = 0; t < ids.size(); ++t) {
        float* mean = out.row(t);
        std::fill_n(mean, hidden, 0.0F);
        std::size_t matches = 0;
        for (std::size_t j = 0; j < document_ids.size(); ++j) {
            if (document_ids[j] == ids[t]) {
                kernels::active().add(states.row(j), mean, hidden);
                ++matches;
            }
        }
        if (matches == 0) {
            std::copy_n(states.row(0), hidden, mean);
        }
        for (std::size_t i = 0; i < hidden && matches > 1; ++i) {
            mean[i] /= static_cast<float>(matches);
        }
    }
}

/// The blocks of one interaction layer. The network decides which rows go through them, and in
/// which order. Immutable.
struct interaction_layer {
    interaction_layer(const weights& source, std::size_t index, const model_config& config,
                      const rotary_tables& tables)
        : cross(source, index, config),
          feed_forward(source, tensor_names::interaction_layer(index), config) {
        if (config.use_self_attention) {
            const std::size_t backbone_layer = config.query_layers + index;
            self.emplace(source, tensor_names::interaction_layer(index), config,
                         self_attention::options{config.interaction_heads(),
                                                 config.has_attention_norm(backbone_layer),
                                                 tables.of_layer(backbone_layer),
                                                 {attention_role::self, index}});
        }
        if (config.extra_attn_bias) {
            exact.emplace(source, tensor_names::exact_match(index));
        }
    }

    [[nodiscard]] std::size_t bytes() const noexcept {
        return cross.bytes() + feed_forward.bytes() + (self ? self->bytes() : 0) +
               (exact ? exact->bytes() : 0);
    }

    std::optional<self_attention> self;
    std::optional<exact_match> exact;
    cross_attention cross;
    nn::feed_forward feed_forward;
};

} // namespace nn
MICE_NAMESPACE_END
