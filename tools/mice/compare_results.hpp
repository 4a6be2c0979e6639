// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mice/evaluation.hpp"

// The measurements of `mice compare`, and the figures that follow from them.
namespace mice::cli {

/// Milliseconds of a query, over the timed queries.
struct latency {
    double median = 0;
    double low = 0, high = 0; ///< quartiles: half of the queries lie between
    double fastest = 0, slowest = 0;
};

/// The cost of storing documents, measured on the candidates of the timed queries.
struct storage_cost {
    std::size_t documents = 0;
    std::size_t tokens = 0;
    std::uint64_t state_bytes = 0; ///< of the states as f32
    std::uint64_t code_bytes = 0;  ///< of the states as the index stores them
    std::uint64_t index_bytes = 0; ///< of all of the index's files
    double seconds = 0;            ///< of encoding them

    [[nodiscard]] double per_document(std::uint64_t bytes) const noexcept;
    [[nodiscard]] double bytes_per_token() const noexcept; ///< of the codes
    [[nodiscard]] double documents_per_second() const noexcept;
};

/// One model on one collection.
struct model_result {
    quality reranked;
    paired_difference to_first_stage, to_baseline;
    std::size_t pairs = 0;
    std::size_t documents_cut = 0; ///< candidates that the model did not read to their end
    double seconds = 0;            ///< of scoring all pairs
    latency not_stored;
    std::optional<latency> stored;       ///< nothing: the model cannot store documents
    std::optional<storage_cost> storage; ///< as `stored`
};

/// All models on one collection, in their order.
struct collection_result {
    std::string name;
    std::string first_stage; ///< "bm25" or the run's file name
    std::size_t queries = 0;
    std::size_t documents = 0;
    std::size_t timed_queries = 0;
    double timed_candidates = 0; ///< of a timed query, on average
    quality before;
    std::vector<model_result> models;
};

/// Whether figures come with their intervals, quartiles and p values. A mean of collections has
/// none: they are not a sample.
enum class spread { shown, none };

/// A model as the report shows it.
struct model_description {
    std::string name, kind, precision;
    std::filesystem::path file;
    std::uint64_t file_bytes = 0;
    bool stores_documents = true;
};

/// All measurements, and how they were taken.
struct comparison {
    std::vector<model_description> models;
    std::size_t baseline = 0;
    std::size_t threads = 0;
    std::string simd;
    std::string candidates; ///< in words
    std::string codec;      ///< in words
    std::vector<collection_result> collections;
    std::optional<collection_result> mean; ///< of several collections, each counting the same

    /// `each` is one of the collections or the mean.
    [[nodiscard]] spread spread_of(const collection_result& each) const noexcept {
        return mean && &each == &*mean ? spread::none : spread::shown;
    }
};

/// A model beside the baseline; nothing where one of the two figures is missing.
struct ratios {
    std::optional<double> ndcg;       ///< its nDCG over the baseline's
    std::optional<double> not_stored; ///< how many times as fast, documents not stored
    /// How many times as fast, documents stored. A baseline that stores none is compared with its
    /// one way.
    std::optional<double> stored;
    std::optional<double> bytes; ///< its stored bytes a document over the baseline's
};

[[nodiscard]] ratios ratios_of(const model_result& each, const model_result& baseline);

/// From the milliseconds of each query; at least one.
[[nodiscard]] latency latency_of(std::vector<double> milliseconds);

/// Figures are plain means of the collections' figures, latencies of their medians; storage is of
/// all their documents together. At least one collection.
[[nodiscard]] collection_result mean_of(std::span<const collection_result> all);

// ---- the report ----

/// Settings and models, before the first result.
[[nodiscard]] std::string text_head(const comparison& all, std::size_t columns);
/// One collection's tables, or the mean's.
[[nodiscard]] std::string text_of(const collection_result& each, const comparison& all,
                                  std::size_t columns);
/// The whole report as a Markdown page.
[[nodiscard]] std::string markdown_of(const comparison& all);
/// The whole report as one line of JSON.
[[nodiscard]] std::string json_of(const comparison& all);
/// Latency against nDCG@10 as an SVG file: a point for each model and way, of the mean where there
/// are several collections.
[[nodiscard]] std::string plot_of(const comparison& all);

} // namespace mice::cli
