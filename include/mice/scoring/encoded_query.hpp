// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/document.hpp>
#include <mice/networks/network.hpp>

MICE_NAMESPACE_BEGIN
namespace detail {

/// A query ready for many documents, and how its text became tokens.
struct encoded_query {
    nn::prepared_query prepared;
    text_origin origin;
};

} // namespace detail
MICE_NAMESPACE_END
