// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <mice/kernels/convert.hpp>
#include <mice/mice.hpp>
#include <mice/model/weights.hpp>
#include <mice/nn/attention/cross.hpp>

namespace {

constexpr std::string_view observed_query = "the old river and water";
constexpr std::string_view observed_passage =
    "a small mill is not under the bridge, it is over the old river. new stone!";

/// The weights of a block that do not sum to 1, are no weights, or are where `hidden` says not.
template <class Hidden>
std::size_t wrong_rows(const mice::attention_block& block, const Hidden& hidden) {
    std::size_t wrong = 0;
    for (std::size_t head = 0; head < block.heads; ++head) {
        for (std::size_t i = 0; i < block.rows; ++i) {
            const std::span<const float> row = block.row(head, i);
            double sum = 0;
            bool fits = true;
            for (std::size_t j = 0; j < row.size(); ++j) {
                sum += double{row[j]};
                fits = fits && row[j] >= 0 && (!hidden(i, j) || row[j] == 0);
            }
            wrong += fits && std::fabs(sum - 1) < 1e-5 ? 0 : 1;
        }
    }
    return wrong;
}

/// A random model and the file in memory that it reads its embeddings from.
struct observed_model {
    explicit observed_model(const mice::model_config& config,
                            const fixtures::model_recipe& recipe = {},
                            mice::precision computed = mice::precision::f32)
        : file(fixtures::make_model(config, recipe).file()), ranker(file, computed) {}

    std::vector<std::byte> file;
    mice::reranker ranker;
};

void check_observed_blocks(const mice::observed_attention& seen, const mice::model_config& config) {
    for (const mice::attention_block& block : seen.blocks) {
        CAPTURE(block.name);
        REQUIRE(block.weights.size() == block.heads * block.rows * block.columns);
        REQUIRE(seen.rows_of(block).size() == block.rows);
        REQUIRE(seen.columns_of(block).size() == block.columns);
        const bool of_query = block.kind == mice::attention_kind::self;
        CHECK(wrong_rows(block, [&](std::size_t i, std::size_t j) {
                  return of_query && config.mask_query_to_cls && i > 0 && j == 0;
              }) == 0);
    }
}

std::size_t blocks_of(const mice::observed_attention& seen, mice::attention_kind kind) {
    std::size_t count = 0;
    for (const mice::attention_block& block : seen.blocks) {
        count += block.kind == kind ? 1 : 0;
    }
    return count;
}

/// Keeps the weights of one head after the other.
class recording final : public mice::nn::attention_probe {
  public:
    [[nodiscard]] bool wants(const mice::nn::attention_place& place) override {
        return place.role == mice::nn::attention_role::cross;
    }
    void see(const mice::nn::attention_weights& seen) override {
        REQUIRE(seen.head == heads++ % 4);
        for (std::size_t i = 0; i < seen.weights.rows; ++i) {
            const float* row = seen.weights.row(i);
            weights.insert(weights.end(), row, row + seen.weights.columns);
        }
    }

    std::size_t heads = 0;
    std::vector<float> weights;
};

double apart(const std::vector<float>& a, const std::vector<float>& b) {
    REQUIRE(a.size() == b.size());
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        most = std::max(most, std::fabs(double{a[i]} - double{b[i]}));
    }
    return most;
}

} // namespace

TEST_CASE("a score that attention is observed of has the same bits, and its rows sum to one") {
    for (const auto& [name, config] : fixtures::every_kind()) {
        const std::vector<std::byte> file = fixtures::make_model(config).file();
        const bool late = config.kind == mice::model_kind::late_interaction;
        for (const mice::precision computed :
             {mice::precision::f32, mice::precision::bf16, mice::precision::int8}) {
            const mice::reranker ranker(file, computed);
            for (const std::string_view document : {std::string_view("stone"), observed_passage}) {
                CAPTURE(name, static_cast<int>(computed), document);
                const mice::attention_options options{.encoders = true};
                const auto seen =
                    mice::observe_attention(ranker, observed_query, document, options);
                const float score = ranker.score(observed_query, {document})[0].score;
                CHECK(std::bit_cast<std::uint32_t>(seen.score) ==
                      std::bit_cast<std::uint32_t>(score));
                REQUIRE(!seen.blocks.empty());
                check_observed_blocks(seen, config);
                CHECK(late == (blocks_of(seen, mice::attention_kind::cross) +
                                   blocks_of(seen, mice::attention_kind::pair) ==
                               0));
            }
        }
    }
}

