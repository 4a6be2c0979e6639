// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <mice/nn/attention/cross.hpp>
#include <mice/nn/encoder.hpp>
#include <mice/nn/matching_head.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// A query ready to meet documents: everything that does not depend on the document.
struct prepared_query {
    std::vector<std::int32_t> ids;
    std::size_t rows = 0;      ///< that meet each document
    std::vector<float> states; ///< [rows, width], where the kind of model has them

    packed_matrix packed; ///< late interaction alone: the transpose of states [width, rows]

    // MICE alone
    std::vector<float> first_self;    ///< [rows, hidden] after the first self-attention, or empty
    std::optional<cross_query> cross; ///< of the first cross-attention where it is shared
    std::vector<std::int32_t> match_ids; ///< [rows] for lexical bias, -1 for special tokens
};

/// Called with (layer, rows of the state behind it), without rows that are not computed. For tests
/// and inspection.
using layer_observer = std::function<void(std::size_t layer, matrix_view x)>;

/// All weights of a model, packed for the kernels, and how they score. Immutable; safe from many
/// threads if every thread has its own workspace. The file's bytes must outlive it. Overriders
/// defined outside of their class are declared inline there: otherwise every file that includes
/// this header would compile them all, used or not.
class network {
  public:
    network(const network&) = delete;
    network& operator=(const network&) = delete;
    virtual ~network() = default;

    /// What a document_batch packs for this network.
    [[nodiscard]] virtual document_packing packing() const = 0;

    /// out [total tokens that the model does not skip, state width]: the documents' states, one
    /// after the other. The ids have been checked, and the model's marker is among them.
    virtual void encode_documents(std::span<const token_ids> documents, float* out,
                                  workspace& space) const = 0;

    /// out [interaction layers][tokens, 2 hidden]: the keys and values of states [tokens, state
    /// width] for every cross-attention of a MICE model; document_view takes them.
    virtual void key_values(const float* states, std::size_t tokens, float* out,
                            workspace& space) const = 0;

    /// Encodes a query, and computes what is the same for all documents. The ids have been checked,
    /// and the model's marker is among them.
    [[nodiscard]] virtual prepared_query prepare_query(token_ids ids, workspace& space) const = 0;

    /// scores [documents], logits.
    virtual void score(const prepared_query& query, document_batch& documents, float* scores,
                       workspace& space, const layer_observer& observer) const = 0;
    void score(const prepared_query& query, document_batch& documents, float* scores,
               workspace& space) const {
        score(query, documents, scores, space, {});
    }

    /// How many of a document's tokens are not read beside this query: a cross-encoder's limit is
    /// for both together.
    [[nodiscard]] virtual std::size_t unread(const prepared_query& query,
                                             std::size_t document_tokens) const {
        (void)query;
        (void)document_tokens;
        return 0;
    }

    /// What finds the rows of a document that answer a query; null where the model has none.
    [[nodiscard]] virtual const matching_head* matches() const noexcept { return nullptr; }

    /// [vocabulary, embedding width], as the file holds them.
    [[nodiscard]] const weight_view& word_embeddings() const noexcept {
        return embeddings_.words();
    }
    /// Memory of the packed weights in bytes.
    [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;

  protected:
    network(const weights& source, const model_config& config)
        : config_(config), embeddings_(source, config), tables_(source, config) {}

    [[nodiscard]] const model_config& config() const noexcept { return config_; }
    [[nodiscard]] const embeddings& token_embeddings() const noexcept { return embeddings_; }
    [[nodiscard]] const rotary_tables& tables() const noexcept { return tables_; }
    [[nodiscard]] std::size_t shared_bytes() const noexcept {
        return embeddings_.bytes() + tables_.bytes();
    }

  private:
    model_config config_;
    embeddings embeddings_;
    rotary_tables tables_;
};

} // namespace nn
MICE_NAMESPACE_END
