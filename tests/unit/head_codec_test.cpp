// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include <mice/codecs/head_codec.hpp>
#include <mice/io/safetensors.hpp>

namespace {

using fixtures::catch_error;
using mice::store::head_codec;

std::vector<std::byte> encoded(const head_codec& codec, const std::vector<float>& rows) {
    const std::size_t count = rows.size() / codec.width();
    std::vector<std::byte> codes(count * codec.row_bytes());
    codec.encode(rows.data(), nullptr, count, codes.data());
    return codes;
}

std::vector<float> decoded(const head_codec& codec, const std::vector<std::byte>& codes) {
    const std::size_t count = codes.size() / codec.row_bytes();
    std::vector<float> rows(count * codec.width());
    mice::kernels::buffer scratch;
    codec.decode(codes.data(), count, rows.data(), scratch);
    return rows;
}

/// Scores of an index that stores keys and values as codes, and of the texts.
struct both_ways {
    std::vector<float> codes, texts; // by document
};
both_ways scores_in(mice::precision computed, const mice::model_config& config) {
    const std::vector<std::byte> file = fixtures::make_model(config, {}).file();
    const mice::reranker ranker(std::span<const std::byte>(file), computed);
    const temporary_folder folder;
    mice::index_options options;
    options.codec.name = "kv-int8";
    mice::index index = mice::index::create(folder.path() / "index", ranker, options);
    constexpr std::size_t count = 40;
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
        texts.push_back(fixtures::passage(i) + (i % 3 == 0 ? fixtures::passage(i + 1) : ""));
        index.put(fixtures::id_of(i), texts.back());
    }
    index.commit();
    both_ways scores{std::vector<float>(count), std::vector<float>(count)};
    for (const mice::hit& each : ranker.rank(fixtures::question, texts)) {
        scores.texts[each.index] = each.score;
    }
    for (const mice::index_hit& each : index.rank(fixtures::question)) {
        scores.codes[std::stoul(each.id.substr(4))] = each.score;
    }
    return scores;
}

} // namespace

TEST_CASE("each head of a row is rounded to its own scale") {
    for (const std::size_t head_dim : {1, 3, 4, 20, 32, 33, 64}) {
        const head_codec codec("kv-int8", 3 * head_dim, head_dim);
        fixtures::random_numbers random(head_dim);
        std::vector<float> rows = random.floats(5 * codec.width());
        for (std::size_t i = 0; i < head_dim; ++i) {
            rows[i] = 0;                     // a head of zeros
            rows[codec.width() + i] *= 1e6F; // and one beside which the others are nothing
        }
        const std::vector<float> back = decoded(codec, encoded(codec, rows));
        for (std::size_t head = 0; head < rows.size() / head_dim; ++head) {
            float top = 0;
            for (std::size_t i = head * head_dim; i < (head + 1) * head_dim; ++i) {
                top = std::max(top, std::fabs(rows[i]));
            }
            for (std::size_t i = head * head_dim; i < (head + 1) * head_dim; ++i) {
                // half a step, of a scale that is rounded up by at most 2^-10
                REQUIRE(std::fabs(back[i] - rows[i]) <= top / 127 * 0.502F);
            }
        }
    }
}

TEST_CASE("what a half cannot scale is refused, in encoding and in decoding") {
    const head_codec codec("kv-int8", 8, 4);
    std::vector<float> rows(16, 1.0F);
    const std::vector<std::byte> good = encoded(codec, rows);
    CHECK_NOTHROW(codec.check(good.data(), 2));
    for (const std::uint16_t half :
         std::initializer_list<std::uint16_t>{0x7c00, 0x7c01, 0x8001, 0xffff}) {
        for (std::size_t scale = 0; scale < 4; ++scale) {
            std::vector<std::byte> bad = good;
            std::memcpy(bad.data() + 16 + 2 * scale, &half, sizeof half);
            CHECK(catch_error([&] { codec.check(bad.data(), 2); }).code == mice::errc::format);
            CHECK(catch_error([&] { (void)decoded(codec, bad); }).code == mice::errc::format);
        }
    }
    rows[5] = 1e7F;
    const auto refused = catch_error([&] { (void)encoded(codec, rows); });
    CHECK(refused.code == mice::errc::unsupported);
    CHECK(refused.says("kv-int8"));
}

TEST_CASE("attention on 8-bit keys and values is near that on the states, for every option") {
    for (const auto& [name, config] : fixtures::every_option()) {
        if (config.extra_attn_bias) {
            continue; // needs the states
        }
        CAPTURE(name);
        const both_ways exact = scores_in(mice::precision::f32, config);
        const both_ways rounded = scores_in(mice::precision::int8, config);
        // random pre-norm layers spread the scores several times as far
        const float spread = config.is_modernbert() ? 6.0F : 1.0F;
        for (std::size_t i = 0; i < exact.texts.size(); ++i) {
            CAPTURE(i);
            CHECK(std::fabs(exact.codes[i] - exact.texts[i]) < 0.1F * spread);
            // two roundings of their own: of what is stored, and of what is computed
            CHECK(std::fabs(rounded.codes[i] - exact.texts[i]) < 0.35F * spread);
        }
        // the codes are read: other ones than the states round to
        CHECK(rounded.codes != rounded.texts);
    }
}
