// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/index.hpp>
#include <mice/index/files/repair.hpp>
#include <mice/index/files/verify.hpp>
#include <mice/index/folder.hpp>
#include <mice/index/long_texts.hpp>
#include <mice/index/state.hpp>
#include <mice/io/text_bytes.hpp>
#include <mice/scoring/scoring.hpp>
#include <mice/system/float_mode.hpp>

MICE_NAMESPACE_BEGIN

// ---- opening ----

MICE_INLINE index::index(std::unique_ptr<detail::index_state> state) : state_(std::move(state)) {}
MICE_INLINE index::index(index&&) noexcept = default;
MICE_INLINE index& index::operator=(index&&) noexcept = default;
MICE_INLINE index::~index() {
    const detail::default_float_mode mode; // as in open
    state_.reset();
}

MICE_INLINE index index::open(const std::filesystem::path& folder, const reranker& ranker,
                              const index_access& access) {
    const detail::default_float_mode mode; // std::filesystem computes with floats, too
    ranker.shared_model()->check_fingerprint();
    return index(std::make_unique<detail::index_state>(folder, ranker, access));
}

MICE_INLINE index index::create(const std::filesystem::path& folder, const reranker& ranker,
                                const index_options& options, const index_access& access) {
    const detail::default_float_mode mode;
    store::create_index(detail::files_of(access), folder,
                        detail::first_manifest(ranker, options, text::word_form::current), {});
    return open(folder, ranker, access);
}

MICE_INLINE index index::create_like(const std::filesystem::path& folder, const reranker& ranker,
                                     const std::filesystem::path& other,
                                     const index_access& access) {
    const detail::default_float_mode mode;
    const store::opened_commit from = store::open_newest(
        detail::files_of(access), other, ranker.shared_model(), store::cut_manifest::refuse);
    const store::manifest& there = from.commit->commit();
    store::create_index(detail::files_of(access), folder,
                        detail::first_manifest(ranker, {there.codec, there.words}, there.form),
                        from.commit->codec_parameters());
    return open(folder, ranker, access);
}

MICE_INLINE index index::open_or_create(const std::filesystem::path& folder, const reranker& ranker,
                                        const index_options& options, const index_access& access) {
    if (!exists(folder, access)) {
        return create(folder, ranker, options, access);
    }
    index made = open(folder, ranker, access);
    const index_stats now = made.stats();
    if (!(now.codec == store::kept_codec(options.codec))) {
        throw detail::errors::index_mismatch("codec", now.codec.name, options.codec.name,
                                             "open it without options, or make another index");
    }
    if (now.words != options.words) {
        const auto said = [](index_words words) {
            return words == index_words::keep ? "words are kept" : "no words are kept";
        };
        throw detail::errors::index_mismatch("choice of words", said(now.words),
                                             said(options.words),
                                             "open it without options, or make another index");
    }
    return made;
}

MICE_INLINE bool index::exists(const std::filesystem::path& folder, const index_access& access) {
    const detail::default_float_mode mode;
    return detail::holds_index(folder, access);
}
MICE_INLINE index_repair index::plan_repair(const std::filesystem::path& folder,
                                            const reranker& ranker, const index_access& access) {
    const detail::default_float_mode mode;
    ranker.shared_model()->check_fingerprint();
    return store::index_repairer(detail::files_of(access), folder, ranker.shared_model()).plan();
}
MICE_INLINE index_repair index::repair(const std::filesystem::path& folder, const reranker& ranker,
                                       const index_access& access) {
    const detail::default_float_mode mode;
    ranker.shared_model()->check_fingerprint();
    return store::index_repairer(detail::files_of(access), folder, ranker.shared_model()).run();
}
MICE_INLINE std::vector<index_finding> index::verify_folder(const std::filesystem::path& folder,
                                                            const index_progress& progress,
                                                            const index_access& access) {
    const detail::default_float_mode mode;
    return store::verifier(detail::files_of(access), folder, progress).run();
}

// ---- writing ----

