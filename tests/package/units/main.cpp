// SPDX-License-Identifier: Apache-2.0
// Calls the three units and compares what they say. Argument: a model file.
#include <cmath>
#include <cstdio>
#include <exception>
#include <string_view>

#include "unit.hpp"

namespace {

void print(const char* unit, const unit_result& result) {
    std::printf("%-6s %s", unit, result.name_space);
    for (const float score : result.scores) {
        std::printf(" %.9g", static_cast<double>(score));
    }
    std::printf("\n");
}

bool close(const std::vector<float>& one, const std::vector<float>& other) {
    bool same = one.size() == other.size();
    for (std::size_t i = 0; same && i < one.size(); ++i) {
        same = std::abs(one[i] - other[i]) < 2e-4F;
    }
    return same;
}

} // namespace

int main(int argc, char** argv) try {
    const char* model = argc > 1 ? argv[1] : "";
    const unit_result one = first(model);
    const unit_result two = second(model);
    print("first", one);
    print("second", two);
    bool good = one.scores == two.scores && one.scores[0] > one.scores[1] &&
                one.scores[0] == one.scores.back() &&
                std::string_view(one.name_space) == two.name_space;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        const unit_result three = wide(model);
        print("wide", three);
        good = good && close(one.scores, three.scores) &&
               std::string_view(one.name_space) != three.name_space;
    } else {
        std::printf("wide   not called: this processor has no AVX2\n");
    }
    return good ? 0 : 1;
} catch (const std::exception& problem) {
    std::printf("%s\n", problem.what());
    return 1;
}
