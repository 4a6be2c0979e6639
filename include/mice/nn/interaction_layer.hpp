// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <mice/nn/cross_attention.hpp>
#include <mice/nn/feed_forward.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// The exact-match option (`extra_attn_bias`): x += out_proj(v_proj(mean of the matching document
/// states)); v_proj is linear, so it is applied to the mean. Immutable.
class exact_match {
  public:
    exact_match(const weights& source, const std::string& name)
        : value_(source, {{name + ".v_proj"}, false}),
          output_(source, {{name + ".out_proj"}, false}) {}

    /// x [m, hidden] += ..., matched [m, hidden].
    void apply(rows_out x, std::size_t m, rows_in matched, workspace& space) const {
        const std::size_t hidden = value_.out();
        const rows_out value{space.query.reserve(m * hidden), hidden};
        const rows_out projected{space.projected.reserve(m * hidden), hidden};
        value_.apply(matched, m, value, space);
        output_.apply(value, m, projected, space);
        for (std::size_t i = 0; i < m; ++i) {
            kernels::active().add(projected.row(i), x.row(i), hidden);
        }
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return value_.bytes() + output_.bytes(); }

  private:
    linear value_;
    linear output_;
};

/// out [ids, hidden]: for each query token the mean of the document's states [tokens, hidden] of
/// the same id in document_ids [tokens], or state 0 where the document has no such token.
inline void match_states(std::span<const std::int32_t> ids, const float* states,
                         std::span<const std::int32_t> document_ids, std::size_t hidden,
                         float* out) {
    for (const std::int32_t id : ids) {
        std::fill_n(out, hidden, 0.0F);
        std::size_t matches = 0;
        for (std::size_t j = 0; j < document_ids.size(); ++j) {
            if (document_ids[j] == id) {
                kernels::active().add(states + j * hidden, out, hidden);
                ++matches;
            }
        }
        if (matches == 0) {
            std::copy_n(states, hidden, out);
        }
        for (std::size_t i = 0; i < hidden && matches > 1; ++i) {
            out[i] /= static_cast<float>(matches);
        }
        out += hidden;
    }
}

/// The blocks of one interaction layer; the network decides which rows go through them, and in
/// which order. Immutable.
struct interaction_layer {
    interaction_layer(const weights& source, std::size_t index, const model_config& config,
                      const rotary_tables& tables)
        : cross(source, index, config), feed_forward(source, name(index), config) {
        if (config.use_self_attention) {
            const std::size_t backbone_layer = config.query_layers + index;
            self.emplace(source, name(index), config,
                         self_attention::options{config.interaction_heads(),
                                                 !config.is_modernbert() || backbone_layer > 0,
                                                 tables.of_layer(backbone_layer)});
        }
        if (config.extra_attn_bias) {
            exact.emplace(source, "exact_match_heads." + std::to_string(index));
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

  private:
    static std::string name(std::size_t index) { return "top_layers." + std::to_string(index); }
};

} // namespace nn
MICE_NAMESPACE_END
