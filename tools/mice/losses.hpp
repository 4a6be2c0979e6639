// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <mice/reranker.hpp>

// What a model did not read of the texts that it was given, in notes on standard error.
namespace mice::cli {

/// Counts texts that were cut at the model's limit.
class text_losses {
  public:
    /// `what` in the plural, such as "queries".
    explicit text_losses(std::string what) : what_(std::move(what)) {}

    /// A text at `place` ("pairs.jsonl:17"; empty where it has none) of which so many tokens were
    /// cut.
    void cut(std::string_view place, std::size_t tokens);
    /// Texts that somebody else has counted, and their tokens.
    void cut_in_all(std::size_t texts, std::size_t tokens);
    /// Says what was cut, and `advice` behind it; nothing where nothing was.
    void report(std::string_view advice = {}) const;

  private:
    std::string what_;
    std::string first_;
    std::size_t texts_ = 0;
    std::size_t tokens_ = 0;
};

/// Says that a query given on the command line is empty, where it is.
void report_empty_query(std::string_view query);
/// Says that a query given on the command line was cut or held invalid UTF-8.
void report_query(std::size_t tokens_cut, std::size_t replaced);

} // namespace mice::cli
