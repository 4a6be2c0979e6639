// SPDX-License-Identifier: Apache-2.0
// Parallel loops.
#include <mice/parallel/parallel_for_impl.hpp>
