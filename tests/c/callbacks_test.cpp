// SPDX-License-Identifier: Apache-2.0
// Callbacks and memory of the C interface.
#include "../support/allocation_counter.hpp"
#include "../support/temporary_folder.hpp"
#include "../support/thread_pool.hpp"
#include "c_objects.hpp"

#include <atomic>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <thread>

using namespace c_interface;

namespace {

/// What callbacks saw.
struct seen {
    std::thread::id caller = std::this_thread::get_id();
    int asked = 0;   // by cancel
    int stop_at = 0; // the question that is answered with yes
    int told = 0;    // by progress
    bool elsewhere = false;
    std::uint64_t done = 0, total = 0;
};

std::int32_t cancel(void* user) {
    auto& now = *static_cast<seen*>(user);
    now.elsewhere |= std::this_thread::get_id() != now.caller;
    return ++now.asked == now.stop_at ? 1 : 0;
}

void progress(void* user, std::uint64_t done, std::uint64_t total) {
    auto& now = *static_cast<seen*>(user);
    now.elsewhere |= std::this_thread::get_id() != now.caller;
    ++now.told;
    now.done = done;
    now.total = total;
}

void watch(mice_options* options, seen& now) {
    must([&](mice_error** error) { return mice_options_set_cancel(options, cancel, &now, error); });
    must([&](mice_error** error) {
        return mice_options_set_progress(options, progress, &now, error);
    });
}

} // namespace

TEST_CASE("a callback of the C interface stops a call") {
    const owned<mice_reranker> ranker = load();
    const std::vector<std::string> texts = made_texts(400);
    const text_list list(texts);
    const owned<mice_options> options = new_options();
    const auto rank = [&](owned<mice_ranking>& ranking) {
        must([&](mice_error** error) {
            return mice_rank(ranker.get(), "bread", 5, list.pointers.data(), list.sizes.data(),
                             texts.size(), options.get(), out(ranking), error);
        });
    };
    owned<mice_ranking> ranking;
    seen never;
    watch(options.get(), never);
    rank(ranking);
    CHECK(mice_ranking_complete(ranking.get()) == 1);
    CHECK(mice_ranking_size(ranking.get()) == texts.size());
    CHECK(never.told > 0);
    CHECK(never.asked > 1);
    CHECK(never.done == texts.size()); // the last piece is told, whichever thread did it
    CHECK(never.total == texts.size());
    CHECK(!never.elsewhere);

    seen early{.stop_at = 1};
    watch(options.get(), early);
    rank(ranking);
    CHECK(mice_ranking_complete(ranking.get()) == 0);
    CHECK(mice_ranking_size(ranking.get()) == 0);
    CHECK(mice_ranking_unscored(ranking.get()) == texts.size());

    seen later{.stop_at = 2};
    watch(options.get(), later);
    must([&](mice_error** error) { return mice_options_set_threads(options.get(), 1, error); });
    rank(ranking);
    CHECK(mice_ranking_complete(ranking.get()) == 0);
    CHECK(mice_ranking_size(ranking.get()) > 0);
    CHECK(mice_ranking_size(ranking.get()) + mice_ranking_unscored(ranking.get()) == texts.size());
    CHECK(later.asked == 2);

    seen encoding{.stop_at = 3};
    watch(options.get(), encoding);
    std::vector<mice_document*> documents(texts.size());
    owned<mice_error> error;
    CHECK(mice_encode_all(ranker.get(), list.pointers.data(), list.sizes.data(), texts.size(),
                          options.get(), documents.data(), out(error)) == MICE_ERROR_STOPPED);
    CHECK(documents == std::vector<mice_document*>(texts.size()));
}

