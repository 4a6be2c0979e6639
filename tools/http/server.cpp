// SPDX-License-Identifier: Apache-2.0
#include "http/server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <httplib.h> // the only include of cpp-httplib, which compiles slowly

#include "serve/addresses.hpp"

namespace mice::serve {
namespace {

using clock = std::chrono::steady_clock;

/// One client's connection. The time for a whole request, and for taking a whole answer, is
/// bounded: a client that sends a byte now and then is cut off like one that sends none.
class connection final : public httplib::Stream {
  public:
    connection(socket_t socket, std::chrono::milliseconds patience)
        : socket_(socket), patience_(patience) {}

    /// Waits for the first byte of a request; false where there will be none.
    [[nodiscard]] bool next_request() {
        close_ = answering_ = false;
        deadline_ = clock::now() + patience_;
        const bool comes = begin_ < end_ || fill();
        deadline_ = clock::now() + patience_; // for all of it
        return comes;
    }
    /// The answer begins: its time is counted from here.
    void answer() {
        if (!answering_) {
            answering_ = true;
            deadline_ = clock::now() + patience_;
        }
    }

    /// Nothing more is read from this client: part of a request may be left unread.
    void close_afterwards() { close_ = true; }
    [[nodiscard]] bool closes() const { return close_; }

    /// The client closed its end, or both.
    [[nodiscard]] bool gone() const {
        pollfd one{socket_, POLLRDHUP, 0};
        return ::poll(&one, 1, 0) > 0 && (one.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    }

    /// Lets the client read the answer before the connection is reset by what it still sends.
    void linger() {
        ::shutdown(socket_, SHUT_WR);
        deadline_ = clock::now() + std::min(patience_, std::chrono::milliseconds(2000));
        answering_ = false;
        while (fill()) {
        }
    }

    [[nodiscard]] bool is_readable() const override {
        return begin_ < end_ || ready(POLLIN, clock::now());
    }
    [[nodiscard]] bool is_writable() const override { return ready(POLLOUT, deadline_); }
    ssize_t read(char* into, size_t size) override {
        if (begin_ == end_ && !fill()) {
            return broken_ ? -1 : 0;
        }
        const std::size_t count = std::min(size, end_ - begin_);
        std::copy_n(buffer_.data() + begin_, count, into);
        begin_ += count;
        return static_cast<ssize_t>(count);
    }
    ssize_t write(const char* from, size_t size) override {
        answer();
        for (std::size_t sent = 0; sent < size;) {
            if (!ready(POLLOUT, deadline_)) {
                return -1;
            }
            const ssize_t count =
                ::send(socket_, from + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count < 0 && errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) {
                return -1;
            }
            sent += count > 0 ? static_cast<std::size_t>(count) : 0;
        }
        return static_cast<ssize_t>(size);
    }
    void get_remote_ip_and_port(std::string& ip, int& port) const override {
        ip.clear(); // nobody asks: who connects is not logged
        port = 0;
    }
    void get_local_ip_and_port(std::string& ip, int& port) const override {
        get_remote_ip_and_port(ip, port);
    }
    [[nodiscard]] socket_t socket() const override { return socket_; }

  private:
    [[nodiscard]] bool ready(short what, clock::time_point until) const {
        for (;;) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
            pollfd one{socket_, what, 0};
            const int found =
                ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30)));
            if (found > 0 || (found < 0 && errno != EINTR)) {
                return found > 0;
            }
            if (found == 0 && clock::now() >= until) {
                return false;
            }
        }
    }
    /// Reads what has come; false at the end, or when the time is up.
    bool fill() {
        begin_ = end_ = 0;
        while (ready(POLLIN, deadline_)) {
            const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
            if (count > 0) {
                end_ = static_cast<std::size_t>(count);
                return true;
            }
            if (count == 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)) {
                broken_ = count < 0;
                return false;
            }
        }
        broken_ = true;
        return false;
    }

    socket_t socket_;
    std::chrono::milliseconds patience_;
    clock::time_point deadline_{};
    bool answering_ = false, close_ = false, broken_ = false;
    std::array<char, std::size_t{1} << 14> buffer_{};
    std::size_t begin_ = 0, end_ = 0;
};

