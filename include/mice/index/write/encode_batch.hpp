// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mice/codecs/codec.hpp>
#include <mice/index/files/segment_format.hpp>
#include <mice/index_results.hpp>
#include <mice/kernels/convert.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>
#include <mice/networks/work_memory.hpp>
#include <mice/parallel/parallel_for.hpp>

// Texts that wait to be encoded, and how they are encoded together.
MICE_NAMESPACE_BEGIN
namespace store {

/// A document between put() and its segment.
struct waiting_document {
    std::string id;
    std::string metadata;
    std::string text;
    encoding tokens;         ///< given, or of the text; without `skipped` once it is encoded
    std::size_t skipped = 0; ///< tokens that have no state
    io::hash128 content;
    bool as_ids = false;  ///< put as token ids, or encoded
    bool dropped = false; ///< replaced or erased while it waited
    bool given = false;   ///< its states came with put_encoded
    entry_kind kind = entry_kind::document;
    /// [tokens, interaction hidden]: given with put_encoded, or kept while there is no codec.
    std::vector<float> states;
    std::vector<std::byte> codes;
    std::size_t rows = 0; ///< of the codes; 0: not coded yet
};

/// Turns kept states into codes.
inline void code_states(std::span<waiting_document* const> documents, const document_coder& coder,
                        const index_access& access) {
    parallel::parallel_for(documents.size(), {access.threads, access.pool}, [&](std::size_t i) {
        waiting_document& each = *documents[i];
        each.rows = coder.encode(each.states.data(), each.tokens.ids, each.codes);
        each.states = {};
    });
}

/// Encodes waiting documents on all threads: similar lengths together, in pieces just large enough
/// to fill the matrix products. A document's states have the same bits in any batch.
class batch_encoder {
  public:
    batch_encoder(const model& engine, const index_access& access)
        : engine_(engine), access_(access) {}

    /// Fills `codes`, or `states` where `coder` is null, of documents that have neither. Throws
    /// errc::tensor for states that are not finite, errc::unsupported as document_coder::encode.
    void encode(std::span<waiting_document* const> documents, const document_coder* coder) const {
        const parallel_options where{access_.threads, access_.pool};
        parallel::parallel_for(documents.size(), where,
                               [&](std::size_t i) { tokenize(*documents[i]); });
        std::vector<waiting_document*> order;
        std::vector<waiting_document*> given;
        for (waiting_document* each : documents) {
            (each->states.empty() ? order : given).push_back(each);
        }
        if (coder != nullptr) {
            code_states(given, *coder, access_);
        }
        std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
            return a->tokens.ids.size() > b->tokens.ids.size();
        });
        std::vector<std::size_t> begins{0};
        std::size_t rows = 0;
        for (std::size_t i = 0; i < order.size(); ++i) {
            const std::size_t next = order[i]->tokens.ids.size();
            if (rows != 0 && rows + next > piece_rows) {
                begins.push_back(i);
                rows = 0;
            }
            rows += next;
        }
        if (!order.empty()) {
            begins.push_back(order.size());
        }
        parallel::parallel_for(begins.size() - 1, where, [&](std::size_t i) {
            encode_piece(std::span(order).subspan(begins[i], begins[i + 1] - begins[i]), coder);
        });
    }

  private:
    static constexpr std::size_t piece_rows = 384;

    void tokenize(waiting_document& document) const {
        if (!document.as_ids && document.tokens.ids.empty()) {
            document.tokens =
                engine_.tokenize_document(document.text, access_.specials, access_.on_invalid);
        }
    }

    void encode_piece(std::span<waiting_document* const> documents,
                      const document_coder* coder) const {
        const std::size_t hidden = engine_.config().state_width();
        std::vector<nn::token_ids> sequences;
        std::size_t rows = 0;
        for (const waiting_document* each : documents) {
            sequences.push_back(each->tokens.ids);
            rows += engine_.states_of(each->tokens.ids);
        }
        const mice::detail::work_memory_pool::lease memory(engine_.work_memories());
        std::vector<float> states(rows * hidden);
        engine_.network().encode_documents(sequences, states.data(), (*memory).space);
        const float* next = states.data();
        for (waiting_document* each : documents) {
            each->skipped = engine_.drop_skipped(each->tokens.ids);
            const std::size_t values = each->tokens.ids.size() * hidden;
            if (!kernels::all_finite(next, values)) {
                throw errors::not_finite("the encoding of document " + errors::quoted(each->id));
            }
            if (coder == nullptr) {
                each->states.assign(next, next + values);
            } else {
                each->rows = coder->encode(next, each->tokens.ids, each->codes);
            }
            next += values;
        }
    }

    const model& engine_;
    const index_access& access_;
};

} // namespace store
MICE_NAMESPACE_END
