// SPDX-License-Identifier: Apache-2.0
// Encodes passages once, keeps the encoded form as bytes, and ranks it for several queries: only
// the interaction layers run then. Argument: a model file.
#include <cstddef>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <mice/mice.hpp>

int main(int argc, char** argv) try {
    const mice::reranker ranker(argc > 1 ? argv[1] : "models/mice-minilm-l6x2-int8.safetensors");
    const std::vector<std::string> passages = {
        "A circuit breaker that trips at once points to a short circuit.",
        "Yeast feeds on sugars in the flour and gives off carbon dioxide, so the dough swells.",
        "Sunlight that enters a raindrop is bent and reflected.",
    };

    std::vector<mice::document> documents;
    for (const mice::document& encoded : ranker.encode_all(passages)) {
        const std::vector<std::byte> bytes =
            encoded.serialize(); // as a file or a database keeps it
        documents.push_back(mice::document::deserialize(bytes));
    }

    for (const char* query : {"why does bread rise", "how does a rainbow form"}) {
        const mice::hit best = ranker.rank(query, documents, {.top_k = 1})[0];
        std::cout << query << "? " << passages[best.index] << '\n';
    }
} catch (const std::exception& problem) {
    std::cerr << "02_precomputed: " << problem.what() << '\n';
    return 1;
}
