// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/config_json.hpp>
#include <mice/fingerprint.hpp>
#include <mice/float_mode.hpp>
#include <mice/io/mapped_file.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/nn/make_network.hpp>
#include <mice/tokenizer.hpp>
#include <mice/weights.hpp>
#include <mice/work_memory.hpp>

MICE_NAMESPACE_BEGIN

/// A loaded model file: configuration, tokenizer, and weights ready to compute. Safe to use from
/// many threads. Not copyable or movable: share it.
class model {
  public:
    /// Maps the file and keeps it mapped. Throws mice::error for anything that is not a complete,
    /// consistent model of a supported kind. The weights are packed on the threads of `loading`.
    explicit model(const std::filesystem::path& path, precision computed = precision::f32,
                   const parallel_options& loading = {})
        : model(io::mapped_file(path), computed, loading) {}
    /// Reads a model from the caller's memory, which must stay unchanged while this object lives.
    explicit model(std::span<const std::byte> memory, precision computed = precision::f32,
                   const parallel_options& loading = {})
        : precision_(resolved(computed)), file_(memory),
          config_(detail::in_default_float_mode(
              [this] { return config_from_json(checked_config(file_)); })),
          network_(detail::in_default_float_mode([this, &loading] {
              return nn::make_network(weights(file_, config_, precision_), config_, loading);
          })),
          tokenizer_(read_tokenizer(file_, config_)),
          fingerprint_(required_metadata(file_, "mice.document_fingerprint")) {}

    model(const model&) = delete;
    model& operator=(const model&) = delete;
    ~model() = default;

    [[nodiscard]] const model_config& config() const noexcept { return config_; }
    /// What it computes with; never automatic.
    [[nodiscard]] precision computed_in() const noexcept { return precision_; }
    [[nodiscard]] const nn::network& network() const noexcept { return *network_; }
    /// Tensors and metadata of the file.
    [[nodiscard]] const io::safetensors& file() const noexcept { return file_; }
    /// Names everything that shapes a document's states; as the file says, see check_fingerprint.
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
    [[nodiscard]] detail::work_memory_pool& work_memories() const noexcept { return memories_; }

    /// A document's text as the ids that the network reads, cut at the model's limit. Throws
    /// errc::invalid_argument for a model without a tokenizer.
    [[nodiscard]] encoding tokenize_document(std::string_view text, special_tokens specials,
                                             invalid_utf8 on_invalid) const {
        return tokenize(text, config_.max_document_length, config_.document_marker, specials,
                        on_invalid);
    }
    /// As tokenize_document, for a query.
    [[nodiscard]] encoding tokenize_query(std::string_view text, special_tokens specials,
                                          invalid_utf8 on_invalid) const {
        return tokenize(text, config_.max_query_length, config_.query_marker, specials, on_invalid);
    }

    /// A document given as [CLS] tokens [SEP], whatever the kind of model, as the ids that the
    /// network reads: with the model's marker. Throws errc::invalid_argument unless there are
    /// least_tokens() ids, room for all in document_limit(), and each is inside the vocabulary.
    [[nodiscard]] std::vector<std::int32_t> document_ids(nn::token_ids given) const {
        return marked(given, document_limit(), config_.document_marker);
    }
    /// As document_ids, for a query, whose limit is the model's positions.
    [[nodiscard]] std::vector<std::int32_t> query_ids(nn::token_ids given) const {
        return marked(given, config_.max_position_embeddings, config_.query_marker);
    }

    /// Tokens of a document at most, the model's marker included: its positions, but where it is
    /// stored for pairs that may not be cut what leaves room for every query.
    [[nodiscard]] std::size_t document_limit() const noexcept {
        return config_.stored_states() > 0 ? config_.max_document_length
                                           : config_.max_position_embeddings;
    }
    /// Tokens of a query or document at least: a cross-encoder joins [CLS] .. [SEP] of both.
    [[nodiscard]] std::size_t least_tokens() const noexcept {
        return config_.kind == model_kind::cross_encoder ? 2 : 1;
    }

    /// How many of these tokens of a document have a state.
    [[nodiscard]] std::size_t states_of(nn::token_ids ids) const {
        return ids.size() -
               static_cast<std::size_t>(std::count_if(
                   ids.begin(), ids.end(), [this](std::int32_t id) { return config_.skips(id); }));
    }
    /// Removes the tokens that have none; returns how many they were.
    std::size_t drop_skipped(std::vector<std::int32_t>& ids) const {
        return std::erase_if(ids, [this](std::int32_t id) { return config_.skips(id); });
    }

    /// The first id outside the vocabulary. Everything that brings ids from outside asks this:
    /// the network reads a row of its tables for each id and trusts it.
    [[nodiscard]] std::optional<std::int32_t> first_foreign_id(nn::token_ids ids) const noexcept {
        const auto vocabulary = static_cast<std::uint32_t>(config_.vocab_size); // at most 2^24
        std::uint32_t largest = 0; // a negative id is a large one
        for (const std::int32_t id : ids) {
            largest = std::max(largest, static_cast<std::uint32_t>(id));
        }
        if (largest < vocabulary) {
            return std::nullopt;
        }
        return *std::find_if(ids.begin(), ids.end(), [vocabulary](std::int32_t id) {
            return static_cast<std::uint32_t>(id) >= vocabulary;
        });
    }
    /// Throws errc::invalid_argument unless there are least_tokens() to `limit` ids, and each is
    /// inside the vocabulary.
    void check_ids(nn::token_ids ids, std::size_t limit) const {
        if (ids.size() < least_tokens() || ids.size() > limit) {
            throw errors::bad_id_count(ids.size(), least_tokens(), limit);
        }
        if (const auto foreign = first_foreign_id(ids)) {
            throw errors::id_out_of_range(*foreign, config_.vocab_size);
        }
    }
    /// The same for an encoded document, whose ids are those of its rows; `skipped` tokens had
    /// none.
    void check_document(nn::token_ids ids, std::size_t skipped) const {
        const std::size_t limit = document_limit();
        if (skipped > limit || ids.size() > limit - skipped) {
            throw errors::bad_id_count(ids.size() + std::min(skipped, limit), least_tokens(),
                                       limit);
        }
        check_ids(ids, limit);
    }

