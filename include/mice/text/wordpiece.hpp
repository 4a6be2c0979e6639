// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/added_tokens.hpp>
#include <mice/text/bert_normalizer.hpp>
#include <mice/text/bert_splitter.hpp>
#include <mice/text/token_table.hpp>
#include <mice/text/wordpiece_spec.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// BertNormalizer, BertPreTokenizer, WordPiece and added tokens, id for id as Hugging Face's
/// tokenizers library gives them. One deviation: with special_tokens::plain no text can produce the
/// id of a special token, not even one whose token is an ordinary word. Immutable, thread-safe.
class wordpiece {
  public:
    /// Throws errc::tokenizer as wordpiece_spec::validate does.
    explicit wordpiece(const wordpiece_spec& spec)
        : table_(spec.vocabulary), normalizer_(detail::normalizer_of(spec)),
          prefix_(spec.continuing_subword_prefix), max_chars_(spec.max_input_chars_per_word) {
        detail::check(spec, table_);
        unk_ = table_.find(spec.unk_token);
        cls_ = detail::find_token(spec, table_, spec.cls_token);
        sep_ = detail::find_token(spec, table_, spec.sep_token);
        continuing_.add(prefix_);
        special_.resize(table_.size());
        for (const std::string* name :
             {&spec.unk_token, &spec.cls_token, &spec.sep_token, &spec.pad_token, &spec.mask_token})
            forbid(table_.find(*name));
        take_added(spec);
    }

    /// Calls `sink(std::int32_t id)` for each token of `text` (valid UTF-8), without markers. Time
    /// is linear in the text; memory is bounded by the longest token and word, plus the length of
    /// the text where it has normalized added tokens or one long run of combining marks.
    template <typename Sink>
    void tokenize(std::string_view text, special_tokens specials, Sink&& sink) const {
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
        if (raw_.idle(specials))
            piece(text);
        else
            raw_.split(text, specials, piece, sink);
    }

    [[nodiscard]] std::int32_t unk_id() const noexcept { return unk_; }
    [[nodiscard]] std::int32_t cls_id() const noexcept { return cls_; }
    [[nodiscard]] std::int32_t sep_id() const noexcept { return sep_; }

    /// One more than the largest id, added tokens included.
    [[nodiscard]] std::size_t vocabulary_size() const noexcept { return size_; }

    /// The token of an id, "" where there is none.
    [[nodiscard]] std::string_view token(std::int32_t id) const noexcept {
        const std::string_view known = table_.token(id);
        if (!known.empty())
            return known;
        const auto place = std::lower_bound(
            extra_.begin(), extra_.end(), id,
            [](const auto& entry, std::int32_t wanted) { return entry.first < wanted; });
        return place != extra_.end() && place->first == id ? std::string_view(place->second)
                                                           : std::string_view();
    }

    /// Bytes of the token of `id` that only say that it goes on with a word; 0 where it begins one.
    [[nodiscard]] std::size_t continuation_mark(std::int32_t id) const noexcept {
        const std::string_view token = table_.token(id);
        return token.size() > prefix_.size() && token.starts_with(prefix_) ? prefix_.size() : 0;
    }

    /// The id of a token's exact text.
    [[nodiscard]] std::optional<std::int32_t> id(std::string_view token) const noexcept {
        const std::int32_t known = table_.find(token);
        if (known != token_table::none)
            return known;
        for (const auto& [extra_id, content] : extra_)
            if (content == token)
                return extra_id;
        return std::nullopt;
    }

  private:
    struct scratch {
        std::vector<char32_t> marks;
        std::vector<std::pair<std::size_t, running_hash>> ends; // of possible pieces
        std::vector<std::int32_t> ids;                          // of the word so far
    };

    /// Greedy longest match first; one piece that is not found makes the whole word unknown.
    template <typename Sink>
    void pieces(std::string_view word, special_tokens specials, scratch& work, Sink& sink) const {
        auto& ends = work.ends;
        auto& ids = work.ids;
        ids.clear();
        for (std::size_t start = 0; start < word.size();) {
            hash_prefixes(word, start, ends);
            const std::string_view prefix = start == 0 ? std::string_view() : prefix_;
            std::int32_t found = token_table::none;
            std::size_t stop = start;
            for (auto end = ends.rbegin(); end != ends.rend() && found == token_table::none;
                 ++end) {
                stop = end->first;
                found = table_.find(end->second, prefix, word.substr(start, stop - start));
                if (found != token_table::none && specials == special_tokens::plain &&
                    special_[static_cast<std::size_t>(found)] != 0)
                    found = token_table::none;
            }
            if (found == token_table::none) {
                sink(unk_);
                return;
            }
            ids.push_back(found);
            start = stop;
        }
        for (const std::int32_t id : ids)
            sink(id);
    }

    /// The hash of every piece from `start` that could be a token, shortest first.
    void hash_prefixes(std::string_view word, std::size_t start,
                       std::vector<std::pair<std::size_t, running_hash>>& ends) const {
        ends.clear();
        running_hash hash = start == 0 ? running_hash() : continuing_;
        const std::size_t limit = std::min(word.size() - start, table_.longest());
        for (std::size_t at = start; at < start + limit; ++at) {
            hash.add(word[at]);
            if (at + 1 == word.size() || !is_continuation(word[at + 1]))
                ends.emplace_back(at + 1, hash);
        }
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

    void take_added(const wordpiece_spec& spec) {
        size_ = table_.size();
        for (const added_token& token : spec.added_tokens)
            take(token);
        std::sort(extra_.begin(), extra_.end());
    }

    void take(const added_token& token) {
        if (token.normalized)
            normalized_.add(token, normalizer_.normalize(token.content));
        else
            raw_.add(token, token.content);
        if (token.special)
            forbid(token.id);
        if (table_.token(token.id).empty())
            extra_.emplace_back(token.id, token.content);
        size_ = std::max(size_, static_cast<std::size_t>(token.id) + 1);
    }

    token_table table_;
    bert_normalizer normalizer_;
    std::string prefix_;
    std::size_t max_chars_;
    running_hash continuing_; // the state after the prefix
    std::int32_t unk_ = 0, cls_ = 0, sep_ = 0;
    std::vector<std::uint8_t> special_; // of each vocabulary id: text must not produce it
    added_token_matcher raw_, normalized_;
    std::vector<std::pair<std::int32_t, std::string>> extra_; // added tokens outside the vocabulary
    std::size_t size_ = 0;
};

} // namespace text
MICE_NAMESPACE_END
