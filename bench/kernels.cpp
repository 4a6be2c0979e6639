// SPDX-License-Identifier: Apache-2.0
// Speed of the matrix product at the shapes of the default model, in multiplications and
// additions a second, on one thread and on two that share the rows; and the machine's peak, which
// is what a register tile reaches that never waits for memory. Beside mice's own product are that
// of the set in Eigen, compiled with the same flags, and Eigen's own one, which packs both operands
// within the time. At the end the ratios are printed to standard error, of the best runs in
// processor time: other programs then matter little.
//
//     bench_kernels --benchmark_filter='/rows:(192|1280)/.*threads:1$' --benchmark_min_time=0.01
//                   --benchmark_repetitions=25 --benchmark_enable_random_interleaving=true
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <mice/kernels/buffer.hpp>
#include <mice/kernels/eigen/set_of.hpp>
#include <mice/kernels/xsimd/set_of.hpp>

namespace {

namespace kernels = mice::kernels;

/// Rate of the operations that every thread does in one iteration.
benchmark::Counter rate(std::size_t operations) {
    using benchmark::Counter;
    return {static_cast<double>(operations),
            static_cast<Counter::Flags>(Counter::kIsIterationInvariantRate | Counter::kAvgThreads)};
}

/// One thread's share of [rows, k] x [k, n].
struct shape {
    std::size_t rows, k, n;

    explicit shape(const benchmark::State& state)
        : rows(static_cast<std::size_t>(state.range(0) / state.threads())),
          k(static_cast<std::size_t>(state.range(1))), n(static_cast<std::size_t>(state.range(2))) {
    }
    [[nodiscard]] std::size_t operations() const { return 2 * rows * k * n; }
};

/// A set's product, the right-hand side packed beforehand as weights are.
void multiply(benchmark::State& state, const kernels::product_set& product) {
    const shape of(state);
    const std::vector<float> a(of.rows * of.k, 0.5F);
    const std::vector<float> b(of.n * of.k, 0.25F);
    std::vector<float> c(of.rows * of.n);
    kernels::buffer packed(product.packed_floats(of.k, of.n));
    kernels::buffer scratch(product.gemm_scratch(of.rows, of.k));
    product.pack_transposed(b.data(), of.k, of.k, of.n, packed.data());
    for (auto _ : state) {
        product.gemm({a.data(), of.k}, of.rows, packed.data(), of.k, of.n, nullptr,
                     {c.data(), of.n}, scratch.data(), kernels::epilogue::keep);
        benchmark::DoNotOptimize(c.data());
        benchmark::ClobberMemory();
    }
    state.counters["OP/s"] = rate(of.operations());
}

/// Eigen's own product.
void multiply_by_eigen(benchmark::State& state) {
    using index = Eigen::Index;
    const shape of(state);
    using matrix = Eigen::MatrixXf;
    const matrix a = matrix::Constant(static_cast<index>(of.rows), static_cast<index>(of.k), 0.5F);
    const matrix b = matrix::Constant(static_cast<index>(of.k), static_cast<index>(of.n), 0.25F);
    matrix c(a.rows(), b.cols());
    for (auto _ : state) {
        c.noalias() = a * b;
        benchmark::DoNotOptimize(c.data());
        benchmark::ClobberMemory();
    }
    state.counters["OP/s"] = rate(of.operations());
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

/// The default output, and for the ratios every product's highest rate in processor time.
class collecting_reporter : public benchmark::BenchmarkReporter {
  public:
    bool ReportContext(const Context& context) override {
        shown_->SetOutputStream(&GetOutputStream());
        shown_->SetErrorStream(&GetErrorStream());
        return shown_->ReportContext(context);
    }
    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            const auto found = run.counters.find("OP/s");
            const std::string& name = run.run_name.function_name; // precision/engine
            const std::size_t slash = name.find('/');
            if (run.run_type == Run::RT_Iteration && !run.error_occurred &&
                found != run.counters.end() && !run.run_name.args.empty()) {
                double& best = rates_[name.substr(0, slash) + "  " + run.run_name.args + "  " +
                                      run.run_name.threads][name.substr(slash + 1)];
                best = std::max(best, found->second * run.real_accumulated_time /
                                          run.cpu_accumulated_time);
            }
        }
        shown_->ReportRuns(runs);
    }
    void Finalize() override { shown_->Finalize(); }

    /// To standard error: standard output may be JSON.
    void print_ratios() const {
        for (const auto& [product, rates] : rates_) {
            const auto mice = rates.find("mice");
            if (mice == rates.end() || rates.size() == 1) {
                continue;
            }
            std::fprintf(stderr, "%-50s mice %6.1f G/s", product.c_str(), mice->second / 1e9);
            for (const auto& [engine, best] : rates) {
                if (engine != "mice") {
                    std::fprintf(stderr, "   mice / %s %5.2f", engine.c_str(), mice->second / best);
                }
            }
            std::fputc('\n', stderr);
        }
    }

  private:
    std::unique_ptr<BenchmarkReporter> shown_{benchmark::CreateDefaultDisplayReporter()};
    std::map<std::string, std::map<std::string, double>> rates_; ///< by product, by engine
};

/// Every product of one precision, by mice and by the set in Eigen.
void add_products(const std::string& precision, kernels::product_kind kind) {
    static constexpr kernels::kernel_set tuned = kernels::set_of<>();
    static constexpr kernels::kernel_set in_eigen = kernels::eigen::set_of();
    const auto add = [&](const std::string& engine, const kernels::product_set& product) {
        const std::string name = precision + "/" + engine;
        const auto work = [&product](benchmark::State& state) { multiply(state, product); };
        shapes(benchmark::RegisterBenchmark(name.c_str(), work));
        one_row(benchmark::RegisterBenchmark(name.c_str(), work));
    };
    add("mice", tuned[kind]);
    add("eigen_set", in_eigen[kind]);
}

} // namespace

BENCHMARK(peak<kernels::f32_product>)->Name("peak/f32")->Apply(on_one_and_two_threads);
BENCHMARK(peak<kernels::bf16_product>)->Name("peak/bf16")->Apply(on_one_and_two_threads);
BENCHMARK(peak<kernels::int8_product>)->Name("peak/int8")->Apply(on_one_and_two_threads);

int main(int count, char** arguments) {
    add_products("f32", kernels::product_kind::f32);
    shapes(benchmark::RegisterBenchmark("f32/eigen", multiply_by_eigen));
    one_row(benchmark::RegisterBenchmark("f32/eigen", multiply_by_eigen));
    add_products("bf16", kernels::product_kind::bf16);
    add_products("int8", kernels::product_kind::int8);
    benchmark::Initialize(&count, arguments);
    if (benchmark::ReportUnrecognizedArguments(count, arguments)) {
        return 1;
    }
    collecting_reporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
    reporter.print_ratios();
    return 0;
}
