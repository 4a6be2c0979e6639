// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/model/tensors.hpp>

#include "common/reference_math.hpp"

namespace mice::tools {

/// One row of attention weights, as they come: in which block, of which head, from which row.
struct attention_row {
    std::string_view block; ///< the layer's name, and ".crossattention" where it is that
    std::size_t head;
    std::size_t row;
    std::span<const double> weights; ///< over the columns; they sum to 1
};
using attention_observer = std::function<void(const attention_row&)>;

/// Scores one query and one document in double precision with Eigen expressions that read as the
/// equations of the architecture: no padding, no pruning, no code shared with the engine, not even
/// the descriptors of families, whose mistakes it would else repeat. It is the oracle that model
/// files have their reference scores from, and tests their weights of attention; it is far too
/// slow for anything else. Const members are safe from many threads.
class reference_scorer {
  public:
    /// Reads the weights as they are stored in a model file (F32, F16, BF16, F64, or I8 with row
    /// scales). The tensors' bytes must outlive the scorer. Throws errc::tensor for a missing
    /// tensor or a wrong shape.
    reference_scorer(const model_config& config, const io::safetensors::tensor_map& tensors);

    /// The logit. Ids carry their special tokens, each side [CLS] .. [SEP]; throws
    /// errc::invalid_argument for an id outside the vocabulary or more ids than positions.
    [[nodiscard]] double score(std::span<const std::int32_t> query_ids,
                               std::span<const std::int32_t> document_ids,
                               const attention_observer& observer = {}) const;

    /// States after the contextualization layers, before any adapter: [tokens, hidden].
    [[nodiscard]] reference_matrix query_states(std::span<const std::int32_t> ids) const;
    [[nodiscard]] reference_matrix document_states(std::span<const std::int32_t> ids) const;

  private:
    /// A matrix: all of a tensor, or some of its rows.
    struct matrix_rows {
        std::string name;
        std::size_t first = 0;
        std::size_t count = 0; ///< 0: all
    };
    /// One attention block.
    struct attention_block {
        std::string name;
        matrix_rows query, key, value, output;
        std::optional<std::string> norm;
        std::size_t heads;
        std::optional<double> theta;     ///< of rotary positions
        std::vector<std::size_t> places; ///< [rows] positions, where they are not 0, 1, ..
        std::function<bool(std::size_t, std::size_t)> hidden; ///< whether row i sees no column j
        std::function<double(std::size_t, std::size_t, std::size_t)> bonus; ///< (head, row, column)
        bool first_row_mean = false; ///< row 0 takes the plain mean of the values
    };
    /// A cross-encoder's input.
    struct joined {
        std::vector<std::int32_t> ids;
        std::size_t second; ///< the document's first token
    };

    [[nodiscard]] const reference_matrix& weight(const std::string& name) const;
    /// [columns], decoded.
    [[nodiscard]] reference_row table_row(std::string_view table, std::size_t index) const;
    [[nodiscard]] reference_matrix linear(const reference_matrix& x, const matrix_rows& w) const;
    [[nodiscard]] reference_matrix normalised(const reference_matrix& x,
                                              const std::optional<std::string>& norm) const;
    /// x = LN(x + f) or x + f, as the family joins a block's result to its input.
    void join(reference_matrix& x, const reference_matrix& f,
              const std::optional<std::string>& norm) const;

    [[nodiscard]] attention_block self_block(const std::string& layer, std::size_t backbone_layer,
                                             std::size_t heads) const;
    [[nodiscard]] attention_block cross_block(std::size_t layer) const;
    /// What is added to the logits of a head [rows, columns]: the bonus, -infinity where hidden.
    [[nodiscard]] reference_matrix attention_mask(const attention_block& block, std::size_t head,
                                                  Eigen::Index rows, Eigen::Index columns) const;
    /// `from` is null where rows attend to each other.
    void attend(reference_matrix& x, const reference_matrix* from, const attention_block& block,
                const attention_observer& observer) const;
    void feed_forward(reference_matrix& x, const std::string& layer) const;

    void check_ids(std::span<const std::int32_t> ids) const;
    [[nodiscard]] reference_matrix embed(const joined& in) const;
    [[nodiscard]] reference_matrix encode(const std::string& stack, std::size_t layers,
                                          std::span<const std::int32_t> ids) const;
    [[nodiscard]] double head(const reference_matrix& x) const;

    [[nodiscard]] double score_mice(std::span<const std::int32_t> query_ids,
                                    std::span<const std::int32_t> document_ids,
                                    const attention_observer& observer) const;
    void add_exact_matches(reference_matrix& x, const reference_matrix& document,
                           std::span<const std::int32_t> query_ids,
                           std::span<const std::int32_t> document_ids, std::size_t layer) const;
    void interact(reference_matrix& x, const reference_matrix& document,
                  std::span<const std::int32_t> query_ids,
                  std::span<const std::int32_t> document_ids, std::size_t layer,
                  const attention_observer& observer) const;

    [[nodiscard]] joined join_pair(std::span<const std::int32_t> query_ids,
                                   std::span<const std::int32_t> document_ids) const;
    [[nodiscard]] double score_pair(const joined& in, const attention_observer& observer) const;

    /// [rows, vector size], of the ids with marker and fillers; the first `seen` are attended to.
    [[nodiscard]] reference_matrix vectors(std::span<const std::int32_t> ids, std::size_t seen,
                                           const attention_observer& observer) const;
    [[nodiscard]] double late_interaction(std::span<const std::int32_t> query_ids,
                                          std::span<const std::int32_t> document_ids,
                                          const attention_observer& observer) const;

    model_config config_;
    std::map<std::string, reference_matrix, std::less<>> weights_;
    std::map<std::string, io::tensor_view, std::less<>> tables_; ///< decoded row by row on demand
    std::map<std::string, io::tensor_view, std::less<>> table_scales_;
};

} // namespace mice::tools
