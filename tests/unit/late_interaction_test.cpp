// SPDX-License-Identifier: Apache-2.0
#include "../support/allocation_counter.hpp"
#include "../support/catch.hpp"
#include "../support/equations.hpp"
#include "../support/index_fixture.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>

#include <nlohmann/json.hpp>

#include <mice/io/safetensors.hpp>
#include <mice/model.hpp>
#include <mice/model/config_json.hpp>
#include <mice/networks/network.hpp>

namespace {

using fixtures::catch_error;
using fixtures::caught_error;
using fixtures::hit_bits;
using fixtures::late_interaction_config;
using fixtures::model_in_memory;

using fixtures::question;

/// Texts with and without marks, which have no vector, and one of nothing else.
std::vector<std::string> sample_texts() {
    return {"the river, the mill!",
            "old stone bridge",
            "!?!",
            "",
            "new light. day - night",
            "water under the old bridge of stone"};
}

/// sum_i max_j q_i . d_j in double precision.
double max_sim(std::span<const float> query, std::span<const float> document, std::size_t width) {
    const fixtures::matrix q = fixtures::matrix_of(query, query.size() / width, width);
    const fixtures::matrix d = fixtures::matrix_of(document, document.size() / width, width);
    return (q * d.transpose()).rowwise().maxCoeff().sum();
}

std::vector<std::int32_t> some_ids(std::size_t count, std::uint64_t seed) {
    fixtures::random_numbers random(seed);
    std::vector<std::int32_t> ids(count);
    for (std::int32_t& id : ids) {
        id = static_cast<std::int32_t>(random.below(70)); // none that is skipped
    }
    return ids;
}

} // namespace

TEST_CASE("MaxSim of every size agrees with double precision") {
    for (const std::size_t width : {1, 3, 16, 24, 33, 129}) {
        for (const std::size_t query_rows : {3, 15, 17, 32, 48}) {
            mice::model_config config = late_interaction_config();
            config.vector_size = width;
            config.max_query_length = query_rows;
            const std::vector<std::byte> file = fixtures::make_model(config).file();
            for (const auto computed : {mice::precision::f32, mice::precision::bf16}) {
                const mice::reranker ranker(file, computed);
                const auto ids = some_ids(std::min<std::size_t>(query_rows - 1, 6), width);
                mice::nn::workspace space;
                const mice::nn::prepared_query query =
                    ranker.shared_model()->network().prepare_query(
                        ranker.shared_model()->query_ids(ids), space);
                REQUIRE(query.rows == query_rows);
                for (const std::size_t tokens : {1, 2, 15, 16, 17, 31, 33, 47}) {
                    const mice::document document = ranker.encode_ids(some_ids(tokens, 9 + tokens));
                    REQUIRE(document.rows() == tokens + 1); // the marker
                    const float score =
                        ranker.score(ranker.encode_query_ids(ids), std::span(&document, 1))[0]
                            .score;
                    const double expected = max_sim(query.states, document.states(), width);
                    const double allowed = (computed == mice::precision::f32 ? 1e-6 : 1e-2) *
                                           static_cast<double>(query_rows);
                    INFO(width << " wide, " << query_rows << " x " << tokens);
                    REQUIRE(std::fabs(score - expected) <= allowed);
                }
            }
        }
    }
}

TEST_CASE("vectors have length 1, and a zero vector stays one") {
    fixtures::model_file_parts parts = fixtures::make_model(late_interaction_config());
    {
        const std::vector<std::byte> file = parts.file();
        const mice::reranker ranker{std::span<const std::byte>(file), mice::precision::f32};
        const mice::document document = ranker.encode("the old mill");
        for (std::size_t row = 0; row < document.rows(); ++row) {
            double squares = 0;
            for (const float x : document.states().subspan(row * document.hidden(), 24)) {
                squares += double{x} * double{x};
            }
            REQUIRE(squares == Approx(1).margin(1e-6));
        }
    }
    std::fill(parts.tensor("linear.weight").bytes.begin(),
              parts.tensor("linear.weight").bytes.end(), std::byte{0});
    const std::vector<std::byte> file = parts.file();
    const mice::reranker ranker{std::span<const std::byte>(file), mice::precision::f32};
    const mice::document document = ranker.encode("the old mill");
    for (const float x : document.states()) {
        REQUIRE(x == 0);
    }
    CHECK(ranker.rank(question, {"the old mill"})[0].score == 0);
}

