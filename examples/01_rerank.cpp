// SPDX-License-Identifier: Apache-2.0
// Ranks a few passages for a query. Argument: a model file.
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <mice/reranker.hpp>

int main(int argc, char** argv) try {
    const mice::reranker ranker(argc > 1 ? argv[1] : "models/mice-minilm-l6x2-int8.safetensors");
    const std::vector<std::string> passages = {
        "A circuit breaker that trips at once points to a short circuit.",
        "Yeast feeds on sugars in the flour and gives off carbon dioxide, so the dough swells.",
        "Sunlight that enters a raindrop is bent and reflected.",
    };
    for (const mice::hit& hit : ranker.rank("why does bread rise", passages, {.top_k = 2})) {
        std::cout << hit.score << "  " << passages[hit.index] << '\n';
    }
} catch (const std::exception& problem) {
    std::cerr << "01_rerank: " << problem.what() << '\n';
    return 1;
}
