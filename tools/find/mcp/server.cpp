// SPDX-License-Identifier: Apache-2.0
#include "find/mcp/server.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "common/output.hpp"
#include "find/mcp/json_rpc.hpp"
#include "find/mcp/line_input.hpp"
#include "find/mcp/session.hpp"

namespace mice::find::mcp {
namespace {

constexpr std::size_t longest_line = std::size_t{16} << 20;
/// What may wait to be answered; a client that sends more waits itself.
constexpr std::size_t most_waiting_lines = 1000, most_waiting_bytes = std::size_t{64} << 20;

/// Messages to the client, a line each, from two threads.
class line_output {
  public:
    void send(const ordered_json& value) {
        const std::string line = tools::json_line(value);
        const std::lock_guard guard(mutex_);
        out_.write(line);
        out_.flush();
    }

  private:
    std::mutex mutex_;
    tools::output out_;
};

/// Lines that wait to be answered.
class line_queue {
  public:
    /// Waits for room; false where nobody takes lines any more.
    bool put(json line, std::size_t bytes) {
        std::unique_lock guard(mutex_);
        room_.wait(guard, [this] {
            return closed_ || (lines_.size() < most_waiting_lines && bytes_ < most_waiting_bytes);
        });
        if (closed_) {
            return false;
        }
        bytes_ += bytes;
        lines_.emplace_back(std::move(line), bytes);
        filled_.notify_one();
        return true;
    }

    /// The next line; nothing when the last one was taken after end().
    std::optional<json> take() {
        std::unique_lock guard(mutex_);
        filled_.wait(guard, [this] { return ended_ || !lines_.empty(); });
        if (lines_.empty()) {
            return std::nullopt;
        }
        json line = std::move(lines_.front().first);
        bytes_ -= lines_.front().second;
        lines_.pop_front();
        room_.notify_one();
        return line;
    }

    void end() {
        const std::lock_guard guard(mutex_);
        ended_ = true;
        filled_.notify_one();
    }

    void close() {
        const std::lock_guard guard(mutex_);
        closed_ = true;
        room_.notify_one();
    }

  private:
    std::mutex mutex_;
    std::condition_variable filled_, room_;
    std::deque<std::pair<json, std::size_t>> lines_;
    std::size_t bytes_ = 0;
    bool ended_ = false, closed_ = false;
};

/// One thread reads, and so sees what is cancelled while the other one answers.
class server {
  public:
    explicit server(const finder_options& options)
        : input_(0, longest_line),
          session_(options, open_, [this](const ordered_json& value) { out_.send(value); }) {}

    void run() {
        std::thread answering([this] { answer_all(); });
        std::exception_ptr problem;
        try {
            read_all();
        } catch (...) {
            problem = std::current_exception();
        }
        queue_.end();
        answering.join();
        for (const std::exception_ptr& each : {problem_, problem}) {
            if (each) {
                std::rethrow_exception(each);
            }
        }
    }

  private:
    void read_all() {
        std::string line;
        while (true) {
            switch (input_.next(line)) {
            case line_input::outcome::end:
            case line_input::outcome::woken:
                return;
            case line_input::outcome::too_long:
                refuse(rpc_error(rpc_code::invalid_request,
                                 "a line has at most " + std::to_string(longest_line) + " bytes"));
                break;
            case line_input::outcome::line:
                if (!take(line)) {
                    return;
                }
                break;
            }
        }
    }

    /// False where nothing more is answered.
    bool take(const std::string& line) {
        if (line.find_first_not_of(" \t") == line.npos) {
            return true;
        }
        json value;
        try {
            value = parse_line(line);
        } catch (const rpc_error& problem) {
            refuse(problem);
            return true;
        }
        if (answer_ping(value)) {
            return true;
        }
        open_.obey(value);
        open_.note(value);
        return queue_.put(std::move(value), line.size());
    }

    /// A ping asks whether the server lives, and so does not wait for what is worked on.
    bool answer_ping(const json& value) {
        if (!value.is_object() || value.value("method", json()) != "ping") {
            return false;
        }
        try {
            const std::optional<message> asked = read_message(value);
            if (asked && asked->id) {
                out_.send(response(*asked->id, ordered_json::object()));
            }
        } catch (const rpc_error& problem) {
            out_.send(response(id_of(value), problem));
        }
        return true;
    }

    void refuse(const rpc_error& problem) { out_.send(response(nullptr, problem)); }

    void answer_all() {
        try {
            while (const std::optional<json> line = queue_.take()) {
                if (const std::optional<ordered_json> made = session_.answer(*line)) {
                    out_.send(*made);
                }
            }
        } catch (...) {
            problem_ = std::current_exception();
            queue_.close();
            input_.wake();
        }
    }

    line_input input_;
    line_output out_;
    line_queue queue_;
    open_requests open_;
    session session_;
    std::exception_ptr problem_; ///< of the thread that answers
};

} // namespace

void serve(const finder_options& options) {
    server(options).run();
}

} // namespace mice::find::mcp