TEST_CASE("weights that overflow are an error and no score") {
    fixtures::model_file_parts parts = fixtures::make_model(late_interaction_config());
    std::vector<std::byte>& bytes = parts.tensor("linear.weight").bytes;
    const float huge = 3e38F;
    for (std::size_t i = 0; i < bytes.size(); i += sizeof huge) {
        std::memcpy(&bytes[i], &huge, sizeof huge);
    }
    const std::vector<std::byte> file = parts.file();
    const mice::reranker ranker{std::span<const std::byte>(file), mice::precision::f32};
    const caught_error caught =
        catch_error([&] { static_cast<void>(ranker.rank(question, {"the old mill"})); });
    CHECK(caught.code == mice::errc::tensor);
    CHECK(caught.says("not finite"));
}

TEST_CASE("texts get the marker, ids do too, and skipped tokens are counted but not kept") {
    const model_in_memory model(late_interaction_config());
    const mice::tokenizer& words = model.ranker.text_tokenizer();
    REQUIRE(model.ranker.stores_documents());
    for (const std::string& text : sample_texts()) {
        INFO(text);
        const std::vector<std::int32_t> plain = words.encode(text).ids;
        const mice::document made = model.ranker.encode(text);
        const mice::document from_ids = model.ranker.encode_ids(plain);
        CHECK(std::ranges::equal(made.states(), from_ids.states()));
        std::vector<std::int32_t> expected = plain;
        expected.insert(expected.begin() + 1, 121);
        CHECK(made.tokens() == expected.size());
        std::erase_if(expected, [](std::int32_t id) { return id >= 77 && id < 87; });
        CHECK(std::ranges::equal(made.ids(), expected));
        CHECK(made.rows() >= 3); // [CLS], the marker, [SEP]
        const mice::hit scored = model.ranker.score(question, {text})[0];
        CHECK(scored.tokens_seen == made.tokens());
        CHECK(scored.score ==
              model.ranker.score(question, std::span<const mice::document>(&made, 1))[0].score);
    }
    const mice::query query = model.ranker.encode_query(question);
    std::vector<std::int32_t> ids = words.encode(question).ids;
    ids.insert(ids.begin() + 1, 120);
    CHECK(std::ranges::equal(query.ids(), ids)); // no fillers
}

TEST_CASE("limits count the marker, and what is cut is counted exactly") {
    const model_in_memory model(late_interaction_config());
    std::string text;
    for (int i = 0; i < 100; ++i) {
        text += "river ";
    }
    const mice::document document = model.ranker.encode(text);
    CHECK(document.tokens() == 40);
    CHECK(document.tokens_cut() == 100 - 37);
    CHECK(document.ids().back() == 3); // [SEP]
    const mice::query query = model.ranker.encode_query(text);
    CHECK(query.tokens() == 16);
    CHECK(query.tokens_cut() == 100 - 13);
    CHECK(query.ids().back() == 3);

    // Ids may fill all positions but the marker's.
    CHECK(model.ranker.encode_ids(some_ids(47, 1)).tokens() == 48);
    CHECK(model.ranker.encode_query_ids(some_ids(47, 1)).tokens() == 48);
    CHECK(catch_error([&] { static_cast<void>(model.ranker.encode_ids(some_ids(48, 1))); }).code ==
          mice::errc::invalid_argument);
    CHECK(catch_error([&] {
              static_cast<void>(model.ranker.encode_query_ids(some_ids(48, 1)));
          }).code == mice::errc::invalid_argument);
}