TEST_CASE("the C interface works on the caller's executor") {
    struct pool_of_c {
        fixtures::thread_pool pool{2};
        std::atomic<int> asked{0};
        bool refuses = false;
    } state;
    const mice_submit submit = [](void* user, void (*run)(void*), void* task) -> std::int32_t {
        auto& to = *static_cast<pool_of_c*>(user);
        ++to.asked;
        if (to.refuses) {
            return 1;
        }
        to.pool.submit([run, task] { run(task); });
        return 0;
    };
    const owned<mice_options> options = new_options();
    must([&](mice_error** error) {
        return mice_options_set_executor(options.get(), submit, 3, &state, error);
    });
    must([&](mice_error** error) { return mice_options_set_threads(options.get(), 2, error); });
    const owned<mice_reranker> ranker = load();
    const std::vector<std::string> texts = made_texts(100);
    const text_list list(texts);
    std::vector<std::vector<float>> scores;
    for (const bool refuses : {false, true}) {
        state.refuses = refuses;
        state.asked = 0;
        owned<mice_ranking> ranking;
        must([&](mice_error** error) {
            return mice_score(ranker.get(), "bread", 5, list.pointers.data(), list.sizes.data(),
                              texts.size(), options.get(), out(ranking), error);
        });
        CHECK(state.asked == 1);
        scores.emplace_back(texts.size());
        must([&](mice_error** error) {
            return mice_ranking_copy_scores(ranking.get(), scores.back().data(), texts.size(),
                                            error);
        });
    }
    CHECK(scores[0] == scores[1]);

    // an index keeps the executor when its options are gone
    state.refuses = false;
    const temporary_folder folder;
    const std::string where = (folder.path() / "index").string();
    owned<mice_index> index;
    {
        const owned<mice_options> only_here = new_options();
        must([&](mice_error** error) {
            return mice_options_set_executor(only_here.get(), submit, 3, &state, error);
        });
        must([&](mice_error** error) {
            return mice_index_create(where.data(), where.size(), ranker.get(), only_here.get(),
                                     out(index), error);
        });
    }
    for (const std::string& text : texts) {
        must([&](mice_error** error) {
            return mice_index_put(index.get(), text.data(), text.find(' ', 5), text.data(),
                                  text.size(), nullptr, 0, nullptr, error);
        });
    }
    must([&](mice_error** error) { return mice_index_commit(index.get(), nullptr, error); });
    std::uint64_t count = 0;
    must([&](mice_error** error) { return mice_index_size(index.get(), &count, error); });
    CHECK(count == texts.size());
}

TEST_CASE("a callback that gives no text ends a call of the C interface") {
    const owned<mice_reranker> ranker = load();
    const temporary_folder folder;
    const std::string where = (folder.path() / "index").string();
    const owned<mice_options> options = new_options();
    must([&](mice_error** error) {
        return mice_options_set_highlights(options.get(), 1, 1, error);
    });
    owned<mice_index> index;
    must([&](mice_error** error) {
        return mice_index_open_or_create(where.data(), where.size(), ranker.get(), options.get(),
                                         out(index), error);
    });
    must([&](mice_error** error) {
        return mice_index_put(index.get(), "a", 1, "Dough.", 6, nullptr, 0, nullptr, error);
    });
    must([&](mice_error** error) { return mice_index_commit(index.get(), nullptr, error); });
    owned<mice_ranking> ranking;
    CHECK(mice_index_rank(index.get(), "bread", 5, options.get(), out(ranking), nullptr) ==
          MICE_ERROR_INVALID_ARGUMENT); // no texts to highlight
    for (const std::int32_t answer : {0, 1}) {
        static std::int32_t said;
        said = answer;
        const mice_text_of text_of = [](void*, const char*, size_t, const char*, size_t,
                                        mice_text_sink*) { return said; };
        must([&](mice_error** error) {
            return mice_options_set_text_of(options.get(), text_of, nullptr, error);
        });
        CHECK(mice_index_rank(index.get(), "bread", 5, options.get(), out(ranking), nullptr) ==
              (answer == 0 ? MICE_OK : MICE_ERROR_STOPPED));
    }
}

