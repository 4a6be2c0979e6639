// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/model_config.hpp>

namespace mice::tools {

/// A table of numbers in double precision, row after row.
struct reference_matrix {
    std::size_t rows = 0;
    std::size_t columns = 0;
    std::vector<double> values;

    double* row(std::size_t index) { return values.data() + index * columns; }
    [[nodiscard]] const double* row(std::size_t index) const {
        return values.data() + index * columns;
    }
};

/// Scores one query and one document in double precision with plain loops, straight from the
/// equations of the architecture: no padding, no pruning, no code shared with the engine. It is
/// the oracle that reference scores in model files come from, and is far too slow for anything
/// else. Const members are safe from many threads.
class reference_scorer {
  public:
    /// Reads the weights as they are stored (F32, F16, BF16, F64, or I8 with row scales). The
    /// tensors' bytes must outlive the scorer. Throws errc::tensor for a missing tensor or a wrong
    /// shape.
    reference_scorer(const model_config& config, const io::safetensors::tensor_map& tensors);

    /// The logit. Ids carry their special tokens; throws errc::invalid_argument for an id outside
    /// the vocabulary or more ids than positions.
    [[nodiscard]] double score(std::span<const std::int32_t> query_ids,
                               std::span<const std::int32_t> document_ids) const;

    /// States after the contextualization layers, before any adapter: [tokens, hidden].
    [[nodiscard]] reference_matrix query_states(std::span<const std::int32_t> ids) const;
    [[nodiscard]] reference_matrix document_states(std::span<const std::int32_t> ids) const;

  private:
    struct attention_shape {
        std::size_t heads;
        bool hide_first_column; ///< rows 1.. do not see column 0
        bool first_row_mean;    ///< row 0 takes the plain mean of the values
    };

    [[nodiscard]] const reference_matrix& weight(const std::string& name) const;
    void add_table_row(std::string_view table, std::size_t index, double* into) const;
    [[nodiscard]] reference_matrix embed(std::span<const std::int32_t> ids) const;
    [[nodiscard]] reference_matrix encode(const std::string& stack, std::size_t layers,
                                          std::span<const std::int32_t> ids) const;
    [[nodiscard]] reference_matrix linear(const reference_matrix& x, const std::string& name) const;
    void normalise(reference_matrix& x, const std::string& name) const;
    void add_attention(reference_matrix& x, const reference_matrix& from, const std::string& name,
                       const attention_shape& shape) const;
    void add_feed_forward(reference_matrix& x, const std::string& layer) const;
    void add_exact_matches(reference_matrix& x, const reference_matrix& document,
                           std::span<const std::int32_t> query_ids,
                           std::span<const std::int32_t> document_ids, std::size_t layer) const;
    void interact(reference_matrix& x, const reference_matrix& document, std::size_t layer) const;

    model_config config_;
    std::map<std::string, reference_matrix, std::less<>> weights_;
    std::map<std::string, io::tensor_view, std::less<>> tables_; ///< decoded row by row on demand
    std::map<std::string, io::tensor_view, std::less<>> table_scales_;
};

} // namespace mice::tools
