// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <sstream>
#include <string>

// Kernels in a header-only app that is compiled with sanitizers.

using Catch::Matchers::Contains;
using namespace fixtures;

namespace {

/// Multiplies matrices of several heights in all three ways and prints a hash of the results' bits.
constexpr const char* program = R"cpp(
#include <cstdint>
#include <cstdio>
#include <vector>
#include <mice/kernels/buffer.hpp>
#include <mice/kernels/xsimd/gemm.hpp>
using namespace mice::kernels;

template <template <class> class Product> void multiply(const char* name) {
    std::uint32_t hash = 2166136261U;
    for (const std::size_t m : {1, 5, 12, 31}) {
        const std::size_t k = 401, n = 70;
        std::uint32_t state = 1;
        const auto random = [&state](std::vector<float>& values) {
            for (float& each : values) {
                state = state * 1664525U + 1013904223U;
                each = static_cast<float>(state >> 8) * 0x1p-23F - 1.0F;
            }
        };
        std::vector<float> a(m * k), b(k * n), bias(n), c(m * n);
        random(a);
        random(b);
        random(bias);
        buffer packed(packed_floats<Product>(k, n)), scratch(gemm_scratch<Product>(m, k));
        pack<Product>(b.data(), n, k, n, packed.data());
        gemm<Product>({a.data(), k}, m, packed.data(), k, n, bias.data(), {c.data(), n},
                            scratch.data());
        const auto* bytes = reinterpret_cast<const unsigned char*>(c.data());
        for (std::size_t i = 0; i < c.size() * sizeof(float); ++i) {
            hash = (hash ^ bytes[i]) * 16777619U;
        }
    }
    std::printf("%s %08x\n", name, hash);
}

int main() {
    multiply<f32_product>("f32");
    multiply<bf16_product>("bf16");
    multiply<int8_product>("int8");
}
)cpp";

/// Runs a command in a folder.
result run_in(const temporary_folder& folder, const std::string& command) {
    result made;
    const int status = std::system(
        ("cd " + quoted(folder.path().string()) + " && { " + command + "; } >out 2>err").c_str());
    made.code = status;
    made.out = content(folder.path() / "out");
    made.err = content(folder.path() / "err");
    return made;
}

/// The functions of an assembly file that are register tiles, and how many calls into a sanitizer
/// they hold.
struct tile_count {
    int tiles = 0;
    int checks = 0;

    explicit tile_count(const std::string& assembly) {
        bool inside = false;
        for (const std::string& line : lines_of(assembly)) {
            if (line.starts_with("_Z") && line.find(':') != std::string::npos) {
                inside = line.find("kernels6detail4tileI") != std::string::npos;
                tiles += inside ? 1 : 0;
            }
            checks += inside && (line.find("__asan_") != std::string::npos ||
                                 line.find("__ubsan_") != std::string::npos)
                          ? 1
                          : 0;
        }
    }
};

} // namespace

TEST_CASE("fault 38: sanitizers leave the register tiles alone and change no bit") {
    const temporary_folder folder;
    folder.write("app.cpp", program);
    const fs::path include = fs::path(MICE_TEST_DATA) / "../../../include";
    const std::string flags =
        "-std=c++20 -march=native -I" + quoted(fs::weakly_canonical(include).string()) + " ";
    const std::string checked = "-fsanitize=address,undefined -fno-sanitize-recover=all ";
    folder.write("empty.cpp", "int main() {}\n");
    if (run_in(folder, "c++ " + checked + "empty.cpp -o empty && ./empty").code != 0) {
        WARN("skipped: no compiler 'c++' here that makes programs with sanitizers");
        return;
    }
    const result plain = run_in(folder, "c++ " + flags + "-O2 app.cpp -o plain && ./plain");
    INFO(plain.err);
    REQUIRE(plain.code == 0);
    const result made =
        run_in(folder, "c++ " + flags + checked + "-O1 -S app.cpp -o app.s && c++ " + checked +
                           "app.s -o app");
    INFO(made.err);
    REQUIRE(made.code == 0);
    const tile_count found(content(folder.path() / "app.s"));
    CHECK(found.tiles >= 3);
    CHECK(found.checks < 4 * found.tiles); // where results go; none in a step
    const result run = run_in(folder, "ASAN_OPTIONS=detect_leaks=0 ./app");
    INFO(run.err);
    CHECK(run.code == 0);
    CHECK(run.out == plain.out);
    CHECK_THAT(run.out, Contains("int8"));
}
