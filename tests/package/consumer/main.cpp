// SPDX-License-Identifier: Apache-2.0
// What a small app does with mice. Argument: a model file.
#include <cstdio>
#include <exception>

#include <mice/mice.hpp>

int main(int argc, char** argv) try {
    const mice::reranker ranker(argc > 1 ? argv[1] : "");
    const mice::ranking ranked =
        ranker.rank("why does bread dough rise",
                    {"A circuit breaker that trips at once points to a short circuit.",
                     "Yeast feeds on sugars in the flour and gives off gas, so bread dough rises."},
                    {.top_k = 1});
    std::printf("best: %zu, score %.6f\n", ranked[0].index, static_cast<double>(ranked[0].score));
    return 0;
} catch (const std::exception& problem) {
    std::printf("%s\n", problem.what());
    return 1;
}
