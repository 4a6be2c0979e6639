// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <mice/system/float_mode.hpp>
#include <mice/text/added_tokens.hpp>
#include <mice/text/offset_trim.hpp>
#include <mice/text/sentencepiece/model.hpp>
#include <mice/text/token_names.hpp>
#include <mice/text/traced_text.hpp>
#include <mice/text/unicode/unicode.hpp>
#include <mice/text/unigram/piece_trie.hpp>
#include <mice/text/unigram/spec.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// Unigram with its normalizer and pre-tokenizer, id for id as Hugging Face's tokenizers library
/// gives them (T. Kudo, Subword Regularization, ACL 2018, section 3.2; scores are summed in double
/// precision from left to right, and the first of equal ones wins). Where special tokens are plain
/// text, no text makes one. Immutable, thread-safe.
class unigram {
  public:
    /// Throws as unigram_spec::validate does.
    explicit unigram(const unigram_spec& spec)
        : names_(spec.vocabulary), steps_(detail::steps_of(spec)), splitter_(spec.splitter),
          scores_(spec.scores), byte_fallback_(spec.byte_fallback), pairs_(spec.pairs),
          trim_(spec.trim), pieces_(checked(spec, names_.table(), steps_)) {
        const token_table& table = names_.table();
        cls_ = detail::find_token(spec.added_tokens, table, spec.cls_token);
        sep_ = detail::find_token(spec.added_tokens, table, spec.sep_token);
        unknown_ = table.find(spec.unk_token);
        constexpr double penalty = 10; // Hugging Face's, and sentencepiece's
        unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - penalty;
        names_.include(spec.added_tokens);
        mark_specials(spec);
        for (std::size_t byte = 0; byte < bytes_.size(); ++byte)
            bytes_[byte] = table.find(detail::byte_piece(byte));
        for (const added_token& token : spec.added_tokens) {
            if (token.normalized)
                normalized_.add(token, steps_.normalized(token.content));
            else
                raw_.add(token, token.content);
        }
        for (const split_step& step : splitter_)
            if (step.kind == split_step_kind::metaspace) {
                space_ = step.replacement;
                asks_for_first_ = step.prefix == metaspace_prefix::first;
            }
    }

    /// Calls `sink(std::int32_t id)` for each token of `text` (valid UTF-8), without markers. Time
    /// is linear in the text times the longest piece; memory follows the longest part between two
    /// added tokens. A range_sink gets the bytes of `text`, too.
    template <typename Sink>
    void tokenize(std::string_view text, special_tokens specials, Sink&& sink) const {
        mice::detail::in_default_float_mode([&] { // of the scores
            scratch work;
            const auto run = [&](auto& each) {
                const auto part = [&](std::string_view piece) {
                    const auto place = static_cast<std::size_t>(piece.data() - text.data());
                    normalize(piece, place, specials, work, each);
                };
                raw_.split(text, specials, part, each);
            };
            if constexpr (range_sink<Sink>) {
                offset_trimmer trimmer(trim_, text);
                trimming_sink<Sink> trimming{sink, trimmer, text};
                run(trimming);
            } else {
                run(sink);
            }
        });
    }

    [[nodiscard]] std::int32_t cls_id() const noexcept { return cls_; }
    [[nodiscard]] std::int32_t sep_id() const noexcept { return sep_; }

    /// How [CLS] and [SEP] stand around two texts.
    [[nodiscard]] pair_form pairs() const noexcept { return pairs_; }

    /// All tokens, added ones included.
    [[nodiscard]] const token_names& names() const noexcept { return names_; }

    /// The token of an id as a piece of a word. It goes on with a word where it begins with neither
    /// a Metaspace nor punctuation.
    [[nodiscard]] word_piece piece(std::int32_t id) const noexcept {
        std::string_view text = names_.token(id);
        const auto place = static_cast<std::size_t>(id);
        if (text.empty() || place >= special_.size() || special_[place] != 0)
            return {text, false};
        if (const int byte = byte_fallback_ ? detail::byte_of_piece(text) : -1; byte >= 0)
            text = detail::byte_text(static_cast<std::size_t>(byte));
        return detail::spaced_piece(text, space_);
    }

  private:
    /// The best way to a place in a word.
    struct node {
        double score = 0;
        std::size_t from = none;
        std::int32_t id = 0;
    };
    struct scratch {
        std::vector<node> best;
        std::vector<std::pair<std::size_t, std::int32_t>> found; // ends and ids, the last first
        std::string spaced;
        byte_origins spaced_origins; // where they are wanted
    };
    /// A part of the normalized text. Where offsets are wanted it has the origin of each byte.
    struct plain_part {
        std::string_view text;

        [[nodiscard]] plain_part slice(std::size_t start, std::size_t stop) const {
            return {text.substr(start, stop - start)};
        }
        template <typename Sink> void give(std::int32_t id, Sink& sink) const { sink(id); }
        template <typename Sink> void give_byte(std::int32_t id, Sink& sink) const { sink(id); }
    };
    struct traced_part {
        std::string_view text;
        const byte_range* origins;

