// SPDX-License-Identifier: Apache-2.0
// Compiled three times, as UNIT first, second and wide; it uses every part of the public interface
// that runs code, so that the linker has the whole library to fold.
#include "unit.hpp"

#include <array>
#include <string_view>

#include <mice/mice.hpp>

#define MICE_QUOTED(text) #text
#define MICE_EXPANDED_AND_QUOTED(text) MICE_QUOTED(text)

unit_result UNIT(const char* model) {
    const mice::reranker ranker(model);
    const std::array<std::string_view, 3> passages = {
        "Yeast feeds on sugars in the flour and gives off gas, so bread dough rises.",
        "A circuit breaker that trips at once points to a short circuit.",
        "Sunlight that enters a raindrop is bent and reflected."};
    const auto documents = ranker.encode_all(passages);
    const auto stored = mice::document::deserialize(documents[0].serialize());
    unit_result result{{}, MICE_EXPANDED_AND_QUOTED(MICE_ABI_NAMESPACE)};
    for (const mice::hit& hit : ranker.score("why does bread rise", documents)) {
        result.scores.push_back(hit.score);
    }
    const mice::document* const again[] = {&stored};
    const mice::query query = ranker.encode_query("why does bread rise");
    result.scores.push_back(ranker.rank(query, again)[0].score);
    return result;
}
