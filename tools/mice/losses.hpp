// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <mice/reranker.hpp>

// Notes on standard error about texts that the model did not read to their end.
namespace mice::cli {

/// Counts texts that were cut at the model's limit.
class text_losses {
  public:
    /// `what` in the plural, such as "queries".
    explicit text_losses(std::string what) : what_(std::move(what)) {}

    /// Adds a text at `place` ("pairs.jsonl:17"; empty: none) of which so many tokens were cut.
    void cut(std::string_view place, std::size_t tokens);
    /// Adds texts that were counted elsewhere, and their tokens.
    void cut_in_all(std::size_t texts, std::size_t tokens);
    /// Notes what was cut, with `advice`; silent where nothing was.
    void report(std::string_view advice = {}) const;

  private:
    std::string what_;
    std::string first_;
    std::size_t texts_ = 0;
    std::size_t tokens_ = 0;
};

/// Notes an empty query on the command line.
void report_empty_query(std::string_view query);
/// Notes a query on the command line that was cut or held invalid UTF-8.
void report_query(std::size_t tokens_cut, std::size_t replaced);

} // namespace mice::cli
