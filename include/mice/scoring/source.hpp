// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/document.hpp>
#include <mice/error.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>
#include <mice/networks/work_memory.hpp>
#include <mice/ranking.hpp>
#include <mice/scoring/pacing.hpp>
#include <mice/text/unicode/utf8.hpp>

// Where the documents of one call come from.
MICE_NAMESPACE_BEGIN
namespace detail {

/// So many rows keep a matrix product busy; more gain little.
inline constexpr std::size_t full_rows = 192;

/// Throws errc::encoding where the text is not UTF-8 and is to be refused; `name()` is what it is
/// called. A tokenizer alone knows of no list that its text is from.
template <class Name>
void check_encoding(std::string_view text, invalid_utf8 on_invalid, const Name& name) {
    if (on_invalid == invalid_utf8::refuse) {
        if (const std::size_t invalid = text::first_invalid_utf8(text);
            invalid != std::string_view::npos) {
            throw errors::invalid_utf8(name(), invalid);
        }
    }
}

/// The documents of one call. Safe to read from many threads.
class source {
  public:
    virtual ~source() = default;
    [[nodiscard]] virtual std::size_t size() const = 0;
    /// Decodes the codes of the views; null where they have none.
    [[nodiscard]] virtual const nn::state_decoder* decoder() const { return nullptr; }
    /// Fills memory.views with documents first..last-1 and each hit with its tokens; false when the
    /// call was told to stop first.
    virtual bool load(std::size_t first, std::size_t last, const rank_options& options,
                      work_memory& memory, hit* hits) const = 0;
};

/// Documents given as text: tokenised and encoded piece by piece.
class text_source final : public source {
  public:
    text_source(const model& engine, std::span<const std::string_view> texts)
        : model_(engine), texts_(texts) {}

    [[nodiscard]] std::size_t size() const override { return texts_.size(); }

    bool load(std::size_t first, std::size_t last, const rank_options& options, work_memory& memory,
              hit* hits) const override {
        memory.encodings.clear();
        std::size_t total = 0; // states
        for (std::size_t i = first; i < last; ++i) {
            check_encoding(texts_[i], options.on_invalid,
                           [i] { return errors::place_of("passage", i); });
            memory.encodings.push_back(
                model_.tokenize_document(texts_[i], options.specials, options.on_invalid));
            const encoding& made = memory.encodings.back();
            total += model_.states_of(made.ids);
            hits[i].tokens_seen = made.ids.size();
            hits[i].tokens_cut = made.cut;
            hits[i].replaced = made.replaced;
        }
        const std::size_t hidden = model_.config().state_width();
        float* states = memory.states.reserve(total * hidden);
        memory.views.clear();
        for (std::size_t begin = 0; begin < memory.encodings.size();) {
            if (should_stop(options)) {
                return false;
            }
            std::size_t rows = 0;
            memory.sequences.clear();
            std::size_t end = begin;
            for (; end < memory.encodings.size() && rows < full_rows; ++end) {
                memory.sequences.push_back(memory.encodings[end].ids);
                rows += memory.encodings[end].ids.size();
            }
            model_.network().encode_documents({memory.sequences.data(), memory.sequences.size()},
                                              states, memory.space);
            for (; begin < end; ++begin) {
                std::vector<std::int32_t>& ids = memory.encodings[begin].ids;
                model_.drop_skipped(ids);
                memory.views.push_back({states, ids.data(), ids.size()});
                states += ids.size() * hidden;
            }
        }
        return !should_stop(options);
    }

  private:
    const model& model_;
    std::span<const std::string_view> texts_;
};

/// Documents that are already encoded.
class document_source final : public source {
  public:
    /// Throws errc::mismatch for a document of another model or a model whose fingerprint is not
    /// its own, errc::invalid_argument for a null one, and for one that the model cannot have
    /// produced.
    document_source(const model& engine, std::vector<const document*> documents)
        : documents_(std::move(documents)) {
        for (const document* given : documents_) {
            if (given == nullptr) {
                throw errors::bad_argument("a document pointer is null");
            }
            if (given->fingerprint() != engine.fingerprint() ||
                given->hidden() != engine.config().state_width()) {
                throw errors::foreign_document(given->fingerprint(), engine.fingerprint());
            }
            engine.check_document(given->ids(), given->origin().skipped);
        }
        if (!documents_.empty()) {
            engine.check_fingerprint();
        }
    }

    [[nodiscard]] std::size_t size() const override { return documents_.size(); }
    [[nodiscard]] const document& operator[](std::size_t i) const { return *documents_[i]; }

    bool load(std::size_t first, std::size_t last, const rank_options& options, work_memory& memory,
              hit* hits) const override {
        memory.views.clear();
        for (std::size_t i = first; i < last; ++i) {
            const document& given = *documents_[i];
            memory.views.push_back({given.states().data(), given.ids().data(), given.rows()});
            hits[i].tokens_seen = given.tokens();
            hits[i].tokens_cut = given.tokens_cut();
            hits[i].replaced = given.replaced();
        }
        return !should_stop(options);
    }

  private:
    std::vector<const document*> documents_;
};

} // namespace detail
MICE_NAMESPACE_END
