// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/equations.hpp"
#include "../support/index_fixture.hpp"

#include <cmath>
#include <set>
#include <string_view>

#include <mice/codecs/codec.hpp>
#include <mice/codecs/registry.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/kernels/active.hpp>
#include <mice/model.hpp>
#include <mice/model/weights.hpp>

namespace {

using fixtures::catch_error;
using fixtures::hit_bits;
using fixtures::model_in_memory;
using fixtures::put_passages;
using mice::store::document_coder;

using fixtures::question;

mice::index_options stored_as(const std::string& name, std::size_t pool = 1,
                              mice::dropped_tokens drop = mice::dropped_tokens::none) {
    mice::index_options options;
    options.codec = {name, pool, drop};
    return options;
}

/// Largest difference between the scores of texts and of an index of them.
float worst_difference(const model_in_memory& model, const mice::index_options& options) {
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path() / "index", model.ranker, options);
    put_passages(index, 0, 30);
    index.commit();
    std::vector<std::string> texts;
    for (std::uint64_t i = 0; i < 30; ++i) {
        texts.push_back(fixtures::passage(i));
    }
    std::vector<float> expected(texts.size());
    for (const mice::hit& each : model.ranker.rank(question, texts)) {
        expected[each.index] = each.score;
    }
    const mice::index_ranking got = index.rank(question);
    REQUIRE(got.size() == 30);
    float worst = 0;
    for (const mice::index_hit& each : got) {
        const auto place = static_cast<std::size_t>(std::stoul(each.id.substr(4)));
        worst = std::max(worst, std::fabs(each.score - expected[place]));
    }
    REQUIRE(index.verify().empty());
    return worst;
}

std::vector<std::int32_t> some_ids(std::size_t count) {
    fixtures::random_numbers random(count);
    std::vector<std::int32_t> ids(count);
    for (std::int32_t& id : ids) {
        id = static_cast<std::int32_t>(random.below(100));
    }
    return ids;
}

const std::vector<std::string>& all_codecs() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> list;
        for (const mice::store::codec_kind& each : mice::store::codec_kinds) {
            if (each.learn == nullptr) {
                list.emplace_back(each.name);
            }
        }
        return list;
    }();
    return names;
}

} // namespace

TEST_CASE("every codec is found by its name and its alias alone") {
    using mice::store::find_codec;
    std::set<std::string_view> names;
    for (const mice::store::codec_kind& each : mice::store::codec_kinds) {
        CAPTURE(each.name);
        CHECK(names.insert(each.name).second);
        CHECK((each.alias.empty() || names.insert(each.alias).second));
        REQUIRE(each.make != nullptr);
        CHECK((each.learn == nullptr) == (each.training_rows == 0));
        if (each.takes == nullptr) {
            CHECK(find_codec(each.name) == &each);
        } else {
            CHECK(find_codec(each.example) == &each);
            CHECK(each.name.find('N') != std::string_view::npos);
        }
        const std::string_view asked = each.alias.empty() ? each.name : each.alias;
        CHECK(mice::store::kept_codec_name(asked) == each.name);
        CHECK((each.alias.empty() || find_codec(each.alias) == nullptr));
        CHECK_THAT(mice::store::codec_names(), Catch::Matchers::Contains(std::string(each.name)));
    }
    for (const char* name : {"", "int", "int88", "f16", "kv-", "kv-f32", "pq", "pqN", "INT8"}) {
        CAPTURE(name);
        CHECK(find_codec(name) == nullptr);
    }
    CHECK(mice::store::codec_names(mice::store::listed_codecs::of_states) ==
          "f32, int16, int8, int4, pqN (such as pq62)");
}

TEST_CASE("an index says under which name its codec was asked for and whether it waits") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder folder;
    const auto stats_of = [&](const std::string& name) {
        return mice::index::create(folder.path() / name, model.ranker, stored_as(name)).stats();
    };
    CHECK(stats_of("f16").codec.name == "int16");
    CHECK(stats_of("int16").codec_alias == "f16");
    CHECK(stats_of("kv-f16").codec_alias == "kv-f16");
    CHECK(stats_of("int8").codec_alias.empty());
    CHECK_FALSE(stats_of("f32").codec_waits);
    CHECK(stats_of("pq12").codec_waits);
    mice::index learned = mice::index::open(folder.path() / "pq12", model.ranker);
    put_passages(learned, 0, 5);
    learned.commit();
    CHECK_FALSE(learned.stats().codec_waits);
}

