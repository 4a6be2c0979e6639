// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/text/byte_bpe.hpp>
#include <mice/text/sentencepiece_spec.hpp>
#include <mice/text/truncation.hpp>
#include <mice/text/utf8.hpp>
#include <mice/text/wordpiece.hpp>
#if MICE_USE_SENTENCEPIECE
#include <mice/text/sentencepiece.hpp>
#endif

MICE_NAMESPACE_BEGIN

/// What happens to bytes that are not UTF-8.
enum class invalid_utf8 {
    replace, ///< each invalid sequence becomes one U+FFFD and is counted
    refuse   ///< errc::encoding, naming the first invalid byte
};

/// Whether the model's markers ([CLS] text [SEP]) are put around a text.
enum class markers { add, omit };

/// How a text becomes ids.
struct encode_options {
    std::size_t max_tokens = std::numeric_limits<std::size_t>::max(); ///< markers included
    special_tokens specials = special_tokens::plain;
    invalid_utf8 on_invalid = invalid_utf8::replace;
    markers add_markers = markers::add;
};

/// One text as ids.
struct encoding {
    std::vector<std::int32_t> ids;
    std::size_t cut = 0;      ///< tokens of the text that max_tokens left out, exactly
    std::size_t replaced = 0; ///< invalid UTF-8 sequences that were replaced
};

/// How two texts become one input.
struct pair_options {
    std::size_t max_tokens = std::numeric_limits<std::size_t>::max(); ///< markers included
    truncation strategy = truncation::only_second;
    special_tokens specials = special_tokens::plain;
    invalid_utf8 on_invalid = invalid_utf8::replace;
};

/// Two texts as one input: [CLS] first [SEP] second [SEP], or the form that the model has.
struct pair_encoding {
    std::vector<std::int32_t> ids;
    std::vector<std::int32_t> type_ids; ///< 0 up to and including the first [SEP], then 1; see
                                        ///< pair_form
    std::size_t cut_first = 0;          ///< tokens of the first text left out
    std::size_t cut_second = 0;         ///< tokens of the second text left out
    std::size_t replaced = 0;           ///< invalid UTF-8 sequences replaced in both
};

/// Turns text into token ids. Immutable: every member is safe to call from many threads at once.
class tokenizer {
  public:
    tokenizer() = default;
    tokenizer(const tokenizer&) = delete;
    tokenizer& operator=(const tokenizer&) = delete;
    virtual ~tokenizer() = default;

    /// Any bytes are a text. Tokens past the limit are counted, not stored. Throws
    /// errc::invalid_argument when max_tokens leaves no room for the markers, errc::encoding for
    /// invalid UTF-8 that is to be refused.
    [[nodiscard]] virtual encoding encode(std::string_view text,
                                          const encode_options& options = {}) const = 0;

    /// As encode, for two texts; cuts them as Hugging Face's truncation strategies do. Throws
    /// errc::invalid_argument also when only_second would have to cut the first text, or all of
    /// the second.
    [[nodiscard]] virtual pair_encoding encode_pair(std::string_view first, std::string_view second,
                                                    const pair_options& options = {}) const = 0;

    /// One more than the largest id: the rows an embedding table needs.
    [[nodiscard]] virtual std::size_t vocabulary_size() const noexcept = 0;

    /// The token of an id, "" where there is none. Lives as long as the tokenizer.
    [[nodiscard]] virtual std::string_view token(std::int32_t id) const noexcept = 0;

    /// The token of an id as a piece of a word; empty where there is none. Lives as token().
    [[nodiscard]] virtual word_piece piece(std::int32_t id) const noexcept = 0;

    /// The id of a token's exact text.
    [[nodiscard]] virtual std::optional<std::int32_t> id(std::string_view token) const noexcept = 0;
};

namespace detail {

/// Stores ids up to a limit and counts the rest.
class id_sink {
  public:
    id_sink(std::vector<std::int32_t>& ids, std::size_t room) : ids_(ids), room_(room) {}
    void operator()(std::int32_t id) {
        if (stored_ < room_) {
            ids_.push_back(id);
            ++stored_;
        } else {
            ++cut_;
        }
    }
    [[nodiscard]] std::size_t cut() const noexcept { return cut_; }
    [[nodiscard]] std::size_t total() const noexcept { return stored_ + cut_; }

