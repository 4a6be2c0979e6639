// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"
#include "../support/thread_pool.hpp"

#include <atomic>
#include <bit>
#include <cfenv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>

#include <mice/io/json.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/system/float_mode.hpp>
#endif

namespace {

/// A floating-point mode that a host may have set.
struct host_mode {
    std::string name;
    int rounding = FE_TONEAREST;
    bool flushes = false; ///< subnormals are zero
    bool traps = false;   ///< every exception ends the program

    void set() const {
        std::fesetround(rounding);
#if defined(__SSE__)
        if (flushes) {
            _mm_setcsr(_mm_getcsr() | 0x8040U);
        }
#endif
#if defined(__GLIBC__)
        if (traps) {
            std::feclearexcept(FE_ALL_EXCEPT);
            feenableexcept(FE_ALL_EXCEPT);
        }
#endif
    }
};

std::vector<host_mode> host_modes() {
    return {{"up", FE_UPWARD},
            {"down", FE_DOWNWARD},
            {"to zero, flushing", FE_TOWARDZERO, true},
            {"traps", FE_TONEAREST, false, true}};
}

/// A thread's mode and flags, as far as they can be seen.
struct seen_mode {
    int rounding = std::fegetround();
    int flags = std::fetestexcept(FE_ALL_EXCEPT);
#if defined(__GLIBC__)
    int traps = fegetexcept();
#endif
#if defined(__SSE__)
    unsigned int vector = _mm_getcsr();
#endif
    friend bool operator==(const seen_mode&, const seen_mode&) = default;
};

/// Restores the caller's own mode at the end, whatever fails in between.
class own_mode {
  public:
    own_mode() { std::fegetenv(&kept_); }
    own_mode(const own_mode&) = delete;
    own_mode& operator=(const own_mode&) = delete;
    ~own_mode() {
        std::feclearexcept(FE_ALL_EXCEPT);
        std::fesetenv(&kept_);
    }

  private:
    std::fenv_t kept_{};
};

/// work() under a host's mode, which must be the same after it, flags too.
template <class Work> auto under(const host_mode& mode, Work&& work) {
    seen_mode before;
    seen_mode after;
    auto made = [&] {
        const own_mode kept;
        mode.set();
        if (!mode.traps) { // a flag that the host has not looked at yet
            std::feclearexcept(FE_ALL_EXCEPT);
            std::feraiseexcept(FE_DIVBYZERO);
        }
        before = {};
        auto result = work();
        after = {};
        return result;
    }();
    CHECK(before == after);
    return made;
}

std::vector<std::string> texts_for_modes(std::size_t count) {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < count; ++i) {
        made.push_back(fixtures::passage(i));
    }
    return made;
}

using bits = std::vector<std::uint32_t>;

void add_bits(bits& to, std::span<const float> values) {
    for (const float value : values) {
        to.push_back(std::bit_cast<std::uint32_t>(value));
    }
}
void add_bits(bits& to, const mice::ranking& of) {
    for (const mice::hit& each : of) {
        to.push_back(static_cast<std::uint32_t>(each.index));
        add_bits(to, {&each.score, 1});
    }
}

/// A model whose numbers in JSON are no whole ones.
mice::model_config config_of_family(bool modern) {
    mice::model_config config = fixtures::small_config();
    if (modern) {
        fixtures::make_modernbert(config);
    }
    config.layer_norm_eps = 1.1e-5;
    return config;
}

/// Everything that a reranker computes: loading, ranking, scoring and encoding.
bits all_of_ranker(std::span<const std::byte> file, mice::precision precision,
                   const mice::rank_options& options) {
    const mice::reranker ranker(file, precision, {options.threads, options.pool});
    const std::vector<std::string> texts = texts_for_modes(24);
    bits made;
    const double eps = ranker.config().layer_norm_eps;
    made.push_back(static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(eps)));
    mice::rank_options as_sigmoid = options;
    as_sigmoid.output = mice::activation::sigmoid;
    add_bits(made, ranker.rank(fixtures::question, texts, as_sigmoid));
    add_bits(made, ranker.score(fixtures::question, texts, options));
    const mice::query query = ranker.encode_query(fixtures::question, options);
    std::vector<mice::document> documents = ranker.encode_all(texts, options);
    documents.push_back(ranker.encode(texts[0]));
    documents.push_back(ranker.encode_ids(documents[0].ids()));
    for (const mice::document& each : documents) {
        add_bits(made, each.states());
    }
    add_bits(made, ranker.rank(query, documents, as_sigmoid));
    add_bits(made, ranker.score(ranker.encode_query_ids(query.ids()), documents, options));
    const std::vector<std::string> queries{std::string(fixtures::question), "stone bridge"};
    for (const mice::ranking& each : ranker.rank_batch(queries, texts, options)) {
        add_bits(made, each);
    }
    return made;
}

