// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

#include <mice/parallel/executor.hpp>

MICE_NAMESPACE_BEGIN
namespace parallel {

/// How many threads `options` gives for `tasks` tasks, the calling one included; at least 1.
[[nodiscard]] std::size_t threads_for(const parallel_options& options, std::size_t tasks);

/// Runs task(0) .. task(tasks - 1), each once: on the calling thread, and beside it on the caller's
/// pool or on threads of our own. After an exception no further task starts; the first one is
/// rethrown.
void parallel_for(std::size_t tasks, const parallel_options& options,
                  const std::function<void(std::size_t)>& task);

} // namespace parallel
MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/parallel/parallel_for_impl.hpp>
#endif
