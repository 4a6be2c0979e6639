// SPDX-License-Identifier: Apache-2.0
#pragma once

// The only header that needs the sentencepiece library. <mice/text/tokenizer.hpp> includes it where
// MICE_USE_SENTENCEPIECE is 1, which CMake's mice::sentencepiece says in every file.

#include <mice/config.hpp>

#if !MICE_USE_SENTENCEPIECE
#error "link mice::sentencepiece, or define MICE_USE_SENTENCEPIECE=1 in every file of the program"
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <sentencepiece_processor.h>

#include <mice/system/float_mode.hpp>
#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/token_names.hpp>
#include <mice/text/traced_text.hpp>
#include <mice/text/unicode/unicode.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// Segmentation by the sentencepiece library (unigram and BPE), id for id, under the model's own
/// ids or XLM-R's. No text gives a special token. Immutable, thread-safe.
class sentencepiece {
  public:
    /// The most bytes that the library gets at once; a longer text is cut at spaces. The library
    /// needs many times the text's memory, and its positions are ints.
    static constexpr std::size_t longest_part = std::size_t{1} << 18;

    /// Throws as sentencepiece_spec::validate does, and errc::tokenizer where the library refuses.
    explicit sentencepiece(const sentencepiece_spec& spec)
        : sentencepiece(spec, detail::checked_model(spec)) {}

    /// Calls `sink(std::int32_t id)` for each token of `text` (valid UTF-8), without markers. A
    /// range_sink gets the library's own bytes of `text`, too.
    template <typename Sink>
    void tokenize(std::string_view text, special_tokens specials, Sink&& sink) const {
        const auto segment = [&](std::string_view piece) {
            if constexpr (range_sink<Sink>)
                segment_traced(text, piece, sink);
            else
                this->segment(piece, sink);
        };
        added_.split(text, specials, segment, sink);
    }

    [[nodiscard]] std::int32_t cls_id() const noexcept { return cls_; }
    [[nodiscard]] std::int32_t sep_id() const noexcept { return sep_; }

    /// How [CLS] and [SEP] stand around two texts.
    [[nodiscard]] pair_form pairs() const noexcept { return pairs_; }

    /// All tokens, added ones included.
    [[nodiscard]] const token_names& names() const noexcept { return names_; }

    /// The token of an id as a piece of a word. It continues a word where it begins with neither a
    /// space (U+2581) nor punctuation.
    [[nodiscard]] word_piece piece(std::int32_t id) const noexcept {
        std::string_view text = names_.token(id);
        const auto place = static_cast<std::size_t>(id);
        if (text.empty() || place >= kinds_.size() || kinds_[place] == piece_kind::control ||
            kinds_[place] == piece_kind::unknown)
            return {text, false};
        if (kinds_[place] == piece_kind::byte)
            text = detail::byte_text(static_cast<std::size_t>(detail::byte_of_piece(text)));
        return detail::spaced_piece(text, space);
    }

  private:
    static constexpr std::string_view space = "\xe2\x96\x81";

    sentencepiece(const sentencepiece_spec& spec, const sentencepiece_model& model)
        : names_(detail::names_of(spec, model)), pairs_(spec.pairs),
          drops_space_(model.add_dummy_prefix) {
        detail::check(spec, names_.table());
        cls_ = detail::find_token(spec.added_tokens, names_.table(), spec.cls_token);
        sep_ = detail::find_token(spec.added_tokens, names_.table(), spec.sep_token);
        names_.include(spec.added_tokens);
        number(model, spec.ids);
        for (const added_token& token : spec.added_tokens)
            added_.add(token, token.content);
        load(detail::to_library(model));
    }

    /// Maps the library's ids to ours, and names ours.
    void number(const sentencepiece_model& model, piece_ids ids) {
        kinds_.assign(names_.table().size(), piece_kind::control); // XLM-R's padding
        ids_.reserve(model.pieces.size());
        for (std::size_t place = 0; place < model.pieces.size(); ++place) {
            static constexpr std::array<std::int32_t, 3> first = {3, 0, 2};
            const std::int32_t id = ids == piece_ids::plain ? static_cast<std::int32_t>(place)
                                    : place < first.size()  ? first[place]
                                                            : static_cast<std::int32_t>(place) + 1;
            ids_.push_back(id);
            kinds_[static_cast<std::size_t>(id)] = model.pieces[place].kind;
            if (model.pieces[place].kind == piece_kind::unknown)
                unknown_ = id;
        }
    }