/// Open connections, so that stopping can end those that only wait for a request.
class open_connections {
  public:
    /// Notes a connection; false where no more requests are taken.
    bool add(socket_t socket) {
        const std::lock_guard lock(mutex_);
        if (!stopping_) {
            idle_.insert(socket);
        }
        return !stopping_;
    }
    /// A request came; false where no more are taken.
    bool begin(socket_t socket) {
        const std::lock_guard lock(mutex_);
        idle_.erase(socket);
        if (!stopping_) {
            busy_.insert(socket);
        }
        return !stopping_;
    }
    bool end(socket_t socket) {
        const std::lock_guard lock(mutex_);
        busy_.erase(socket);
        if (!stopping_) {
            idle_.insert(socket);
        }
        quiet_.notify_all();
        return !stopping_;
    }
    void remove(socket_t socket) {
        const std::lock_guard lock(mutex_);
        idle_.erase(socket);
        busy_.erase(socket);
        quiet_.notify_all();
    }
    void stop_idle() {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        for (const socket_t each : idle_) {
            ::shutdown(each, SHUT_RDWR);
        }
    }
    /// Waits until no request is being answered; false after the time.
    bool wait_until_quiet(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        return quiet_.wait_for(lock, time, [this] { return busy_.empty(); });
    }
    void cut_off() {
        const std::lock_guard lock(mutex_);
        for (const socket_t each : busy_) {
            ::shutdown(each, SHUT_RDWR);
        }
    }

  private:
    std::mutex mutex_;
    std::condition_variable quiet_;
    std::set<socket_t> idle_, busy_;
    bool stopping_ = false;
};

/// A thread for each connection, made when it is needed. Connections beyond the most wait, at
/// first here and then with the system, which is not asked for more.
class connection_threads final : public httplib::TaskQueue {
  public:
    explicit connection_threads(std::size_t most) : most_(most) {}

    void enqueue(std::function<void()> task) override {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [this] { return waiting_.size() < most_; });
        waiting_.push_back(std::move(task));
        if (idle_ < waiting_.size() && threads_.size() < most_) {
            try {
                threads_.emplace_back([this] { serve(); });
            } catch (const std::system_error&) {
                if (threads_.empty()) {
                    throw;
                }
            }
        }
        arrived_.notify_one();
    }
    void shutdown() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            arrived_.notify_all();
        }
        for (std::thread& each : threads_) {
            each.join();
        }
    }

  private:
    void serve() {
        std::unique_lock lock(mutex_);
        for (;;) {
            ++idle_;
            arrived_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            --idle_;
            if (waiting_.empty()) {
                return;
            }
            const std::function<void()> task = std::move(waiting_.front());
            waiting_.pop_front();
            room_.notify_one();
            lock.unlock();
            task();
            lock.lock();
        }
    }

    const std::size_t most_;
    std::mutex mutex_;
    std::condition_variable arrived_, room_;
    std::deque<std::function<void()>> waiting_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    bool stopping_ = false;
};

std::optional<std::string> header(const httplib::Request& request, const char* name) {
    return request.has_header(name) ? std::optional(request.get_header_value(name)) : std::nullopt;
}

/// Another program on this machine must not share the address, as SO_REUSEPORT would let it.
void prepare_socket(socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

/// Connections that leave some descriptors of the process for files.
std::size_t affordable(std::size_t connections) {
    constexpr std::size_t others = 64;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        const auto files = static_cast<std::size_t>(limit.rlim_cur);
        connections = std::min(connections, files > 2 * others ? files - others : files / 2);
    }
    return std::max<std::size_t>(1, connections);
}

/// The request that this thread answers.
struct current_request {
    connection* from = nullptr;
    clock::time_point begin{};
    request_head head{};
    std::optional<answer> given{}; ///< what is sent, where the service made it
    bool body_read = false;
};
thread_local current_request current;

