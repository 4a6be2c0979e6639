// SPDX-License-Identifier: Apache-2.0
// Speed of the matrix product at the shapes of the default model, in multiplications and
// additions a second on one thread.
#include <cstddef>
#include <vector>

#include <benchmark/benchmark.h>

#include <mice/kernels/buffer.hpp>
#include <mice/kernels/gemm.hpp>

namespace {

namespace kernels = mice::kernels;

/// [rows, k] x [k, n], the right-hand side packed beforehand as weights are.
template <template <class> class Product> void gemm(benchmark::State& state) {
    const auto rows = static_cast<std::size_t>(state.range(0));
    const auto k = static_cast<std::size_t>(state.range(1));
    const auto n = static_cast<std::size_t>(state.range(2));
    const std::vector<float> a(rows * k, 0.5F);
    const std::vector<float> b(n * k, 0.25F);
    std::vector<float> c(rows * n);
    kernels::buffer packed(kernels::packed_floats<Product>(k, n));
    kernels::buffer scratch(kernels::gemm_scratch<Product>(rows, k));
    kernels::pack_transposed<Product>(b.data(), k, k, n, packed.data());
    for (auto _ : state) {
        kernels::gemm<kernels::keep, Product>({a.data(), k}, rows, packed.data(), k, n, nullptr,
                                              {c.data(), n}, scratch.data());
        benchmark::DoNotOptimize(c.data());
        benchmark::ClobberMemory();
    }
    state.counters["OP/s"] = benchmark::Counter(2.0 * static_cast<double>(rows * k * n),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

void shapes(benchmark::internal::Benchmark* made) {
    made->ArgNames({"rows", "k", "n"})
        ->Args({192, 384, 384})
        ->Args({192, 384, 1536})
        ->Args({192, 1536, 384})
        ->Args({144, 384, 128})
        ->Args({144, 128, 384})
        ->Args({12, 32, 384})
        ->Args({1, 384, 384});
}

} // namespace

BENCHMARK(gemm<kernels::f32_product>)->Name("f32")->Apply(shapes);
BENCHMARK(gemm<kernels::bf16_product>)->Name("bf16")->Apply(shapes);
BENCHMARK(gemm<kernels::int8_product>)->Name("int8")->Apply(shapes);

BENCHMARK_MAIN();
