// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace mice::find {

/// Gives the process the lowest priority for processors and disks: indexing is never in the way of
/// what the user does. Where the system refuses, nothing changes.
void give_way();

} // namespace mice::find
