// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <mice/parallel/executor.hpp>

#include "find/mcp/json_rpc.hpp"
#include "find/mcp/tools.hpp"
#include "find/open_index.hpp"

namespace mice::find::mcp {

/// Requests that are not answered yet, by their ids, so that one thread can cancel what another
/// thread works on. Thread-safe.
class open_requests {
  public:
    using request = std::shared_ptr<cancellation>;

    /// Notes all requests of a line; `initialize` cannot be cancelled.
    void note(const json& line);
    /// What stops the request.
    [[nodiscard]] request find(const json& id);
    void forget(const json& id);
    /// Cancels what a message names, if it is such a message.
    void obey(const json& line);

  private:
    std::mutex mutex_;
    std::map<std::string, request> all_;
};

/// What is said with one client. For one thread at a time.
class session {
  public:
    /// `send` is called with notifications while a request is worked on.
    session(finder_options options, open_requests& open,
            std::function<void(const ordered_json&)> send)
        : index_(std::move(options)), open_(open), send_(std::move(send)) {}

    /// Answers a parsed line: a message, or in some versions several. Nothing where nothing is to
    /// be answered.
    [[nodiscard]] std::optional<ordered_json> answer(const json& line);

  private:
    std::optional<ordered_json> answer_one(const json& value);
    std::optional<ordered_json> answer_batch(const json& list);
    ordered_json result_of(const message& asked, const cancellation& stop);
    ordered_json initialize(const json& params);
    ordered_json call(const message& asked, const cancellation& stop);

    open_index index_;
    open_requests& open_;
    std::function<void(const ordered_json&)> send_;
    bool initialized_ = false;
    protocol_features features_;
};

} // namespace mice::find::mcp