  private:
    [[nodiscard]] encoding tokenize(std::string_view text, std::size_t limit, std::int32_t marker,
                                    special_tokens specials, invalid_utf8 on_invalid) const {
        if (tokenizer_ == nullptr) {
            throw errors::no_tokenizer();
        }
        encoding made = tokenizer_->encode(text, {.max_tokens = limit - config_.marker_tokens(),
                                                  .specials = specials,
                                                  .on_invalid = on_invalid});
        made.ids.insert(made.ids.begin() + 1, config_.marker_tokens(), marker);
        return made;
    }

    [[nodiscard]] std::vector<std::int32_t> marked(nn::token_ids given, std::size_t limit,
                                                   std::int32_t marker) const {
        check_ids(given, limit - config_.marker_tokens());
        std::vector<std::int32_t> ids(given.begin(), given.end());
        ids.insert(ids.begin() + 1, config_.marker_tokens(), marker);
        return ids;
    }

    model(io::mapped_file mapped, precision computed, const parallel_options& loading)
        : model(mapped.bytes(), computed, loading) {
        mapped_ = std::move(mapped);
        mapped_.release(); // all but the word embeddings is packed now
    }

    static const std::string& required_metadata(const io::safetensors& file, std::string_view key) {
        const std::string* text = file.find_metadata(key);
        if (text == nullptr) {
            throw errors::missing_metadata(key);
        }
        return *text;
    }

    static const std::string& checked_config(const io::safetensors& file) {
        const std::string* format = file.find_metadata("format");
        if (format == nullptr || *format != "mice") {
            throw errors::not_a_model();
        }
        if (const std::string& version = required_metadata(file, "mice.format_version");
            version != "1") {
            throw errors::not_supported("model file format version " + errors::quoted(version));
        }
        return required_metadata(file, "mice.config");
    }

    /// The bytes of a tensor of the tokenizer, which is U8, or I32 in pairs; nullopt if absent.
    static std::optional<std::span<const std::byte>>
    tokenizer_bytes(const io::safetensors& file, std::string_view name, io::dtype type) {
        const io::tensor_view* view = file.find(name);
        if (view == nullptr) {
            return std::nullopt;
        }
        const bool pairs = type == io::dtype::i32;
        if (view->type != type || (pairs && (view->shape.rank() != 2 || view->shape[1] != 2))) {
            throw errors::bad_vocabulary(errors::quoted(name) + " must be " +
                                         (pairs ? "an I32 tensor [merges, 2]" : "a U8 tensor"));
        }
        return view->bytes;
    }

    static tokenizer_tensors tensors_of_tokenizer(const io::safetensors& file) {
        return {.vocabulary = tokenizer_bytes(file, "tokenizer.vocabulary", io::dtype::u8),
                .merges = tokenizer_bytes(file, "tokenizer.merges", io::dtype::i32),
                .sentencepiece = tokenizer_bytes(file, "tokenizer.sentencepiece", io::dtype::u8)};
    }

    static std::shared_ptr<const mice::tokenizer> read_tokenizer(const io::safetensors& file,
                                                                 const model_config& config) {
        const std::string* metadata = file.find_metadata("mice.tokenizer");
        const tokenizer_tensors tensors = tensors_of_tokenizer(file);
        const bool any = tensors.vocabulary || tensors.merges || tensors.sentencepiece;
        if (metadata == nullptr && !any) {
            return nullptr;
        }
        if (metadata == nullptr || (!tensors.vocabulary && !tensors.sentencepiece)) {
            throw errors::bad_vocabulary("a model holds both 'mice.tokenizer' and the U8 tensor "
                                         "'tokenizer.vocabulary' or 'tokenizer.sentencepiece', or "
                                         "neither");
        }
        auto made = tokenizer_from_model(*metadata, tensors);
        if (made->vocabulary_size() > config.vocab_size) {
            throw errors::bad_vocabulary("it has " + std::to_string(made->vocabulary_size()) +
                                         " tokens, the model's embeddings only " +
                                         std::to_string(config.vocab_size));
        }
        return made;
    }

    io::mapped_file mapped_; // empty where the caller owns the memory
    precision precision_;
    io::safetensors file_;
    model_config config_;
    std::unique_ptr<const nn::network> network_; // not null
    std::shared_ptr<const mice::tokenizer> tokenizer_;
    std::string fingerprint_;
    mutable std::once_flag fingerprint_read_;
    mutable std::string own_fingerprint_; // computed
    mutable detail::work_memory_pool memories_;
};

inline void model::check_fingerprint() const {
    if (!is_computed_fingerprint(fingerprint_)) {
        return;
    }
    std::call_once(fingerprint_read_, [this] {
        const std::string* metadata = file_.find_metadata("mice.tokenizer");
        own_fingerprint_ = document_fingerprint(
            config_, file_.tensors(), metadata == nullptr ? std::string_view() : *metadata,
            tensors_of_tokenizer(file_));
        mapped_.release(); // as after loading
    });
    if (own_fingerprint_ != fingerprint_) {
        throw errors::false_fingerprint(fingerprint_, own_fingerprint_);
    }
}

MICE_NAMESPACE_END
