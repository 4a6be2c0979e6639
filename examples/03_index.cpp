// SPDX-License-Identifier: Apache-2.0
// Encodes passages once into an index on disk and searches it: BM25 finds candidates, the model
// ranks them. A second run encodes nothing. Arguments: the index's folder, a model file.
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <mice/mice.hpp>

int main(int argc, char** argv) try {
    const std::string folder = argc > 1 ? argv[1] : "example.index";
    const mice::reranker ranker(argc > 2 ? argv[2] : "models/mice-minilm-l6x2-int8.safetensors");
    auto index = mice::index::open_or_create(folder, ranker, {.codec = {.name = "int8"}});

    const std::vector<std::pair<std::string, std::string>> passages = {
        {"breaker", "A circuit breaker that trips at once points to a short circuit."},
        {"yeast", "Yeast feeds on sugars in the flour and gives off gas, so bread dough swells."},
        {"rainbow", "Sunlight that enters a raindrop is bent and reflected."},
    };
    for (const auto& [id, text] : passages) {
        index.put(id, text, text); // the last one is metadata: whatever the app wants back
    }
    std::cout << index.commit().documents << " documents\n";

    const std::string query = "why does bread rise";
    std::vector<std::string> ids;
    for (const mice::index_candidate& found : index.candidates(query, 100)) {
        ids.push_back(found.id);
    }
    for (const mice::index_hit& hit : index.rank(query, ids, {.top_k = 2})) {
        std::cout << hit.score << "  " << hit.id << ": " << index.get(hit.id)->metadata << '\n';
    }
    std::cout << "of all: " << index.rank(query, {.top_k = 1})[0].id << '\n';
} catch (const std::exception& problem) {
    std::cerr << "03_index: " << problem.what() << '\n';
    return 1;
}
