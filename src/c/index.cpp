// SPDX-License-Identifier: Apache-2.0
// Indexes of the C interface.
#include "handles.hpp"

#include <type_traits>

namespace mice_c {
namespace {

/// Opens an index as open(folder, reranker, access, call) does.
template <class Open>
mice_status opened(const char* folder, std::size_t folder_size, const mice_reranker* reranker,
                   const mice_options* options, mice_index** index, mice_error** error,
                   const Open& open) noexcept {
    return guarded(error, [&] {
        mice_index*& made = result(index, "index");
        const std::filesystem::path where = path(folder, folder_size, "folder");
        const mice::reranker& ranker = given(reranker, "reranker").made;
        const call now(options);
        mice::index_access access;
        access.specials = now.options().specials;
        access.on_invalid = now.options().on_invalid;
        access.threads = now.options().threads;
        access.pool = now.options().pool;
        made = std::make_unique<mice_index>(
                   mice_index{now.given().pool, open(where, ranker, access, now)})
                   .release();
    });
}

/// Repairs an index as repair(folder, reranker) does.
template <class Repair>
mice_status repaired(const char* folder, std::size_t folder_size, const mice_reranker* reranker,
                     mice_findings** findings, std::int32_t* lost, std::uint64_t* documents,
                     mice_error** error, const Repair& repair) noexcept {
    return cleared(
        error,
        [&] {
            mice_findings*& made = result(findings, "findings");
            const std::filesystem::path where = path(folder, folder_size, "folder");
            mice::index_repair done = repair(where, given(reranker, "reranker").made);
            made = std::make_unique<mice_findings>(mice_findings{std::move(done.damage)}).release();
            put(lost, done.goes_back() ? 1 : 0);
            put(documents, done.documents);
        },
        lost, documents);
}

/// What put(index, id, metadata) did.
template <class Put>
mice_status stored(mice_index* index, const char* id, std::size_t id_size, const char* metadata,
                   std::size_t metadata_size, std::int32_t* result, mice_error** error,
                   const Put& put_there) noexcept {
    return cleared(
        error,
        [&] {
            mice::index& to = given(index, "index").made;
            const std::string_view name = text(id, id_size, "id");
            const std::string_view kept = text(metadata, metadata_size, "metadata");
            const mice::put_result done = put_there(to, name, kept);
            put(result, done == mice::put_result::added      ? MICE_PUT_ADDED
                        : done == mice::put_result::replaced ? MICE_PUT_REPLACED
                                                             : MICE_PUT_UNCHANGED);
        },
        result);
}

/// What rank(index, query, call) gives.
template <class Rank>
mice_status ranked(const mice_index* index, const char* query, std::size_t query_size,
                   const mice_options* options, mice_ranking** ranking, mice_error** error,
                   const Rank& rank) noexcept {
    return guarded(error, [&] {
        mice_ranking*& made = result(ranking, "ranking");
        const mice::index& from = given(index, "index").made;
        const std::string_view asked = text(query, query_size, "query");
        call now(options);
        made = rank(from, asked, now).release();
        now.finish();
    });
}

} // namespace
} // namespace mice_c

using namespace mice_c;

mice_status mice_index_create(const char* folder, size_t folder_size, const mice_reranker* reranker,
                              const mice_options* options, mice_index** index, mice_error** error) {
    return opened(folder, folder_size, reranker, options, index, error,
                  [](const auto& where, const auto& ranker, const auto& access, const call& now) {
                      return mice::index::create(where, ranker, now.given().stored, access);
                  });
}
mice_status mice_index_create_like(const char* folder, size_t folder_size,
                                   const mice_reranker* reranker, const char* other,
                                   size_t other_size, const mice_options* options,
                                   mice_index** index, mice_error** error) {
    return opened(folder, folder_size, reranker, options, index, error,
                  [&](const auto& where, const auto& ranker, const auto& access, const call&) {
                      return mice::index::create_like(where, ranker,
                                                      path(other, other_size, "other"), access);
                  });
}
mice_status mice_index_open(const char* folder, size_t folder_size, const mice_reranker* reranker,
                            const mice_options* options, mice_index** index, mice_error** error) {
    return opened(folder, folder_size, reranker, options, index, error,
                  [](const auto& where, const auto& ranker, const auto& access, const call&) {
                      return mice::index::open(where, ranker, access);
                  });
}
mice_status mice_index_open_or_create(const char* folder, size_t folder_size,
                                      const mice_reranker* reranker, const mice_options* options,
                                      mice_index** index, mice_error** error) {
    return opened(folder, folder_size, reranker, options, index, error,
                  [](const auto& where, const auto& ranker, const auto& access, const call& now) {
                      return mice::index::open_or_create(where, ranker, now.given().stored, access);
                  });
}
void mice_index_free(mice_index* index) {
    delete index;
}

