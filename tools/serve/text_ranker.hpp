// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/reranker.hpp>
#include <mice/texts.hpp>

#include "serve/document_cache.hpp"

namespace mice::serve {

/// One text's place in an answer.
struct ranked_text {
    std::size_t index = 0; ///< in the caller's list
    float logit = 0;
};

/// The answer to one query.
struct ranked_texts {
    std::vector<ranked_text> hits; ///< best first, equal ones in input order
    bool complete = true;          ///< false: the call stopped before all texts had their score
    std::size_t tokens = 0;        ///< that the model read, the query's among them
};

/// When a call is to stop.
struct call_limits {
    std::optional<std::chrono::steady_clock::time_point> deadline{};
    const cancellation* cancel = nullptr;
};

/// Ranks texts, and remembers what it encoded. Scores have the bits of rank_texts (or without
/// `texts` of reranker::rank), whether a document was remembered or not; a text has a score when
/// all its passages have one. Any thread may use it.
class text_ranker {
  public:
    /// `options`: threads and the treatment of texts. Without `texts` their beginnings are read.
    text_ranker(const reranker& ranker, const rank_options& options,
                const std::optional<text_options>& texts, std::size_t cache_bytes);

    /// Throws as reranker::rank.
    [[nodiscard]] ranked_texts rank(std::string_view query, std::span<const std::string> texts,
                                    const call_limits& limits = {});

    [[nodiscard]] const document_cache& cache() const noexcept { return cache_; }
    [[nodiscard]] const reranker& model() const noexcept { return ranker_; }

  private:
    [[nodiscard]] ranked_texts rank_at_once(const query& asked, std::span<const std::string> texts,
                                            const rank_options& options) const;

    reranker ranker_;
    rank_options options_;
    std::optional<text_options> texts_;
    bool remembers_;
    document_cache cache_;
};

} // namespace mice::serve
