// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mice/index.hpp>
#include <mice/index_folder.hpp>
#include <mice/index_scoring.hpp>
#include <mice/index_state.hpp>
#include <mice/io/text_bytes.hpp>
#include <mice/store/repair.hpp>
#include <mice/store/verify.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

[[nodiscard]] inline store::manifest
first_manifest(const reranker& ranker, const index_options& options, text::word_form form) {
    store::manifest made;
    made.codec = store::kept_codec(options.codec);
    store::validate(made.codec, *ranker.shared_model());
    ranker.shared_model()->check_fingerprint();
    made.model = store::bound_model(ranker.shared_model(), made.codec).identity;
    made.words = options.words;
    made.form = form;
    return made;
}

} // namespace detail

// ---- opening ----

inline index::index(std::unique_ptr<detail::index_state> state) : state_(std::move(state)) {}
inline index::index(index&&) noexcept = default;
inline index& index::operator=(index&&) noexcept = default;
inline index::~index() {
    const detail::default_float_mode mode; // as in open
    state_.reset();
}

inline index index::open(const std::filesystem::path& folder, const reranker& ranker,
                         const index_access& access) {
    const detail::default_float_mode mode; // std::filesystem computes with floats, too
    ranker.shared_model()->check_fingerprint();
    return index(std::make_unique<detail::index_state>(folder, ranker, access));
}

inline index index::create(const std::filesystem::path& folder, const reranker& ranker,
                           const index_options& options, const index_access& access) {
    const detail::default_float_mode mode;
    store::create_index(detail::files_of(access), folder,
                        detail::first_manifest(ranker, options, text::word_form::current), {});
    return open(folder, ranker, access);
}

inline index index::create_like(const std::filesystem::path& folder, const reranker& ranker,
                                const std::filesystem::path& other, const index_access& access) {
    const detail::default_float_mode mode;
    const store::opened_commit from = store::open_newest(
        detail::files_of(access), other, ranker.shared_model(), store::cut_manifest::refuse);
    const store::manifest& there = from.commit->commit();
    store::create_index(detail::files_of(access), folder,
                        detail::first_manifest(ranker, {there.codec, there.words}, there.form),
                        from.commit->codec_parameters());
    return open(folder, ranker, access);
}

inline index index::open_or_create(const std::filesystem::path& folder, const reranker& ranker,
                                   const index_options& options, const index_access& access) {
    if (!exists(folder, access)) {
        return create(folder, ranker, options, access);
    }
    index made = open(folder, ranker, access);
    const index_stats now = made.stats();
    if (!(now.codec == store::kept_codec(options.codec))) {
        throw errors::index_mismatch("codec", now.codec.name, options.codec.name,
                                     "open it without options, or make another index");
    }
    if (now.words != options.words) {
        const auto said = [](index_words words) {
            return words == index_words::keep ? "words are kept" : "no words are kept";
        };
        throw errors::index_mismatch("choice of words", said(now.words), said(options.words),
                                     "open it without options, or make another index");
    }
    return made;
}

inline bool index::exists(const std::filesystem::path& folder, const index_access& access) {
    const detail::default_float_mode mode;
    return detail::holds_index(folder, access);
}
inline index_repair index::plan_repair(const std::filesystem::path& folder, const reranker& ranker,
                                       const index_access& access) {
    const detail::default_float_mode mode;
    ranker.shared_model()->check_fingerprint();
    return store::index_repairer(detail::files_of(access), folder, ranker.shared_model()).plan();
}
inline index_repair index::repair(const std::filesystem::path& folder, const reranker& ranker,
                                  const index_access& access) {
    const detail::default_float_mode mode;
    ranker.shared_model()->check_fingerprint();
    return store::index_repairer(detail::files_of(access), folder, ranker.shared_model()).run();
}
inline std::vector<index_finding> index::verify_folder(const std::filesystem::path& folder,
                                                       const index_progress& progress,
                                                       const index_access& access) {
    const detail::default_float_mode mode;
    return store::verifier(detail::files_of(access), folder, progress).run();
}

// ---- writing ----

inline put_result index::put(std::string_view id, std::string_view text,
                             std::string_view metadata) {
    store::waiting_document made = detail::waiting_document(id, metadata);
    if (text.size() > store::largest_text) {
        throw errors::document_too_large(id, "the text", text.size(), store::largest_text);
    }
    if (!state_->ranker().has_tokenizer()) {
        throw errors::no_tokenizer();
    }
    detail::check_encoding(text, state_->access().on_invalid,
                           [id] { return "the text of document " + errors::quoted(id); });
    const bool plain = state_->access().specials == special_tokens::plain;
    made.content = detail::content_hash(plain ? "plain text" : "text with special tokens",
                                        io::text_bytes(text), metadata);
    made.text = text;
    return state_->write([&](store::index_writer& to) { return to.put(std::move(made)); });
}

