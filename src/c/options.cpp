// SPDX-License-Identifier: Apache-2.0
// Options of the C interface, and what its callbacks become in a call.
#include "handles.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>

namespace mice_c {
namespace {

/// The caller's threads behind the interface of C++.
class c_executor final : public mice::executor {
  public:
    c_executor(mice_submit callback, std::size_t threads, void* user)
        : submit_(callback), concurrency_(threads), user_(user) {}

    [[nodiscard]] std::size_t concurrency() const noexcept override { return concurrency_; }
    void submit(std::function<void()> help) override {
        auto task = std::make_unique<std::function<void()>>(std::move(help));
        if (submit_(user_, &run, task.get()) == 0) {
            (void)task.release(); // run() has it
        }
    }

  private:
    static void run(void* task) {
        try {
            const std::unique_ptr<std::function<void()>> help(
                static_cast<std::function<void()>*>(task));
            (*help)();
        } catch (...) { // help that fails is no help
        }
    }

    mice_submit submit_;
    std::size_t concurrency_;
    void* user_;
};

/// A setter: changes nothing where it fails.
template <class Change>
mice_status set(mice_options* options, mice_error** error, const Change& change) noexcept {
    return guarded(error, [&] { change(given(options, "options")); });
}

std::chrono::steady_clock::time_point after(std::uint64_t milliseconds) {
    constexpr std::uint64_t a_year = 1000ULL * 60 * 60 * 24 * 365; // no later: clocks end
    return std::chrono::steady_clock::now() +
           std::chrono::milliseconds(std::min(milliseconds, a_year));
}

const mice_options& defaults() {
    static const mice_options unchanged;
    return unchanged;
}

} // namespace

call::call(const mice_options* given)
    : given_(given == nullptr ? defaults() : *given), options_(given_.rank) {
    options_.pool = given_.pool.get();
    if (given_.milliseconds > 0) {
        options_.deadline = after(given_.milliseconds);
    }
    if (given_.cancel != nullptr) {
        options_.cancel = &stop_;
        ask_whether_to_stop();
    }
    if (given_.cancel != nullptr || given_.progress != nullptr) {
        options_.progress = [this](std::size_t done, std::size_t total) {
            piece_done(done, total);
        };
    }
    if (given_.highlights) {
        options_.highlights = given_.highlights;
        if (given_.text_of != nullptr) {
            options_.highlights->text_of = [this](std::string_view id, std::string_view metadata) {
                mice_text_sink sink;
                if (given_.text_of(given_.text_of_user, id.data(), id.size(), metadata.data(),
                                   metadata.size(), &sink) != 0) {
                    throw mice::error(mice::errc::stopped, "the callback for texts ended the call");
                }
                return std::move(sink.text);
            };
        }
    }
}

mice::passage_options call::cut() const {
    mice::passage_options made = given_.texts.cut;
    made.file_name = given_.file_name;
    made.specials = given_.rank.specials;
    return made;
}

mice::index_progress call::index_progress() {
    if (given_.progress == nullptr) {
        return {};
    }
    return [this](std::uint64_t done, std::uint64_t total) { piece_done(done, total); };
}

void call::finish() {
    if (!told_ && given_.progress != nullptr) {
        given_.progress(given_.progress_user, done_, total_);
    }
}

// One piece at a time: the library's lock is held here.
void call::piece_done(std::uint64_t done, std::uint64_t total) {
    done_ = done;
    total_ = total;
    told_ = std::this_thread::get_id() == caller_;
    if (told_) {
        if (given_.progress != nullptr) {
            given_.progress(given_.progress_user, done, total);
        }
        ask_whether_to_stop();
    }
}

void call::ask_whether_to_stop() {
    if (given_.cancel != nullptr && !stop_.requested() && given_.cancel(given_.cancel_user) != 0) {
        stop_.request();
    }
}

} // namespace mice_c

using namespace mice_c;

mice_status mice_options_create(mice_options** options, mice_error** error) {
    return guarded(error, [&] {
        mice_options*& made = result(options, "options");
        made = new mice_options;
    });
}
void mice_options_free(mice_options* options) {
    delete options;
}

mice_status mice_options_set_threads(mice_options* options, size_t threads, mice_error** error) {
    return set(options, error, [&](mice_options& to) { to.rank.threads = threads; });
}
mice_status mice_options_set_executor(mice_options* options, mice_submit submit, size_t concurrency,
                                      void* user, mice_error** error) {
    return set(options, error, [&](mice_options& to) {
        if (submit != nullptr && concurrency == 0) {
            throw bad_argument("an executor has at least one thread");
        }
        to.pool =
            submit == nullptr ? nullptr : std::make_shared<c_executor>(submit, concurrency, user);
    });
}
mice_status mice_options_set_cancel(mice_options* options, mice_cancel cancel, void* user,
                                    mice_error** error) {
    return set(options, error, [&](mice_options& to) {
        to.cancel = cancel;
        to.cancel_user = user;
    });
}
mice_status mice_options_set_progress(mice_options* options, mice_progress progress, void* user,
                                      mice_error** error) {
    return set(options, error, [&](mice_options& to) {
        to.progress = progress;
        to.progress_user = user;
    });
}
mice_status mice_options_set_time_limit(mice_options* options, uint64_t milliseconds,
                                        mice_error** error) {
    return set(options, error, [&](mice_options& to) { to.milliseconds = milliseconds; });
}
mice_status mice_options_set_precision(mice_options* options, int32_t precision,
                                       mice_error** error) {
    using enum mice::precision;
    return set(options, error, [&](mice_options& to) {
        to.computed = chosen(std::array{automatic, f32, bf16, int8}, precision, "precision");
    });
}

