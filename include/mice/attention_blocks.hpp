// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <mice/config.hpp>
#include <mice/text/byte_range.hpp>

MICE_NAMESPACE_BEGIN

/// What a block of attention reads, and for whom.
enum class attention_kind {
    query_encoder,    ///< the query by itself, before it meets a document
    document_encoder, ///< the document by itself
    self,             ///< MICE: the query's rows read each other, in an interaction layer
    cross,            ///< MICE: the query's rows read the document, in an interaction layer
    pair              ///< cross-encoder: query and document in one sequence
};

/// A token that a model reads.
struct attention_token {
    std::int32_t id = -1;   ///< -1: the learned row that some models put before the query
    std::string text{};     ///< the tokenizer's name of it; "" for a model without one
    byte_range where{0, 0}; ///< in its text; {0, 0} of markers, and where no text was given
};

/// The weights of one block: how much each row reads of each column, head by head.
struct attention_block {
    attention_kind kind{};
    std::size_t layer = 0; ///< of its stack
    std::string name{};    ///< the layer's in the model file; with ".crossattention" where it is
    std::size_t heads = 0;
    std::size_t rows = 0;
    std::size_t columns = 0;
    std::size_t first_row = 0;    ///< its token: a place in observed_attention::tokens
    std::size_t first_column = 0; ///< likewise
    std::vector<float> weights{}; ///< [heads, rows, columns], >= 0; each row sums to 1

    /// [columns]; head < heads, row < rows.
    [[nodiscard]] std::span<const float> row(std::size_t head, std::size_t row) const {
        return std::span(weights).subspan((head * rows + row) * columns, columns);
    }
};

/// What a model attended to when it scored a pair.
struct observed_attention {
    float score = 0; ///< the bits that reranker::score gives
    /// What was read: the query's tokens with markers, learned row and fillers, then the document's
    /// (a cross-encoder leaves its [CLS] out, and what the limit of a pair cuts).
    std::vector<attention_token> tokens{};
    std::size_t query_tokens = 0;          ///< how many of the tokens are the query's
    std::vector<attention_block> blocks{}; ///< in the order in which they are computed
    std::size_t query_tokens_cut = 0;      ///< beyond the model's limits
    std::size_t document_tokens_cut = 0;
    std::size_t replaced = 0; ///< invalid UTF-8 sequences of both texts that became U+FFFD

    /// The tokens that a block's rows, or its columns, stand for.
    [[nodiscard]] std::span<const attention_token> rows_of(const attention_block& block) const {
        return std::span(tokens).subspan(block.first_row, block.rows);
    }
    [[nodiscard]] std::span<const attention_token> columns_of(const attention_block& block) const {
        return std::span(tokens).subspan(block.first_column, block.columns);
    }
};

MICE_NAMESPACE_END