TEST_CASE("sixteen bits change no score of the default model by a thousandth") {
    const mice::reranker ranker(std::filesystem::path(MICE_TEST_MODELS) /
                                    "mice-minilm-l6x2-int8.safetensors",
                                mice::precision::f32);
    std::vector<std::string> texts{
        "Yeast gives off carbon dioxide as it feeds on the sugar, so the dough swells.",
        "Sunlight in a raindrop is bent, reflected at the back and bent again.", "",
        "Bread: flour, water, salt - and time.",
        "The bill was passed in 1993 and repealed ten years later; nobody noticed."};
    for (int i = 0; i < 4; ++i) {
        texts.push_back(texts[0] + " " + texts[1] + " " + texts.back());
    }
    for (const auto& [name, most] :
         {std::pair{"int16", 1e-3F}, {"kv-int16", 1e-3F}, {"int8", 0.2F}}) {
        CAPTURE(name);
        const temporary_folder folder;
        mice::index index = mice::index::create(folder.path() / "index", ranker, stored_as(name));
        for (std::size_t i = 0; i < texts.size(); ++i) {
            index.put(fixtures::id_of(i), texts[i]);
        }
        index.commit();
        for (const std::string query :
             {"why does bread dough rise", "rainbow", "what was repealed"}) {
            const mice::index_ranking got = index.rank(query);
            std::map<std::string, float> expected;
            for (const mice::hit& each : ranker.rank(query, texts)) {
                expected[fixtures::id_of(each.index)] = each.score;
            }
            REQUIRE(got.size() == texts.size());
            for (const mice::index_hit& each : got) {
                CHECK(std::fabs(each.score - expected.at(each.id)) < most); // logits
            }
        }
    }
}

TEST_CASE("every codec's scores are near those of the texts, for every option") {
    for (const auto& [name, config] : fixtures::every_option()) {
        CAPTURE(name);
        const model_in_memory model(config);
        CHECK(worst_difference(model, stored_as("int16")) < 1e-3F);
        if (config.extra_attn_bias) {
            for (const auto& options : {stored_as("kv-int16"), stored_as("f32", 2),
                                        stored_as("f32", 1, mice::dropped_tokens::punctuation)}) {
                const temporary_folder folder;
                const auto refused = catch_error([&] {
                    (void)mice::index::create(folder.path() / "index", model.ranker, options);
                });
                CHECK(refused.code == mice::errc::invalid_argument);
                CHECK((refused.says("every token") || refused.says("exact-match")));
                CHECK_FALSE(std::filesystem::exists(folder.path() / "index"));
            }
        } else {
            CHECK(worst_difference(model, stored_as("kv-int16")) < 1e-3F);
            CHECK(worst_difference(model, stored_as("kv-int8")) <
                  (config.is_modernbert() ? 0.3F : 0.1F));
        }
        CHECK(worst_difference(model, stored_as("int8")) < 0.2F);
        CHECK(worst_difference(model, stored_as("int4")) < 2.0F);
    }
}

TEST_CASE("keys and values are those of the layers") {
    const model_in_memory model(fixtures::small_config());
    const mice::model& engine = *model.ranker.shared_model();
    const temporary_folder folder;
    mice::index index =
        mice::index::create(folder.path() / "index", model.ranker, stored_as("kv-int16"));
    index.put("a", "the old mill");
    index.commit();
    const auto stored = index.states("a");
    REQUIRE(stored);
    REQUIRE(stored->key_values);
    const mice::document encoded = model.ranker.encode("the old mill");
    const std::size_t hidden = encoded.hidden();
    REQUIRE(stored->width == engine.config().interaction_layers * 2 * hidden);
    const mice::nn::weights source(engine.file(), engine.config());
    const fixtures::matrix states = fixtures::matrix_of(encoded.states(), encoded.tokens(), hidden);
    const std::span<const float> values(stored->values);
    const std::size_t of_layer = encoded.tokens() * 2 * hidden;
    REQUIRE(values.size() == engine.config().interaction_layers * of_layer);
    for (std::size_t layer = 0; layer < engine.config().interaction_layers; ++layer) {
        const std::string name = "top_layers." + std::to_string(layer) + ".crossattention.self.";
        const auto projected = [&](const std::string& part) -> fixtures::matrix {
            const std::vector<float> weight = source[name + part + ".weight"].floats();
            const std::vector<float> bias = source[name + part + ".bias"].floats();
            return (states * fixtures::matrix_of(weight, hidden, hidden).transpose()).rowwise() +
                   fixtures::row_of(bias);
        };
        fixtures::matrix expected(states.rows(), 2 * states.cols());
        expected << projected("key"), projected("value");
        const fixtures::matrix found = fixtures::matrix_of(
            values.subspan(layer * of_layer, of_layer), encoded.tokens(), 2 * hidden);
        REQUIRE(((found - expected).array().abs() <= 1e-3 * expected.array().abs().max(1)).all());
    }
}

