// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "http/client.hpp"
#include "http/workers.hpp"

struct pollfd;

namespace mice::serve {

/// Takes connections and reads the heads of requests, all on the thread that calls `run`: a client
/// that sends nothing, or slowly, has no worker wait for it. When there is no room for one more
/// connection, a client that was refused and still sends is sent away, or else that which has been
/// waited for longest.
class front_desk {
  public:
    /// Answers a request whose head is `whole`, on a worker's thread, or refuses another; says
    /// whether the connection stays open. Must not throw.
    using answer_request = std::function<bool(client& from, head_state head)>;

    /// Where clients wait a shorter time than this, they are not sent away for others: those whose
    /// head is waited for, and those that send a body or take an answer.
    static constexpr std::chrono::milliseconds least_head{250}, least_body{1000};

    /// `most` connections at once. Throws std::system_error.
    front_desk(std::size_t most, std::chrono::milliseconds patience, answer_request answer);
    ~front_desk();
    front_desk(const front_desk&) = delete;
    front_desk& operator=(const front_desk&) = delete;

    /// Accepts at a socket that listens, until `stop`, which is asked about every 50 ms. False
    /// where the system gives no more connections. Then closes what waits for a request.
    [[nodiscard]] bool run(int listener, const std::function<bool()>& stop);
    /// Waits until no request is being answered; false after the time.
    [[nodiscard]] bool wait_until_quiet(std::chrono::milliseconds time);
    /// Ends the connections of requests that are being answered.
    void cut_off();

  private:
    using shared_client = std::shared_ptr<client>;

    void take_back();
    void read_heads(const std::vector<pollfd>& found);
    /// Whether the client still waits here.
    bool look_at(const shared_client& one);
    void give_to_worker(const shared_client& one, head_state head);
    void work(const shared_client& one, head_state head);
    [[nodiscard]] bool full();
    [[nodiscard]] shared_client longest_waiting();
    void send_away(const shared_client& one);
    [[nodiscard]] bool accept_all(int listener);

    const std::size_t most_;
    const std::chrono::milliseconds patience_;
    const answer_request answer_;
    std::array<int, 2> wake_{-1, -1};
    std::vector<shared_client> waiting_; ///< for a request; of the thread in `run` alone
    std::mutex mutex_;                   ///< for what follows
    std::condition_variable quiet_;
    std::set<shared_client> working_, sent_away_; ///< the second: those that a worker still has
    std::vector<shared_client> returned_;
    bool stopping_ = false;
    workers workers_; ///< last: its threads use all of the above
};

} // namespace mice::serve
