// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include <mice/kernels/xsimd/gemm.hpp>

// Of the instruction set that a test is compiled for.
namespace fixtures {

inline constexpr std::size_t lanes = mice::kernels::lanes<mice::kernels::default_arch>;
inline constexpr std::size_t panel = mice::kernels::panel_columns<mice::kernels::default_arch>;
inline constexpr std::size_t tile = mice::kernels::tile_rows<mice::kernels::default_arch>;

/// The value of memory that a kernel must not write.
inline constexpr float untouched = 12345.5F;

} // namespace fixtures
