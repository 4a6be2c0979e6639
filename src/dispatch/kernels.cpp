// SPDX-License-Identifier: Apache-2.0
// The kernels of one instruction set: this file is compiled once for each, with its flags and its
// name as MICE_KERNEL_LEVEL.
#include <mice/config.hpp>

#if MICE_USE_EIGEN_KERNELS
// Eigen's functions name no instruction set. An app that uses Eigen itself, with other flags, would
// share them with this file, so here they lie in a namespace that no app has.
#define Eigen mice_private_eigen
#include <mice/kernels/eigen/set_of.hpp>
#define MICE_SET_OF_LEVEL mice::kernels::eigen::set_of()
#else
#include <mice/kernels/xsimd/set_of.hpp>
#define MICE_SET_OF_LEVEL mice::kernels::set_of<>()
#endif

#define MICE_LEVEL_NAME_EXPANDED(level) kernels_##level
#define MICE_LEVEL_NAME(level) MICE_LEVEL_NAME_EXPANDED(level)

namespace mice::MICE_SHARED_NAMESPACE {

extern const kernel_set MICE_LEVEL_NAME(MICE_KERNEL_LEVEL);
constinit const kernel_set MICE_LEVEL_NAME(MICE_KERNEL_LEVEL) = MICE_SET_OF_LEVEL;

} // namespace mice::MICE_SHARED_NAMESPACE
