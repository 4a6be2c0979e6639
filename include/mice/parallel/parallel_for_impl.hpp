// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>

#include <mice/parallel/parallel_for.hpp>
#include <mice/parallel/shared_loop.hpp>
#include <mice/system/processors.hpp>

#if MICE_USE_OPENMP
#include <omp.h>
#endif

MICE_NAMESPACE_BEGIN
namespace parallel {

MICE_INLINE std::size_t threads_for(const parallel_options& options, std::size_t tasks) {
    constexpr std::size_t most = 1024;
    const std::size_t useful = std::min(tasks, most);
    if (useful <= 1 || options.threads == 1) {
        return 1;
    }
    std::size_t there = options.pool != nullptr ? options.pool->concurrency() : usable_processors();
#if MICE_USE_OPENMP
    if (options.pool == nullptr && options.threads == 0) {
        there = std::min(there, static_cast<std::size_t>(std::max(1, omp_get_max_threads())));
    }
#endif
    const std::size_t wanted = options.threads == 0 ? there : std::min(options.threads, there);
    return std::clamp<std::size_t>(wanted, 1, useful);
}

MICE_INLINE void parallel_for(std::size_t tasks, const parallel_options& options,
                              const std::function<void(std::size_t)>& task) {
    const std::size_t threads = threads_for(options, tasks);
    if (threads > 1 && options.pool != nullptr) {
        // shared with helpers that come after this has returned
        const auto loop = std::make_shared<detail::shared_loop>(tasks, task);
        detail::work_with_pool(loop, threads - 1, *options.pool);
        loop->finish();
        return;
    }
    detail::shared_loop loop(tasks, task);
    if (threads > 1) {
        detail::work_with_own_threads(loop, threads);
    } else {
        loop.work();
    }
    loop.finish();
}

} // namespace parallel
MICE_NAMESPACE_END
