// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <mice/document.hpp>
#include <mice/error.hpp>
#include <mice/highlights.hpp>
#include <mice/index.hpp>
#include <mice/index_options.hpp>
#include <mice/mice.h>
#include <mice/passages.hpp>
#include <mice/precision.hpp>
#include <mice/query.hpp>
#include <mice/ranking.hpp>
#include <mice/reranker.hpp>
#include <mice/texts.hpp>

// What is behind the C interface: its objects, and how errors and arguments cross it. In a shared
// mice::compiled none of it is visible.
#if defined(__GNUC__) && !defined(_WIN32)
#define MICE_C_HIDDEN __attribute__((visibility("hidden")))
#else
#define MICE_C_HIDDEN
#endif

struct MICE_C_HIDDEN mice_error {
    mice_status code = MICE_OK;
    std::string message;
};

struct MICE_C_HIDDEN mice_bytes {
    std::vector<std::byte> bytes;
};

struct MICE_C_HIDDEN mice_text_sink {
    std::optional<std::string> text;
};

struct MICE_C_HIDDEN mice_options {
    mice::rank_options rank; // without what the calls put in: pool, deadline, cancel, progress
    std::optional<mice::highlight_options> highlights;
    mice::precision computed = mice::precision::automatic;
    mice::text_options texts;
    std::string file_name; // of texts.cut
    mice::index_options stored;
    mice::bm25_options words;
    std::shared_ptr<mice::executor> pool; // an index keeps it, too
    std::uint64_t milliseconds = 0;
    mice_cancel cancel = nullptr;
    void* cancel_user = nullptr;
    mice_progress progress = nullptr;
    void* progress_user = nullptr;
    mice_text_of text_of = nullptr;
    void* text_of_user = nullptr;
};

struct MICE_C_HIDDEN mice_reranker {
    mice::reranker made;
    std::string fingerprint;
};

struct MICE_C_HIDDEN mice_query {
    mice::query made;
};

struct MICE_C_HIDDEN mice_document {
    mice::document made;
    std::string fingerprint;
};

struct MICE_C_HIDDEN mice_highlights {
    mice::highlights made;
};

struct MICE_C_HIDDEN mice_passages {
    std::vector<mice::passage> made;
};

/// One form of rankings of passages, of texts and of an index.
struct MICE_C_HIDDEN mice_ranking {
    struct hit {
        std::size_t index = 0;
        float score = 0;
        std::size_t seen = 0, cut = 0, replaced = 0;
        std::size_t passages = 0, best = 0; // of a long text
        float best_score = std::numeric_limits<float>::quiet_NaN();
        mice::stored_passage place{0, 0, 0, 0};
        std::string id; // of an index
    };
    std::vector<hit> hits;
    std::vector<mice_highlights> highlights; // one for each hit, or none
    bool complete = true;
    std::size_t unscored = 0;
    std::size_t query_seen = 0, query_cut = 0, query_replaced = 0;
};

struct MICE_C_HIDDEN mice_index {
    std::shared_ptr<mice::executor> pool; // before the index, which uses it to its end
    mice::index made;
};

struct MICE_C_HIDDEN mice_findings {
    std::vector<mice::index_finding> made;
};

namespace mice_c MICE_C_HIDDEN {

[[nodiscard]] inline mice::error bad_argument(const std::string& what) {
    return {mice::errc::invalid_argument, what};
}

/// Sets `error`, where it is given, to what is being handled; for a catch block.
mice_status report_current(mice_error** error) noexcept;

/// Runs what a function of the interface does: no exception leaves it.
template <class Work> mice_status guarded(mice_error** error, const Work& work) noexcept {
    if (error != nullptr) {
        *error = nullptr;
    }
    try {
        work();
        return MICE_OK;
    } catch (...) {
        return report_current(error);
    }
}

/// The object, which may not be NULL.
template <class Object> Object& given(Object* object, const char* name) {
    if (object == nullptr) {
        throw bad_argument(std::string(name) + " is NULL");
    }
    return *object;
}

/// The same of a result, which is empty until it is there.
template <class Object> Object*& result(Object** object, const char* name) {
    Object*& made = given(object, name);
    made = nullptr;
    return made;
}

/// Writes a result that the caller may not want.
template <class Wanted, class Value> void put(Wanted* result, Value value) noexcept {
    if (result != nullptr) {
        *result = static_cast<Wanted>(value);
    }
}

/// guarded(), of results that the caller may not want: they are 0 where it fails.
template <class Work, class... Results>
mice_status cleared(mice_error** error, const Work& work, Results*... results) noexcept {
    (put(results, 0), ...);
    return guarded(error, work);
}

/// Elements of the caller's memory; throws for a range that no memory can be.
template <class Element>
std::span<const Element> elements(const Element* first, std::size_t count, const char* name) {
    constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max());
    if (count == 0) {
        return {};
    }
    if (first == nullptr) {
        throw bad_argument(std::string(name) + " is NULL, and its size is " +
                           std::to_string(count));
    }
    if (count > most / sizeof(Element) ||
        reinterpret_cast<std::uintptr_t>(first) >
            std::numeric_limits<std::uintptr_t>::max() - count * sizeof(Element)) {
        throw bad_argument(std::string(name) + " cannot have the size " + std::to_string(count));
    }
    return {first, count};
}

