// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "http/server.hpp"

namespace mice::serve {

/// Loads the module with the sockets, which stays loaded. Throws mice::error: errc::unsupported
/// where this build has none.
[[nodiscard]] make_server& load_server_module();

} // namespace mice::serve
