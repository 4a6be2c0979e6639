// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/model/tensors.hpp>

#include "checkpoint.hpp"
#include "options.hpp"

namespace mice::tools {

/// What rounding did to one group of tensors.
struct rounding_error {
    std::string group;
    double largest = 0; ///< largest error of a weight, in units of its tensor's root mean square
    double rms = 0;     ///< root mean square of the errors over that of the weights
};

/// The weights as the model file will hold them. Views point into `buffers` or into the checkpoint,
/// which must outlive this.
struct stored_weights {
    io::safetensors::tensor_map tensors;
    std::deque<std::vector<std::byte>> buffers;
    weight_format format = weight_format::f32; ///< never as_given
    std::size_t parameters = 0;
    std::vector<rounding_error> errors; ///< of the groups that were rounded
};

/// "f32", "f16" or "int8".
[[nodiscard]] std::string_view format_name(weight_format format);

/// How the weights should be stored.
struct storage_options {
    weight_format format = weight_format::f32;
    std::vector<std::string> keep_f16; ///< with int8: matrices with one of these in their name
};

/// The wanted format; as_given becomes f16 where all matrices and tables are F16, else f32.
[[nodiscard]] weight_format chosen_format(const checkpoint& weights,
                                          std::span<const tensor_requirement> required,
                                          weight_format asked);

/// Checks every value and converts every required tensor to the format, which is not as_given.
/// Throws errc::tensor for NaN, infinity, or a weight beyond f16, and errc::invalid_argument for a
/// keep_f16 that fits no matrix.
[[nodiscard]] stored_weights store_weights(const checkpoint& weights,
                                           std::span<const tensor_requirement> required,
                                           const storage_options& options);

} // namespace mice::tools
