// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"

#include <functional>
#include <limits>

#include <nlohmann/json.hpp>

#include <mice/model/config_json.hpp>
#include <mice/networks/network.hpp>

namespace {

using fixtures::catch_error;
using fixtures::caught_error;
using nlohmann::json;

json small_json() {
    return json::parse(mice::config_to_json(fixtures::small_config()));
}

caught_error read_error(const json& value) {
    return catch_error([&] { static_cast<void>(mice::config_from_json(value.dump())); });
}

caught_error validation_error(const std::function<void(mice::model_config&)>& change) {
    mice::model_config config = fixtures::small_config();
    change(config);
    return catch_error([&] { config.validate(); });
}

} // namespace

TEST_CASE("a configuration comes back from its text unchanged") {
    for (const auto& [name, config] : fixtures::every_kind()) {
        INFO(name);
        const std::string text = mice::config_to_json(config);
        const mice::model_config back = mice::config_from_json(text);
        CHECK(mice::config_to_json(back) == text);
        CHECK(back.hidden_size == config.hidden_size);
        CHECK(back.embedding_size == config.embedding_size);
        CHECK(back.cls_cross_attention == config.cls_cross_attention);
        CHECK(back.document_layers == config.document_layers);
        CHECK(back.compress_dim == config.compress_dim);
        CHECK(back.layer_norm_eps == config.layer_norm_eps);
    }
    mice::model_config fine = fixtures::small_config();
    fine.layer_norm_eps = 0.1234567890123456789e-7;
    CHECK(mice::config_from_json(mice::config_to_json(fine)).layer_norm_eps == fine.layer_norm_eps);
}

TEST_CASE("every key of a configuration must be there, and no other") {
    REQUIRE(small_json().size() == 24);
    for (const auto& [name, config] : fixtures::every_kind()) {
        const json whole = json::parse(mice::config_to_json(config));
        for (const auto& [key, value] : whole.items()) {
            INFO(name << ", " << key);
            json part = whole;
            part.erase(key);
            const caught_error missing = read_error(part);
            CHECK(missing.thrown);
            CHECK(missing.code == mice::errc::config);
            CHECK((key == "kind" || missing.says("'" + key + "' is missing")));
        }
        json more = whole;
        more["another_option"] = 128;
        const caught_error unknown = read_error(more);
        CHECK(unknown.code == mice::errc::unsupported);
        CHECK(unknown.says("another_option"));
    }
}

TEST_CASE("every key of a configuration refuses values of another type by name") {
    const json others = json::parse(R"([null, true, -1, 1.5, "text", [], {}, [1], 7])");
    for (const auto& [name, config] : fixtures::every_kind()) {
        const json whole = json::parse(mice::config_to_json(config));
        for (const auto& [key, value] : whole.items()) {
            for (const json& other : others) {
                const bool same_type =
                    value.type() == other.type() || (value.is_number_float() && other.is_number());
                if (same_type) {
                    continue;
                }
                json changed = whole;
                changed[key] = other;
                const caught_error wrong = read_error(changed);
                INFO(name << ", " << key << " = " << other.dump() << ": " << wrong.text);
                CHECK(wrong.thrown);
                CHECK(wrong.code == mice::errc::config);
                CHECK(wrong.says(key));
            }
        }
    }
}