namespace {

/// Encodes and decodes three rows, one with an outlying column and one of zeros: the error's energy
/// is at most `most` of the row's.
template <unsigned Bits> void check_blocks(std::size_t width, double most) {
    CAPTURE(Bits, width);
    const mice::store::block_codec<Bits> codec("blocks", width);
    const std::size_t blocks = (width + 127) / 128;
    REQUIRE(codec.row_bytes() == (width * Bits + 7) / 8 + blocks * (Bits == 16 ? 4 : 2));
    fixtures::random_numbers random(width);
    std::vector<float> rows = random.floats(3 * width);
    std::fill(rows.begin() + static_cast<std::ptrdiff_t>(2 * width), rows.end(), 0.0F);
    rows[width / 2] = 30;
    std::vector<std::byte> codes(3 * codec.row_bytes());
    codec.encode(rows.data(), nullptr, 3, codes.data());
    std::vector<float> back(3 * width, 9.0F);
    mice::kernels::buffer scratch;
    codec.decode(codes.data(), 3, back.data(), scratch);
    for (std::size_t row = 0; row < 3; ++row) {
        double error = 0;
        double energy = 0;
        for (std::size_t i = row * width; i < (row + 1) * width; ++i) {
            error += std::pow(double{back[i]} - double{rows[i]}, 2);
            energy += std::pow(double{rows[i]}, 2);
        }
        CHECK(error <= most * energy);
    }
}

template <unsigned Bits> std::vector<int> codes_of(const std::vector<float>& row) {
    const mice::store::block_codec<Bits> codec("blocks", row.size());
    std::vector<std::byte> codes(codec.row_bytes());
    codec.encode(row.data(), nullptr, 1, codes.data());
    std::vector<int> bytes;
    for (const std::byte each : codes) {
        bytes.push_back(std::to_integer<int>(each));
    }
    return bytes;
}

} // namespace

TEST_CASE("blocks hold a row of any width within the step of its scale") {
    for (const std::size_t width : {1U, 2U, 3U, 8U, 35U, 127U, 128U, 129U, 384U, 500U}) {
        check_blocks<4>(width, 0.02);
        check_blocks<8>(width, 2e-4);
        check_blocks<16>(width, 2e-9);
    }
}

TEST_CASE("blocks lie in the bytes that docs/format.md describes") {
    // (127, 0, -127, 0, 7) is rotated as four columns and one: (0, 0, 127, 127, 7)
    const std::vector<float> row{127, 0, -127, 0, 7};
    CHECK(codes_of<8>(row) == std::vector<int>{0, 0, 127, 127, 7, 0, 0x3c}); // the scale is 1
    const std::vector<float> large{32767, 0, -32767, 0, 7};
    CHECK(codes_of<16>(large) ==
          std::vector<int>{0, 0, 0, 0, 0xff, 0x7f, 0xff, 0x7f, 7, 0, 0, 0, 0x80, 0x3f});
    // columns 0 to 2 in the low bits, 3 and 4 in the high ones, each 8 more than its code
    CHECK(codes_of<4>({7, 0, -7, 0, -7}) == std::vector<int>{0xf8, 0x18, 0x8f, 0, 0x3c});
}

TEST_CASE("values that a codec cannot hold are refused") {
    const mice::store::block_codec<4> four("int4", 4);
    const mice::store::block_codec<8> eight("int8", 4);
    const mice::store::block_codec<16> sixteen("int16", 4);
    std::vector<std::byte> codes(64);
    const auto refused = [&](const mice::store::row_codec& codec, float value) {
        const float row[4] = {0, value, 0, 0};
        return catch_error([&] { codec.encode(row, nullptr, 1, codes.data()); }).code ==
               mice::errc::unsupported;
    };
    CHECK(refused(four, 2e6F));
    CHECK(refused(eight, 2e7F));
    CHECK(refused(sixteen, 1e35F));
    CHECK_FALSE(refused(eight, 2e6F));
    CHECK_FALSE(refused(sixteen, 1e34F));
}