inline put_result index::put_ids(std::string_view id, std::span<const std::int32_t> ids,
                                 std::string_view metadata) {
    store::waiting_document made = detail::waiting_document(id, metadata);
    made.tokens.ids = state_->ranker().shared_model()->document_ids(ids);
    made.content = detail::content_hash("token ids", std::as_bytes(ids), metadata);
    made.as_ids = true;
    return state_->write([&](store::index_writer& to) { return to.put(std::move(made)); });
}

inline put_result index::put_encoded(std::string_view id, const document& encoded,
                                     std::string_view metadata) {
    store::waiting_document made = detail::waiting_document(id, metadata);
    const model& engine = *state_->ranker().shared_model();
    if (encoded.fingerprint() != engine.fingerprint() ||
        encoded.hidden() != engine.config().state_width()) {
        throw errors::foreign_document(encoded.fingerprint(), engine.fingerprint());
    }
    engine.check_document(encoded.ids(), encoded.origin().skipped);
    if (!kernels::all_finite(encoded.states().data(), encoded.states().size())) {
        throw errors::bad_argument("the states of document " + errors::quoted(id) +
                                   " hold NaN or infinity");
    }
    // A model that keeps no states makes the same of the same ids, whoever encoded them.
    made.content = encoded.hidden() == 0
                       ? detail::content_hash("token ids", std::as_bytes(encoded.ids()), metadata)
                       : detail::content_hash("states", std::as_bytes(encoded.states()), metadata);
    made.tokens.ids.assign(encoded.ids().begin(), encoded.ids().end());
    made.tokens.cut = encoded.tokens_cut();
    made.tokens.replaced = encoded.replaced();
    made.skipped = encoded.origin().skipped;
    made.states.assign(encoded.states().begin(), encoded.states().end());
    made.as_ids = true;
    return state_->write([&](store::index_writer& to) { return to.put(std::move(made)); });
}

inline bool index::erase(std::string_view id) {
    detail::check_document_id(id);
    return state_->write([&](store::index_writer& to) { return to.erase(id); });
}
inline index_commit index::commit() {
    return state_->write([](store::index_writer& to) { return to.commit(); });
}
inline void index::rollback() {
    state_->write([](store::index_writer& to) { to.rollback(); });
}
inline void index::release() {
    const detail::default_float_mode mode;
    state_->release();
}
inline std::uint64_t index::uncommitted() const noexcept {
    return state_->uncommitted();
}
inline index_commit index::compact(const index_progress& progress) {
    return state_->write([&](store::index_writer& to) { return to.compact(progress); });
}
inline index_merge index::merge(std::span<const std::filesystem::path> others,
                                merge_conflict conflict, const index_progress& progress) {
    const detail::default_float_mode mode;
    std::vector<std::shared_ptr<const store::snapshot>> opened;
    for (const std::filesystem::path& other : others) {
        opened.push_back(store::open_newest(state_->files(), other, state_->ranker().shared_model(),
                                            store::cut_manifest::refuse)
                             .commit);
        for (const store::live_segment& each : opened.back()->segments()) {
            store::check_documents(*opened.back(), *each.file); // nothing forged is taken over
        }
    }
    return state_->write(
        [&](store::index_writer& to) { return to.merge(opened, others, conflict, progress); });
}

// ---- ranking ----

inline std::vector<index_ranking> index::ranked(std::span<const mice::query> queries,
                                                const rank_options& options, bool in_time) const {
    std::vector<const detail::encoded_query*> encoded;
    for (const mice::query& each : queries) {
        if (each.owner_ != state_->ranker().shared_model()) {
            throw errors::foreign_query();
        }
        encoded.push_back(each.encoded_.get());
    }
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    return detail::in_default_float_mode(
        [&] { return detail::rank_commit(*commit, encoded, options, in_time); });
}
inline std::vector<index_ranking> index::rank_batch(std::span<const mice::query> queries,
                                                    const rank_options& options) const {
    return ranked(queries, options, detail::begins_in_time(options));
}
inline index_ranking index::rank(const mice::query& query, const rank_options& options) const {
    return std::move(rank_batch({&query, 1}, options)[0]);
}
inline index_ranking index::rank(std::string_view query, const rank_options& options) const {
    const bool in_time = detail::begins_in_time(options);
    const mice::query encoded = ranker().encode_query(query, options);
    return std::move(ranked({&encoded, 1}, options, in_time)[0]);
}