    void load(const std::string& model) {
        auto library = std::make_unique<::sentencepiece::SentencePieceProcessor>();
        std::string reason;
        try {
            const auto status = mice::detail::in_default_float_mode(
                [&] { return library->LoadFromSerializedProto(model); });
            reason = status.ok() ? "" : status.message();
        } catch (const std::bad_alloc&) {
            throw;
        } catch (const std::exception& problem) { // of its double array
            reason = problem.what();
        }
        if (!reason.empty())
            throw errors::bad_sentencepiece("the library says " + errors::quoted(reason));
        library_ = std::move(library);
    }

    /// `Found`: one of the library's forms.
    template <class Found> void encode(std::string_view part, Found* found) const {
        const auto status = mice::detail::in_default_float_mode( // of the pieces' scores
            [&] { return library_->Encode(part, found); });
        if (!status.ok())
            throw errors::bad_sentencepiece("the library cannot segment a text with it: " +
                                            errors::quoted(status.message()));
    }

    template <typename Sink> void segment(std::string_view text, Sink& sink) const {
        std::vector<int> found;
        bool unknown = false; // a run of unknown characters becomes one token
        while (!text.empty()) {
            const std::string_view part = next_part(text);
            encode(part, &found);
            for (const int place : found) {
                const bool known = static_cast<std::size_t>(place) < ids_.size();
                if (known)
                    sink(ids_[static_cast<std::size_t>(place)]);
                else if (!unknown)
                    sink(unknown_);
                unknown = !known;
            }
        }
    }

    /// As segment(), of a piece of a text. Behind a cut at a space that is left out, a token begins
    /// where the one before it ends, as without the cut.
    template <typename Sink>
    void segment_traced(std::string_view text, std::string_view piece, Sink& sink) const {
        bool unknown = false;
        byte_range run; // of the unknown characters
        std::size_t last = 0;
        const auto end_run = [&] {
            if (unknown)
                sink(unknown_, run);
            unknown = false;
        };
        for (std::string_view rest = piece; !rest.empty();) {
            const std::string_view part = next_part(rest);
            const auto place = static_cast<std::size_t>(part.data() - text.data());
            const bool after_space =
                drops_space_ && part.data() != piece.data() && text[place - 1] == ' ' && last > 0;
            ::sentencepiece::ImmutableSentencePieceText found;
            encode(part, found.mutable_proto());
            const std::size_t count = found.pieces_size();
            for (std::size_t i = 0; i < count; ++i) {
                const auto token = found.pieces(static_cast<int>(i));
                byte_range range = characters(text, place + token.begin(), place + token.end());
                if (i == 0 && after_space)
                    range = {last, std::max(range.end, place)};
                last = range.end;
                if (token.id() < ids_.size()) {
                    end_run();
                    sink(ids_[token.id()], range);
                } else {
                    run = {unknown ? run.begin : range.begin, range.end};
                    unknown = true;
                }
            }
        }
        end_run();
    }

    /// The characters around bytes: a model's rules may begin and end inside one.
    [[nodiscard]] static byte_range characters(std::string_view text, std::size_t begin,
                                               std::size_t end) {
        end = std::min(end, text.size());
        begin = std::min(begin, end);
        while (begin > 0 && begin < text.size() && is_continuation(text[begin]))
            --begin;
        while (end < text.size() && is_continuation(text[end]))
            ++end;
        return {begin, end};
    }

    /// Takes the next part for the library off the front. Leaves out a space at the cut where the
    /// library puts one there by itself.
    [[nodiscard]] std::string_view next_part(std::string_view& text) const {
        std::size_t size = text.size(), dropped = 0;
        if (size > longest_part) {
            size = text.rfind(' ', longest_part);
            if (size != std::string_view::npos && size > 0) {
                dropped = drops_space_ ? 1 : 0;
            } else {
                size = longest_part;
                while (is_continuation(text[size]))
                    --size;
            }
        }
        const std::string_view part = text.substr(0, size);
        text.remove_prefix(size + dropped);
        return part;
    }

    token_names names_;
    pair_form pairs_;
    bool drops_space_;
    std::int32_t cls_ = 0, sep_ = 0, unknown_ = 0;
    std::vector<std::int32_t> ids_; // of the library's
    std::vector<piece_kind> kinds_; // of each id
    added_token_matcher added_;
    std::unique_ptr<const ::sentencepiece::SentencePieceProcessor> library_;
};

} // namespace text
MICE_NAMESPACE_END