// ---- writing ----

mice_status mice_index_put(mice_index* index, const char* id, size_t id_size, const char* text,
                           size_t text_size, const char* metadata, size_t metadata_size,
                           int32_t* result, mice_error** error) {
    return stored(index, id, id_size, metadata, metadata_size, result, error,
                  [&](mice::index& to, std::string_view name, std::string_view kept) {
                      return to.put(name, mice_c::text(text, text_size, "text"), kept);
                  });
}
mice_status mice_index_put_text(mice_index* index, const char* id, size_t id_size, const char* text,
                                size_t text_size, const char* metadata, size_t metadata_size,
                                int32_t* result, mice_error** error) {
    return stored(index, id, id_size, metadata, metadata_size, result, error,
                  [&](mice::index& to, std::string_view name, std::string_view kept) {
                      return to.put_text(name, mice_c::text(text, text_size, "text"), kept);
                  });
}
mice_status mice_index_put_document(mice_index* index, const char* id, size_t id_size,
                                    const mice_document* document, const char* metadata,
                                    size_t metadata_size, int32_t* result, mice_error** error) {
    return stored(index, id, id_size, metadata, metadata_size, result, error,
                  [&](mice::index& to, std::string_view name, std::string_view kept) {
                      return to.put_encoded(name, given(document, "document").made, kept);
                  });
}
mice_status mice_index_remove(mice_index* index, const char* id, size_t id_size, int32_t* removed,
                              mice_error** error) {
    return cleared(
        error,
        [&] { put(removed, given(index, "index").made.erase(text(id, id_size, "id")) ? 1 : 0); },
        removed);
}
mice_status mice_index_commit(mice_index* index, uint64_t* generation, mice_error** error) {
    return cleared(
        error, [&] { put(generation, given(index, "index").made.commit().generation); },
        generation);
}
mice_status mice_index_rollback(mice_index* index, mice_error** error) {
    return guarded(error, [&] { given(index, "index").made.rollback(); });
}
mice_status mice_index_release(mice_index* index, mice_error** error) {
    return guarded(error, [&] { given(index, "index").made.release(); });
}
mice_status mice_index_compact(mice_index* index, const mice_options* options, uint64_t* generation,
                               mice_error** error) {
    return cleared(
        error,
        [&] {
            mice::index& to = given(index, "index").made;
            call now(options);
            put(generation, to.compact(now.index_progress()).generation);
            now.finish();
        },
        generation);
}
mice_status mice_index_merge(mice_index* index, const char* const* folders, const size_t* sizes,
                             size_t count, int32_t conflict, const mice_options* options,
                             uint64_t* added, uint64_t* replaced, uint64_t* skipped,
                             mice_error** error) {
    return cleared(
        error,
        [&] {
            using enum mice::merge_conflict;
            mice::index& to = given(index, "index").made;
            std::vector<std::filesystem::path> others;
            for (const std::string_view each : texts(folders, sizes, count, "folders")) {
                others.push_back(path(each.data(), each.size(), "a folder of the list"));
            }
            const auto kept =
                chosen(std::array{refuse, keep_first, keep_last}, conflict, "conflict");
            call now(options);
            const mice::index_merge done = to.merge(others, kept, now.index_progress());
            put(added, done.added);
            put(replaced, done.replaced);
            put(skipped, done.skipped);
            now.finish();
        },
        added, replaced, skipped);
}
mice_status mice_index_refresh(mice_index* index, int32_t* changed, mice_error** error) {
    return cleared(
        error, [&] { put(changed, given(index, "index").made.refresh() ? 1 : 0); }, changed);
}

// ---- reading ----

