// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <mice/text/added_tokens.hpp>
#include <mice/text/byte_bpe/gpt2_splitter.hpp>
#include <mice/text/byte_bpe/spec.hpp>
#include <mice/text/offset_trim.hpp>
#include <mice/text/token_names.hpp>
#include <mice/text/traced_form.hpp>
#include <mice/text/traced_text.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// ByteLevel, BPE, NFC and added tokens, id for id as Hugging Face's tokenizers library gives them.
/// Every byte has a token, so no text is unknown. No text gives a special token. Immutable,
/// thread-safe.
class byte_bpe {
  public:
    /// Throws errc::tokenizer as byte_bpe_spec::validate does.
    explicit byte_bpe(const byte_bpe_spec& spec)
        : names_(spec.vocabulary), bytes_(detail::byte_tokens(names_.table())),
          merges_(spec.merges, names_.table()), normalizer_(spec.normalizer), split_(spec.split),
          prefix_space_(spec.add_prefix_space), pairs_(spec.pairs), trim_(spec.trim) {
        const token_table& table = names_.table();
        detail::check(spec, table, bytes_, merges_);
        cls_ = detail::find_token(spec.added_tokens, table, spec.cls_token);
        sep_ = detail::find_token(spec.added_tokens, table, spec.sep_token);
        names_.include(spec.added_tokens);
        for (const added_token& token : spec.added_tokens) {
            if (token.normalized)
                normalized_.add(token, detail::normalize(normalizer_, token.content));
            else
                raw_.add(token, token.content);
        }
        spell(spec);
    }

    /// Calls `sink(std::int32_t id)` for each token of `text` (valid UTF-8), without markers. Time
    /// is n log n in the longest word, linear in the rest; memory follows the longest word, and the
    /// text where it has to be normalized. A range_sink gets the bytes of `text`, too, which takes
    /// memory for the origin of each byte.
    template <typename Sink>
    void tokenize(std::string_view text, special_tokens specials, Sink&& sink) const {
        if constexpr (range_sink<Sink>)
            trace(text, specials, sink);
        else
            stream(text, specials, sink);
    }

    [[nodiscard]] std::int32_t cls_id() const noexcept { return cls_; }
    [[nodiscard]] std::int32_t sep_id() const noexcept { return sep_; }

    /// How [CLS] and [SEP] stand around two texts.
    [[nodiscard]] pair_form pairs() const noexcept { return pairs_; }

    /// All tokens, added ones included.
    [[nodiscard]] const token_names& names() const noexcept { return names_; }

    /// The token of an id as a piece of a word. It continues a word where it begins with neither a
    /// space nor punctuation; so does the first token of a text.
    [[nodiscard]] word_piece piece(std::int32_t id) const noexcept {
        const auto place = static_cast<std::size_t>(id);
        if (id < 0 || place + 1 >= ends_.size())
            return {names_.token(id), false};
        const std::string_view bytes =
            std::string_view(spelled_).substr(ends_[place], ends_[place + 1] - ends_[place]);
        if (bytes.empty()) // not of the byte alphabet, or added
            return {names_.token(id), false};
        if (bytes.front() == ' ')
            return {bytes.substr(1), false};
        const decoded first = decode_utf8(bytes, 0);
        return {bytes, !first.valid || is_word(first.code)};
    }

  private:
    struct scratch {
        merge_table::scratch merging;
        std::string prefixed;
    };

    template <typename Sink>
    void stream(std::string_view text, special_tokens specials, Sink& sink) const {
        scratch work;
        const auto words = [&](std::string_view part) { cut(part, work, sink); };
        const auto piece = [&](std::string_view part) {
            std::string normal;
            if (normalizer_ != bpe_normalizer::none && !is_below_marks(part)) {
                normal = detail::normalize(normalizer_, part);
                part = normal;
            }
            normalized_.split(part, specials, words, sink);
        };
        raw_.split(text, specials, piece, sink);
    }