        [[nodiscard]] traced_part slice(std::size_t start, std::size_t stop) const {
            return {text.substr(start, stop - start), origins + start};
        }
        /// A token of the whole part.
        template <typename Sink> void give(std::int32_t id, Sink& sink) const {
            sink.give(id, origin_of(origins, 0, text.size()), text);
        }
        /// One of the bytes that the part is spelled in; each has the offsets of all.
        template <typename Sink> void give_byte(std::int32_t id, Sink& sink) const {
            sink.give(id, origin_of(origins, 0, text.size()), {});
        }
    };
    /// Trims the offsets of tokens by their texts.
    template <typename Sink> struct trimming_sink {
        Sink& sink;
        offset_trimmer& trimmer;
        std::string_view input;

        void give(std::int32_t id, byte_range range, std::string_view token) {
            sink(id, trimmer.next(range, token));
        }
        /// An added token as it is in the input.
        void operator()(std::int32_t id, byte_range range) {
            give(id, range, input.substr(range.begin, range.end - range.begin));
        }
    };
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    [[nodiscard]] static const std::vector<std::string>&
    checked(const unigram_spec& spec, const token_table& table, const text_steps& steps) {
        detail::check(spec, table, steps);
        return spec.vocabulary;
    }

    /// Remembers the pieces that are structure, and added tokens.
    void mark_specials(const unigram_spec& spec) {
        special_.resize(names_.table().size());
        const auto mark = [this](std::string_view name) {
            if (const std::int32_t id = names_.table().find(name); id != token_table::none)
                special_[static_cast<std::size_t>(id)] = 1;
        };
        for (const std::string_view name : detail::special_names(spec))
            mark(name);
        for (const added_token& token : spec.added_tokens)
            if (token.special)
                mark(token.content);
    }

    [[nodiscard]] bool may_make(std::int32_t id, special_tokens specials) const noexcept {
        return specials == special_tokens::parse || special_[static_cast<std::size_t>(id)] == 0;
    }

    /// A part that begins at byte `place` of the input.
    template <typename Sink>
    void normalize(std::string_view part, std::size_t place, special_tokens specials, scratch& work,
                   Sink& sink) const {
        const std::size_t from_first =
            asks_for_first_ && place == 0 ? detail::first_character_bytes(part) : 0;
        const auto left = [](std::size_t bytes, std::size_t at) {
            return at < bytes ? bytes - at : 0;
        };
        if constexpr (range_sink<Sink>) {
            traced_in_steps normal{std::string(part), from_first, own_origins(part, place)};
            steps_.apply(normal);
            const auto words = [&](std::string_view piece) {
                const auto at = static_cast<std::size_t>(piece.data() - normal.text.data());
                split(0, traced_part{piece, normal.origins.data() + at},
                      left(normal.from_first, at), specials, work, sink);
            };
            const auto added = [&](std::int32_t id, byte_range bytes) {
                traced_part{normal.text, normal.origins.data()}
                    .slice(bytes.begin, bytes.end)
                    .give(id, sink);
            };
            normalized_.split(normal.text, specials, words, added);
        } else {
            text_in_steps normal{std::string(part), from_first};
            steps_.apply(normal);
            const auto words = [&](std::string_view piece) {
                const auto at = static_cast<std::size_t>(piece.data() - normal.text.data());
                split(0, plain_part{piece}, left(normal.from_first, at), specials, work, sink);
            };
            normalized_.split(normal.text, specials, words, sink);
        }
    }

    /// Takes the part through the splitter from a step on; so many bytes at its front come of the
    /// input's first character.
    template <class Part, typename Sink>
    void split(std::size_t step, Part part, std::size_t from_first, special_tokens specials,
               scratch& work, Sink& sink) const {
        if (part.text.empty())
            return;
        if (step == splitter_.size()) {
            segment(part, specials, work, sink);
            return;
        }
        const auto pass = [&](std::size_t start, std::size_t stop) {
            split(step + 1, part.slice(start, stop), start < from_first ? from_first - start : 0,
                  specials, work, sink);
        };
        const split_step& how = splitter_[step];
        if (how.kind != split_step_kind::metaspace) {
            cut(part.text, how.kind == split_step_kind::whitespace, pass);
            return;
        }
        std::string spaced = std::move(work.spaced);
        with_spaces(how, part.text, from_first > 0, spaced);
        [[maybe_unused]] byte_origins origins = std::move(work.spaced_origins);
        if constexpr (std::is_same_v<Part, traced_part>) {
            trace_spaces(how, part, spaced.size(), origins);
            part.origins = origins.data();
        }
        part.text = spaced;
        from_first = 0; // nothing behind asks for it
        std::size_t start = 0;
        if (how.split)
            for (std::size_t at = part.text.find(how.replacement, 1); at != part.text.npos;
                 at = part.text.find(how.replacement, at + 1)) {
                pass(start, at);
                start = at;
            }
        pass(start, part.text.size());
        work.spaced = std::move(spaced);
        if constexpr (std::is_same_v<Part, traced_part>)
            work.spaced_origins = std::move(origins);
    }

