// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/mapped_file.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/model/config.hpp>
#include <mice/parallel/executor.hpp>
#include <mice/precision.hpp>
#include <mice/text/tokenizer.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {
class network;
}
namespace detail {
class work_memory_pool;
}

/// A loaded model file: configuration, tokenizer, and weights ready to compute. Safe to use from
/// many threads. Not copyable or movable: share it.
class model {
  public:
    /// Maps the file and keeps it mapped. Throws mice::error for anything that is not a complete,
    /// consistent model of a supported kind. The weights are packed on the threads of `loading`.
    explicit model(const std::filesystem::path& path, precision computed = precision::automatic,
                   const parallel_options& loading = {});
    /// Reads a model from the caller's memory, which must stay unchanged while this object lives.
    explicit model(std::span<const std::byte> memory, precision computed = precision::automatic,
                   const parallel_options& loading = {});

    model(const model&) = delete;
    model& operator=(const model&) = delete;
    ~model();

    [[nodiscard]] const model_config& config() const noexcept { return config_; }
    /// The precision that it computes in; never automatic.
    [[nodiscard]] precision computed_in() const noexcept { return precision_; }
    [[nodiscard]] const nn::network& network() const noexcept { return *network_; }
    /// Tensors and metadata of the file.
    [[nodiscard]] const io::safetensors& file() const noexcept { return file_; }
    /// A hash of everything that shapes a document's states, as the file gives it; see
    /// check_fingerprint.
    [[nodiscard]] const std::string& fingerprint() const noexcept { return fingerprint_; }
    /// Throws errc::mismatch where fingerprint() is a computed one and not that of the file's own
    /// weights, configuration and tokenizer. Indexes and encoded documents ask before they meet
    /// the model; the first time reads the document side's tensors (0.25 s a GB), later ones cost
    /// nothing. Thread-safe.
    void check_fingerprint() const;
    /// The tokenizer, or nullptr for a model that was converted without one.
    [[nodiscard]] const mice::tokenizer* text_tokenizer() const noexcept {
        return tokenizer_.get();
    }

    /// Memory of running calls, kept from one to the next. Safe from many threads.
    [[nodiscard]] detail::work_memory_pool& work_memories() const noexcept { return *memories_; }

    /// A document's text as the ids that the network reads, cut at the model's limit. Throws
    /// errc::invalid_argument for a model without a tokenizer. `offsets`: as in encode_options.
    [[nodiscard]] encoding tokenize_document(std::string_view text, special_tokens specials,
                                             invalid_utf8 on_invalid, bool offsets = false) const {
        return tokenize(text, config_.max_document_length, config_.document_marker, specials,
                        on_invalid, offsets);
    }
    /// Like tokenize_document, for a query.
    [[nodiscard]] encoding tokenize_query(std::string_view text, special_tokens specials,
                                          invalid_utf8 on_invalid, bool offsets = false) const {
        return tokenize(text, config_.max_query_length, config_.query_marker, specials, on_invalid,
                        offsets);
    }

    /// A document given as [CLS] tokens [SEP], whatever the kind of model, as the ids that the
    /// network reads: with the model's marker. Throws errc::invalid_argument unless there are
    /// least_tokens() ids, room for all in document_limit(), and each is inside the vocabulary.
    [[nodiscard]] std::vector<std::int32_t>
    document_ids(std::span<const std::int32_t> given) const {
        return marked(given, document_limit(), config_.document_marker);
    }
    /// Like document_ids, for a query, whose limit is the model's positions.
    [[nodiscard]] std::vector<std::int32_t> query_ids(std::span<const std::int32_t> given) const {
        return marked(given, config_.max_position_embeddings, config_.query_marker);
    }

    /// The most tokens of a document, the model's marker included: the model's positions; for a
    /// document stored for pairs that may not be cut, what leaves room for every query.
    [[nodiscard]] std::size_t document_limit() const noexcept {
        return config_.states_per_token() > 0 ? config_.max_document_length
                                              : config_.max_position_embeddings;
    }
    /// The fewest tokens of a query or document: a cross-encoder joins [CLS] .. [SEP] of both.
    [[nodiscard]] std::size_t least_tokens() const noexcept {
        return config_.kind == model_kind::cross_encoder ? 2 : 1;
    }

    /// How many of these tokens of a document have a state.
    [[nodiscard]] std::size_t states_of(std::span<const std::int32_t> ids) const;
    /// Removes the tokens that have none; returns how many they were.
    std::size_t drop_skipped(std::vector<std::int32_t>& ids) const;

    /// The first id outside the vocabulary. All ids from outside are checked with this: the network
    /// trusts them as rows of its tables.
    [[nodiscard]] std::optional<std::int32_t>
    first_foreign_id(std::span<const std::int32_t> ids) const noexcept;
    /// Throws errc::invalid_argument unless there are least_tokens() to `limit` ids, and each is
    /// inside the vocabulary.
    void check_ids(std::span<const std::int32_t> ids, std::size_t limit) const;
    /// The same for an encoded document, whose ids are those of its rows; `skipped` tokens had
    /// none.
    void check_document(std::span<const std::int32_t> ids, std::size_t skipped) const;

  private:
    [[nodiscard]] encoding tokenize(std::string_view text, std::size_t limit, std::int32_t marker,
                                    special_tokens specials, invalid_utf8 on_invalid,
                                    bool offsets = false) const;

    [[nodiscard]] std::vector<std::int32_t> marked(std::span<const std::int32_t> given,
                                                   std::size_t limit, std::int32_t marker) const;

    model(io::mapped_file mapped, precision computed, const parallel_options& loading);

    io::mapped_file mapped_; // empty where the caller owns the memory
    precision precision_;
    io::safetensors file_;
    model_config config_;
    std::unique_ptr<const nn::network> network_; // not null
    std::shared_ptr<const mice::tokenizer> tokenizer_;
    std::string fingerprint_;
    mutable std::once_flag fingerprint_read_;
    mutable std::string own_fingerprint_;                // computed
    std::unique_ptr<detail::work_memory_pool> memories_; // not null
};

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/model_impl.hpp>
#endif
