// SPDX-License-Identifier: Apache-2.0
// The kernels of one instruction set: this file is compiled once for each, with its flags and its
// name as MICE_KERNEL_LEVEL.
#include <mice/kernels/set_of.hpp>

#define MICE_LEVEL_NAME_EXPANDED(level) kernels_##level
#define MICE_LEVEL_NAME(level) MICE_LEVEL_NAME_EXPANDED(level)

namespace mice::MICE_SHARED_NAMESPACE {

extern const kernel_set MICE_LEVEL_NAME(MICE_KERNEL_LEVEL);
constinit const kernel_set MICE_LEVEL_NAME(MICE_KERNEL_LEVEL) = kernels::set_of<>();

} // namespace mice::MICE_SHARED_NAMESPACE