mice_status mice_options_set_top_k(mice_options* options, size_t top_k, mice_error** error) {
    return set(options, error, [&](mice_options& to) { to.rank.top_k = top_k; });
}
mice_status mice_options_set_score_form(mice_options* options, int32_t form, mice_error** error) {
    using enum mice::activation;
    return set(options, error, [&](mice_options& to) {
        to.rank.output = chosen(std::array{logit, sigmoid}, form, "form of a score");
    });
}
mice_status mice_options_set_specials(mice_options* options, int32_t specials, mice_error** error) {
    using enum mice::special_tokens;
    return set(options, error, [&](mice_options& to) {
        to.rank.specials = chosen(std::array{plain, parse}, specials, "way of special tokens");
    });
}
mice_status mice_options_set_invalid_utf8(mice_options* options, int32_t invalid,
                                          mice_error** error) {
    using enum mice::invalid_utf8;
    return set(options, error, [&](mice_options& to) {
        to.rank.on_invalid = chosen(std::array{replace, refuse}, invalid, "way of invalid UTF-8");
    });
}

mice_status mice_options_set_highlights(mice_options* options, size_t sentences, size_t words,
                                        mice_error** error) {
    return set(options, error, [&](mice_options& to) {
        mice::highlight_options& asked = to.highlights.emplace();
        asked.sentences = sentences;
        asked.words = words;
    });
}
mice_status mice_options_unset_highlights(mice_options* options, mice_error** error) {
    return set(options, error, [](mice_options& to) { to.highlights.reset(); });
}
mice_status mice_text_sink_put(mice_text_sink* sink, const char* bytes, size_t size,
                               mice_error** error) {
    return guarded(error,
                   [&] { given(sink, "sink").text = std::string(text(bytes, size, "text")); });
}
mice_status mice_options_set_text_of(mice_options* options, mice_text_of text_of, void* user,
                                     mice_error** error) {
    return set(options, error, [&](mice_options& to) {
        to.text_of = text_of;
        to.text_of_user = user;
    });
}

mice_status mice_options_set_passages(mice_options* options, size_t max_tokens,
                                      size_t overlap_tokens, size_t overlap_sentences,
                                      mice_error** error) {
    return set(options, error, [&](mice_options& to) {
        to.texts.cut.max_tokens = max_tokens;
        to.texts.cut.overlap_tokens = overlap_tokens;
        to.texts.cut.overlap_sentences = overlap_sentences;
    });
}
mice_status mice_options_set_text_kind(mice_options* options, int32_t kind, const char* file_name,
                                       size_t file_name_size, mice_error** error) {
    using enum mice::text_kind;
    return set(options, error, [&](mice_options& to) {
        const mice::text_kind wanted =
            chosen(std::array{automatic, plain, markdown, code, log}, kind, "kind of texts");
        to.file_name = text(file_name, file_name_size, "file_name");
        to.texts.cut.kind = wanted;
    });
}
mice_status mice_options_set_text_score(mice_options* options, int32_t score, double temperature,
                                        double first_share, double first_limit,
                                        mice_error** error) {
    using enum mice::text_score;
    return set(options, error, [&](mice_options& to) {
        mice::text_options wanted = to.texts;
        wanted.score = chosen(std::array{max, soft_max}, score, "score of texts");
        wanted.temperature = temperature;
        wanted.first_share = first_share;
        wanted.first_limit = first_limit;
        const float any = 0;
        (void)mice::score_of_text({&any, 1}, wanted); // refuses what is out of range
        to.texts = wanted;
    });
}

mice_status mice_options_set_codec(mice_options* options, const char* name, size_t name_size,
                                   size_t pool, int32_t drop, mice_error** error) {
    using enum mice::dropped_tokens;
    return set(options, error, [&](mice_options& to) {
        mice::index_codec wanted;
        wanted.name = text(name, name_size, "name");
        wanted.pool = pool;
        wanted.drop = chosen(std::array{none, punctuation, stop_words}, drop, "choice of tokens");
        to.stored.codec = std::move(wanted);
    });
}
mice_status mice_options_set_words(mice_options* options, int32_t keep, mice_error** error) {
    return set(options, error, [&](mice_options& to) {
        to.stored.words = keep != 0 ? mice::index_words::keep : mice::index_words::none;
    });
}
mice_status mice_options_set_bm25(mice_options* options, double k1, double b, mice_error** error) {
    return set(options, error, [&](mice_options& to) {
        if (!(k1 >= 0 && k1 <= 1000 && b >= 0 && b <= 1)) {
            throw bad_argument("BM25 takes k1 from 0 to 1000 and b from 0 to 1");
        }
        to.words = {k1, b};
    });
}
