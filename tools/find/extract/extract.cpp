// SPDX-License-Identifier: Apache-2.0
#include "find/extract/extract.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <mutex>
#include <sstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "common/descriptor.hpp"
#include "find/extract/clean_text.hpp"
#include "find/extract/worker_process.hpp"

namespace mice::find {
namespace {

using outcome = worker_process::outcome;

/// The processes that wait for work. A call takes one, or starts one, and gives it back.
class worker_pool {
  public:
    [[nodiscard]] std::unique_ptr<worker_process> take() {
        {
            const std::lock_guard lock(mutex_);
            if (!waiting_.empty()) {
                auto taken = std::move(waiting_.back());
                waiting_.pop_back();
                return taken;
            }
        }
        return std::make_unique<worker_process>();
    }

    void give_back(std::unique_ptr<worker_process> worker) {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(worker));
    }

  private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<worker_process>> waiting_;
};

worker_pool& workers() {
    static worker_pool pool;
    return pool;
}

extract_error unreadable(const std::string& why) {
    return {extract_reason::unreadable, why};
}

/// Opens a regular file, and nothing else: not even a pipe that waits for a writer.
tools::descriptor open_file(const std::filesystem::path& file, const extract_limits& limits) {
    // Asked before, as opening is what starts some devices, and after, as the name may be
    // another's.
    struct stat found {};
    const auto check = [&found](int result) {
        if (result != 0)
            throw unreadable(std::error_code(errno, std::generic_category()).message());
        if (!S_ISREG(found.st_mode))
            throw unreadable(S_ISDIR(found.st_mode) ? "it is a folder"
                                                    : "it is not a regular file");
    };
    check(stat(file.c_str(), &found));
    tools::descriptor opened(open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    check(opened.get() < 0 ? -1 : fstat(opened.get(), &found));
    if (static_cast<std::uint64_t>(found.st_size) > limits.file_bytes) {
        throw extract_error(extract_reason::too_large, "it has " + std::to_string(found.st_size) +
                                                           " bytes, more than " +
                                                           std::to_string(limits.file_bytes));
    }
    return opened;
}

extract_error too_slow(const extract_limits& limits) {
    std::ostringstream message;
    message << "it took more than " << limits.seconds << " s to read";
    return {extract_reason::time, message.str()};
}

/// Whether a process may have died of something that is not its file's fault.
bool may_try_again(const outcome& seen) {
    return seen.how == outcome::end::killed ||
           (seen.how == outcome::end::died &&
            (seen.signal == SIGKILL || seen.signal == SIGTERM || seen.signal == SIGHUP));
}

/// Has one process answer; a second one where the first was killed from outside.
answer_reader answer_to(const extract_request& request, int file) {
    const double seconds = std::clamp(request.limits.seconds, 0.001, 1e6);
    const auto until = std::chrono::steady_clock::now() +
                       std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                           std::chrono::duration<double>(seconds));
    outcome seen{};
    for (int attempt = 0; attempt < 2; ++attempt) {
        // Those that wait may all have been killed, too.
        auto worker = attempt == 0 ? workers().take() : std::make_unique<worker_process>();
        answer_reader answer(request.limits);
        seen = worker->ask(request, file, until, answer);
        if (seen.how == outcome::end::answered || seen.how == outcome::end::died)
            workers().give_back(std::move(worker));
        if (seen.how == outcome::end::answered)
            return answer;
        if (seen.how == outcome::end::late || seen.signal == SIGXCPU || seen.signal == SIGALRM)
            throw too_slow(request.limits);
        if (!may_try_again(seen))
            break;
    }
    throw extract_error(extract_reason::crashed,
                        "the process that read it " +
                            (seen.signal != 0 ? "died of signal " + std::to_string(seen.signal)
                                              : std::string("ended without an answer")));
}

} // namespace

extraction extract_file(const std::filesystem::path& file, const extract_limits& limits) {
    const tools::descriptor opened = open_file(file, limits);
    return answer_to({file.filename().string(), limits}, opened.get()).take();
}

sandbox_report check_sandbox() {
    sandbox_report report;
    try {
        const tools::descriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
        extract_request request;
        request.probe = true;
        return answer_to(request, nothing.get()).report();
    } catch (const std::exception& trouble) {
        report.notes.push_back(clean(trouble.what()));
    }
    return report;
}

} // namespace mice::find