inline index_ranking index::ranked(const mice::query& query, std::span<const std::string_view> ids,
                                   const rank_options& options, unknown_ids unknown,
                                   bool in_time) const {
    if (query.owner_ != state_->ranker().shared_model()) {
        throw errors::foreign_query();
    }
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    std::vector<store::document_place> places;
    std::vector<std::string> missing;
    places.reserve(ids.size());
    for (const std::string_view id : ids) {
        if (const auto found = commit->find(id)) {
            places.push_back(*found);
        } else if (unknown == unknown_ids::refuse) {
            throw errors::unknown_document(id);
        } else {
            missing.emplace_back(id);
        }
    }
    index_ranking made = detail::in_default_float_mode(
        [&] { return detail::rank_places(*commit, *query.encoded_, places, options, in_time); });
    made.unknown = std::move(missing);
    return made;
}
inline index_ranking index::rank(std::string_view query, std::span<const std::string_view> ids,
                                 const rank_options& options, unknown_ids unknown) const {
    const bool in_time = detail::begins_in_time(options);
    return ranked(ranker().encode_query(query, options), ids, options, unknown, in_time);
}
inline index_ranking index::rank(const mice::query& query, std::span<const std::string_view> ids,
                                 const rank_options& options, unknown_ids unknown) const {
    return ranked(query, ids, options, unknown, detail::begins_in_time(options));
}

inline std::vector<index_candidate> index::candidates(std::string_view query, std::size_t depth,
                                                      const bm25_options& options) const {
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    if (commit->commit().words != index_words::keep) {
        throw errors::index_without_words();
    }
    std::vector<store::words_view> views;
    views.reserve(commit->segments().size());
    std::vector<store::bm25_part> parts;
    for (const store::live_segment& each : commit->segments()) {
        views.emplace_back(each.file->words());
        if (views.back().documents() != each.file->documents()) {
            throw errors::bad_index_file(each.file->name(),
                                         "its words are of another number of documents");
        }
        if (views.back().form() != commit->commit().form) {
            throw errors::bad_index_file(each.file->name(),
                                         "its words are of another form than the index's");
        }
        parts.push_back(
            {&views.back(), [&each](std::uint32_t document) { return each.live(document); }});
    }
    std::vector<index_candidate> found;
    const std::vector<store::bm25_hit> hits = detail::in_default_float_mode(
        [&] { return store::bm25_search(parts, query, depth, options); });
    for (const store::bm25_hit& each : hits) {
        const store::segment& file = *commit->segments()[each.part].file;
        found.push_back({std::string(file.id(file.entry(each.document))), each.score});
    }
    return found;
}

// ---- reading ----

inline std::uint64_t index::size() const {
    return state_->commit()->documents();
}
inline bool index::contains(std::string_view id) const {
    return state_->commit()->find(id).has_value();
}
inline std::optional<stored_document> index::get(std::string_view id) const {
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    const auto found = commit->find(id);
    return found ? std::optional(detail::describe(*commit, *found)) : std::nullopt;
}
inline std::optional<stored_states> index::states(std::string_view id) const {
    const std::shared_ptr<const store::snapshot> commit = state_->commit();
    const auto found = commit->find(id);
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

inline index_documents::index_documents(std::unique_ptr<detail::document_walk> walk)
    : walk_(std::move(walk)) {}
inline index_documents::index_documents(index_documents&&) noexcept = default;
inline index_documents& index_documents::operator=(index_documents&&) noexcept = default;
inline index_documents::~index_documents() = default;
inline index_documents::iterator index_documents::begin() {
    step();
    return iterator(*this);
}
inline void index_documents::step() {
    const auto next = walk_->next();
    done_ = !next;
    if (next) {
        current_ = detail::describe(walk_->commit(), *next);
    }
}
inline index_documents index::documents() const {
    return index_documents(std::make_unique<detail::document_walk>(state_->commit()));
}

inline index_stats index::stats() const {
    const detail::default_float_mode mode;
    index_stats made = detail::stats_of(state_->opened());
    detail::measure_folder(state_->files(), state_->folder(), made);
    return made;
}

inline std::vector<index_finding> index::verify(const index_progress& progress) const {
    const detail::default_float_mode mode;
    std::vector<index_finding> found = verify_folder(state_->folder(), progress, state_->access());
    return found.empty() ? store::contradictions(*state_->commit()) : found;
}
inline std::string index::recovered() const {
    return state_->opened().recovered;
}
inline bool index::refresh() {
    const detail::default_float_mode mode;
    return state_->refresh();
}
inline const std::filesystem::path& index::folder() const noexcept {
    return state_->folder();
}
inline const reranker& index::ranker() const noexcept {
    return state_->ranker();
}

MICE_NAMESPACE_END
