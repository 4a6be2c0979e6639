// SPDX-License-Identifier: Apache-2.0
// Speed of the matrix product at the shapes of the default model, in multiplications and
// additions a second, on one thread and on two that share the rows; and the machine's peak, which
// is what a register tile reaches that never waits for memory.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include <mice/kernels/buffer.hpp>
#include <mice/kernels/gemm.hpp>

namespace {

namespace kernels = mice::kernels;

/// Rate of the operations that every thread does in one iteration.
benchmark::Counter rate(std::size_t operations) {
    using benchmark::Counter;
    return {static_cast<double>(operations),
            static_cast<Counter::Flags>(Counter::kIsIterationInvariantRate | Counter::kAvgThreads)};
}

/// [rows, k] x [k, n], the right-hand side packed beforehand as weights are.
template <template <class> class Product> void gemm(benchmark::State& state) {
    const auto rows = static_cast<std::size_t>(state.range(0) / state.threads());
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
    state.counters["OP/s"] = rate(2 * rows * k * n);
}

/// As many independent sums as a register tile has.
template <template <class> class Product> void peak(benchmark::State& state) {
    using arch = kernels::default_arch;
    using product = Product<arch>;
    constexpr std::size_t sums = 2 * kernels::tile_rows<arch>;
    constexpr std::size_t steps = 4096;
    const std::array<float, 2> nothing{}; // extras of a row
    const std::array<float, 2> words{1.0F, std::bit_cast<float>(0x3f803f80U)};
    kernels::vec<arch> left(words[0]);
    kernels::vec<arch> right(words[1]);
    benchmark::DoNotOptimize(left);
    benchmark::DoNotOptimize(right);
    typename product::sums sum[sums];
    kernels::unroll<sums>([&](auto i)
                              MICE_INLINE_LAMBDA { sum[i] = product::start(nothing.data()); });
    for (auto _ : state) {
        for (std::size_t step = 0; step < steps; ++step) {
            kernels::unroll<sums>(
                [&](auto i) MICE_INLINE_LAMBDA { sum[i] = product::add(left, right, sum[i]); });
        }
        kernels::unroll<sums>([&](auto i) MICE_INLINE_LAMBDA { benchmark::DoNotOptimize(sum[i]); });
    }
    state.counters["OP/s"] = rate(2 * product::values * kernels::lanes<arch> * sums * steps);
}

void on_one_and_two_threads(benchmark::internal::Benchmark* made) {
    made->UseRealTime()->Threads(1)->Threads(2);
}

void shapes(benchmark::internal::Benchmark* made) {
    made->ArgNames({"rows", "k", "n"})
        ->Args({192, 384, 384})
        ->Args({192, 384, 1536})
        ->Args({192, 1536, 384})
        ->Args({1280, 384, 384})
        ->Args({1280, 384, 1536})
        ->Args({1280, 1536, 384})
        ->Args({144, 384, 128})
        ->Args({144, 128, 384})
        ->Args({12, 32, 384});
    on_one_and_two_threads(made);
}

void one_row(benchmark::internal::Benchmark* made) {
    made->ArgNames({"rows", "k", "n"})->Args({1, 384, 384})->UseRealTime()->Threads(1);
}

} // namespace

BENCHMARK(peak<kernels::f32_product>)->Name("peak/f32")->Apply(on_one_and_two_threads);
BENCHMARK(peak<kernels::bf16_product>)->Name("peak/bf16")->Apply(on_one_and_two_threads);
BENCHMARK(peak<kernels::int8_product>)->Name("peak/int8")->Apply(on_one_and_two_threads);
BENCHMARK(gemm<kernels::f32_product>)->Name("f32")->Apply(shapes);
BENCHMARK(gemm<kernels::bf16_product>)->Name("bf16")->Apply(shapes);
BENCHMARK(gemm<kernels::int8_product>)->Name("int8")->Apply(shapes);
BENCHMARK(gemm<kernels::f32_product>)->Name("f32")->Apply(one_row);
BENCHMARK(gemm<kernels::bf16_product>)->Name("bf16")->Apply(one_row);
BENCHMARK(gemm<kernels::int8_product>)->Name("int8")->Apply(one_row);

BENCHMARK_MAIN();
