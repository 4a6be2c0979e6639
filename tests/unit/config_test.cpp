// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"

#include <functional>
#include <limits>

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
    for (const auto& [name, config] : fixtures::every_option()) {
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
    const json whole = small_json();
    REQUIRE(whole.size() == 24);
    for (const auto& [key, value] : whole.items()) {
        INFO(key);
        json part = whole;
        part.erase(key);
        const caught_error missing = read_error(part);
        CHECK(missing.thrown);
        CHECK(missing.code == mice::errc::config);
        CHECK(missing.says("'" + key + "' is missing"));
    }
    json more = whole;
    more["sliding_window"] = 128;
    const caught_error unknown = read_error(more);
    CHECK(unknown.code == mice::errc::unsupported);
    CHECK(unknown.says("sliding_window"));
}

TEST_CASE("every key of a configuration refuses values of another type by name") {
    const json whole = small_json();
    const json others = json::parse(R"([null, true, -1, 1.5, "text", [], {}, [1], 7])");
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
            INFO(key << " = " << other.dump() << ": " << wrong.text);
            CHECK(wrong.thrown);
            CHECK(wrong.code == mice::errc::config);
            CHECK(wrong.says(key));
        }
    }
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
        validation_error([](mice::model_config& c) { c.model_type = "modernbert"; });
    CHECK(family.code == mice::errc::unsupported);
    CHECK(family.says("modernbert"));
    CHECK(family.says("not supported yet"));
    const caught_error activation =
        validation_error([](mice::model_config& c) { c.hidden_act = "gelu_new"; });
    CHECK(activation.code == mice::errc::unsupported);
    CHECK(activation.says("gelu_new"));
    json other{{"model_type", "modernbert"}, {"layer_types", json::array()}};
    CHECK(read_error(other).says("modernbert"));
    json family_name = small_json();
    family_name["cls_cross_attention"] = "none";
    CHECK(read_error(family_name).says("full, mean or mean_skip_last"));
}