TEST_CASE("late interaction shows its encoders, and without them says what to use") {
    const observed_model model(fixtures::late_interaction_config());
    const mice::reranker& ranker = model.ranker;
    const auto refused = fixtures::catch_error(
        [&] { (void)mice::observe_attention(ranker, observed_query, observed_passage); });
    CHECK(refused.code == mice::errc::unsupported);
    CHECK((refused.says("encoders") && refused.says("highlights")));
    const auto seen =
        mice::observe_attention(ranker, observed_query, observed_passage, {.encoders = true});
    CHECK(seen.score == ranker.score(observed_query, {observed_passage})[0].score);
    CHECK(blocks_of(seen, mice::attention_kind::query_encoder) == ranker.config().layers);
    CHECK(blocks_of(seen, mice::attention_kind::document_encoder) == ranker.config().layers);
    CHECK(seen.query_tokens == ranker.config().max_query_length); // with fillers
    check_observed_blocks(seen, ranker.config());
}

TEST_CASE("attention to a stored document is that to its text, with the same bits") {
    for (const auto& [name, config] : fixtures::every_kind()) {
        CAPTURE(name);
        const observed_model model(config, {}, mice::precision::int8);
        const mice::reranker& ranker = model.ranker;
        const mice::document stored = ranker.encode(observed_passage);
        const auto of_text = mice::observe_attention(ranker, observed_query, observed_passage);
        const auto of_states = mice::observe_attention(ranker, observed_query, stored);
        const auto of_query =
            mice::observe_attention(ranker, ranker.encode_query(observed_query), stored);
        CHECK(of_states.score == of_text.score);
        CHECK(of_query.score == of_text.score);
        REQUIRE(of_states.tokens.size() == of_text.tokens.size());
        REQUIRE(of_states.blocks.size() == of_text.blocks.size());
        REQUIRE(of_query.blocks.size() == of_text.blocks.size());
        bool shorter = false;
        for (std::size_t i = 0; i < of_text.blocks.size(); ++i) {
            const mice::attention_block& a = of_text.blocks[i];
            const mice::attention_block& b = of_states.blocks[i];
            REQUIRE(a.name == b.name);
            REQUIRE(b.weights == of_query.blocks[i].weights);
            REQUIRE((b.rows == a.rows || b.rows == of_text.query_tokens));
            shorter = shorter || b.rows < a.rows;
            for (std::size_t head = 0; head < a.heads; ++head) {
                for (std::size_t row = 0; row < b.rows; ++row) {
                    const auto x = a.row(head, row);
                    const auto y = b.row(head, row);
                    REQUIRE(std::equal(x.begin(), x.end(), y.begin(), y.end()));
                }
            }
        }
        // a pair's document that was encoded by itself
        const bool of_pair = config.kind == mice::model_kind::cross_encoder;
        CHECK(shorter == (of_pair && ranker.stores_documents()));
    }
}

