// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/kernels/set.hpp>

#if MICE_USE_DISPATCH
namespace mice {
namespace MICE_SHARED_NAMESPACE {
/// The fastest set that this processor can run, or, where the environment variable MICE_SIMD names
/// one, the fastest that is not above it; the set in Eigen only where MICE_SIMD names it or there
/// is no other. In the library mice::dispatch. Chosen at the first call. Thread-safe.
[[nodiscard]] const kernel_set& dispatched_kernels() noexcept;
/// What became of MICE_SIMD.
enum class simd_request {
    none,     ///< it is not set
    followed, ///< it names the set that is used
    replaced, ///< this program or processor lacks that set: the next lower one, or the lowest
    unknown,  ///< no set has that name: it was ignored
};
[[nodiscard]] simd_request requested_simd() noexcept;
/// Every set that this processor can run, the slowest first; for tests and inspection.
[[nodiscard]] std::span<const kernel_set* const> runnable_kernels() noexcept;
} // namespace MICE_SHARED_NAMESPACE
} // namespace mice
#elif MICE_USE_EIGEN_KERNELS
#include <mice/kernels/eigen/set_of.hpp>
#else
#include <mice/kernels/xsimd/set_of.hpp>
#endif

MICE_NAMESPACE_BEGIN
namespace kernels {

/// The kernels that the engine computes with: those of mice::dispatch where a program links it,
/// else those in Eigen where MICE_USE_EIGEN_KERNELS says so, else those that its compiler's flags
/// allow.
[[nodiscard]] inline const kernel_set& active() noexcept {
#if MICE_USE_DISPATCH
    return dispatched_kernels();
#elif MICE_USE_EIGEN_KERNELS
    static constexpr kernel_set here = eigen::set_of();
    return here;
#else
    static constexpr kernel_set here = set_of<>();
    return here;
#endif
}

} // namespace kernels
MICE_NAMESPACE_END