mice_status mice_index_size(const mice_index* index, uint64_t* documents, mice_error** error) {
    return guarded(error, [&] {
        given(documents, "documents") = 0;
        *documents = given(index, "index").made.size();
    });
}
mice_status mice_index_metadata(const mice_index* index, const char* id, size_t id_size,
                                mice_bytes** metadata, mice_error** error) {
    return guarded(error, [&] {
        mice_bytes*& made = result(metadata, "metadata");
        const auto found = given(index, "index").made.get(text(id, id_size, "id"));
        if (found) {
            const auto bytes = std::as_bytes(std::span<const char>(found->metadata));
            made = new mice_bytes{{bytes.begin(), bytes.end()}};
        }
    });
}
mice_status mice_index_rank(const mice_index* index, const char* query, size_t query_size,
                            const mice_options* options, mice_ranking** ranking,
                            mice_error** error) {
    return ranked(index, query, query_size, options, ranking, error,
                  [](const mice::index& from, std::string_view asked, const call& now) {
                      return wrapped(from.rank(asked, now.options()));
                  });
}
mice_status mice_index_rank_batch(const mice_index* index, const mice_query* const* queries,
                                  size_t query_count, const mice_options* options,
                                  mice_ranking** rankings, mice_error** error) {
    return guarded(error, [&] {
        results(rankings, query_count, "the list of rankings");
        const mice::index& from = given(index, "index").made;
        const std::vector<mice::query> asked = queries_of(queries, query_count);
        call now(options);
        wrap_all(from.rank_batch(asked, now.options()), rankings);
        now.finish();
    });
}
mice_status mice_index_rank_ids(const mice_index* index, const char* query, size_t query_size,
                                const char* const* ids, const size_t* sizes, size_t count,
                                const mice_options* options, mice_ranking** ranking,
                                mice_error** error) {
    return ranked(index, query, query_size, options, ranking, error,
                  [&](const mice::index& from, std::string_view asked, const call& now) {
                      return wrapped(
                          from.rank(asked, texts(ids, sizes, count, "ids"), now.options()));
                  });
}
mice_status mice_index_candidates(const mice_index* index, const char* query, size_t query_size,
                                  size_t depth, const mice_options* options, mice_ranking** ranking,
                                  mice_error** error) {
    return ranked(index, query, query_size, options, ranking, error,
                  [&](const mice::index& from, std::string_view asked, const call& now) {
                      auto made = std::make_unique<mice_ranking>();
                      for (mice::index_candidate& each :
                           from.candidates(asked, depth, now.given().words)) {
                          mice_ranking::hit& hit = made->hits.emplace_back();
                          hit.id = std::move(each.id);
                          hit.score = each.score;
                      }
                      return made;
                  });
}
mice_status mice_index_search(const mice_index* index, const char* query, size_t query_size,
                              size_t depth, const mice_options* options, mice_ranking** ranking,
                              mice_error** error) {
    return ranked(index, query, query_size, options, ranking, error,
                  [&](const mice::index& from, std::string_view asked, const call& now) {
                      const std::vector<mice::index_candidate> found =
                          from.candidates(asked, depth, now.given().words);
                      std::vector<std::string_view> ids;
                      ids.reserve(found.size());
                      for (const mice::index_candidate& each : found) {
                          ids.push_back(each.id);
                      }
                      // a document that a refresh took away in between is left out
                      return wrapped(
                          from.rank(asked, ids, now.options(), mice::unknown_ids::report));
                  });
}
mice_status mice_index_highlight(const mice_index* index, const char* query, size_t query_size,
                                 const char* id, size_t id_size, const char* text, size_t text_size,
                                 const mice_options* options, mice_highlights** highlights,
                                 mice_error** error) {
    return guarded(error, [&] {
        mice_highlights*& made = result(highlights, "highlights");
        const mice::index& from = given(index, "index").made;
        const std::string_view asked = mice_c::text(query, query_size, "query");
        const std::string_view name = mice_c::text(id, id_size, "id");
        const std::string_view whole = mice_c::text(text, text_size, "text");
        const call now(options);
        made = new mice_highlights{from.highlight(asked, name, whole, now.options())};
    });
}

// ---- damage ----

mice_status mice_index_verify(const char* folder, size_t folder_size, const mice_options* options,
                              mice_findings** findings, mice_error** error) {
    return guarded(error, [&] {
        mice_findings*& made = result(findings, "findings");
        const std::filesystem::path where = path(folder, folder_size, "folder");
        call now(options);
        made = new mice_findings{mice::index::verify_folder(where, now.index_progress())};
        now.finish();
    });
}
mice_status mice_index_repair(const char* folder, size_t folder_size, const mice_reranker* reranker,
                              mice_findings** findings, int32_t* lost, uint64_t* documents,
                              mice_error** error) {
    return repaired(folder, folder_size, reranker, findings, lost, documents, error,
                    [](const auto& where, const mice::reranker& ranker) {
                        return mice::index::repair(where, ranker);
                    });
}
mice_status mice_index_plan_repair(const char* folder, size_t folder_size,
                                   const mice_reranker* reranker, mice_findings** findings,
                                   int32_t* lost, uint64_t* documents, mice_error** error) {
    return repaired(folder, folder_size, reranker, findings, lost, documents, error,
                    [](const auto& where, const mice::reranker& ranker) {
                        return mice::index::plan_repair(where, ranker);
                    });
}
void mice_findings_free(mice_findings* findings) {
    delete findings;
}
size_t mice_findings_size(const mice_findings* findings) {
    return findings == nullptr ? 0 : findings->made.size();
}
const char* mice_findings_file(const mice_findings* findings, size_t finding, size_t* size) {
    return finding < mice_findings_size(findings) ? shown(findings->made[finding].file, size)
                                                  : nothing(size);
}
const char* mice_findings_what(const mice_findings* findings, size_t finding, size_t* size) {
    return finding < mice_findings_size(findings) ? shown(findings->made[finding].what, size)
                                                  : nothing(size);
}