TEST_CASE("lists in a configuration are checked entry by entry") {
    const auto changed_error = [](const mice::model_config& config, const char* key,
                                  const char* value) {
        json changed = json::parse(mice::config_to_json(config));
        REQUIRE(changed.contains(key));
        changed[key] = json::parse(value);
        const caught_error wrong = read_error(changed);
        INFO(key << " = " << value << ": " << wrong.text);
        CHECK(wrong.thrown);
        return wrong;
    };
    mice::model_config modern = fixtures::small_config();
    modern.lexical_bias = true;
    fixtures::make_modernbert(modern);
    for (const char* ids : {"[3, 2]", "[2, 2]", "[128]", "[-1]", "[\"2\"]", "[99999999999]"}) {
        CHECK(changed_error(modern, "special_token_ids", ids).says("special_token_ids"));
    }
    for (const char* types : {"[]", "[\"full_attention\"]", "[1, 2, 3]",
                              R"(["full_attention", "full_attention", "linear_attention"])"}) {
        CHECK(changed_error(modern, "layer_types", types).says("layer_types"));
    }
    const mice::model_config pair = fixtures::small_cross_encoder();
    const std::string range = R"({"layers": 3, "cls": "cqd", "query": "qd", "document": "d",
                                  "document_window": 2})";
    json fine = json::parse(mice::config_to_json(pair));
    fine["visibility"] = json::array({json::parse(range)});
    CHECK_FALSE(read_error(fine).thrown);
    const auto with = [&](const char* key, const char* value) {
        json one = json::parse(range);
        one[key] = json::parse(value);
        return json::array({one}).dump();
    };
    for (const auto& [key, value] :
         {std::pair("layers", "2"), std::pair("layers", "0"), std::pair("layers", "4"),
          std::pair("cls", "\"qd\""), std::pair("query", "\"cd\""), std::pair("document", "\"cq\""),
          std::pair("cls", "\"cx\""), std::pair("cls", "7"), std::pair("document_window", "-1"),
          std::pair("more", "1")}) {
        (void)changed_error(pair, "visibility", with(key, value).c_str());
    }
    (void)changed_error(pair, "visibility", "[3]");
}

TEST_CASE("text that is no configuration is refused") {
    for (const std::string text : {"", "{", "null", "[]", "7", "\"bert\"",
                                   "{\"model_type\":\"bert\",\"model_type\":\"bert\"}", "{}x",
                                   "\xff\xfe", "[[[[[[[[[[[[[[[[[[[[[[[[[[[["}) {
        INFO(text);
        const caught_error wrong =
            catch_error([&] { static_cast<void>(mice::config_from_json(text)); });
        CHECK(wrong.thrown);
        CHECK((wrong.code == mice::errc::format || wrong.code == mice::errc::config));
    }
    const std::string hidden =
        mice::config_to_json(fixtures::small_config()) + std::string(1, '\0') + "x";
    CHECK(catch_error([&] { static_cast<void>(mice::config_from_json(hidden)); }).says("NUL byte"));
    const caught_error large = catch_error(
        [] { static_cast<void>(mice::config_from_json(std::string(70000, ' ') + "{}")); });
    CHECK(large.code == mice::errc::format);
}

TEST_CASE("a size out of range is refused with its name, its limits and its value") {
    struct limit {
        const char* key;
        std::vector<std::uint64_t> bad;
    };
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    const std::vector<limit> limits{
        {"hidden_size", {0, 65537, most}},      {"embedding_size", {0, 65537, most}},
        {"num_attention_heads", {0, 33, most}}, {"intermediate_size", {0, 65537, most}},
        {"vocab_size", {0, 16777217, most}},    {"max_position_embeddings", {0, 1, 16777217, most}},
        {"type_vocab_size", {0, 65537, most}},  {"n_contextualization_layers", {1025, most}},
        {"n_docs_ctx_layers", {1025, most}},    {"n_interaction_layers", {0, 1025, most}},
        {"max_query_length", {0, 1, 49, most}}, {"max_document_length", {0, 1, 49, most}}};
    for (const limit& one : limits) {
        for (const std::uint64_t value : one.bad) {
            json changed = small_json();
            changed[one.key] = value;
            const caught_error wrong = read_error(changed);
            INFO(one.key << " = " << value << ": " << wrong.text);
            CHECK(wrong.code == mice::errc::config);
            CHECK(wrong.says(one.key));
            CHECK(wrong.says("got " + std::to_string(value)));
        }
    }
    for (const double epsilon : {0.0, -1e-5, 1.0, 1e300}) {
        json changed = small_json();
        changed["layer_norm_eps"] = epsilon;
        CHECK(read_error(changed).says("layer_norm_eps"));
    }
    for (const double divisor : {0.0, 0.5, -2.0, 33.0, 1e300}) {
        json changed = small_json();
        changed["compress_dim"] = divisor;
        const caught_error wrong = read_error(changed);
        CHECK(wrong.code == mice::errc::config);
        CHECK(wrong.says("compress_dim"));
    }
    const caught_error nan = validation_error(
        [](mice::model_config& c) { c.compress_dim = std::numeric_limits<double>::quiet_NaN(); });
    CHECK(nan.says("compress_dim"));
}