MICE_INLINE put_result index::put(std::string_view id, std::string_view text,
                                  std::string_view metadata) {
    store::waiting_document made = detail::waiting_document(id, metadata);
    if (text.size() > store::largest_text) {
        throw detail::errors::document_too_large(id, "the text", text.size(), store::largest_text);
    }
    if (!state_->ranker().has_tokenizer()) {
        throw detail::errors::no_tokenizer();
    }
    detail::check_encoding(text, state_->access().on_invalid,
                           [id] { return "the text of document " + detail::errors::quoted(id); });
    const bool plain = state_->access().specials == special_tokens::plain;
    made.content = detail::content_hash(plain ? "plain text" : "text with special tokens",
                                        io::text_bytes(text), metadata);
    made.text = text;
    return state_->write([&](store::index_writer& to) { return to.put(std::move(made)); });
}

MICE_INLINE put_result index::put_text(std::string_view id, std::string_view text,
                                       std::string_view metadata) {
    store::waiting_document made = detail::waiting_document(id, metadata);
    if (text.size() > store::largest_text) {
        throw detail::errors::document_too_large(id, "the text", text.size(), store::largest_text);
    }
    const special_tokens specials = state_->access().specials;
    const std::vector<passage> passages = passages_of_text(ranker(), text, {.specials = specials});
    if (passages.size() == 1) {
        return put(id, text, metadata);
    }
    detail::check_encoding(text, state_->access().on_invalid,
                           [id] { return "the text of document " + detail::errors::quoted(id); });
    const bool plain = specials == special_tokens::plain;
    made.content = detail::content_hash(plain ? "long text" : "long text with special tokens",
                                        io::text_bytes(text), metadata);
    detail::text_documents all =
        detail::documents_of(std::move(made), text, passages,
                             plain ? "passage" : "passage with special tokens", metadata);
    return state_->write([&](store::index_writer& to) {
        return to.put_text(std::move(all.text), std::move(all.passages));
    });
}

MICE_INLINE put_result index::put_ids(std::string_view id, std::span<const std::int32_t> ids,
                                      std::string_view metadata) {
    store::waiting_document made = detail::waiting_document(id, metadata);
    made.tokens.ids = state_->ranker().shared_model()->document_ids(ids);
    made.content = detail::content_hash("token ids", std::as_bytes(ids), metadata);
    made.as_ids = true;
    return state_->write([&](store::index_writer& to) { return to.put(std::move(made)); });
}

MICE_INLINE put_result index::put_encoded(std::string_view id, const document& encoded,
                                          std::string_view metadata) {
    store::waiting_document made = detail::waiting_document(id, metadata);
    const model& engine = *state_->ranker().shared_model();
    if (encoded.fingerprint() != engine.fingerprint() ||
        encoded.hidden() != engine.config().state_width()) {
        throw detail::errors::foreign_document(encoded.fingerprint(), engine.fingerprint());
    }
    engine.check_document(encoded.ids(), encoded.origin().skipped);
    if (!kernels::all_finite(encoded.states().data(), encoded.states().size())) {
        throw detail::errors::bad_argument("the states of document " + detail::errors::quoted(id) +
                                           " hold NaN or infinity");
    }
    // A model that keeps no states treats equal ids alike, whoever encoded them.
    made.content = encoded.hidden() == 0
                       ? detail::content_hash("token ids", std::as_bytes(encoded.ids()), metadata)
                       : detail::content_hash("states", std::as_bytes(encoded.states()), metadata);
    made.tokens.ids.assign(encoded.ids().begin(), encoded.ids().end());
    made.tokens.cut = encoded.tokens_cut();
    made.tokens.replaced = encoded.replaced();
    made.skipped = encoded.origin().skipped;
    made.states.assign(encoded.states().begin(), encoded.states().end());
    made.given = encoded.hidden() != 0; // a document does not say what it was computed in
    made.as_ids = true;
    return state_->write([&](store::index_writer& to) { return to.put(std::move(made)); });
}

MICE_INLINE bool index::erase(std::string_view id) {
    detail::check_document_id(id);
    return state_->write([&](store::index_writer& to) { return to.erase(id); });
}
MICE_INLINE index_commit index::commit() {
    return state_->write([](store::index_writer& to) { return to.commit(); });
}
MICE_INLINE void index::rollback() {
    state_->write([](store::index_writer& to) { to.rollback(); });
}
MICE_INLINE void index::release() {
    const detail::default_float_mode mode;
    state_->release();
}
MICE_INLINE std::uint64_t index::uncommitted() const noexcept {
    return state_->uncommitted();
}
MICE_INLINE index_commit index::compact(const index_progress& progress) {
    return state_->write([&](store::index_writer& to) { return to.compact(progress); });
}
MICE_INLINE index_merge index::merge(std::span<const std::filesystem::path> others,
                                     merge_conflict conflict, const index_progress& progress) {
    const detail::default_float_mode mode;
    std::vector<std::shared_ptr<const store::snapshot>> opened;
    for (const std::filesystem::path& other : others) {
        opened.push_back(store::open_newest(state_->files(), other, state_->ranker().shared_model(),
                                            store::cut_manifest::refuse)
                             .commit);
        for (const store::live_segment& each : opened.back()->segments()) {
            store::check_documents(*opened.back(), *each.file); // no forged document is copied
        }
        store::check_texts(*opened.back());
    }
    return state_->write(
        [&](store::index_writer& to) { return to.merge(opened, others, conflict, progress); });
}

