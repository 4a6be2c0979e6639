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
#include <mice/text/byte_bpe/byte_bpe.hpp>
#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/tokenizer.hpp>
#include <mice/text/traced_text.hpp>
#include <mice/text/truncation.hpp>
#include <mice/text/unicode/utf8.hpp>
#include <mice/text/unigram/unigram.hpp>
#include <mice/text/wordpiece/wordpiece.hpp>
#if MICE_USE_SENTENCEPIECE
#include <mice/text/sentencepiece/sentencepiece.hpp>
#endif

MICE_NAMESPACE_BEGIN
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
    [[nodiscard]] bool full() const noexcept { return stored_ == room_; }
    [[nodiscard]] std::size_t cut() const noexcept { return cut_; }
    [[nodiscard]] std::size_t total() const noexcept { return stored_ + cut_; }

  private:
    std::vector<std::int32_t>& ids_;
    std::size_t room_, stored_ = 0, cut_ = 0;
};

/// Finds where bytes of a text without invalid UTF-8 are in the caller's.
class repair_map {
  public:
    /// A replacement ended at these places of the caller's and the repaired text.
    void add(std::size_t callers, std::size_t repaired) { ends_.emplace_back(repaired, callers); }

    /// Of a range between characters.
    [[nodiscard]] byte_range in_callers(byte_range range) const {
        return {in_callers(range.begin), in_callers(range.end)};
    }

  private:
    [[nodiscard]] std::size_t in_callers(std::size_t place) const {
        const auto behind = std::upper_bound(
            ends_.begin(), ends_.end(), place,
            [](std::size_t wanted, const auto& end) { return wanted < end.first; });
        if (behind == ends_.begin())
            return place;
        const auto& [repaired, callers] = *(behind - 1);
        return callers + (place - repaired);
    }

    std::vector<std::pair<std::size_t, std::size_t>> ends_; // in the repaired text and the caller's
};

/// Stores ids and offsets up to a limit and counts the rest.
class offset_sink {
  public:
    offset_sink(std::vector<std::int32_t>& ids, std::vector<byte_range>& offsets, std::size_t room)
        : ids_(ids, room), offsets_(offsets) {}
    void operator()(std::int32_t id, byte_range range) {
        if (!ids_.full())
            offsets_.push_back(repairs_.in_callers(range));
        ids_(id);
    }
    [[nodiscard]] std::size_t cut() const noexcept { return ids_.cut(); }
    [[nodiscard]] std::size_t total() const noexcept { return ids_.total(); }
    /// What was repaired in the text that the offsets to come are of.
    [[nodiscard]] repair_map& repairs() noexcept { return repairs_; }

  private:
    id_sink ids_;
    std::vector<byte_range>& offsets_;
    repair_map repairs_;
};

/// A tokenizer of the form [CLS] a [SEP] around an engine that has tokenize(valid UTF-8,
/// special_tokens, sink), also for a range_sink, cls_id, sep_id, pairs, names and piece.
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
        if (options.offsets) {
            trace(text, options, room, result);
        } else {
            id_sink sink(result.ids, room);
            result.replaced =
                tokenize(text, "the text", options.specials, options.on_invalid, sink);
            result.cut = sink.cut();
        }
        if (framed)
            result.ids.push_back(engine_.sep_id());
        if (options.offsets)
            result.offsets.resize(result.ids.size());
        return result;
    }

    [[nodiscard]] pair_encoding encode_pair(std::string_view first, std::string_view second,
                                            const pair_options& options) const override {
        const bool doubled = engine_.pairs() == pair_form::roberta;
        const std::size_t room = room_for(options.max_tokens, doubled ? 4 : 3);
        pair_encoding result;
        std::vector<std::int32_t> tail;
        std::vector<byte_range> tail_offsets;
        result.ids.push_back(engine_.cls_id());
        kept_tokens kept{};
        if (options.offsets) {
            kept = trace(first, second, options, room, result, tail, tail_offsets);
        } else {
            id_sink first_sink(result.ids, room), second_sink(tail, room);
            kept = tokenize(first, second, options, room, result, first_sink, second_sink);
        }
        result.ids.resize(1 + kept.first);
        result.ids.push_back(engine_.sep_id());
        if (doubled)
            result.ids.push_back(engine_.sep_id());
        result.type_ids.assign(result.ids.size(), 0);
        if (options.offsets) {
            result.offsets.resize(1 + kept.first);
            result.offsets.resize(result.ids.size());
            tail_offsets.resize(kept.second);
            for (const byte_range& each : tail_offsets)
                result.offsets.push_back(each);
        }
        tail.resize(kept.second);
        for (const std::int32_t id : tail)
            result.ids.push_back(id);
        result.ids.push_back(engine_.sep_id());
        result.type_ids.resize(result.ids.size(), doubled ? 0 : 1);
        if (options.offsets)
            result.offsets.resize(result.ids.size());
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

    // Not inlined: the code without offsets stays what it is without these.
    MICE_NOINLINE void trace(std::string_view text, const encode_options& options, std::size_t room,
                             encoding& result) const {
        result.offsets.resize(result.ids.size());
        offset_sink sink(result.ids, result.offsets, room);
        result.replaced = tokenize(text, "the text", options.specials, options.on_invalid, sink);
        result.cut = sink.cut();
    }
    MICE_NOINLINE kept_tokens trace(std::string_view first, std::string_view second,
                                    const pair_options& options, std::size_t room,
                                    pair_encoding& result, std::vector<std::int32_t>& tail,
                                    std::vector<byte_range>& tail_offsets) const {
        result.offsets.resize(1);
        offset_sink first_sink(result.ids, result.offsets, room);
        offset_sink second_sink(tail, tail_offsets, room);
        return tokenize(first, second, options, room, result, first_sink, second_sink);
    }

    /// Both texts of a pair; returns how many tokens are kept.
    template <typename Sink>
    [[nodiscard]] kept_tokens
    tokenize(std::string_view first, std::string_view second, const pair_options& options,
             std::size_t room, pair_encoding& result, Sink& first_sink, Sink& second_sink) const {
        result.replaced =
            tokenize(first, "the first text", options.specials, options.on_invalid, first_sink) +
            tokenize(second, "the second text", options.specials, options.on_invalid, second_sink);
        const kept_tokens kept =
            truncate_pair(first_sink.total(), second_sink.total(), room, options.strategy);
        result.cut_first = first_sink.total() - kept.first;
        result.cut_second = second_sink.total() - kept.second;
        return kept;
    }

    /// Returns how many invalid sequences were replaced.
    template <typename Sink>
    [[nodiscard]] std::size_t tokenize(std::string_view text, std::string_view what,
                                       special_tokens specials, invalid_utf8 on_invalid,
                                       Sink& sink) const {
        const std::size_t invalid = text::first_invalid_utf8(text);
        if (invalid == std::string_view::npos) {
            engine_.tokenize(text, specials, sink);
            return 0;
        }
        if (on_invalid == invalid_utf8::refuse)
            throw errors::invalid_utf8(what, invalid);
        const auto replaced = [&](std::size_t callers, std::size_t place) {
            if constexpr (text::range_sink<Sink>)
                sink.repairs().add(callers, place);
        };
        const text::repaired_text repaired = text::repair_utf8(text, replaced);
        engine_.tokenize(repaired.text, specials, sink);
        return repaired.replaced;
    }

    Engine engine_;
};

} // namespace detail