TEST_CASE("contradicting options are refused with both names") {
    struct contradiction {
        std::function<void(mice::model_config&)> change;
        std::vector<const char*> names;
    };
    using config = mice::model_config;
    const std::vector<contradiction> all{
        {[](config& c) { c.document_layers = 2; },
         {"bound_bottom_layers", "n_docs_ctx_layers", "n_contextualization_layers"}},
        {[](config& c) { c.global_cls_token = c.extra_attn_bias = true; },
         {"global_cls_token", "extra_attn_bias"}},
        {[](config& c) {
             c.global_cls_token = true;
             c.compress_dim = 2;
         },
         {"global_cls_token", "compress_dim"}},
        {[](config& c) {
             c.cls_cross_attention = mice::cls_cross::mean_skip_last;
             c.cross_attn_first = true;
         },
         {"cls_cross_attention", "mean_skip_last", "cross_attn_first"}},
        {[](config& c) {
             c.use_self_attention = false;
             c.cross_attn_first = true;
         },
         {"use_self_attention", "cross_attn_first"}},
        {[](mice::model_config& c) { c.lexical_bias = true; }, {"lexical_bias", "bert"}},
        {[](mice::model_config& c) {
             c.lexical_bias = c.global_cls_token = true;
             fixtures::make_modernbert(c);
         },
         {"global_cls_token", "lexical_bias"}},
        {[](mice::model_config& c) {
             c.compress_dim = 2;
             fixtures::make_modernbert(c);
         },
         {"compress_dim", "modernbert"}},
        {[](mice::model_config& c) {
             fixtures::make_modernbert(c);
             c.pooler = true;
         },
         {"modernbert", "pooler"}},
        {[](mice::model_config& c) {
             c = fixtures::small_cross_encoder();
             c.sliding_window = 3;
             c.visibility = {{3, {}, {}, {}, 2}};
             fixtures::make_modernbert(c);
         },
         {"document_window", "sliding_window"}},
        {[](mice::model_config& c) {
             c = fixtures::small_cross_encoder();
             c.positions_restart = true;
             c.visibility = {{3, {}, {}, {false, false, true}, 0}};
         },
         {"max_query_length", "max_document_length", "max_pair_length"}},
        {[](config& c) { c.num_attention_heads = 5; }, {"hidden_size 32", "num_attention_heads 5"}},
        {[](config& c) { c.compress_dim = 1.1; }, {"compress_dim", "width", "heads"}}};
    for (const contradiction& one : all) {
        const caught_error wrong = validation_error(one.change);
        INFO(wrong.text);
        CHECK(wrong.thrown);
        CHECK(wrong.code == mice::errc::config);
        for (const char* name : one.names) {
            CHECK(wrong.says(name));
        }
    }
}

TEST_CASE("what this version cannot run is refused by name") {
    const caught_error family =
        validation_error([](mice::model_config& c) { c.model_type = "deberta"; });
    CHECK(family.code == mice::errc::unsupported);
    CHECK(family.says("deberta"));
    CHECK(family.says("not supported yet"));
    const caught_error activation =
        validation_error([](mice::model_config& c) { c.hidden_act = "gelu_new"; });
    CHECK(activation.code == mice::errc::unsupported);
    CHECK(activation.says("gelu_new"));
    json other{{"model_type", "deberta"}, {"layer_types", json::array()}};
    CHECK(read_error(other).says("deberta"));
    json family_name = small_json();
    family_name["cls_cross_attention"] = "none";
    CHECK(read_error(family_name).says("full, mean or mean_skip_last"));
}
