// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "find/finder.hpp"

namespace mice::find::mcp {

/// Speaks the Model Context Protocol on standard input and output until the input ends, and answers
/// what was asked before. Nothing else is written to standard output. Throws tools::output_closed
/// where the client has gone, mice::error (errc::io) where reading or writing fails.
void serve(const finder_options& options);

} // namespace mice::find::mcp