/// Why a request's body cannot be read, and the status that says so.
std::optional<std::pair<int, const char*>> unreadable(const httplib::Request& request,
                                                      std::size_t most) {
    const bool chunked = request.has_header("Transfer-Encoding");
    const std::size_t lengths = request.get_header_value_count("Content-Length");
    if (chunked ? lengths != 0 : lengths > 1) {
        return std::pair(400, "the length of the body is given twice");
    }
    if (lengths == 1) {
        const std::string length = request.get_header_value("Content-Length");
        if (length.empty() || length.find_first_not_of("0123456789") != std::string::npos) {
            return std::pair(400, "Content-Length is not a number");
        }
        if (length.size() > 18 || std::stoull(length) > most) {
            return std::pair(413, "the body is larger than this server takes");
        }
    } else if (!chunked) {
        return std::pair(411, "Content-Length is missing");
    }
    if (const auto coding = header(request, "Content-Encoding"); coding && *coding != "identity") {
        return std::pair(415, "compressed bodies are not read");
    }
    if (request.is_multipart_form_data()) {
        return std::pair(415, "the body must be JSON, not a form");
    }
    return std::nullopt;
}

/// cpp-httplib's server, with connections of our own.
class sockets final : public httplib::Server {
  public:
    sockets(answering& answers, const listening& where) : service_(answers), where_(where) {
        where_.connections = affordable(where_.connections);
        new_task_queue = [this] { return new connection_threads(where_.connections); };
        set_socket_options(prepare_socket);
        set_tcp_nodelay(true);
        // what answers say of the connection; our own loop keeps it
        set_keep_alive_max_count(1000000);
        set_keep_alive_timeout(std::max<std::int64_t>(1, where_.client.count() / 1000));
        set_payload_max_length(service_.most_bytes());
        set_pre_routing_handler(
            [this](const httplib::Request& request, httplib::Response& response) {
                return before_body(request, response);
            });
        for (const std::string_view address : ranking_addresses) {
            Post(std::string(address),
                 [this](const httplib::Request&, httplib::Response& response,
                        const httplib::ContentReader& content) { rank(response, content); });
        }
        set_error_handler([this](const httplib::Request& request, httplib::Response& response) {
            say_failure(request, response);
        });
        set_exception_handler([](const httplib::Request&, httplib::Response& response,
                                 const std::exception_ptr&) { response.status = 500; });
        set_logger([this](const httplib::Request&, const httplib::Response& response) {
            note(response.status);
        });
    }

    [[nodiscard]] int take_address() {
        int port = where_.port;
        const bool bound = port == 0 ? (port = bind_to_any_port(where_.host)) > 0
                                     : bind_to_port(where_.host, port);
        if (!bound) {
            const std::string reason = std::generic_category().message(errno);
            throw std::runtime_error("cannot listen at " + where_.host + ", port " +
                                     std::to_string(where_.port) + ": " + reason +
                                     "; choose another with --host and --port");
        }
        // more connections may come at once than cpp-httplib lets wait
        ::listen(svr_sock_, static_cast<int>(std::min<std::size_t>(where_.connections, 1024)));
        return port;
    }

    void run(const std::function<bool()>& stop) {
        std::atomic<bool> ended{false};
        std::thread accepting([this, &ended] {
            try {
                listen_after_bind();
            } catch (...) { // no thread could be made for a connection
            }
            ended = true;
        });
        while (!ended && !(is_running() && stop())) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        const bool failed = ended;
        Server::stop();
        open_.stop_idle();
        if (!open_.wait_until_quiet(where_.grace)) {
            service_.stop();
            open_.wait_until_quiet(std::chrono::milliseconds(1000));
            open_.cut_off();
        }
        accepting.join();
        if (failed) {
            throw std::runtime_error("the system takes no more connections; the server stopped");
        }
    }