  private:
    std::vector<std::int32_t>& ids_;
    std::size_t room_, stored_ = 0, cut_ = 0;
};

/// A tokenizer of the form [CLS] a [SEP] around an engine that has tokenize(valid UTF-8,
/// special_tokens, sink), cls_id, sep_id, pairs, names and piece.
template <typename Engine> class framed_tokenizer final : public tokenizer {
  public:
    explicit framed_tokenizer(Engine engine) : engine_(std::move(engine)) {}

    [[nodiscard]] encoding encode(std::string_view text,
                                  const encode_options& options) const override {
        const bool framed = options.add_markers == markers::add;
        const std::size_t room = room_for(options.max_tokens, framed ? 2 : 0);
        encoding result;
        if (framed)
            result.ids.push_back(engine_.cls_id());
        id_sink sink(result.ids, room);
        result.replaced = tokenize(text, "the text", options.specials, options.on_invalid, sink);
        result.cut = sink.cut();
        if (framed)
            result.ids.push_back(engine_.sep_id());
        return result;
    }

    [[nodiscard]] pair_encoding encode_pair(std::string_view first, std::string_view second,
                                            const pair_options& options) const override {
        const bool doubled = engine_.pairs() == pair_form::roberta;
        const std::size_t room = room_for(options.max_tokens, doubled ? 4 : 3);
        pair_encoding result;
        std::vector<std::int32_t> tail;
        result.ids.push_back(engine_.cls_id());
        id_sink first_sink(result.ids, room), second_sink(tail, room);
        result.replaced =
            tokenize(first, "the first text", options.specials, options.on_invalid, first_sink) +
            tokenize(second, "the second text", options.specials, options.on_invalid, second_sink);
        const kept_tokens kept =
            truncate_pair(first_sink.total(), second_sink.total(), room, options.strategy);
        result.cut_first = first_sink.total() - kept.first;
        result.cut_second = second_sink.total() - kept.second;
        result.ids.resize(1 + kept.first);
        result.ids.push_back(engine_.sep_id());
        if (doubled)
            result.ids.push_back(engine_.sep_id());
        result.type_ids.assign(result.ids.size(), 0);
        tail.resize(kept.second);
        result.ids.insert(result.ids.end(), tail.begin(), tail.end());
        result.ids.push_back(engine_.sep_id());
        result.type_ids.resize(result.ids.size(), doubled ? 0 : 1);
        return result;
    }

    [[nodiscard]] std::size_t vocabulary_size() const noexcept override {
        return engine_.names().size();
    }
    [[nodiscard]] std::string_view token(std::int32_t id) const noexcept override {
        return engine_.names().token(id);
    }
    [[nodiscard]] word_piece piece(std::int32_t id) const noexcept override {
        return engine_.piece(id);
    }
    [[nodiscard]] std::optional<std::int32_t> id(std::string_view token) const noexcept override {
        return engine_.names().id(token);
    }

  private:
    [[nodiscard]] static std::size_t room_for(std::size_t max_tokens, std::size_t marker_count) {
        if (max_tokens < marker_count)
            throw errors::bad_argument("max_tokens is " + std::to_string(max_tokens) +
                                       ", the markers alone take " + std::to_string(marker_count));
        return max_tokens - marker_count;
    }

    /// Returns how many invalid sequences were replaced.
    [[nodiscard]] std::size_t tokenize(std::string_view text, std::string_view what,
                                       special_tokens specials, invalid_utf8 on_invalid,
                                       id_sink& sink) const {
        const std::size_t invalid = text::first_invalid_utf8(text);
        if (invalid == std::string_view::npos) {
            engine_.tokenize(text, specials, sink);
            return 0;
        }
        if (on_invalid == invalid_utf8::refuse)
            throw errors::invalid_utf8(what, invalid);
        const text::repaired_text repaired = text::repair_utf8(text);
        engine_.tokenize(repaired.text, specials, sink);
        return repaired.replaced;
    }

    Engine engine_;
};

} // namespace detail

