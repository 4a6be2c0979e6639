// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace mice::serve {

/// How far the head of a request, its lines up to the empty one, has come.
enum class head_state {
    incomplete,
    whole,
    closed,         ///< there will be no more
    too_long,       ///< more than `most_head_bytes`
    too_many_lines, ///< more than `most_head_lines`
    malformed,      ///< a line does not end in CR LF
};

/// cpp-httplib 0.11 takes heads of any size, so none is given to it that is above these.
inline constexpr std::size_t most_head_bytes = std::size_t{1} << 16;
inline constexpr std::size_t most_head_lines = 100;
/// A whole head must come in this time from its first byte on.
inline constexpr std::chrono::milliseconds longest_head{10000};

/// One client's connection, closed at the end. The time for a whole request, and for taking a whole
/// answer, is bounded: a client that sends a byte now and then is cut off like one that sends none.
/// One thread uses it at a time; `waiting_since` and `cut_off` may be called by another.
class client {
  public:
    using clock = std::chrono::steady_clock;

    /// Takes the socket. `patience` is for a whole request, and for a whole answer.
    client(int socket, std::chrono::milliseconds patience);
    ~client();
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    [[nodiscard]] int socket() const { return socket_; }

    /// Waits for a request from now on; bytes that came behind the last one are its begin.
    void await_request();
    /// Reads what has come of the head, without waiting.
    [[nodiscard]] head_state read_head();
    /// The head that is whole; what is read next is behind it.
    [[nodiscard]] std::string take_head();
    /// Whether part of a request has come.
    [[nodiscard]] bool has_begun() const { return begin_ < end_; }
    /// When the head must have come.
    [[nodiscard]] clock::time_point deadline() const { return deadline_; }
    [[nodiscard]] bool is_late() const { return clock::now() >= deadline_; }

    /// The head is whole, or refused: reading and writing wait from now on, up to their deadlines.
    void begin_request();
    /// Reads up to `size` bytes; 0 at the end, -1 where the client is too slow or broken.
    [[nodiscard]] std::ptrdiff_t read(char* into, std::size_t size);
    /// Asks for the body where none of it has come yet: 100 Continue. False as `write`.
    [[nodiscard]] bool ask_for_body();
    /// Sends all bytes of an answer, or says false. Its time is counted from the first one on.
    [[nodiscard]] bool write(const char* from, std::size_t size);
    [[nodiscard]] bool is_readable() const;
    [[nodiscard]] bool is_writable() const;

    /// Nothing more is read from this client. `sends`: part of its request is still to come.
    void close_afterwards(bool sends) {
        close_ = true;
        sends_ = sends_ || sends;
    }
    [[nodiscard]] bool closes() const { return close_; }
    /// Whether the client takes no answer. One that closed its end may have half-closed it, and
    /// wait: where `interim` answers are understood (HTTP/1.1) it is sent one, which a socket that
    /// nobody has refuses.
    [[nodiscard]] bool gone(bool interim);
    /// Lets the client read the answer before the connection is reset by what it still sends.
    /// Returns at once where it sends nothing.
    void linger();
    /// It has its answer: this one is the first to go for others.
    [[nodiscard]] bool lingers() const { return lingers_.load(); }

    /// Since when this client's request, or its taking the answer, is waited for; the clock's
    /// smallest time while nothing is.
    [[nodiscard]] clock::time_point waiting_since() const {
        return clock::time_point(clock::duration(waiting_since_.load()));
    }
    /// Ends what is waited for; the socket stays open, and is closed by its owner.
    void cut_off() const;

  private:
    [[nodiscard]] bool ready(short what, clock::time_point until) const;
    [[nodiscard]] bool wait_for(short what, clock::time_point since);
    [[nodiscard]] bool send_all(const char* from, std::size_t size, clock::time_point since);
    [[nodiscard]] std::ptrdiff_t receive();
    [[nodiscard]] bool fill();
    [[nodiscard]] head_state scan();
    void note_waiting(clock::time_point since) {
        waiting_since_ = since.time_since_epoch().count();
    }

    int socket_;
    std::chrono::milliseconds patience_;
    clock::time_point deadline_{}, begun_{}, answer_begun_{};
    bool answering_ = false, close_ = false, sends_ = false, broken_ = false, probed_ = false,
         head_begun_ = false;
    std::vector<char> buffer_;
    std::size_t begin_ = 0, end_ = 0, scanned_ = 0, line_ = 0, lines_ = 0; ///< into `buffer_`
    std::atomic<clock::rep> waiting_since_;
    std::atomic<bool> lingers_ = false;
};

} // namespace mice::serve
