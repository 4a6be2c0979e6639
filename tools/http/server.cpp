// SPDX-License-Identifier: Apache-2.0
#include "http/server.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <httplib.h> // the only include of cpp-httplib, which compiles slowly

#include "http/client.hpp"
#include "http/framing.hpp"
#include "http/front_desk.hpp"
#include "serve/addresses.hpp"

namespace mice::serve {
namespace {

using clock = std::chrono::steady_clock;

/// A client's connection as cpp-httplib sees it: it reads the head, which was looked at, and never
/// the body, of which it would take more forms than there are.
class connection final : public httplib::Stream {
  public:
    connection(client& from, std::string_view head) : from_(from), head_(head) {}

    [[nodiscard]] bool is_readable() const override { return !head_.empty(); }
    [[nodiscard]] bool is_writable() const override { return from_.is_writable(); }
    ssize_t read(char* into, size_t size) override {
        const std::size_t count = head_.copy(into, size);
        head_.remove_prefix(count);
        return static_cast<ssize_t>(count);
    }
    ssize_t write(const char* from, size_t size) override {
        return from_.write(from, size) ? static_cast<ssize_t>(size) : -1;
    }
    void get_remote_ip_and_port(std::string& ip, int& port) const override {
        ip.clear(); // nobody asks: who connects is not logged
        port = 0;
    }
    void get_local_ip_and_port(std::string& ip, int& port) const override {
        get_remote_ip_and_port(ip, port);
    }
    /// No socket: the library would refuse those whose number `select` cannot take.
    [[nodiscard]] socket_t socket() const override { return -1; }