/// Paths are put together with floats: before a mode is set.
struct two_folders {
    temporary_folder folder;
    std::filesystem::path a = folder.path() / "a";
    std::filesystem::path b = folder.path() / "b";
};

/// Everything that an index computes.
bits all_of_index(const two_folders& folders, const mice::reranker& ranker,
                  const mice::index_codec& codec, const mice::rank_options& options) {
    const mice::index_access access{.threads = options.threads, .pool = options.pool};
    mice::index index = mice::index::create(folders.a, ranker, {.codec = codec}, access);
    fixtures::put_passages(index, 0, 300);
    index.put_encoded("encoded", ranker.encode("old stone mill"));
    index.put_ids("ids", ranker.encode("new stone mill").ids());
    index.commit();
    index.erase(fixtures::id_of(3));
    index.commit();
    mice::index other = mice::index::create_like(folders.b, ranker, folders.a, access);
    fixtures::put_passages(other, 400, 420);
    other.commit();
    index.merge({&folders.b, 1});
    index.compact();
    const mice::index opened = mice::index::open(folders.a, ranker, access);
    bits made;
    const auto add = [&made](const auto& hits) {
        for (const auto& each : hits) {
            made.push_back(static_cast<std::uint32_t>(std::hash<std::string>()(each.id)));
            add_bits(made, {&each.score, 1});
        }
    };
    mice::rank_options as_sigmoid = options;
    as_sigmoid.output = mice::activation::sigmoid;
    add(opened.rank(fixtures::question, as_sigmoid));
    const auto found = opened.candidates(fixtures::question, 50);
    add(found);
    std::vector<std::string> ids;
    for (const mice::index_candidate& each : found) {
        ids.push_back(each.id);
    }
    add(opened.rank(fixtures::question, ids, options));
    for (const std::uint64_t number : {1, 200, 410}) {
        add_bits(made, opened.states(fixtures::id_of(number))->values);
    }
    made.push_back(static_cast<std::uint32_t>(opened.verify().size()));
    return made;
}

/// A pool whose threads have a mode of their own and keep it.
class pool_of_mode final : public mice::executor {
  public:
    explicit pool_of_mode(host_mode mode) : mode_(std::move(mode)) {}
    [[nodiscard]] std::size_t concurrency() const noexcept override {
        return pool_.concurrency() + 1;
    }
    void submit(std::function<void()> help) override {
        pool_.submit([this, help = std::move(help)] {
            const own_mode kept;
            mode_.set();
            const seen_mode before;
            help();
            const seen_mode after;
            kept_ = kept_ && before == after;
        });
    }
    [[nodiscard]] bool kept() const { return kept_; }

  private:
    host_mode mode_;
    std::atomic<bool> kept_{true};
    fixtures::thread_pool pool_{2};
};

constexpr mice::precision precisions[] = {mice::precision::f32, mice::precision::bf16,
                                          mice::precision::int8};

} // namespace

TEST_CASE("fault 33: a reranker makes the same bits under every mode of the host's floats") {
    for (const bool modern : {false, true}) {
        const std::vector<std::byte> file = fixtures::make_model(config_of_family(modern)).file();
        for (const mice::precision precision : precisions) {
            const bits expected = all_of_ranker(file, precision, {.threads = 1});
            CHECK(all_of_ranker(file, precision, {.threads = 2}) == expected);
            for (const host_mode& mode : host_modes()) {
                CAPTURE(modern, mode.name, static_cast<int>(precision));
                for (const std::size_t threads : {std::size_t{1}, std::size_t{2}, std::size_t{0}}) {
                    CHECK(under(mode, [&] {
                              return all_of_ranker(file, precision, {.threads = threads});
                          }) == expected);
                }
                pool_of_mode pool(mode);
                CHECK(all_of_ranker(file, precision, {.pool = &pool}) == expected);
                CHECK(under(mode, [&] {
                          return all_of_ranker(file, precision, {.pool = &pool});
                      }) == expected);
                CHECK(pool.kept());
            }
        }
    }
}