TEST_CASE("the tokens of observed attention are those that were read, with their places") {
    for (const auto& [name, config] : fixtures::every_kind()) {
        CAPTURE(name);
        const observed_model model(config);
        const mice::reranker& ranker = model.ranker;
        const auto seen = mice::observe_attention(ranker, observed_query, observed_passage);
        const std::size_t learned = config.global_cls_token ? 1 : 0;
        REQUIRE(seen.query_tokens < seen.tokens.size());
        CHECK(seen.tokens[0].id == (learned == 1 ? -1 : 2));
        CHECK(seen.tokens[learned].text == "[CLS]");
        CHECK(seen.tokens[learned + 1].text == "the");
        CHECK(seen.tokens[learned + 2].where == mice::byte_range{4, 7});
        CHECK(seen.tokens[seen.query_tokens - 1].text == "[SEP]");
        CHECK(seen.tokens.back().text == "[SEP]");
        bool found = false;
        for (std::size_t i = seen.query_tokens; i < seen.tokens.size(); ++i) {
            const mice::byte_range where = seen.tokens[i].where;
            found =
                found || observed_passage.substr(where.begin, where.end - where.begin) == "bridge";
        }
        CHECK(found);
    }
}

TEST_CASE("a pair that is cut shows the tokens that are left") {
    for (const auto strategy : {mice::truncation::only_second, mice::truncation::longest_first}) {
        mice::model_config config = fixtures::small_cross_encoder();
        config.max_query_length = 12;
        config.max_pair_length = 14;
        config.pair_truncation = strategy;
        const observed_model model(config);
        const mice::reranker& ranker = model.ranker;
        const std::string query = "the river and the old stone bridge";
        const auto seen = mice::observe_attention(ranker, query, observed_passage);
        const mice::ranking scored = ranker.score(query, {observed_passage});
        CHECK(seen.score == scored[0].score);
        CHECK(seen.tokens.size() == 14);
        CHECK(seen.document_tokens_cut == scored[0].tokens_cut);
        CHECK(seen.tokens[seen.query_tokens - 1].text == "[SEP]");
        CHECK(seen.tokens.back().text == "[SEP]");
        CHECK((seen.query_tokens_cut > 0) == (strategy == mice::truncation::longest_first));
        check_observed_blocks(seen, config);
    }
}

TEST_CASE("attention of empty texts is observed, and of too large ones and foreign ones refused") {
    for (const auto& [name, config] : fixtures::every_kind()) {
        CAPTURE(name);
        const observed_model model(config);
        const mice::reranker& ranker = model.ranker;
        for (const auto& [query, document] : {std::pair(std::string_view(), observed_passage),
                                              std::pair(observed_query, std::string_view()),
                                              std::pair(std::string_view(), std::string_view())}) {
            const auto seen = mice::observe_attention(ranker, query, document);
            CHECK(seen.score == ranker.score(query, {document})[0].score);
            check_observed_blocks(seen, config);
        }
        std::size_t weights = 0;
        const auto all =
            mice::observe_attention(ranker, observed_query, observed_passage, {.encoders = true});
        for (const mice::attention_block& block : all.blocks) {
            weights += block.weights.size();
        }
        for (const std::size_t most : {std::size_t{0}, std::size_t{1}, weights / 2}) {
            const auto refused = fixtures::catch_error([&] {
                (void)mice::observe_attention(ranker, observed_query, observed_passage,
                                              {.encoders = true, .max_weights = most});
            });
            CHECK(refused.code == mice::errc::invalid_argument);
            CHECK(refused.says("max_weights"));
        }
        CHECK_NOTHROW(mice::observe_attention(
            ranker, observed_query, observed_passage,
            {.encoders = true, .max_weights = std::numeric_limits<std::size_t>::max()}));
    }
    const mice::model_config config = fixtures::small_config();
    const observed_model model(config);
    const mice::reranker& ranker = model.ranker;
    const observed_model second(config, {.seed = 2});
    const mice::reranker& other = second.ranker;
    const mice::document document = ranker.encode(observed_passage);
    const auto code = [](auto&& call) { return fixtures::catch_error(call).code; };
    CHECK(code([&] { (void)mice::observe_attention(other, observed_query, document); }) ==
          mice::errc::mismatch);
    CHECK(code([&] {
              (void)mice::observe_attention(ranker, other.encode_query(observed_query), document);
          }) == mice::errc::mismatch);
    CHECK(code([&] {
              (void)mice::observe_attention(ranker, "\xff", observed_passage,
                                            {.on_invalid = mice::invalid_utf8::refuse});
          }) == mice::errc::encoding);
    CHECK(mice::observe_attention(ranker, "\xff", "a\xff").replaced == 2);
    const observed_model bare(config, {.with_tokenizer = false});
    const mice::reranker& without = bare.ranker;
    CHECK(code([&] { (void)mice::observe_attention(without, observed_query, observed_passage); }) ==
          mice::errc::invalid_argument);
    const std::vector<std::int32_t> ids{2, 7, 3};
    const auto by_ids =
        mice::observe_attention(without, without.encode_query_ids(ids), without.encode_ids(ids));
    CHECK(by_ids.tokens.size() == 6);
    CHECK(by_ids.tokens[1].text.empty());
}

