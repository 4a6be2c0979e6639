// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What the sockets of a server know of the rest. They are in a module of their own, so nothing but
// the standard library's types goes from one to the other.
namespace mice::serve {

/// What is known of a request before its body is read.
struct request_head {
    std::string method, path;
    std::optional<std::string> host, origin, authorization;
    std::optional<std::string> fetch_site{}, fetch_mode{}; ///< what a browser says of its page
    std::vector<std::pair<std::string, std::string>> parameters{}; ///< behind "?", decoded
    std::function<bool()> gone{}; ///< where set, whether the client went away
};

/// What is sent back.
struct answer {
    int status = 200;
    std::string body{};
    std::string type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers{};
    std::size_t documents = 0; ///< that were ranked
};

/// Answers requests. Any thread may call it.
class answering {
  public:
    virtual ~answering() = default;

    /// The answer where the body need not be read: refusals and everything but ranking.
    [[nodiscard]] virtual std::optional<answer> answer_head(const request_head& head) = 0;
    /// The answer to a request to rank. `gone` says whether the client went away.
    [[nodiscard]] virtual answer rank(const request_head& head, std::string_view body,
                                      const std::function<bool()>& gone) = 0;
    /// An answer that says what went wrong.
    [[nodiscard]] virtual answer failure(const request_head& head, int status,
                                         std::string_view message) const = 0;
    /// Counts a request that was answered, and logs it.
    virtual void note(const request_head& head, const answer& given,
                      std::chrono::duration<double> took) = 0;
    /// Cancels what runs; requests get 503 from now on.
    virtual void stop() = 0;
    /// Bytes of a body, at most.
    [[nodiscard]] virtual std::size_t most_bytes() const = 0;

  protected:
    answering() = default;
    answering(const answering&) = default;
    answering& operator=(const answering&) = default;
};

} // namespace mice::serve
