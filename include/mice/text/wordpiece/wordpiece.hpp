// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/added_tokens.hpp>
#include <mice/text/token_names.hpp>
#include <mice/text/traced_text.hpp>
#include <mice/text/wordpiece/bert_normalizer.hpp>
#include <mice/text/wordpiece/bert_splitter.hpp>
#include <mice/text/wordpiece/spec.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// BertNormalizer, BertPreTokenizer, WordPiece and added tokens, id for id as Hugging Face's
/// tokenizers library gives them. One deviation: with special_tokens::plain no text can produce the
/// id of a special token, not even one whose token is an ordinary word. Immutable, thread-safe.
class wordpiece {
  public:
    /// Throws errc::tokenizer as wordpiece_spec::validate does.
    explicit wordpiece(const wordpiece_spec& spec)
        : names_(spec.vocabulary), normalizer_(detail::normalizer_of(spec)),
          prefix_(spec.continuing_subword_prefix), max_chars_(spec.max_input_chars_per_word) {
        const token_table& table = names_.table();
        detail::check(spec, table);
        unk_ = table.find(spec.unk_token);
        cls_ = detail::find_token(spec.added_tokens, table, spec.cls_token);
        sep_ = detail::find_token(spec.added_tokens, table, spec.sep_token);
        continuing_.add(prefix_);
        special_.resize(table.size());
        for (const std::string* name :
             {&spec.unk_token, &spec.cls_token, &spec.sep_token, &spec.pad_token, &spec.mask_token})
            forbid(table.find(*name));
        names_.include(spec.added_tokens);
        for (const added_token& token : spec.added_tokens)
            take(token);
    }

    /// Calls `sink(std::int32_t id)` for each token of `text` (valid UTF-8), without markers. Time
    /// is linear in the text; memory is bounded by the longest token and word, plus the length of
    /// the text where it has normalized added tokens or one long run of combining marks. A
    /// range_sink gets the bytes of `text`, too, which takes memory for the origin of each byte.
    template <typename Sink>
    void tokenize(std::string_view text, special_tokens specials, Sink&& sink) const {
        if constexpr (range_sink<Sink>)
            trace(text, specials, sink);
        else
            stream(text, specials, sink);
    }

    [[nodiscard]] std::int32_t unk_id() const noexcept { return unk_; }
    [[nodiscard]] std::int32_t cls_id() const noexcept { return cls_; }
    [[nodiscard]] std::int32_t sep_id() const noexcept { return sep_; }

    /// How [CLS] and [SEP] stand around two texts.
    [[nodiscard]] pair_form pairs() const noexcept { return pair_form::bert; }

    /// All tokens, added ones included.
    [[nodiscard]] const token_names& names() const noexcept { return names_; }

    /// The token of an id as a piece of a word.
    [[nodiscard]] word_piece piece(std::int32_t id) const noexcept {
        const std::string_view token = names_.token(id);
        const bool continues = token.size() > prefix_.size() && !prefix_.empty() &&
                               token.starts_with(prefix_) && !names_.table().token(id).empty();
        return {token.substr(continues ? prefix_.size() : 0), continues};
    }

  private:
    struct scratch {
        std::vector<char32_t> marks;
        std::vector<std::pair<std::size_t, running_hash>> ends; // of possible pieces
        std::vector<std::int32_t> ids;                          // of the word so far
    };
    struct traced_scratch : scratch {
        std::vector<std::size_t> stops; // of the ids
    };

    template <typename Sink>
    void stream(std::string_view text, special_tokens specials, Sink& sink) const {
        scratch work;
        bert_splitter words(max_chars_, [&](std::string_view word, std::size_t chars) {
            if (chars > max_chars_)
                sink(unk_);
            else
                pieces(word, specials, work, sink);
        });
        const auto piece = [&](std::string_view part) {
            if (normalized_.idle(specials))
                normalizer_.normalize(
                    part, [&words](char32_t code) { words.add(code); }, work.marks);
            else
                match_normalized(part, specials, words, work, sink);
            words.end();
        };
        raw_.split(text, specials, piece, sink);
    }

