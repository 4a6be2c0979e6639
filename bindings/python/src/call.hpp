// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <nanobind/nanobind.h>

#include <mice/error.hpp>
#include <mice/ranking.hpp>

#include "texts.hpp"

// One call of the library from Python: its options, the interpreter's lock, and Ctrl-C.
namespace mice_python {

/// Options of a call as Python gives them; Python's half checks their ranges.
struct options {
    std::size_t top_k = 0;
    std::size_t threads = 0;
    bool sigmoid = false;
    bool parses_specials = false;
    bool refuses_invalid = false;
    double seconds = -1; ///< of time; negative: no limit
    bool highlights = false;
    std::size_t sentences = 1;
    std::size_t words = 3;
    nb::object progress; ///< a callable, or None
};

[[nodiscard]] inline bool is_main_thread() {
    const nb::object threading = nb::module_::import_("threading");
    return nb::cast<unsigned long>(threading.attr("main_thread")().attr("ident")) ==
           PyThread_get_thread_ident();
}

/// Runs the library without the interpreter's lock. In the caller's thread, which works too, it
/// looks up from the work twenty times a second, for signals and to tell of progress.
class call {
  public:
    explicit call(const options& given) : progress_(given.progress) {
        options_.top_k = given.top_k;
        options_.threads = given.threads;
        options_.output = given.sigmoid ? mice::activation::sigmoid : mice::activation::logit;
        options_.specials =
            given.parses_specials ? mice::special_tokens::parse : mice::special_tokens::plain;
        options_.on_invalid =
            given.refuses_invalid ? mice::invalid_utf8::refuse : mice::invalid_utf8::replace;
        if (given.highlights) {
            options_.highlights = {.sentences = given.sentences, .words = given.words};
        }
        if (given.seconds >= 0) {
            using clock = std::chrono::steady_clock;
            constexpr double longest = 1e9; // what the clock can add
            const std::chrono::duration<double> time(std::fmin(given.seconds, longest));
            options_.deadline = clock::now() + std::chrono::duration_cast<clock::duration>(time);
        }
        options_.cancel = &stop_;
        tells_ = !progress_.is_none();
        if (tells_ || is_main_thread()) {
            options_.progress = [this](std::size_t done, std::size_t total) {
                piece_done(done, total);
            };
        }
    }
    call(const call&) = delete;
    call& operator=(const call&) = delete;

    [[nodiscard]] mice::rank_options& options() noexcept { return options_; }

    /// What work() gives. Throws what a signal or the callable raised.
    template <class Work> auto run(const Work& work) {
        try {
            auto made = [&] {
                const nb::gil_scoped_release unlocked;
                return work();
            }();
            finish();
            return made;
        } catch (const mice::error&) {
            raise(); // it may be what the stop led to
            throw;
        }
    }

  private:
    // The library calls this for one piece at a time.
    void piece_done(std::size_t done, std::size_t total) {
        const auto now = std::chrono::steady_clock::now();
        done_ = done;
        total_ = total;
        if (std::this_thread::get_id() != caller_ || stop_.requested() || now < next_) {
            return;
        }
        const nb::gil_scoped_acquire locked;
        try {
            if (PyErr_CheckSignals() != 0) {
                throw nb::python_error();
            }
            tell();
        } catch (nb::python_error& raised) {
            raised_.emplace(std::move(raised));
            stop_.request();
        }
        next_ = std::chrono::steady_clock::now() + pause;
    }
    void tell() {
        if (tells_ && told_ != done_) {
            told_ = done_;
            progress_(done_, total_);
        }
    }
    void finish() {
        raise();
        tell();
    }
    void raise() {
        if (raised_) {
            throw nb::python_error(std::move(*raised_));
        }
    }

    static constexpr std::chrono::milliseconds pause{50};

    mice::rank_options options_;
    mice::cancellation stop_;
    nb::object progress_;
    bool tells_ = false;
    std::thread::id caller_ = std::this_thread::get_id();
    std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + pause;
    std::size_t done_ = 0, total_ = 0, told_ = 0;
    std::optional<nb::python_error> raised_;
};

} // namespace mice_python