TEST_CASE("fault 33: other kinds of models make the same bits under every mode") {
    using fixtures::storage;
    for (const auto& [config, recipe] :
         {std::pair(fixtures::small_cross_encoder(), fixtures::model_recipe{}),
          std::pair(fixtures::late_interaction_config(), fixtures::model_recipe{}),
          std::pair(fixtures::small_config(), fixtures::model_recipe{.weights = storage::i8}),
          std::pair(fixtures::small_config(), fixtures::model_recipe{.weights = storage::f16}),
          std::pair(fixtures::small_config(), fixtures::model_recipe{.sentencepiece = true})}) {
        const std::vector<std::byte> file = fixtures::make_model(config, recipe).file();
        const bits expected = all_of_ranker(file, mice::precision::f32, {.threads = 1});
        for (const host_mode& mode : host_modes()) {
            CAPTURE(mode.name);
            CHECK(under(mode, [&] {
                      return all_of_ranker(file, mice::precision::f32, {.threads = 2});
                  }) == expected);
        }
    }
}

TEST_CASE("fault 33: an index makes the same bits under every mode of the host's floats") {
    const std::vector<std::byte> file = fixtures::make_model(fixtures::tiny_config()).file();
    for (const mice::precision precision : {mice::precision::f32, mice::precision::int8}) {
        const mice::reranker ranker(file, precision);
        for (const mice::index_codec& codec :
             {mice::index_codec{.name = "int8"}, mice::index_codec{.name = "pq8"},
              mice::index_codec{.name = "kv-int8"}, mice::index_codec{.name = "int4", .pool = 2}}) {
            const bits expected = all_of_index({}, ranker, codec, {.threads = 1});
            for (const host_mode& mode : host_modes()) {
                CAPTURE(codec.name, mode.name, static_cast<int>(precision));
                const two_folders folders;
                CHECK(under(mode, [&] {
                          return all_of_index(folders, ranker, codec, {.threads = 2});
                      }) == expected);
            }
        }
    }
}

TEST_CASE("fault 33: the host's mode is there again behind an exception") {
    const fixtures::model_in_memory model;
    const std::vector<std::string> texts = texts_for_modes(30);
    fixtures::thread_pool pool(2);
    for (const host_mode& mode : host_modes()) {
        CAPTURE(mode.name);
        const auto fails = [&](auto&& call) {
            CHECK(under(mode, [&] {
                try {
                    call();
                } catch (const std::exception&) {
                    return true;
                }
                return false;
            }));
        };
        fails([&] {
            (void)model.ranker.rank(fixtures::question, {"a", "\xff"},
                                    {.on_invalid = mice::invalid_utf8::refuse});
        });
        fails([&] { // in the middle of the work of several threads
            (void)model.ranker.rank(fixtures::question, texts,
                                    {.pool = &pool, .progress = [](std::size_t, std::size_t) {
                                         throw std::runtime_error("stopped");
                                     }});
        });
        fails([&] { (void)model.ranker.encode_ids(std::vector<std::int32_t>{1'000'000}); });
        fails([&] { (void)mice::reranker(std::span(model.bytes).first(4000)); });
        fails([&] { (void)mice::io::parse_json("{\"a\": 0.1, \"b\": 1e-400, ]", "it"); });
        const std::filesystem::path nowhere("no such folder");
        fails([&] { (void)mice::index::open(nowhere, model.ranker); });
    }
}

TEST_CASE("fault 33: a mode that a caller's function sets is not that of the work that goes on") {
    const fixtures::model_in_memory model;
    const std::vector<std::string> texts = texts_for_modes(200);
    bits expected;
    add_bits(expected, model.ranker.score(fixtures::question, texts, {.threads = 1}));
    const own_mode kept;
    std::size_t calls = 0;
    const mice::ranking made = model.ranker.score(
        fixtures::question, texts, {.threads = 1, .progress = [&calls](std::size_t, std::size_t) {
                                        std::fesetround(FE_UPWARD);
                                        ++calls;
                                    }});
    CHECK(std::fegetround() == FE_TONEAREST);
    CHECK(calls > 1);
    bits found;
    add_bits(found, made);
    CHECK(found == expected);
}

TEST_CASE("fault 33: what runs in the default mode is not moved out of it by the compiler") {
    const own_mode kept;
    std::fesetround(FE_UPWARD);
    // all of it could be computed before or behind the change
    const auto third = [](double one) {
        return mice::detail::in_default_float_mode([one] { return one / 3; });
    };
    volatile double one = 1;
    const double inside = third(one);
    const double outside = one / 3.0;
    std::fesetround(FE_TONEAREST);
    const double expected = one / 3.0;
    CHECK(inside == expected);
    CHECK(outside != expected);
}
