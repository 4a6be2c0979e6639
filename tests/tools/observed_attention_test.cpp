// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/mice.hpp>

#include "common/reference_scorer.hpp"
#include "random_model.hpp"

// The weights that the engine shows against those of the independent implementation.

namespace {

using observed_ids = std::vector<std::int32_t>;

/// The ids of an encoded text as the reference takes them: without the marker behind [CLS].
observed_ids unmarked(std::span<const std::int32_t> ids, const mice::model_config& config) {
    observed_ids made(ids.begin(), ids.end());
    const auto second = made.begin() + 1;
    made.erase(second, second + static_cast<std::ptrdiff_t>(config.marker_tokens()));
    return made;
}

const mice::attention_block* find_block(const mice::observed_attention& seen,
                                        std::string_view name) {
    const auto found = std::find_if(seen.blocks.begin(), seen.blocks.end(), [&](const auto& block) {
        const bool of_encoder = block.kind == mice::attention_kind::document_encoder;
        return block.name == name && !of_encoder;
    });
    return found == seen.blocks.end() ? nullptr : &*found;
}

} // namespace

TEST_CASE("every kind of model shows the weights of attention as the reference does") {
    auto kinds = fixtures::every_kind();
    kinds.push_back({"late interaction", fixtures::late_interaction_config()});
    const std::string_view long_text =
        "a small mill is not under the bridge, it is over the old river. new stone!";
    for (const auto& kind : kinds) {
        CAPTURE(kind.name);
        const mice::model_config& config = kind.config;
        const std::vector<std::byte> file = fixtures::make_model(config).file();
        const mice::reranker ranker(file, mice::precision::f32);
        const mice::tools::reference_scorer reference(config, ranker.file().tensors());
        const bool late = config.kind == mice::model_kind::late_interaction;
        for (const std::string_view query : {"river", "the old river and water of day"}) {
            for (const std::string_view text : {std::string_view("the mill"), long_text}) {
                const mice::observed_attention seen =
                    mice::observe_attention(ranker, query, text, {.encoders = late});
                const auto ids = ranker.text_tokenizer()
                                     .encode(text, {.max_tokens = config.max_document_length -
                                                                  config.marker_tokens()})
                                     .ids;
                std::size_t rows = 0;
                double worst = 0;
                (void)reference.score(
                    unmarked(ranker.encode_query(query).ids(), config), ids,
                    [&](const mice::tools::attention_row& row) {
                        const mice::attention_block* block = find_block(seen, row.block);
                        REQUIRE(block != nullptr);
                        REQUIRE(block->columns == row.weights.size());
                        REQUIRE((row.head < block->heads && row.row < block->rows));
                        const std::span<const float> got = block->row(row.head, row.row);
                        for (std::size_t j = 0; j < got.size(); ++j) {
                            worst = std::max(worst, std::fabs(got[j] - row.weights[j]));
                            REQUIRE((row.weights[j] != 0 || got[j] == 0));
                        }
                        ++rows;
                    });
                std::size_t shown = 0;
                for (const mice::attention_block& block : seen.blocks) {
                    const bool other = block.kind == mice::attention_kind::document_encoder;
                    shown += other ? 0 : block.heads * block.rows;
                }
                CHECK(rows == shown);
                // Of most kinds below 1e-5; ModernBERT with many layers, and Eigen's kernels, more.
                CHECK(worst <= 5e-5);
            }
        }
    }
}