    /// As stream(), with offsets.
    template <typename Sink>
    MICE_NOINLINE void trace(std::string_view text, special_tokens specials, Sink& sink) const {
        traced_scratch work;
        const auto part = [&](std::string_view raw) {
            const auto place = static_cast<std::size_t>(raw.data() - text.data());
            const traced_text normal = normalizer_.normalize_traced(raw, place);
            const auto give = [&](std::int32_t id, byte_range of_normal) {
                sink(id, origin_of(normal.origins.data(), of_normal.begin, of_normal.end));
            };
            const auto words = [&](std::string_view piece) {
                const auto at = static_cast<std::size_t>(piece.data() - normal.text.data());
                split_bert(piece, [&](std::size_t start, std::size_t stop, std::size_t chars) {
                    const auto of_word = [&](std::int32_t id, byte_range bytes) {
                        give(id, {at + start + bytes.begin, at + start + bytes.end});
                    };
                    if (chars > max_chars_)
                        of_word(unk_, {0, stop - start});
                    else
                        pieces(piece.substr(start, stop - start), specials, work, of_word);
                });
            };
            normalized_.split(normal.text, specials, words, give);
        };
        raw_.split(text, specials, part, sink);
    }

    /// Greedy, the longest match first; if one piece is not found, the whole word is unknown.
    template <class Work, typename Sink>
    void pieces(std::string_view word, special_tokens specials, Work& work, Sink& sink) const {
        auto& ends = work.ends;
        auto& ids = work.ids;
        ids.clear();
        if constexpr (range_sink<Sink>)
            work.stops.clear();
        for (std::size_t start = 0; start < word.size();) {
            std::size_t count = hash_prefixes(word, start, ends);
            const std::string_view prefix = start == 0 ? std::string_view() : prefix_;
            std::int32_t found = token_table::none;
            std::size_t stop = start;
            while (count > 0 && found == token_table::none) {
                const auto& [end, hash] = ends[--count];
                stop = end;
                found = names_.table().find(hash, prefix, word.substr(start, stop - start));
                if (found != token_table::none && specials == special_tokens::plain &&
                    special_[static_cast<std::size_t>(found)] != 0)
                    found = token_table::none;
            }
            if (found == token_table::none) {
                if constexpr (range_sink<Sink>)
                    sink(unk_, byte_range{0, word.size()});
                else
                    sink(unk_);
                return;
            }
            ids.push_back(found);
            start = stop;
            if constexpr (range_sink<Sink>)
                work.stops.push_back(stop);
        }
        if constexpr (range_sink<Sink>) {
            for (std::size_t i = 0; i < ids.size(); ++i)
                sink(ids[i], byte_range{i == 0 ? 0 : work.stops[i - 1], work.stops[i]});
        } else {
            for (const std::int32_t id : ids)
                sink(id);
        }
    }

    /// The hash of every piece from `start` that could be a token, shortest first, in the first
    /// places of `ends`, which only grows. Returns how many there are.
    [[nodiscard]] std::size_t
    hash_prefixes(std::string_view word, std::size_t start,
                  std::vector<std::pair<std::size_t, running_hash>>& ends) const {
        running_hash hash = start == 0 ? running_hash() : continuing_;
        const std::size_t limit = std::min(word.size() - start, names_.table().longest());
        if (ends.size() < limit)
            ends.resize(limit);
        auto* next = ends.data();
        for (std::size_t at = start; at < start + limit; ++at) {
            hash.add(word[at]);
            if (at + 1 == word.size() || !is_continuation(word[at + 1]))
                *next++ = {at + 1, hash};
        }
        return static_cast<std::size_t>(next - ends.data());
    }

    template <typename Words, typename Sink>
    void match_normalized(std::string_view part, special_tokens specials, Words& words,
                          scratch& work, Sink& sink) const {
        std::string normal;
        normal.reserve(part.size());
        normalizer_.normalize(
            part, [&normal](char32_t code) { append_utf8(normal, code); }, work.marks);
        const auto piece = [&words](std::string_view text) {
            for (std::size_t at = 0; at < text.size();) {
                const decoded next = decode_utf8(text, at);
                words.add(next.code);
                at += next.bytes;
            }
            words.end();
        };
        normalized_.split(normal, specials, piece, sink);
    }

    void forbid(std::int32_t id) {
        if (id != token_table::none && static_cast<std::size_t>(id) < special_.size())
            special_[static_cast<std::size_t>(id)] = 1;
    }

    void take(const added_token& token) {
        if (token.normalized)
            normalized_.add(token, normalizer_.normalize(token.content));
        else
            raw_.add(token, token.content);
        if (token.special)
            forbid(token.id);
    }

    token_names names_;
    bert_normalizer normalizer_;
    std::string prefix_;
    std::size_t max_chars_;
    running_hash continuing_; // the state after the prefix
    std::int32_t unk_ = 0, cls_ = 0, sep_ = 0;
    std::vector<std::uint8_t> special_; // of an id of the vocabulary: no text may produce it
    added_token_matcher raw_, normalized_;
};

} // namespace text
MICE_NAMESPACE_END