TEST_CASE("a stored document remembers what was skipped") {
    const model_in_memory model(late_interaction_config());
    const mice::document made = model.ranker.encode(sample_texts()[0]);
    REQUIRE(made.tokens() == made.rows() + 2);
    const mice::document back = mice::document::deserialize(made.serialize());
    CHECK(back.tokens() == made.tokens());
    CHECK(back.rows() == made.rows());
    CHECK(std::ranges::equal(back.states(), made.states()));
    CHECK(model.ranker.score(question, std::span<const mice::document>(&back, 1))[0].tokens_seen ==
          made.tokens());

    // Documents that skip nothing are the same bytes as before the key was there.
    const std::vector<std::byte> whole = model.ranker.encode(sample_texts()[1]).serialize();
    CHECK(mice::io::safetensors(whole).find_metadata("mice.tokens_skipped") == nullptr);
    for (const char* hostile : {"", "-1", "x", "4294967296", "99999999999999999999"}) {
        const mice::io::safetensors file(whole);
        auto metadata = file.metadata();
        metadata["mice.tokens_skipped"] = hostile;
        std::vector<mice::io::tensor_to_write> tensors;
        for (const auto& [name, view] : file.tensors()) {
            tensors.push_back({name, view});
        }
        const std::vector<std::byte> bytes = mice::io::write_safetensors(tensors, metadata);
        INFO(hostile);
        CHECK(catch_error([&] { static_cast<void>(mice::document::deserialize(bytes)); }).code ==
              mice::errc::format);
    }
}

TEST_CASE("an index of vectors ranks as the documents in memory, in every codec") {
    const model_in_memory model(late_interaction_config());
    const std::vector<std::string> given = sample_texts();
    const mice::ranking direct = model.ranker.score(question, given);
    struct codec_limit {
        const char* name;
        float most; // of the deviations; scores are at most 16
    };
    for (const auto& [name, most] :
         {codec_limit{"f32", 0.0F}, codec_limit{"int16", 1e-3F}, codec_limit{"int8", 0.1F},
          codec_limit{"int4", 1.5F}, codec_limit{"pq18", 3.0F}}) {
        INFO(name);
        const temporary_folder folder;
        mice::index index =
            mice::index::create(folder.path(), model.ranker, {.codec = {.name = name}});
        index.put("0", given[0]);
        index.put_ids("1", model.ranker.text_tokenizer().encode(given[1]).ids);
        index.put_encoded("2", model.ranker.encode(given[2]));
        for (std::size_t i = 3; i < given.size(); ++i) {
            index.put(std::to_string(i), given[i]);
        }
        index.commit();
        const mice::index_ranking ranked = index.rank(question);
        REQUIRE(ranked.size() == given.size());
        for (const mice::index_hit& each : ranked) {
            INFO(each.id);
            const mice::hit& expected = direct[std::stoul(each.id)];
            CHECK(std::fabs(each.score - expected.score) <= most);
            CHECK(each.tokens_seen == expected.tokens_seen);
        }
        const auto stored = index.get("2");
        CHECK(stored->rows == 3);
        CHECK(stored->tokens_seen == 6);
        CHECK(index.stats().rows < index.stats().tokens);
        CHECK(index.verify().empty());

        // Codes are decoded once for all queries of a batch.
        const std::vector<mice::query> queries{model.ranker.encode_query(question),
                                               model.ranker.encode_query("stone"),
                                               model.ranker.encode_query("night, day")};
        const auto together = index.rank_batch(queries);
        for (std::size_t q = 0; q < queries.size(); ++q) {
            CHECK(hit_bits(together[q]) == hit_bits(index.rank(queries[q], {.threads = 1})));
        }
        // Merged and opened again, it is the same.
        index.erase("5");
        index.compact();
        const mice::index opened = mice::index::open(folder.path(), model.ranker);
        CHECK(opened.rank(question, {"4"})[0].score == index.rank(question, {"4"})[0].score);
        CHECK(opened.get("0")->tokens_seen == direct[0].tokens_seen);
    }
}