TEST_CASE("stored keys and values, as floats or codes, show the weights of the states") {
    constexpr std::size_t hidden = 32;
    constexpr std::size_t heads = 4;
    constexpr std::size_t tokens = 13;
    constexpr std::size_t rows = 5;
    const mice::model_config config = fixtures::small_config();
    const std::vector<std::byte> bytes = fixtures::make_model(config).file();
    const mice::io::safetensors file(bytes);
    const mice::nn::weights all(file, config);
    const mice::nn::cross_attention block(all, 0, config);
    all.run_deferred({});
    fixtures::random_numbers random(21);
    const std::vector<float> states = random.floats(tokens * hidden);
    const std::vector<float> x = random.floats(rows * hidden);

    mice::nn::workspace space;
    recording probe;
    space.probe = &probe;
    const auto weights_of = [&](const mice::nn::document_view& document) {
        mice::kernels::buffer memory;
        mice::nn::document_batch batch({&document, 1}, {.width = hidden}, memory);
        std::vector<float> y = x;
        probe.weights.clear();
        block.apply(mice::nn::matrix_at(y.data(), rows, hidden), batch,
                    {rows, {}, nullptr, nullptr}, space);
        return probe.weights;
    };
    const std::vector<float> expected = weights_of({states.data(), nullptr, tokens});
    REQUIRE(expected.size() == heads * rows * tokens);

    std::vector<float> key_values(config.interaction_layers * tokens * 2 * hidden);
    block.key_values(mice::nn::matrix_at(states.data(), tokens, hidden),
                     mice::nn::matrix_at(key_values.data(), tokens, 2 * hidden), space);
    mice::nn::document_view floats{nullptr, nullptr, tokens};
    floats.key_values = key_values.data();
    CHECK(apart(weights_of(floats), expected) < 1e-5);

    // each head of a key or value in steps of a half-precision number
    std::vector<std::byte> codes(config.interaction_layers * tokens * 2 * (hidden + 2 * heads));
    const std::size_t width = hidden / heads;
    for (std::size_t i = 0; i < tokens * 2 * heads; ++i) {
        const float* part = key_values.data() + i * width;
        float largest = 0;
        for (std::size_t j = 0; j < width; ++j) {
            largest = std::max(largest, std::fabs(part[j]));
        }
        const std::uint16_t half = mice::kernels::float_to_half(largest / 127);
        std::memcpy(codes.data() + config.interaction_layers * tokens * 2 * hidden +
                        i * sizeof half,
                    &half, sizeof half);
        for (std::size_t j = 0; j < width; ++j) {
            const float steps = part[j] / mice::kernels::half_to_float(half);
            const long code = std::min(127L, std::max(-127L, std::lround(steps)));
            codes[i * width + j] = static_cast<std::byte>(static_cast<std::int8_t>(code));
        }
    }
    mice::nn::document_view coded{nullptr, nullptr, tokens};
    coded.key_value_codes = codes.data();
    const std::vector<float> of_codes = weights_of(coded);
    CHECK(apart(of_codes, expected) < 0.02);
    CHECK(apart(of_codes, expected) > 0);
}