/// The caller's array for many results, which is empty until they are there.
template <class Object> void results(Object** objects, std::size_t count, const char* name) {
    (void)elements(objects, count, name);
    std::fill_n(objects, count, nullptr);
}

inline std::string_view text(const char* bytes, std::size_t size, const char* name) {
    const std::span<const char> all = elements(bytes, size, name);
    return {all.data(), all.size()};
}

std::vector<std::string_view> texts(const char* const* pointers, const std::size_t* sizes,
                                    std::size_t count, const char* name);
std::filesystem::path path(const char* bytes, std::size_t size, const char* name);

/// One of the values that a number stands for.
template <class Value, std::size_t Count>
Value chosen(const std::array<Value, Count>& values, std::int32_t number, const char* name) {
    if (number < 0 || static_cast<std::size_t>(number) >= Count) {
        throw bad_argument("there is no " + std::string(name) + " " + std::to_string(number));
    }
    return values[static_cast<std::size_t>(number)];
}

/// Element i of a list, or an error.
template <class List> auto& at(List& list, std::size_t i, const char* name) {
    if (i >= list.size()) {
        throw bad_argument("there is no " + std::string(name) + " " + std::to_string(i) + " of " +
                           std::to_string(list.size()));
    }
    return list[i];
}

/// Gives text and size, for getters that return text.
inline const char* shown(const std::string& text, std::size_t* size) noexcept {
    put(size, text.size());
    return text.c_str();
}
inline const char* nothing(std::size_t* size) noexcept {
    put(size, 0U);
    return nullptr;
}

/// One call: its options with what the caller's callbacks become. They are called in the thread
/// that made the call alone.
class call {
  public:
    explicit call(const mice_options* given);
    call(const call&) = delete;
    call& operator=(const call&) = delete;

    [[nodiscard]] const mice_options& given() const noexcept { return given_; }
    /// Valid while this lives.
    [[nodiscard]] const mice::rank_options& options() const noexcept { return options_; }
    [[nodiscard]] mice::rank_options& options() noexcept { return options_; }
    [[nodiscard]] mice::passage_options cut() const;
    [[nodiscard]] mice::index_progress index_progress();
    /// Tells of the last progress, where another thread made it.
    void finish();

  private:
    void piece_done(std::uint64_t done, std::uint64_t total);
    void ask_whether_to_stop();

    const mice_options& given_;
    mice::rank_options options_;
    mice::cancellation stop_;
    std::thread::id caller_ = std::this_thread::get_id();
    std::uint64_t done_ = 0, total_ = 0; // of the last piece
    bool told_ = true;
};

std::unique_ptr<mice_ranking> wrapped(mice::ranking&& made);
std::unique_ptr<mice_ranking> wrapped(mice::text_ranking&& made);
std::unique_ptr<mice_ranking> wrapped(mice::index_ranking&& made);
std::unique_ptr<mice_document> wrapped(mice::document&& made);
std::unique_ptr<mice_reranker> wrapped(mice::reranker&& made);

/// Many results at once: the caller gets all of them, or none.
template <class Object, class Made> void wrap_all(std::vector<Made>&& made, Object** objects) {
    std::vector<std::unique_ptr<Object>> all;
    all.reserve(made.size());
    for (Made& each : made) {
        all.push_back(wrapped(std::move(each)));
    }
    std::transform(all.begin(), all.end(), objects, [](auto& each) { return each.release(); });
}

/// The queries behind a caller's list.
std::vector<mice::query> queries_of(const mice_query* const* queries, std::size_t count);

} // namespace MICE_C_HIDDEN