  private:
    client& from_;
    std::string_view head_; ///< what is left of it
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
    client* from = nullptr;
    clock::time_point begin{};
    request_head head{};
    std::optional<answer> given{}; ///< what is sent, where the service made it
    request_lines lines{};
};
thread_local current_request current;

/// Why a request's body cannot be read, and the status that says so.
std::optional<std::pair<int, const char*>> unreadable(const httplib::Request& request,
                                                      std::size_t most) {
    const request_lines& lines = current.lines;
    if (lines.length && *lines.length > most) {
        return std::pair(413, "the body is larger than this server takes");
    }
    if (!lines.length && !lines.chunked) {
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

/// Why a head that did not come whole is refused.
refusal refused(head_state head) {
    switch (head) {
    case head_state::too_long:
        return {431, "Request Header Fields Too Large", "the request's head is above 64 KiB"};
    case head_state::too_many_lines:
        return {431, "Request Header Fields Too Large", "the request's head is above 100 lines"};
    case head_state::malformed:
        return {400, "Bad Request", "a line of the request's head does not end in CR LF"};
    case head_state::incomplete:
        return {408, "Request Timeout", "the request's head did not come in time"};
    default:
        return {400, "Bad Request", "the request's head did not come whole"};
    }
}

/// Whether the head was refused before its end.
bool is_cut(head_state head) {
    return head == head_state::too_long || head == head_state::too_many_lines ||
           head == head_state::malformed;
}

/// An answer to what cpp-httplib has not read.
std::string as_text(const answer& made, const char* phrase) {
    std::string text = "HTTP/1.1 " + std::to_string(made.status) + " " + phrase + "\r\n";
    for (const auto& [name, value] : made.headers) {
        text.append(name).append(": ").append(value).append("\r\n");
    }
    return text + "Content-Type: " + made.type +
           "\r\nContent-Length: " + std::to_string(made.body.size()) +
           "\r\nConnection: close\r\n\r\n" + made.body;
}

/// cpp-httplib's server, with connections of our own.
class sockets final : public httplib::Server {
  public:
    sockets(answering& answers, const listening& where)
        : service_(answers), where_(where),
          desk_(affordable(where.connections), where.client,
                [this](client& from, head_state head) { return answered(from, head); }) {
        set_socket_options(prepare_socket);
        // what answers say of the connection; our own loop keeps it
        set_keep_alive_max_count(1000000);
        set_keep_alive_timeout(std::max<std::int64_t>(1, where_.client.count() / 1000));
        set_payload_max_length(service_.most_bytes());
        set_pre_routing_handler(
            [this](const httplib::Request& request, httplib::Response& response) {
                return before_body(request, response);
            });
        for (const std::string_view address : ranking_addresses) {
            Post(std::string(address), [this](const httplib::Request&, httplib::Response& response,
                                              const httplib::ContentReader&) { rank(response); });
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
        ::fcntl(svr_sock_, F_SETFL, ::fcntl(svr_sock_, F_GETFL) | O_NONBLOCK);
        return port;
    }

    void run(const std::function<bool()>& stop) {
        const bool well = desk_.run(svr_sock_, stop);
        close_listener();
        if (!desk_.wait_until_quiet(where_.grace)) {
            service_.stop();
            if (!desk_.wait_until_quiet(std::chrono::milliseconds(1000))) {
                desk_.cut_off();
            }
        }
        if (!well) {
            throw std::runtime_error("the system takes no more connections; the server stopped");
        }
    }

    ~sockets() override { close_listener(); }

  private:
    void close_listener() {
        if (const socket_t listener = svr_sock_.exchange(INVALID_SOCKET);
            listener != INVALID_SOCKET) {
            ::close(listener);
        }
    }

    /// Answers a request, on a thread of its own; whether the connection stays open.
    bool answered(client& from, head_state head) {
        current = {&from, clock::now(), {}, {}, {}};
        bool stays = false;
        try {
            stays = head == head_state::whole ? process(from)
                                              : refuse(from, refused(head), is_cut(head));
        } catch (...) { // out of memory: this client alone pays
        }
        current = {};
        if (from.closes()) {
            from.linger();
        }
        return stays && !from.closes();
    }

    bool process(client& from) {
        const std::string head = from.take_head();
        current.lines = look_at_head(head);
        if (current.lines.refused) {
            return refuse(from, *current.lines.refused, names_body(head));
        }
        connection stream(from, head);
        bool closed = false;
        const bool sent = process_request(stream, false, closed, [](httplib::Request& request) {
            // the library reads "%41" in a value as "A"
            request.headers.clear();
            request.headers.insert(current.lines.fields.begin(), current.lines.fields.end());
            // an answer is sent whole, and is not worth compressing
            request.headers.erase("Accept-Encoding");
            // the library would ask for the body before anything is checked, and as an answer
            request.headers.erase("Expect");
            request.ranges.clear();
        });
        return sent && !closed;
    }

    /// `sends`: more of the request is to come.
    bool refuse(client& from, const refusal& why, bool sends) {
        from.close_afterwards(sends);
        const auto [status, phrase, reason] = why;
        const answer made = service_.failure(current.head, status, reason);
        const std::string text = as_text(made, phrase);
        if (from.write(text.data(), text.size())) {
            service_.note(current.head, made, clock::now() - current.begin);
        }
        return false;
    }

    HandlerResponse before_body(const httplib::Request& request, httplib::Response& response) {
        current.head = {
            request.method,
            request.path,
            header(request, "Host"),
            header(request, "Origin"),
            header(request, "Authorization"),
            header(request, "Sec-Fetch-Site"),
            header(request, "Sec-Fetch-Mode"),
            {request.params.begin(), request.params.end()},
            [from = current.from, interim = !current.lines.old] { return from->gone(interim); }};
        auto early = service_.answer_head(current.head);
        if (!early) {
            if (const auto reason = unreadable(request, service_.most_bytes())) {
                early = service_.failure(current.head, reason->first, reason->second);
            }
        }
        if (!early) {
            return HandlerResponse::Unhandled;
        }
        if (current.lines.has_body()) {
            close_after(response, true);
        }
        send(std::move(*early), response);
        return HandlerResponse::Handled;
    }

    void rank(httplib::Response& response) {
        client& from = *current.from;
        std::string body;
        const bool asked = !current.lines.asks_to_go_on || from.ask_for_body();
        const body_state came = asked ? read_body(from, current.lines, service_.most_bytes(), body)
                                      : body_state::broken;
        if (came != body_state::whole) {
            close_after(response, came != body_state::broken);
            send(came == body_state::too_large
                     ? service_.failure(current.head, 413,
                                        "the body is larger than this server takes")
                     : service_.failure(current.head, 400,
                                        came == body_state::malformed
                                            ? "the body's chunks cannot be understood"
                                            : "the body did not come whole"),
                 response);
            return;
        }
        send(service_.rank(current.head, body,
                           [&from, interim = !current.lines.old] { return from.gone(interim); }),
             response);
    }

    /// What cpp-httplib itself refuses.
    void say_failure(const httplib::Request&, httplib::Response& response) {
        if (current.given) {
            return; // the service's own
        }
        close_after(response, current.lines.has_body());
        const int status = response.status > 0 ? response.status : 400;
        send(service_.failure(current.head, status, "the request cannot be understood"), response);
    }

    void close_after(httplib::Response& response, bool sends) {
        current.from->close_afterwards(sends);
        response.set_header("Connection", "close");
    }

    void send(answer made, httplib::Response& response) {
        if (made.status == 499) {
            current.from->cut_off(); // there is nobody to read it
        }
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
    const listening where_;
    front_desk desk_;
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
