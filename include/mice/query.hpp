// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <mice/fwd.hpp>

MICE_NAMESPACE_BEGIN

/// An encoded query, to be ranked against documents again and again. An immutable value, tied to
/// the model that encoded it.
class query {
  public:
    /// [tokens], special tokens included.
    [[nodiscard]] std::span<const std::int32_t> ids() const noexcept;
    [[nodiscard]] std::size_t tokens() const noexcept { return ids().size(); }
    /// Tokens that the model's limit cut off.
    [[nodiscard]] std::size_t tokens_cut() const noexcept;
    /// Invalid UTF-8 sequences that were replaced.
    [[nodiscard]] std::size_t replaced() const noexcept;

  private:
    friend class reranker;
    friend class index;
    friend class detail::attention_call;
    query(std::shared_ptr<const model> owner, std::shared_ptr<const detail::encoded_query> encoded);

    std::shared_ptr<const model> owner_;
    std::shared_ptr<const detail::encoded_query> encoded_;
};

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/query_impl.hpp>
#endif