namespace {

/// All that a program does once. Gives what failed, or MICE_OK; frees all in any case.
mice_status everything(const std::string& model, const std::string& folder) {
    static const char* const texts[] = {"Yeast gives off gas. The dough swells.", "Light bends."};
    static const std::size_t sizes[] = {38, 12};
    mice_error* error = nullptr;
    mice_options* options = nullptr;
    mice_reranker* ranker = nullptr;
    mice_document* documents[2] = {};
    mice_document* read = nullptr;
    mice_bytes* bytes = nullptr;
    mice_ranking* ranking = nullptr;
    mice_ranking* stored = nullptr;
    mice_ranking* of_texts = nullptr;
    mice_ranking* searched = nullptr;
    mice_passages* passages = nullptr;
    mice_highlights* highlights = nullptr;
    mice_index* index = nullptr;
    const auto all = [&]() -> mice_status {
        std::size_t size = 0;
        const mice_status begun[] = {
            mice_options_create(&options, &error),
        };
        if (begun[0] != MICE_OK) {
            return begun[0];
        }
        mice_error_free(error);
        mice_status now = mice_options_set_highlights(options, 1, 1, &error);
        // one after the other; after a failure none
        const auto then = [&](const auto& step) {
            if (now == MICE_OK) {
                now = step();
            }
        };
        then([&] { return mice_options_set_threads(options, 1, &error); });
        then([&] {
            return mice_reranker_load_memory(model.data(), model.size(), options, &ranker, &error);
        });
        then([&] { return mice_encode_all(ranker, texts, sizes, 2, options, documents, &error); });
        then([&] { return mice_document_serialize(documents[0], &bytes, &error); });
        const void* data = mice_bytes_data(bytes, &size);
        then([&] { return mice_document_deserialize(data, size, &read, &error); });
        then([&] {
            return mice_rank(ranker, "dough", 5, texts, sizes, 2, options, &ranking, &error);
        });
        then([&] {
            return mice_rank_documents(ranker, "dough", 5, documents, 2, texts, sizes, options,
                                       &stored, &error);
        });
        then([&] {
            return mice_rank_texts(ranker, "dough", 5, texts, sizes, 2, options, &of_texts, &error);
        });
        then([&] {
            return mice_passages_cut(ranker, texts[0], sizes[0], options, &passages, &error);
        });
        then([&] {
            return mice_highlight_text(ranker, "dough", 5, texts[0], sizes[0], options, &highlights,
                                       &error);
        });
        then([&] {
            return mice_index_open_or_create(folder.data(), folder.size(), ranker, nullptr, &index,
                                             &error);
        });
        then([&] {
            return mice_index_put(index, "a", 1, texts[0], sizes[0], nullptr, 0, nullptr, &error);
        });
        then([&] { return mice_index_commit(index, nullptr, &error); });
        then([&] { return mice_index_search(index, "dough", 5, 3, nullptr, &searched, &error); });
        return now;
    };
    const mice_status done = all();
    mice_error_free(error);
    mice_index_free(index);
    mice_highlights_free(highlights);
    mice_passages_free(passages);
    mice_ranking_free(searched);
    mice_ranking_free(of_texts);
    mice_ranking_free(stored);
    mice_ranking_free(ranking);
    mice_bytes_free(bytes);
    mice_document_free(read);
    mice_document_free(documents[0]);
    mice_document_free(documents[1]);
    mice_reranker_free(ranker);
    mice_options_free(options);
    return done;
}

std::string model_bytes() {
    std::ifstream file(model_path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEST_CASE("what the C interface makes is freed") {
    const std::string model = model_bytes();
    const temporary_folder folder;
    const std::string where = (folder.path() / "index").string();
    REQUIRE(everything(model, where) == MICE_OK); // what lives as long as the process is made here
    const std::size_t before = allocations::living();
    const mice_status done = everything(model, where);
    const std::size_t after = allocations::living();
    CHECK(done == MICE_OK);
    CHECK(after == before);
}

TEST_CASE("an allocation that fails is an error of the C interface and leaks nothing") {
    const std::string model = model_bytes();
    const temporary_folder folder;
    const std::string where = (folder.path() / "index").string();
    REQUIRE(everything(model, where) == MICE_OK);
    std::size_t failed = 0, other = 0, leaked = 0;
    bool ended = false;
    // the first ones each, later ones further and further apart
    for (std::size_t granted = 0; !ended; granted += 1 + granted / 4) {
        const std::size_t before = allocations::living();
        mice_status done = MICE_OK;
        {
            const allocations::failing no_memory(granted);
            done = everything(model, where);
        }
        leaked += allocations::living() != before;
        failed += done != MICE_OK;
        other += done != MICE_OK && done != MICE_ERROR_OUT_OF_MEMORY && done != MICE_ERROR_IO;
        ended = done == MICE_OK;
    }
    CHECK(failed > 10);
    CHECK(other == 0);
    CHECK(leaked == 0);
}

TEST_CASE("an error that there is no memory for is an error of the C interface too") {
    mice_error* error = nullptr;
    mice_status status = MICE_OK;
    {
        const allocations::failing no_memory(0);
        status = mice_reranker_load("a file whose name is long enough for the heap", 45, nullptr,
                                    nullptr, &error);
    }
    CHECK(status == MICE_ERROR_OUT_OF_MEMORY);
    CHECK(std::string(mice_error_message(error)) == "out of memory");
    mice_error_free(error); // is nobody's
    CHECK(std::string(mice_error_message(error)) == "out of memory");
}
