// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace mice::serve {

/// What a server counts of its requests. Any thread may use it.
class measurements {
  public:
    /// A request that was answered. `path` is one of the server's own, or counts as "other".
    void answered(std::string_view path, int status, std::chrono::duration<double> took);
    /// Documents that were ranked.
    void ranked(std::size_t documents, std::size_t tokens);

    /// The counters in the text format of Prometheus.
    [[nodiscard]] std::string prometheus() const;

  private:
    static constexpr std::array<double, 12> bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                   0.1,   0.25,   0.5,   1,    2.5,   10};

    mutable std::mutex mutex_;
    std::map<std::pair<std::string, int>, std::uint64_t> requests_; // by path and status
    std::array<std::uint64_t, bounds.size() + 1> buckets_{};        // of ranking requests
    std::uint64_t timed_ = 0, documents_ = 0, tokens_ = 0;
    double seconds_ = 0;
};

/// One metric with its help, in the text format of Prometheus. `type` is "counter" or "gauge".
[[nodiscard]] std::string prometheus_metric(std::string_view name, std::string_view type,
                                            std::string_view help, std::uint64_t value);

} // namespace mice::serve
