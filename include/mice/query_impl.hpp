// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include <mice/query.hpp>
#include <mice/scoring/encoded_query.hpp>

MICE_NAMESPACE_BEGIN

MICE_INLINE query::query(std::shared_ptr<const model> owner,
                         std::shared_ptr<const detail::encoded_query> encoded)
    : owner_(std::move(owner)), encoded_(std::move(encoded)) {}

MICE_INLINE std::span<const std::int32_t> query::ids() const noexcept {
    return encoded_->prepared.ids;
}
MICE_INLINE std::size_t query::tokens_cut() const noexcept {
    return encoded_->origin.tokens_cut;
}
MICE_INLINE std::size_t query::replaced() const noexcept {
    return encoded_->origin.replaced;
}

MICE_NAMESPACE_END
