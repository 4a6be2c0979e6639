// SPDX-License-Identifier: Apache-2.0
#include "mice/run_candidates.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include <mice/error.hpp>

namespace mice::cli {

std::vector<candidate_list> run_candidates(std::span<const tools::run_list> run,
                                           std::span<const tools::query_record> queries,
                                           const tools::passage_list& corpus, std::size_t depth,
                                           tools::reading_notes& notes) {
    std::unordered_map<std::string_view, const tools::query_record*> texts;
    for (const tools::query_record& query : queries) {
        texts.emplace(query.id, &query);
    }
    std::vector<candidate_list> lists;
    for (const tools::run_list& entry : run) {
        const auto text = texts.find(entry.query_id);
        if (text == texts.end()) {
            notes.skipped("the run's query " + detail::errors::quoted(entry.query_id) +
                          " is not among the queries; it was left out");
            continue;
        }
        candidate_list& list = lists.emplace_back(candidate_list{*text->second, {}, {}});
        const std::size_t kept =
            depth == 0 ? entry.document_ids.size() : std::min(depth, entry.document_ids.size());
        for (std::size_t i = 0; i < kept; ++i) {
            if (const std::uint32_t* place = corpus.find(entry.document_ids[i])) {
                list.documents.push_back(*place);
                list.places.push_back(i);
            } else {
                notes.skipped("query " + detail::errors::quoted(entry.query_id) +
                              ": the run's document " +
                              detail::errors::quoted(entry.document_ids[i]) +
                              " is not in the corpus; it was left out");
            }
        }
    }
    return lists;
}

} // namespace mice::cli
