// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/kernels/active.hpp>
#include <mice/precision.hpp>

MICE_NAMESPACE_BEGIN

MICE_INLINE precision resolved(precision wanted) {
    if (wanted != precision::automatic) {
        return wanted;
    }
    switch (kernels::active().fastest) {
    case kernels::product_kind::int8:
        return precision::int8;
    case kernels::product_kind::bf16:
        return precision::bf16;
    default:
        return precision::f32;
    }
}

MICE_NAMESPACE_END