TEST_CASE("no codes give numbers that are not finite") {
    const model_in_memory model(fixtures::small_config());
    const mice::model& engine = *model.ranker.shared_model();
    for (const std::string& name : all_codecs()) {
        CAPTURE(name);
        const document_coder coder({.name = name}, engine);
        fixtures::random_numbers random(7);
        std::size_t refused = 0;
        for (int round = 0; round < 200; ++round) {
            std::vector<std::byte> codes(coder.bytes(3));
            for (std::byte& each : codes) {
                each = static_cast<std::byte>(round % 2 == 0 ? random.below(256) : 255);
            }
            std::vector<float> out(3 * coder.width());
            mice::kernels::buffer scratch;
            const auto told = catch_error([&] { coder.decode(codes, 3, out.data(), scratch); });
            if (told.thrown) {
                ++refused;
                REQUIRE(told.code == mice::errc::format);
            } else {
                REQUIRE(mice::kernels::all_finite(out.data(), out.size()));
            }
            codes.pop_back();
            REQUIRE(catch_error([&] { coder.decode(codes, 3, out.data(), scratch); }).code ==
                    mice::errc::format);
        }
        CHECK(refused > 0);
        CHECK(catch_error([&] { (void)coder.bytes(static_cast<std::size_t>(-1) / 8); }).code ==
              mice::errc::format);
    }
}

TEST_CASE("pooling keeps the first row and the means of clusters") {
    const std::size_t width = 3;
    // two tight clusters and a far row
    const std::vector<float> states{9, 9, 9, 0, 0, 1, 5, 0, 0, 0, 0, 1.5F, 5, 0.5F, 0, -8, -8, 0};
    const mice::store::document_rows pooled =
        mice::store::pool_rows({states, {10, 11, 12, 13, 14, 15}}, width, 2);
    REQUIRE(pooled.ids == std::vector<std::int32_t>{10, 11, 12, 15});
    const std::vector<float> expected{9, 9, 9, 0, 0, 1.25F, 5, 0.25F, 0, -8, -8, 0};
    REQUIRE(pooled.states == expected);
    REQUIRE(mice::store::pool_rows({states, {10, 11, 12, 13, 14, 15}}, width, 1).states == states);
    const mice::store::document_rows one =
        mice::store::pool_rows({states, {10, 11, 12, 13, 14, 15}}, width, 64);
    REQUIRE(one.ids == std::vector<std::int32_t>{10, 11});
}

TEST_CASE("pooling joins what Ward's method by its definition joins") {
    fixtures::random_numbers random(3);
    const std::size_t width = 5;
    for (int round = 0; round < 20; ++round) {
        const std::size_t count = 2 + random.below(30);
        const std::size_t clusters = 1 + random.below(count);
        const std::vector<float> rows = random.floats(count * width);
        std::vector<std::vector<std::size_t>> sets;
        for (std::size_t i = 0; i < count; ++i) {
            sets.push_back({i});
        }
        const auto mean = [&](const std::vector<std::size_t>& set, std::size_t column) {
            double sum = 0;
            for (const std::size_t i : set) {
                sum += double{rows[i * width + column]};
            }
            return sum / static_cast<double>(set.size());
        };
        while (sets.size() > clusters) {
            std::size_t a = 0;
            std::size_t b = 1;
            double least = 1e300;
            for (std::size_t i = 0; i < sets.size(); ++i) {
                for (std::size_t j = i + 1; j < sets.size(); ++j) {
                    const auto m = static_cast<double>(sets[i].size());
                    const auto n = static_cast<double>(sets[j].size());
                    double cost = 0;
                    for (std::size_t c = 0; c < width; ++c) {
                        cost += std::pow(mean(sets[i], c) - mean(sets[j], c), 2) * m * n / (m + n);
                    }
                    if (cost < least) {
                        least = cost;
                        a = i;
                        b = j;
                    }
                }
            }
            sets[a].insert(sets[a].end(), sets[b].begin(), sets[b].end());
            sets.erase(sets.begin() + static_cast<std::ptrdiff_t>(b));
        }
        std::vector<std::size_t> expected(count);
        for (const auto& set : sets) {
            for (const std::size_t i : set) {
                expected[i] = *std::min_element(set.begin(), set.end());
            }
        }
        CHECK(mice::store::detail::ward_clustering(rows.data(), count, width).cut(clusters) ==
              expected);
    }
}