    /// As stream(), with offsets.
    template <typename Sink>
    MICE_NOINLINE void trace(std::string_view text, special_tokens specials, Sink& sink) const {
        scratch work;
        offset_trimmer trimmer(trim_, text);
        const auto piece = [&](std::string_view raw) {
            traced_text normal{std::string(raw), own_origins(raw, place_in(text, raw))};
            if (normalizer_ != bpe_normalizer::none)
                normal = to_form(normal_form::nfc, normal);
            const auto words = [&](std::string_view part) {
                const std::size_t at = place_in(normal.text, part);
                const auto give = [&](std::int32_t id, byte_range bytes, std::string_view token) {
                    const byte_range from =
                        origin_of(normal.origins.data() + at, bytes.begin, bytes.end);
                    sink(id, trimmer.next(from, spaces_of_bytes(token)));
                };
                cut(part, work, give);
            };
            const auto added = [&](std::int32_t id, byte_range bytes) {
                const std::string_view token =
                    std::string_view(normal.text).substr(bytes.begin, bytes.end - bytes.begin);
                sink(id, trimmer.next(origin_of(normal.origins.data(), bytes.begin, bytes.end),
                                      spaces_of_text(token)));
            };
            normalized_.split(normal.text, specials, words, added);
        };
        const auto added = [&](std::int32_t id, byte_range bytes) {
            const std::string_view token = text.substr(bytes.begin, bytes.end - bytes.begin);
            sink(id, trimmer.next(bytes, spaces_of_text(token)));
        };
        raw_.split(text, specials, piece, added);
    }

    [[nodiscard]] static std::size_t place_in(std::string_view text, std::string_view part) {
        return static_cast<std::size_t>(part.data() - text.data());
    }

    /// Calls `sink(id)`, or `sink(id, bytes of the part, bytes of the token)`; the space put before
    /// the part is of its first character.
    template <typename Sink> void cut(std::string_view part, scratch& work, Sink& sink) const {
        if (part.empty())
            return;
        std::size_t added = 0;
        if (prefix_space_ && part.front() != ' ') {
            work.prefixed = ' ';
            work.prefixed += part;
            part = work.prefixed;
            added = 1;
        }
        const auto word = [&](std::string_view bytes) {
            if constexpr (std::invocable<Sink&, std::int32_t>) {
                merges_.apply(bytes, bytes_, work.merging, sink);
            } else {
                const auto at = place_in(part, bytes);
                merges_.apply(bytes, bytes_, work.merging, [&](std::int32_t id, byte_range token) {
                    const auto unshifted = [&](std::size_t place) {
                        return at + place < added ? 0 : at + place - added;
                    };
                    const std::size_t begin = unshifted(token.begin);
                    sink(id, byte_range{begin, std::max(unshifted(token.end), begin + 1)},
                         bytes.substr(token.begin, token.end - token.begin));
                });
            }
        };
        if (split_ == bpe_split::gpt2)
            split_gpt2(part, word);
        else
            word(part);
    }

    /// Stores the bytes of the tokens that texts consist of.
    void spell(const byte_bpe_spec& spec) {
        std::vector<std::uint8_t> added(spec.vocabulary.size());
        for (const added_token& token : spec.added_tokens)
            if (static_cast<std::size_t>(token.id) < added.size())
                added[static_cast<std::size_t>(token.id)] = 1;
        ends_.reserve(spec.vocabulary.size() + 1);
        ends_.push_back(0);
        for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) {
            if (added[id] == 0)
                spelled_ += spelled_bytes(spec.vocabulary[id]).value_or("");
            ends_.push_back(spelled_.size());
        }
    }

    token_names names_;
    std::array<std::int32_t, 256> bytes_; // the token of each byte
    merge_table merges_;
    bpe_normalizer normalizer_;
    bpe_split split_;
    bool prefix_space_;
    pair_form pairs_;
    offset_trim trim_;
    std::int32_t cls_ = 0, sep_ = 0;
    added_token_matcher raw_, normalized_;
    std::string spelled_;           // the bytes of all tokens, one after the other
    std::vector<std::size_t> ends_; // of each token in spelled_; the first entry is 0
};

} // namespace text
MICE_NAMESPACE_END