// ---- reading ----

MICE_INLINE std::uint64_t index::size() const {
    return state_->commit()->documents();
}
MICE_INLINE bool index::contains(std::string_view id) const {
    return state_->commit()->find_document(id).has_value();
}
MICE_INLINE std::optional<stored_document> index::get(std::string_view id) const {
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    const auto found = commit->find_document(id);
    return found ? std::optional(detail::describe_document(*commit, *found)) : std::nullopt;
}
MICE_INLINE std::optional<stored_states> index::states(std::string_view id) const {
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    const auto found = commit->find_document(id);
    if (!found) {
        return std::nullopt;
    }
    const store::segment& file = *commit->segments()[found->segment].file;
    const store::document_entry entry =
        store::stored_entry(commit->engine(), file, found->document);
    const store::document_coder& coder = *commit->coder();
    const std::span<const std::byte> codes =
        file.codes(found->document, entry, coder.bytes(entry.rows));
    stored_states made{entry.rows, coder.width(), coder.key_values(), {}};
    made.values.resize(made.rows * made.width);
    kernels::buffer scratch;
    detail::in_default_float_mode(
        [&] { coder.decode(codes, entry.rows, made.values.data(), scratch); });
    return made;
}

MICE_INLINE index_documents::index_documents(std::unique_ptr<detail::document_walk> walk)
    : walk_(std::move(walk)) {}
MICE_INLINE index_documents::index_documents(index_documents&&) noexcept = default;
MICE_INLINE index_documents& index_documents::operator=(index_documents&&) noexcept = default;
MICE_INLINE index_documents::~index_documents() = default;
MICE_INLINE index_documents::iterator index_documents::begin() {
    step();
    return iterator(*this);
}
MICE_INLINE void index_documents::step() {
    auto next = walk_->next();
    while (next && walk_->commit().entry(*next).kind == store::entry_kind::passage) {
        next = walk_->next();
    }
    done_ = !next;
    if (next) {
        current_ = detail::describe_document(walk_->commit(), *next);
    }
}
MICE_INLINE index_documents index::documents() const {
    return index_documents(std::make_unique<detail::document_walk>(state_->commit()));
}

MICE_INLINE index_stats index::stats() const {
    const detail::default_float_mode mode;
    index_stats made = detail::stats_of(state_->opened());
    detail::measure_folder(state_->files(), state_->folder(), made);
    return made;
}

MICE_INLINE std::vector<index_finding> index::verify(const index_progress& progress) const {
    const detail::default_float_mode mode;
    std::vector<index_finding> found = verify_folder(state_->folder(), progress, state_->access());
    if (found.empty()) {
        found = store::contradictions(*state_->commit());
    }
    return found.empty() ? store::refused_commit(state_->files(), state_->folder(),
                                                 state_->ranker().shared_model())
                         : found;
}
MICE_INLINE std::string index::recovered() const {
    return state_->opened().recovered;
}
MICE_INLINE bool index::refresh() {
    const detail::default_float_mode mode;
    return state_->refresh();
}
MICE_INLINE const std::filesystem::path& index::folder() const noexcept {
    return state_->folder();
}
MICE_INLINE const reranker& index::ranker() const noexcept {
    return state_->ranker();
}

// ---- codecs ----

MICE_INLINE std::string index_codec_names() {
    return store::codec_names();
}
MICE_INLINE std::string kept_codec_name(std::string_view asked) {
    return std::string(store::kept_codec_name(asked));
}
MICE_INLINE std::string codec_alias(std::string_view name) {
    return std::string(store::codec_alias(name));
}

MICE_NAMESPACE_END