    /// Cuts at white space, which is dropped, or around punctuation: `pass(start, stop)`.
    template <typename Pass>
    static void cut(std::string_view part, bool at_white_space, const Pass& pass) {
        std::size_t start = 0;
        for (std::size_t at = 0; at < part.size();) {
            const decoded next = decode_utf8(part, at);
            const std::size_t stop = at + next.bytes;
            if (at_white_space ? is_whitespace(next.code) : is_punctuation(next.code)) {
                pass(start, at);
                if (!at_white_space)
                    pass(at, stop);
                start = stop;
            }
            at = stop;
        }
        pass(start, part.size());
    }

    static void with_spaces(const split_step& how, std::string_view part, bool first,
                            std::string& out) {
        const bool prefix = how.prefix == metaspace_prefix::always ||
                            (how.prefix == metaspace_prefix::first && first);
        out.clear();
        out.reserve(part.size() + part.size() / 4 + how.replacement.size());
        if (prefix && !part.starts_with(' ') && !part.starts_with(how.replacement))
            out += how.replacement;
        for (const char byte : part)
            if (byte == ' ')
                out += how.replacement;
            else
                out += byte;
    }

    /// The origins of what with_spaces() made, so many bytes: a space that was put before the part
    /// is of its first character.
    static void trace_spaces(const split_step& how, const traced_part& part, std::size_t bytes,
                             byte_origins& out) {
        out.clear();
        out.reserve(bytes);
        for (std::size_t i = 0; i < part.text.size(); ++i)
            out.insert(out.end(), part.text[i] == ' ' ? how.replacement.size() : 1,
                       part.origins[i]);
        out.insert(out.begin(), bytes - out.size(), part.origins[0]);
    }

    /// Viterbi over the pieces of one word.
    template <class Part, typename Sink>
    void segment(Part part, special_tokens specials, scratch& work, Sink& sink) const {
        const std::string_view word = part.text;
        std::vector<node>& best = work.best;
        best.assign(word.size() + 1, {});
        const auto offer = [&best](std::size_t from, std::size_t to, double score,
                                   std::int32_t id) {
            node& target = best[to];
            const double sum = score + best[from].score;
            if (target.from == none || sum > target.score)
                target = {sum, from, id};
        };
        for (std::size_t at = 0; at < word.size();) {
            const std::size_t character = decode_utf8(word, at).bytes;
            bool known = false;
            pieces_.each_prefix(word.substr(at), [&](std::int32_t id, std::size_t bytes) {
                if (!may_make(id, specials))
                    return;
                offer(at, at + bytes, scores_[static_cast<std::size_t>(id)], id);
                known = known || bytes == character;
            });
            if (!known)
                offer(at, at + character, unknown_score_, unknown_);
            at += character;
        }
        work.found.clear();
        for (std::size_t end = word.size(); end > 0; end = best[end].from)
            work.found.emplace_back(end, best[end].id);
        give(part, specials, work, sink);
    }

    /// Hands the pieces on; neighbours that are unknown are one.
    template <class Part, typename Sink>
    void give(Part word, special_tokens specials, scratch& work, Sink& sink) const {
        std::size_t start = 0, pending = none; // where the unknown begin
        for (std::size_t i = work.found.size(); i-- > 0;) {
            const auto [end, id] = work.found[i];
            if (id == unknown_) {
                pending = pending == none ? start : pending;
            } else {
                if (pending != none)
                    give_unknown(word.slice(pending, start), specials, sink);
                pending = none;
                word.slice(start, end).give(id, sink);
            }
            start = end;
        }
        if (pending != none)
            give_unknown(word.slice(pending, word.text.size()), specials, sink);
    }

    /// A run of unknown characters: the piece that it happens to be, its bytes, or the unknown one.
    template <class Part, typename Sink>
    void give_unknown(Part part, special_tokens specials, Sink& sink) const {
        const std::string_view run = part.text;
        const std::int32_t whole = names_.table().find(run);
        if (whole != token_table::none && may_make(whole, specials)) {
            part.give(whole, sink);
            return;
        }
        const auto byte_id = [this](char c) { return bytes_[static_cast<unsigned char>(c)]; };
        const bool spelled =
            byte_fallback_ && std::all_of(run.begin(), run.end(), [&](char c) {
                return byte_id(c) != token_table::none && may_make(byte_id(c), specials);
            });
        if (!spelled) {
            part.give(unknown_, sink);
            return;
        }
        for (const char byte : run)
            part.give_byte(byte_id(byte), sink);
    }

    token_names names_;
    text_steps steps_;
    std::vector<split_step> splitter_;
    std::vector<double> scores_;
    bool byte_fallback_;
    pair_form pairs_;
    offset_trim trim_;
    piece_trie pieces_;
    std::int32_t cls_ = 0, sep_ = 0, unknown_ = 0;
    double unknown_score_ = 0;
    std::string space_ = "\xe2\x96\x81";
    bool asks_for_first_ = false;
    std::array<std::int32_t, 256> bytes_{}; // the pieces <0x00> to <0xFF>
    std::vector<std::uint8_t> special_;     // of each piece
    added_token_matcher raw_, normalized_;
};

} // namespace text
MICE_NAMESPACE_END
