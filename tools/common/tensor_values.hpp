// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include <mice/io/tensor.hpp>

namespace mice::tools {

/// Element `index` as a double, exactly as stored: F64, F32, F16, BF16 or I8 (without its scale).
/// The caller has checked type and range.
[[nodiscard]] double value_at(const io::tensor_view& tensor, std::size_t index);

/// True for the types that hold real numbers: F64, F32, F16 and BF16.
[[nodiscard]] bool is_floating(io::dtype type);

/// All elements of a tensor of real numbers; F64 is rounded to float.
[[nodiscard]] std::vector<float> float_values(const io::tensor_view& tensor);

} // namespace mice::tools
