// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <string_view>

#include <mice/kernels/active.hpp>

// CMake defines MICE_LEVEL_<name> for each file of kernels that this library has; the first one,
// `baseline`, is compiled for what the library itself is and always there.
namespace mice::MICE_SHARED_NAMESPACE {

extern const kernel_set kernels_baseline;
#if defined(MICE_LEVEL_eigen)
extern const kernel_set kernels_eigen;
#endif
#if defined(MICE_LEVEL_avx2)
extern const kernel_set kernels_avx2, kernels_avx2_vnni, kernels_avx512, kernels_avx512_vnni,
    kernels_avx512_vnni_bf16;
#endif

namespace {

/// The sets that this processor can run, the slowest first.
struct found_sets {
    std::array<const kernel_set*, 7> sets{};
    std::size_t count = 0;

    found_sets() {
#if defined(MICE_LEVEL_eigen)
        sets[count++] = &kernels_eigen;
#endif
        sets[count++] = &kernels_baseline;
#if defined(MICE_LEVEL_avx2)
        // The built-in also asks the system, whether it saves the wide registers.
        __builtin_cpu_init();
        const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        const bool avx512 =
            avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd") &&
            __builtin_cpu_supports("avx512vl");
        const bool avx512_vnni = avx512 && __builtin_cpu_supports("avx512vnni");
        add(avx2, kernels_avx2);
        add(avx2 && __builtin_cpu_supports("avxvnni"), kernels_avx2_vnni);
        add(avx512, kernels_avx512);
        add(avx512_vnni, kernels_avx512_vnni);
        add(avx512_vnni && __builtin_cpu_supports("avx512bf16"), kernels_avx512_vnni_bf16);
#endif
    }

  private:
    void add(bool runnable, const kernel_set& set) {
        if (runnable) {
            sets[count++] = &set;
        }
    }
};

const found_sets& found() noexcept {
    static const found_sets all;
    return all;
}

/// Chosen by its name alone where there is another.
constexpr std::string_view eigen_name = "eigen";

/// The names of the sets, the slowest first.
constexpr std::array<std::string_view, 11> ranks{
    eigen_name,    "generic",         "neon", "sse2", "sse4", "avx", "avx2", "avx2_vnni", "avx512",
    "avx512_vnni", "avx512_vnni_bf16"};

struct chosen_set {
    const kernel_set* set = found().sets[found().count - 1];
    simd_request request = simd_request::none;

    chosen_set() {
        const char* const variable = std::getenv("MICE_SIMD");
        const std::string_view name = variable != nullptr ? variable : "";
        if (name.empty()) {
            return;
        }
        const auto asked = std::find(ranks.begin(), ranks.end(), name);
        if (asked == ranks.end()) {
            request = simd_request::unknown;
            return;
        }
        set = &kernels_baseline;
        for (const kernel_set* each : runnable_kernels()) {
            const bool allowed = each->name == name || each->name != eigen_name;
            const auto rank = std::find(ranks.begin(), ranks.end(), each->name);
            set = allowed && rank <= asked ? each : set;
        }
        request = set->name == name ? simd_request::followed : simd_request::replaced;
    }
};

const chosen_set& chosen() noexcept {
    static const chosen_set once;
    return once;
}

} // namespace

const kernel_set& dispatched_kernels() noexcept {
    return *chosen().set;
}

simd_request requested_simd() noexcept {
    return chosen().request;
}

std::span<const kernel_set* const> runnable_kernels() noexcept {
    return {found().sets.data(), found().count};
}

} // namespace mice::MICE_SHARED_NAMESPACE