  private:
    bool process_and_close_socket(socket_t socket) override {
        const auto from = std::make_unique<connection>(socket, where_.client);
        bool more = open_.add(socket);
        while (more && from->next_request() && open_.begin(socket)) {
            current = {from.get(), clock::now(), {}, {}, false};
            bool closed = false;
            bool answered = false;
            try {
                answered = process_request(*from, false, closed, [](httplib::Request& request) {
                    // an answer is sent whole, and is not worth compressing
                    request.headers.erase("Accept-Encoding");
                    request.ranges.clear();
                });
            } catch (...) { // out of memory: this client alone pays
            }
            more = open_.end(socket) && answered && !closed && !from->closes();
            current = {};
        }
        if (from->closes()) {
            from->linger();
        }
        open_.remove(socket);
        ::shutdown(socket, SHUT_RDWR);
        ::close(socket);
        return true;
    }

    HandlerResponse before_body(const httplib::Request& request, httplib::Response& response) {
        current.head = {request.method,
                        request.path,
                        header(request, "Host"),
                        header(request, "Origin"),
                        header(request, "Authorization"),
                        header(request, "Sec-Fetch-Site"),
                        header(request, "Sec-Fetch-Mode"),
                        {request.params.begin(), request.params.end()},
                        [from = current.from] { return from->gone(); }};
        const bool body =
            request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
        auto early = service_.answer_head(current.head);
        if (!early) {
            if (const auto reason = unreadable(request, service_.most_bytes())) {
                early = service_.failure(current.head, reason->first, reason->second);
            }
        }
        if (!early) {
            return HandlerResponse::Unhandled;
        }
        if (body) {
            close_after(response);
        }
        send(std::move(*early), response);
        return HandlerResponse::Handled;
    }

    void rank(httplib::Response& response, const httplib::ContentReader& content) {
        const std::size_t most = service_.most_bytes();
        std::string body;
        bool too_long = false;
        const bool read = content([&](const char* bytes, std::size_t count) {
            too_long = count > most - body.size();
            if (!too_long) {
                body.append(bytes, count);
            }
            return !too_long;
        });
        if (!read) {
            close_after(response);
            send(too_long ? service_.failure(current.head, 413,
                                             "the body is larger than this server takes")
                          : service_.failure(current.head, 400, "the body did not come whole"),
                 response);
            return;
        }
        connection& from = *current.from;
        send(service_.rank(current.head, body, [&from] { return from.gone(); }), response);
    }

    /// What cpp-httplib itself refuses.
    void say_failure(const httplib::Request&, httplib::Response& response) {
        if (current.given) {
            return; // the service's own
        }
        close_after(response);
        const int status = response.status > 0 ? response.status : 400;
        send(service_.failure(current.head, status, "the request cannot be understood"), response);
    }

    void close_after(httplib::Response& response) {
        current.from->close_afterwards();
        response.set_header("Connection", "close");
    }

    void send(answer made, httplib::Response& response) {
        response.status = made.status;
        for (const auto& [name, value] : made.headers) {
            response.set_header(name, value);
        }
        if (made.status != 204) {
            response.set_content(made.body, made.type);
        }
        made.body.clear();
        current.given = std::move(made);
    }

    void note(int status) {
        answer given = current.given.value_or(answer{});
        given.status = status;
        service_.note(current.head, given, clock::now() - current.begin);
    }

    answering& service_;
    listening where_;
    open_connections open_;
};

class http_server final : public server {
  public:
    http_server(answering& answers, const listening& where) : sockets_(answers, where) {}

    int bind() override { return sockets_.take_address(); }
    void run(const std::function<bool()>& stop) override { sockets_.run(stop); }

  private:
    sockets sockets_;
};

} // namespace

} // namespace mice::serve

extern "C" mice::serve::server* mice_make_server(mice::serve::answering& answers,
                                                 const mice::serve::listening& where);
mice::serve::server* mice_make_server(mice::serve::answering& answers,
                                      const mice::serve::listening& where) {
    return new mice::serve::http_server(answers, where);
}