TEST_CASE("an index of vectors pools and drops, and has no keys and values") {
    const model_in_memory model(late_interaction_config());
    const temporary_folder folder;
    mice::index index = mice::index::create(
        folder.path() / "pooled", model.ranker,
        {.codec = {.name = "int8", .pool = 2, .drop = mice::dropped_tokens::stop_words}});
    for (const std::string& text : sample_texts()) {
        index.put("id" + text.substr(0, 5), text);
    }
    index.commit();
    CHECK(index.rank(question).size() == sample_texts().size());
    CHECK(index.stats().rows * 3 < index.stats().tokens * 2);
    for (const char* codec : {"kv-int16", "kv-int8"}) {
        const caught_error caught = catch_error([&] {
            static_cast<void>(mice::index::create(folder.path() / codec, model.ranker,
                                                  {.codec = {.name = codec}}));
        });
        CHECK(caught.code == mice::errc::invalid_argument);
        CHECK(caught.says("only MICE models"));
    }
}

TEST_CASE("hostile late-interaction configurations are refused by the key") {
    const nlohmann::json whole =
        nlohmann::json::parse(mice::config_to_json(late_interaction_config()));
    CHECK(mice::config_to_json(mice::config_from_json(whole.dump())) ==
          mice::config_to_json(late_interaction_config()));
    const auto refusal = [&](const std::string& key, const nlohmann::json& value) {
        nlohmann::json changed = whole;
        changed[key] = value;
        return catch_error([&] { static_cast<void>(mice::config_from_json(changed.dump())); });
    };
    for (const char* key : {"query_marker", "document_marker", "filler"}) {
        for (const char* value : {"-1", "128", "1e3", "4294967296", "\"5\"", "null", "[5]"}) {
            const caught_error caught = refusal(key, nlohmann::json::parse(value));
            INFO(key << " = " << value << ": " << caught.text);
            CHECK(caught.code == mice::errc::config);
            CHECK(caught.says(key));
        }
    }
    for (const char* value : {"[3, 3]", "[4, 3]", "[-1]", "[128]", "[1.5]", "7", "[[7]]",
                              "[18446744073709551615]", "{\"a\": 1}"}) {
        const caught_error caught = refusal("skipped", nlohmann::json::parse(value));
        INFO(value << ": " << caught.text);
        CHECK(caught.code == mice::errc::config);
        CHECK(caught.says("skipped"));
    }
    const caught_error marker = refusal("skipped", {120, 121});
    CHECK(marker.says("document_marker"));
    CHECK(marker.says("skipped"));
    for (const auto& [key, values] :
         {std::pair<std::string, std::vector<std::uint64_t>>{"vector_size", {0, 65537}},
          {"layers", {0, 1025}},
          {"max_query_length", {0, 2, 49}},
          {"max_document_length", {0, 2, 49}}}) {
        for (const std::uint64_t value : values) {
            INFO(key << " = " << value);
            CHECK(refusal(key, value).says(key));
        }
    }
    CHECK(refusal("pooler", true).code == mice::errc::unsupported);
    for (const auto& [key, value] : whole.items()) {
        nlohmann::json part = whole;
        part.erase(key);
        CHECK(catch_error([&] { static_cast<void>(mice::config_from_json(part.dump())); }).thrown);
    }
}

TEST_CASE("scoring vectors allocates nothing once it has run") {
    const model_in_memory model(late_interaction_config());
    const mice::nn::network& network = model.ranker.shared_model()->network();
    const std::vector<mice::document> documents = model.ranker.encode_all(sample_texts());
    std::vector<mice::nn::document_view> views;
    for (const mice::document& each : documents) {
        views.push_back({each.states().data(), each.ids().data(), each.rows()});
    }
    mice::nn::workspace space;
    mice::kernels::buffer memory;
    const mice::nn::prepared_query query =
        network.prepare_query(model.ranker.shared_model()->query_ids(some_ids(9, 4)), space);
    mice::nn::document_batch batch(views, network.packing(), memory);
    std::vector<float> scores(views.size());
    network.score(query, batch, scores.data(), space);
    allocations::reset();
    network.score(query, batch, scores.data(), space);
    CHECK(allocations::since_reset().bytes == 0);
}