MICE_INLINE std::shared_ptr<const tokenizer> make_tokenizer(const wordpiece_spec& spec) {
    return std::make_shared<const detail::framed_tokenizer<text::wordpiece>>(text::wordpiece(spec));
}

MICE_INLINE std::shared_ptr<const tokenizer> make_tokenizer(const unigram_spec& spec) {
    return std::make_shared<const detail::framed_tokenizer<text::unigram>>(text::unigram(spec));
}

MICE_INLINE std::shared_ptr<const tokenizer> make_tokenizer(const byte_bpe_spec& spec) {
    return std::make_shared<const detail::framed_tokenizer<text::byte_bpe>>(text::byte_bpe(spec));
}

MICE_INLINE std::shared_ptr<const tokenizer>
make_tokenizer([[maybe_unused]] const sentencepiece_spec& spec) {
#if MICE_USE_SENTENCEPIECE
    return std::make_shared<const detail::framed_tokenizer<text::sentencepiece>>(
        text::sentencepiece(spec));
#else
    throw detail::errors::no_sentencepiece();
#endif
}

MICE_INLINE std::shared_ptr<const tokenizer>
tokenizer_from_model(std::string_view metadata, const tokenizer_tensors& tensors) {
    const io::json object = text::detail::parse_metadata(metadata);
    const std::string type =
        text::detail::metadata_reader(object, "'mice.tokenizer'").string("type");
    const auto refuse = [&type](const auto& bytes, std::string_view name) {
        if (bytes)
            throw detail::errors::bad_vocabulary(detail::errors::quoted(name) +
                                                 " is there, but 'mice.tokenizer' is of type " +
                                                 detail::errors::quoted(type) + ", which has none");
    };
    const auto need = [&type](const auto& bytes, std::string_view name) {
        if (!bytes)
            throw detail::errors::bad_vocabulary("a tokenizer of type " +
                                                 detail::errors::quoted(type) + " needs the " +
                                                 (name == "tokenizer.scores" ? "F64" : "U8") +
                                                 " tensor " + detail::errors::quoted(name));
        return *bytes;
    };
    if (type == "unigram") {
        refuse(tensors.merges, "tokenizer.merges");
        refuse(tensors.sentencepiece, "tokenizer.sentencepiece");
        return make_tokenizer(
            text::detail::unigram_from(object, need(tensors.vocabulary, "tokenizer.vocabulary"),
                                       need(tensors.scores, "tokenizer.scores"), tensors.charsmap));
    }
    refuse(tensors.scores, "tokenizer.scores");
    refuse(tensors.charsmap, "tokenizer.charsmap");
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
    throw detail::errors::not_supported("a tokenizer of type " + detail::errors::quoted(type));
}

MICE_INLINE std::shared_ptr<const tokenizer>
tokenizer_from_model(std::string_view metadata, std::span<const std::byte> vocabulary,
                     std::optional<std::span<const std::byte>> merges) {
    return tokenizer_from_model(
        metadata,
        tokenizer_tensors{.vocabulary = vocabulary, .merges = merges, .sentencepiece = {}});
}

MICE_NAMESPACE_END
