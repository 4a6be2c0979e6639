// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <mice/codecs/pooling.hpp>
#include <mice/codecs/product_quantiser.hpp>
#include <mice/model.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// What a quantiser of `parts` bytes learns from at least one row. The same sample gives the same
/// bytes on the same kind of processor, for any number of threads.
[[nodiscard]] quantiser_parameters train_quantiser(const model& engine, std::size_t parts,
                                                   const document_rows& sample,
                                                   const parallel_options& where);

/// The parameters of the codec of that name ("pq62"), which fits the model.
[[nodiscard]] std::vector<std::byte> learn_quantiser(const std::string& name, const model& engine,
                                                     const document_rows& sample,
                                                     const parallel_options& where);

} // namespace store
MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/codecs/learn/train_quantiser_impl.hpp>
#endif