TEST_CASE("equal rows and long documents are pooled") {
    const std::vector<float> states(1500 * 4, 0.5F);
    const mice::store::document_rows pooled =
        mice::store::pool_rows({states, some_ids(1500)}, 4, 3);
    REQUIRE(pooled.ids.size() == 1 + 171 + 171 + 159);
    for (const float each : pooled.states) {
        REQUIRE(each == 0.5F);
    }
}

TEST_CASE("tokens are dropped by what they say") {
    const model_in_memory model;
    const mice::tokenizer& words = *model.ranker.shared_model()->text_tokenizer();
    const auto left = [&](const std::string& text, mice::dropped_tokens drop) {
        const std::vector<std::int32_t> ids = words.encode(text).ids;
        std::string kept;
        for (const std::size_t each : mice::store::token_filter(words, drop).kept(ids)) {
            kept += std::string(words.token(ids[each])) + " ";
        }
        return kept;
    };
    using mice::dropped_tokens;
    CHECK(left("the river, of it.", dropped_tokens::none) == "[CLS] the river , of it . [SEP] ");
    CHECK(left("the river, of it.", dropped_tokens::punctuation) == "[CLS] the river of it [SEP] ");
    CHECK(left("the river, of it.", dropped_tokens::stop_words) == "[CLS] river [SEP] ");
    // "iting" is "it" and "##ing": no function word
    CHECK(left("iting it", dropped_tokens::stop_words) == "[CLS] it ##ing [SEP] ");
    const std::vector<std::int32_t> marks(3, *words.id("."));
    CHECK(mice::store::token_filter(words, dropped_tokens::punctuation).kept(marks) ==
          std::vector<std::size_t>{0});
    CHECK(words.piece(*words.id("##ing")).text == "ing");
    CHECK(words.piece(*words.id("##ing")).continues);
    CHECK_FALSE(words.piece(*words.id("#")).continues);
}

TEST_CASE("an index of fewer rows ranks, reopens, merges and is checked") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder folder;
    const mice::index_options options = stored_as("int8", 2, mice::dropped_tokens::stop_words);
    std::vector<std::pair<std::string, std::uint32_t>> before;
    {
        mice::index index = mice::index::create(folder.path() / "a", model.ranker, options);
        put_passages(index, 0, 60);
        index.commit();
        before = hit_bits(index.rank(question));
        REQUIRE(index.stats().rows < index.stats().tokens * 2 / 3);
        REQUIRE(index.verify().empty());
    }
    mice::index whole = mice::index::create(folder.path() / "b", model.ranker, options);
    put_passages(whole, 0, 30);
    whole.commit();
    mice::index part =
        mice::index::create_like(folder.path() / "c", model.ranker, folder.path() / "b");
    put_passages(part, 30, 60);
    part.commit();
    part.release();
    const std::filesystem::path parts[] = {folder.path() / "c"};
    whole.merge(parts);
    const mice::index index = mice::index::open(folder.path() / "a", model.ranker);
    REQUIRE(hit_bits(index.rank(question)) == before);
    REQUIRE(hit_bits(whole.rank(question)) == before);
    mice::index other = mice::index::create(folder.path() / "d", model.ranker, stored_as("int8"));
    REQUIRE(catch_error([&] { other.merge(parts); }).says("pool 2"));
}

TEST_CASE("codec options that a model does not take") {
    const model_in_memory with_words;
    const model_in_memory without(fixtures::tiny_config(), {.with_tokenizer = false});
    const temporary_folder folder;
    const auto refused = [&](const model_in_memory& model, const mice::index_options& options) {
        const auto told = catch_error(
            [&] { (void)mice::index::create(folder.path() / "index", model.ranker, options); });
        CHECK_FALSE(std::filesystem::exists(folder.path() / "index"));
        CHECK(told.code == mice::errc::invalid_argument);
        return told.text;
    };
    CHECK_THAT(refused(with_words, stored_as("kv-f32")), Catch::Matchers::Contains("kv-int8"));
    CHECK_THAT(refused(with_words, stored_as("f32", 0)), Catch::Matchers::Contains("1 to 64"));
    CHECK_THAT(refused(with_words, stored_as("f32", 65)), Catch::Matchers::Contains("1 to 64"));
    CHECK_THAT(refused(without, stored_as("f32", 1, mice::dropped_tokens::punctuation)),
               Catch::Matchers::Contains("tokenizer"));
}
