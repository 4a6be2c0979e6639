// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <mice/index/files/segment.hpp>
#include <mice/model.hpp>

// What a segment says of a document, checked against what its model can produce.
MICE_NAMESPACE_BEGIN
namespace store {

/// Whether scoring needs a document's token ids beside its states.
[[nodiscard]] inline bool needs_token_ids(const model_config& config) {
    return config.extra_attn_bias || config.lexical_bias ||
           (config.kind == model_kind::cross_encoder && config.state_width() == 0);
}

/// segment::entry, of no more tokens than the model takes. Throws errc::format.
[[nodiscard]] inline document_entry stored_entry(const model& engine, const segment& file,
                                                 std::uint32_t document) {
    const document_entry found = file.entry(document);
    if (found.tokens_seen > engine.document_limit()) {
        throw errors::bad_index_file(file.name(), "document " + std::to_string(document) + " has " +
                                                      std::to_string(found.tokens_seen) +
                                                      " tokens, its model takes " +
                                                      std::to_string(engine.document_limit()));
    }
    return found;
}

/// The token ids [rows] of a document whose model needs them, all inside its vocabulary. Throws
/// errc::format.
[[nodiscard]] inline std::span<const std::int32_t>
stored_ids(const model& engine, const segment& file, const document_entry& entry) {
    if (entry.token_id_count != entry.rows || entry.rows != entry.tokens_seen ||
        entry.rows < engine.least_tokens()) {
        throw errors::bad_index_file(file.name(),
                                     "a document lacks the token ids that its model needs");
    }
    const std::span<const std::int32_t> ids = file.token_ids(entry);
    if (const auto foreign = engine.first_foreign_id(ids)) {
        throw errors::bad_index_file(file.name(), "it holds token id " + std::to_string(*foreign) +
                                                      ", which is outside the vocabulary of " +
                                                      std::to_string(engine.config().vocab_size));
    }
    return ids;
}

} // namespace store
MICE_NAMESPACE_END
