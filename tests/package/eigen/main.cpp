// SPDX-License-Identifier: Apache-2.0
// An app that asks for the kernels in Eigen. Argument: a model file. Prints what it computes with,
// and the scores of two passages.
#include <cstdio>
#include <exception>

#include <mice/kernels/active.hpp>
#include <mice/reranker.hpp>

int main(int argc, char** argv) try {
    const mice::reranker ranker(argc > 1 ? argv[1] : "");
    const mice::ranking scored = ranker.score(
        "why does bread dough rise",
        {"A circuit breaker that trips at once points to a short circuit.",
         "Yeast feeds on sugars in the flour and gives off gas, so bread dough rises."});
    std::printf("%s: %.9g %.9g\n", mice::kernels::active().name,
                static_cast<double>(scored[0].score), static_cast<double>(scored[1].score));
    return 0;
} catch (const std::exception& problem) {
    std::printf("%s\n", problem.what());
    return 1;
}
