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

#include <mice/error.hpp>
#include <mice/model.hpp>
#include <mice/model/config_json.hpp>
#include <mice/model/fingerprint.hpp>
#include <mice/model/weights.hpp>
#include <mice/networks/make.hpp>
#include <mice/networks/work_memory.hpp>
#include <mice/system/float_mode.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

inline const std::string& required_metadata(const io::safetensors& file, std::string_view key) {
    const std::string* text = file.find_metadata(key);
    if (text == nullptr) {
        throw errors::missing_metadata(key);
    }
    return *text;
}

inline const std::string& checked_config(const io::safetensors& file) {
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

// The bytes of a tensor of the tokenizer, which is U8, F64, or I32 in pairs; nullopt if absent.
inline std::optional<std::span<const std::byte>>
tokenizer_bytes(const io::safetensors& file, std::string_view name, io::dtype type) {
    const io::tensor_view* view = file.find(name);
    if (view == nullptr) {
        return std::nullopt;
    }
    const bool pairs = type == io::dtype::i32;
    if (view->type != type || (pairs && (view->shape.rank() != 2 || view->shape[1] != 2))) {
        throw errors::bad_vocabulary(errors::quoted(name) + " must be " +
                                     (pairs                    ? "an I32 tensor [merges, 2]"
                                      : type == io::dtype::f64 ? "an F64 tensor"
                                                               : "a U8 tensor"));
    }
    return view->bytes;
}

inline tokenizer_tensors tensors_of_tokenizer(const io::safetensors& file) {
    return {.vocabulary = tokenizer_bytes(file, "tokenizer.vocabulary", io::dtype::u8),
            .merges = tokenizer_bytes(file, "tokenizer.merges", io::dtype::i32),
            .sentencepiece = tokenizer_bytes(file, "tokenizer.sentencepiece", io::dtype::u8),
            .scores = tokenizer_bytes(file, "tokenizer.scores", io::dtype::f64),
            .charsmap = tokenizer_bytes(file, "tokenizer.charsmap", io::dtype::u8)};
}

inline std::shared_ptr<const mice::tokenizer> read_tokenizer(const io::safetensors& file,
                                                             const model_config& config) {
    const std::string* metadata = file.find_metadata("mice.tokenizer");
    const tokenizer_tensors tensors = tensors_of_tokenizer(file);
    const bool any = tensors.vocabulary || tensors.merges || tensors.sentencepiece ||
                     tensors.scores || tensors.charsmap;
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

} // namespace detail

MICE_INLINE model::model(const std::filesystem::path& path, precision computed,
                         const parallel_options& loading)
    : model(io::mapped_file(path), computed, loading) {}

MICE_INLINE model::model(std::span<const std::byte> memory, precision computed,
                         const parallel_options& loading)
    : precision_(resolved(computed)), file_(memory), config_(detail::in_default_float_mode([this] {
          return config_from_json(detail::checked_config(file_));
      })),
      network_(detail::in_default_float_mode([this, &loading] {
          return nn::make_network(nn::weights(file_, config_, precision_), config_, loading);
      })),
      tokenizer_(detail::read_tokenizer(file_, config_)),
      fingerprint_(detail::required_metadata(file_, "mice.document_fingerprint")),
      memories_(std::make_unique<detail::work_memory_pool>()) {}

MICE_INLINE model::model(io::mapped_file mapped, precision computed,
                         const parallel_options& loading)
    : model(mapped.bytes(), computed, loading) {
    mapped_ = std::move(mapped);
    mapped_.release(); // all but the word embeddings is packed now
}

MICE_INLINE model::~model() = default;

MICE_INLINE std::optional<std::int32_t>
model::first_foreign_id(std::span<const std::int32_t> ids) const noexcept {
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

MICE_INLINE void model::check_ids(std::span<const std::int32_t> ids, std::size_t limit) const {
    if (ids.size() < least_tokens() || ids.size() > limit) {
        throw detail::errors::bad_id_count(ids.size(), least_tokens(), limit);
    }
    if (const auto foreign = first_foreign_id(ids)) {
        throw detail::errors::id_out_of_range(*foreign, config_.vocab_size);
    }
}

MICE_INLINE void model::check_document(std::span<const std::int32_t> ids,
                                       std::size_t skipped) const {
    const std::size_t limit = document_limit();
    if (skipped > limit || ids.size() > limit - skipped) {
        throw detail::errors::bad_id_count(ids.size() + std::min(skipped, limit), least_tokens(),
                                           limit);
    }
    check_ids(ids, limit);
}

MICE_INLINE std::size_t model::states_of(std::span<const std::int32_t> ids) const {
    return ids.size() -
           static_cast<std::size_t>(std::count_if(
               ids.begin(), ids.end(), [this](std::int32_t id) { return config_.skips(id); }));
}

MICE_INLINE std::size_t model::drop_skipped(std::vector<std::int32_t>& ids) const {
    return std::erase_if(ids, [this](std::int32_t id) { return config_.skips(id); });
}

MICE_INLINE encoding model::tokenize(std::string_view text, std::size_t limit, std::int32_t marker,
                                     special_tokens specials, invalid_utf8 on_invalid,
                                     bool offsets) const {
    if (tokenizer_ == nullptr) {
        throw detail::errors::no_tokenizer();
    }
    encoding made = tokenizer_->encode(text, {.max_tokens = limit - config_.marker_tokens(),
                                              .specials = specials,
                                              .on_invalid = on_invalid,
                                              .offsets = offsets});
    made.ids.insert(made.ids.begin() + 1, config_.marker_tokens(), marker);
    if (offsets) {
        made.offsets.insert(made.offsets.begin() + 1, config_.marker_tokens(), {});
    }
    return made;
}

MICE_INLINE std::vector<std::int32_t> model::marked(std::span<const std::int32_t> given,
                                                    std::size_t limit, std::int32_t marker) const {
    check_ids(given, limit - config_.marker_tokens());
    std::vector<std::int32_t> ids(given.begin(), given.end());
    ids.insert(ids.begin() + 1, config_.marker_tokens(), marker);
    return ids;
}

MICE_INLINE void model::check_fingerprint() const {
    if (!is_computed_fingerprint(fingerprint_)) {
        return;
    }
    std::call_once(fingerprint_read_, [this] {
        const std::string* metadata = file_.find_metadata("mice.tokenizer");
        own_fingerprint_ = document_fingerprint(
            config_, file_.tensors(), metadata == nullptr ? std::string_view() : *metadata,
            detail::tensors_of_tokenizer(file_));
        mapped_.release(); // as after loading
    });
    if (own_fingerprint_ != fingerprint_) {
        throw detail::errors::false_fingerprint(fingerprint_, own_fingerprint_);
    }
}

MICE_NAMESPACE_END
