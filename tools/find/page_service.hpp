// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/json_output.hpp"
#include "find/finder.hpp"
#include "find/open_index.hpp"
#include "find/opener.hpp"
#include "serve/answering.hpp"
#include "serve/work_queue.hpp"

// What `mice-find serve` answers: a page for people, and the JSON that it asks for.
namespace mice::find {

/// The newest search of each page: it cancels the one before. Any thread may call it.
class newest_searches {
  public:
    /// A search of a page, of which a higher turn is a newer one; nothing where a newer one has
    /// come already. `page` empty: none cancels another. Only some pages are remembered, those
    /// that asked last.
    [[nodiscard]] std::shared_ptr<cancellation> begin(std::string_view page, std::uint64_t turn);
    /// Cancels all.
    void stop();

  private:
    struct search {
        std::string page;
        std::uint64_t turn = 0;
        std::shared_ptr<cancellation> cancel;
    };

    std::mutex mutex_;
    std::vector<search> known_;
};

/// How a page is served.
struct page_options {
    std::string token;        ///< that requests for what is indexed must bear
    bool open_files = false;  ///< whether the page may have files opened
    std::size_t waiting = 16; ///< requests that wait for their turn; more get 429
};

/// Everything of the page's server but its sockets. Any thread may call it.
class page_service final : public serve::answering {
  public:
    /// Reads the index until it is destroyed; nobody else may meanwhile.
    page_service(open_index& index, page_options options);

    [[nodiscard]] std::optional<serve::answer>
    answer_head(const serve::request_head& head) override;
    /// No request has a body that is read.
    [[nodiscard]] serve::answer rank(const serve::request_head& head, std::string_view body,
                                     const std::function<bool()>& gone) override;
    [[nodiscard]] serve::answer failure(const serve::request_head& head, int status,
                                        std::string_view message) const override;
    /// What is asked is nobody's business: nothing is logged.
    void note(const serve::request_head& head, const serve::answer& given,
              std::chrono::duration<double> took) override;
    void stop() override;
    [[nodiscard]] std::size_t most_bytes() const override { return 0; }
    /// How long ago the last request came, or this was made.
    [[nodiscard]] std::chrono::steady_clock::duration idle() const {
        return std::chrono::steady_clock::now() - asked_last_.load();
    }

  private:
    [[nodiscard]] serve::answer answered(const serve::request_head& head);
    [[nodiscard]] serve::answer search(const serve::request_head& head);
    [[nodiscard]] serve::answer document(const serve::request_head& head);
    [[nodiscard]] serve::answer status(const serve::request_head& head);
    [[nodiscard]] serve::answer open(const serve::request_head& head);
    /// Has work done with the finder; an answer where it was not.
    [[nodiscard]] std::optional<serve::answer> run(const serve::request_head& head,
                                                   const std::shared_ptr<cancellation>& cancel,
                                                   const std::function<void()>& task);

    open_index& index_;
    page_options options_;
    newest_searches searches_;
    opener opener_;
    serve::work_queue queue_;
    std::atomic<std::chrono::steady_clock::time_point> asked_last_;
};

/// A new token: 128 bits from the system's random source, in hexadecimal digits. Throws mice::error
/// (errc::io) where the system gives none.
[[nodiscard]] std::string new_token();

} // namespace mice::find
