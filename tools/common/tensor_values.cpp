// SPDX-License-Identifier: Apache-2.0
#include "common/tensor_values.hpp"

#include <cstdint>
#include <string>

#include <mice/error.hpp>
#include <mice/kernels/convert.hpp>

namespace mice::tools {

double value_at(const io::tensor_view& tensor, std::size_t index) {
    switch (tensor.type) {
    case io::dtype::f64:
        return tensor.at<double>(index);
    case io::dtype::f32:
        return static_cast<double>(tensor.at<float>(index));
    case io::dtype::f16:
        return static_cast<double>(kernels::half_to_float(tensor.at<std::uint16_t>(index)));
    case io::dtype::bf16:
        return static_cast<double>(kernels::bf16_to_float(tensor.at<std::uint16_t>(index)));
    case io::dtype::i8:
        return static_cast<double>(tensor.at<std::int8_t>(index));
    default:
        throw detail::errors::bad_argument("a tensor of " + std::string(io::name_of(tensor.type)) +
                                           " holds no weights");
    }
}

bool is_floating(io::dtype type) {
    return type == io::dtype::f64 || type == io::dtype::f32 || type == io::dtype::f16 ||
           type == io::dtype::bf16;
}

std::vector<float> float_values(const io::tensor_view& tensor) {
    std::vector<float> values(tensor.elements());
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(value_at(tensor, i));
    }
    return values;
}

} // namespace mice::tools