/// Makes a WordPiece tokenizer; throws errc::tokenizer as wordpiece_spec::validate does.
[[nodiscard]] inline std::shared_ptr<const tokenizer> make_tokenizer(const wordpiece_spec& spec) {
    return std::make_shared<const detail::framed_tokenizer<text::wordpiece>>(text::wordpiece(spec));
}

/// Makes a byte-level BPE tokenizer; throws errc::tokenizer as byte_bpe_spec::validate does.
[[nodiscard]] inline std::shared_ptr<const tokenizer> make_tokenizer(const byte_bpe_spec& spec) {
    return std::make_shared<const detail::framed_tokenizer<text::byte_bpe>>(text::byte_bpe(spec));
}

/// Makes a sentencepiece tokenizer; throws as sentencepiece_spec::validate does, errc::tokenizer
/// where the library refuses the model, and errc::unsupported in a program without the library.
[[nodiscard]] inline std::shared_ptr<const tokenizer>
make_tokenizer([[maybe_unused]] const sentencepiece_spec& spec) {
#if MICE_USE_SENTENCEPIECE
    return std::make_shared<const detail::framed_tokenizer<text::sentencepiece>>(
        text::sentencepiece(spec));
#else
    throw errors::no_sentencepiece();
#endif
}

/// What a model file holds of its tokenizer besides "mice.tokenizer": the bytes of the tensors
/// "tokenizer.vocabulary", "tokenizer.merges" and "tokenizer.sentencepiece", nullopt where it has
/// no such tensor.
struct tokenizer_tensors {
    std::optional<std::span<const std::byte>> vocabulary, merges, sentencepiece;
};

/// Makes the tokenizer that a model file holds, of the kind that its metadata "mice.tokenizer"
/// names. Nothing is trusted; throws as wordpiece_from_model, byte_bpe_from_model,
/// sentencepiece_from_model and make_tokenizer do, and errc::tokenizer for tensors that the kind
/// lacks or does not have.
[[nodiscard]] inline std::shared_ptr<const tokenizer>
tokenizer_from_model(std::string_view metadata, const tokenizer_tensors& tensors) {
    const io::json object = text::detail::parse_metadata(metadata);
    const std::string type =
        text::detail::metadata_reader(object, "'mice.tokenizer'").string("type");
    const auto refuse = [&type](const auto& bytes, std::string_view name) {
        if (bytes)
            throw errors::bad_vocabulary(errors::quoted(name) +
                                         " is there, but 'mice.tokenizer' is of type " +
                                         errors::quoted(type) + ", which has none");
    };
    const auto need = [&type](const auto& bytes, std::string_view name) {
        if (!bytes)
            throw errors::bad_vocabulary("a tokenizer of type " + errors::quoted(type) +
                                         " needs the U8 tensor " + errors::quoted(name));
        return *bytes;
    };
    if (type == "sentencepiece") {
        refuse(tensors.vocabulary, "tokenizer.vocabulary");
        refuse(tensors.merges, "tokenizer.merges");
        return make_tokenizer(text::detail::sentencepiece_from(
            object, need(tensors.sentencepiece, "tokenizer.sentencepiece")));
    }
    if (type == "byte_bpe") {
        refuse(tensors.sentencepiece, "tokenizer.sentencepiece");
        return make_tokenizer(text::detail::byte_bpe_from(
            object, need(tensors.vocabulary, "tokenizer.vocabulary"), tensors.merges));
    }
    if (type == "wordpiece") {
        refuse(tensors.merges, "tokenizer.merges");
        refuse(tensors.sentencepiece, "tokenizer.sentencepiece");
        return make_tokenizer(
            text::detail::wordpiece_from(object, need(tensors.vocabulary, "tokenizer.vocabulary")));
    }
    throw errors::not_supported("a tokenizer of type " + errors::quoted(type));
}

/// As above, for a tokenizer of a vocabulary, and perhaps merges.
[[nodiscard]] inline std::shared_ptr<const tokenizer>
tokenizer_from_model(std::string_view metadata, std::span<const std::byte> vocabulary,
                     std::optional<std::span<const std::byte>> merges = std::nullopt) {
    return tokenizer_from_model(
        metadata,
        tokenizer_tensors{.vocabulary = vocabulary, .merges = merges, .sentencepiece = {}});
}

MICE_NAMESPACE_END
