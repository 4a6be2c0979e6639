// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <mice/reranker.hpp>

namespace mice::cli {

/// Whether a model's documents can be encoded before the query is known.
[[nodiscard]] inline bool stores_documents(const reranker&) {
    return true; // every kind of model that the engine knows today
}

/// What kind of model it is, for tables.
[[nodiscard]] inline std::string_view kind_of(const reranker&) {
    return "mice";
}

} // namespace mice::cli
