// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/kernels/set.hpp>

#if MICE_USE_DISPATCH
namespace mice {
namespace MICE_SHARED_NAMESPACE {
/// The fastest set that this processor can run; in the library mice::dispatch. Thread-safe.
[[nodiscard]] const kernel_set& dispatched_kernels() noexcept;
/// Every set that this processor can run, the slowest first; for tests and inspection.
[[nodiscard]] std::span<const kernel_set* const> runnable_kernels() noexcept;
} // namespace MICE_SHARED_NAMESPACE
} // namespace mice
#else
#include <mice/kernels/set_of.hpp>
#endif

MICE_NAMESPACE_BEGIN
namespace kernels {

/// The kernels that the engine computes with: those of mice::dispatch where a program links it,
/// else those that its compiler's flags allow.
[[nodiscard]] inline const kernel_set& active() noexcept {
#if MICE_USE_DISPATCH
    return dispatched_kernels();
#else
    static constexpr kernel_set here = set_of<>();
    return here;
#endif
}

} // namespace kernels
MICE_NAMESPACE_END
