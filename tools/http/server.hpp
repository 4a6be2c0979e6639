// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "serve/answering.hpp"

namespace mice::serve {

/// Where a server listens, and how long it waits for whom.
struct listening {
    std::string host = "127.0.0.1";
    int port = 0;                            ///< 0: one that is free
    std::size_t connections = 256;           ///< open at once; then the slowest client goes
    std::chrono::milliseconds client{30000}; ///< a client's time to send a request, or to read
    std::chrono::milliseconds grace{10000};  ///< what runs when the server stops
};

/// The sockets of a server. They are a module that `mice serve` loads: cpp-httplib brings OpenSSL
/// along, and no other command should take the time to load that.
class server {
  public:
    virtual ~server() = default;

    /// Takes the address; connections wait from now on. Returns the port. Throws
    /// std::runtime_error.
    [[nodiscard]] virtual int bind() = 0;
    /// Answers until `stop` says so: it is asked about every 50 ms. Then nothing more is accepted,
    /// and what runs is finished or, after the time of grace, cancelled. Throws std::runtime_error
    /// where the system refuses to go on.
    virtual void run(const std::function<bool()>& stop) = 0;

  protected:
    server() = default;
    server(const server&) = default;
    server& operator=(const server&) = default;
};

/// The module's one function. `answers` outlives the server; delete it.
using make_server = server*(answering& answers, const listening& where);

/// Its name, and the module's in ../lib/mice beside the program's folder.
inline constexpr const char* make_server_name = "mice_make_server";
inline constexpr const char* server_module_name = "mice_http.so";

} // namespace mice::serve
