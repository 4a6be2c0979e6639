// SPDX-License-Identifier: Apache-2.0
// Indexes.
#include <mice/index_impl.hpp>
#include <mice/index_ranking_impl.hpp>
