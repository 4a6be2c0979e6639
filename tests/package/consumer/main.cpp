// SPDX-License-Identifier: Apache-2.0
// What a small app does with mice. Arguments: a model file, a sentencepiece model file.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>

#include <mice/reranker.hpp>
#include <mice/text/sentencepiece/spec.hpp>

namespace {

/// Ids of a text by another tokenizer, which not every app is built with.
void print_pieces(const char* path) try {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    mice::sentencepiece_spec spec;
    for (const char byte : bytes) {
        spec.model.push_back(static_cast<std::byte>(byte));
    }
    std::printf("pieces:");
    for (const std::int32_t id : mice::make_tokenizer(spec)->encode("hello world").ids) {
        std::printf(" %d", static_cast<int>(id));
    }
    std::printf("\n");
} catch (const mice::error& problem) {
    std::printf(" none: %s\n", problem.what());
}

} // namespace

int main(int argc, char** argv) try {
    const mice::reranker ranker(argc > 1 ? argv[1] : "");
    const mice::ranking ranked =
        ranker.rank("why does bread dough rise",
                    {"A circuit breaker that trips at once points to a short circuit.",
                     "Yeast feeds on sugars in the flour and gives off gas, so bread dough rises."},
                    {.top_k = 1});
    std::printf("best: %zu, score %.6f\n", ranked[0].index, static_cast<double>(ranked[0].score));
    if (argc > 2) {
        print_pieces(argv[2]);
    }
    return 0;
} catch (const std::exception& problem) {
    std::printf("%s\n", problem.what());
    return 1;
}
