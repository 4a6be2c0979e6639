// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/answering.hpp"
#include "serve/measurements.hpp"
#include "serve/request_form.hpp"
#include "serve/text_ranker.hpp"
#include "serve/work_queue.hpp"

namespace mice::serve {

/// How a server answers.
struct service_options {
    std::string model{};                                    ///< the name of its model
    activation scores = activation::sigmoid;                ///< where a request does not say
    request_limits limits{};                                ///< of each request
    std::size_t waiting = 64;                               ///< requests that wait for their turn
    std::optional<std::chrono::duration<double>> timeout{}; ///< of each request
    bool partial = false; ///< after the timeout what is ranked by then, not an error
    std::size_t cache_bytes = std::size_t{256} << 20;
    std::string token{};                       ///< that a request must bear; empty: none
    bool check_host = true;                    ///< whether the Host header must name this machine
    std::vector<std::string> allowed_hosts{};  ///< besides this machine's own names
    std::optional<std::string> allow_origin{}; ///< a page's origin that may ask, or "*"
    bool log = false;                          ///< a line for each request on standard error
};

/// Everything that a server does but its sockets. Any thread may call it.
class service final : public answering {
  public:
    service(const reranker& ranker, const rank_options& options,
            const std::optional<text_options>& texts, service_options settings);

    [[nodiscard]] std::optional<answer> answer_head(const request_head& head) override;
    [[nodiscard]] answer rank(const request_head& head, std::string_view body,
                              const std::function<bool()>& gone = {}) override;
    [[nodiscard]] answer failure(const request_head& head, int status,
                                 std::string_view message) const override;
    void note(const request_head& head, const answer& given,
              std::chrono::duration<double> took) override;
    void stop() override { queue_.stop(); }
    [[nodiscard]] std::size_t most_bytes() const override { return settings_.limits.body_bytes; }

  private:
    [[nodiscard]] std::optional<answer> refusal(const request_head& head) const;
    [[nodiscard]] answer rank_checked(const rerank_request& request, std::string_view path,
                                      const std::function<bool()>& gone);
    [[nodiscard]] answer finished(const request_head& head, answer made) const;
    [[nodiscard]] std::string models() const;
    [[nodiscard]] std::string metrics() const;
    [[nodiscard]] std::string next_id();

    service_options settings_;
    text_ranker ranker_;
    measurements measured_;
    std::uint64_t first_id_; // of this process
    std::atomic<std::uint64_t> ids_{0};
    work_queue queue_;
};

} // namespace mice::serve
