// SPDX-License-Identifier: Apache-2.0
// mice in an app without files, threads or exceptions of its own: the headers alone, and the small
// model in the program. on_device.h is all that the app sees. ON_DEVICE_MODEL names the model file
// where this is compiled; nobody opens it later.
#include "on_device.h"

#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

#include <mice/reranker.hpp>

__asm__(".pushsection .rodata\n"
        ".balign 64\n"
        "on_device_model:\n"
        ".incbin \"" ON_DEVICE_MODEL "\"\n"
        "on_device_model_end:\n"
        ".popsection\n");
extern "C" const std::byte on_device_model[], on_device_model_end[];

struct on_device_ranker {
    mice::reranker model{std::span(on_device_model, on_device_model_end),
                         mice::precision::automatic,
                         {.threads = 1}};
};

namespace {

/// The beginning of a text that is as long as one may be.
std::string_view cut(const char* text) {
    return {text, ::strnlen(text, ON_DEVICE_MOST_TEXT)};
}

/// Whatever is thrown ends here.
template <class Task> int guarded(const Task& task) noexcept {
    try {
        task();
        return ON_DEVICE_OK;
    } catch (const std::bad_alloc&) {
        return ON_DEVICE_NO_MEMORY;
    } catch (...) {
        return ON_DEVICE_FAILED;
    }
}

} // namespace

int on_device_open(on_device_ranker** made) {
    if (made == nullptr) {
        return ON_DEVICE_WRONG_INPUT;
    }
    *made = nullptr;
    return guarded([&] { *made = new on_device_ranker; });
}

void on_device_close(on_device_ranker* ranker) {
    delete ranker;
}

int on_device_score(const on_device_ranker* ranker, const char* query, const char* const* passages,
                    size_t count, float* scores) {
    if (ranker == nullptr || query == nullptr ||
        (count > 0 && (passages == nullptr || scores == nullptr))) {
        return ON_DEVICE_WRONG_INPUT;
    }
    for (size_t i = 0; i < count; ++i) {
        if (passages[i] == nullptr) {
            return ON_DEVICE_WRONG_INPUT;
        }
    }
    return guarded([&] {
        const mice::rank_options one_thread{.threads = 1};
        const mice::query asked = ranker->model.encode_query(cut(query), one_thread);
        for (size_t i = 0; i < count;
             ++i) { // one at a time: memory does not grow with their number
            const mice::document passage = ranker->model.encode(cut(passages[i]), one_thread);
            scores[i] = ranker->model.score(asked, std::span(&passage, 1), one_thread)[0].score;
        }
    });
}
