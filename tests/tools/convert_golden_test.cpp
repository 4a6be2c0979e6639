// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <mice/model/config_json.hpp>
#include <nlohmann/json.hpp>

#include "common/reference_scorer.hpp"
#include "convert_fixture.hpp"
#include "golden_model.hpp"

using nlohmann::json;

namespace {

std::vector<std::string> cases_of(const std::string& kind) {
    std::vector<std::string> cases;
    for (const json& entry : json::parse(file_text(golden_model("index.json")))) {
        if (entry["kind"] == kind) {
            cases.push_back(entry["case"]);
        }
    }
    return cases;
}

json index_entry(const std::string& name) {
    const json index = json::parse(file_text(golden_model("index.json")));
    const auto found = std::find_if(index.begin(), index.end(),
                                    [&name](const json& entry) { return entry["case"] == name; });
    REQUIRE(found != index.end());
    return *found;
}

double largest_difference(const mice::tools::reference_matrix& states,
                          const mice::io::tensor_view& golden) {
    REQUIRE(static_cast<std::size_t>(states.size()) == golden.elements());
    double largest = 0;
    for (std::size_t i = 0; i < golden.elements(); ++i) {
        largest = std::max(largest, std::abs(states.data()[i] - golden.at<float>(i)));
    }
    return largest;
}

} // namespace

TEST_CASE("every golden MICE checkpoint converts and its reference scores agree") {
    const std::vector<std::string> cases = cases_of("mice");
    REQUIRE(cases.size() == 30);
    for (const std::string& name : cases) {
        INFO(name);
        const temporary_folder folder;
        const auto path = folder.path() / "model.mice";
        const convert_result result =
            run_convert({golden_model(name).string(), "-o", path.string(), "--ids-only"});
        INFO(result.err);
        REQUIRE(result.exit_code == 0);
        CHECK(result.err.empty());

        const read_model model(path);
        CHECK(model.metadata("mice.weights") == "f32");
        const mice::tools::reference_scorer scorer(
            mice::config_from_json(model.metadata("mice.config")), model.contents.tensors());
        const read_model golden(golden_model(name) / "golden.safetensors");
        const json entry = index_entry(name);
        REQUIRE(entry["scores"].size() == entry["pairs"].get<std::size_t>());
        for (std::size_t i = 0; i < entry["scores"].size(); ++i) {
            INFO("pair " << i);
            const std::string pair = "pair" + std::to_string(i) + ".";
            const auto query = golden::ids(golden.contents, pair + "query_ids");
            const auto document = golden::ids(golden.contents, pair + "document_ids");
            // the weights of ModernBERT's norms are multiplied into matrices, which rounds to
            // floats
            CHECK(std::abs(scorer.score(query, document) - entry["scores"][i].get<double>()) <
                  (entry["family"] == "modernbert" ? 2e-6 : 1e-9));
            CHECK(largest_difference(scorer.query_states(query), golden.tensor(pair + "Q0")) <
                  1e-5);
            CHECK(largest_difference(scorer.document_states(document), golden.tensor(pair + "D")) <
                  1e-5);
        }
    }
}

TEST_CASE("every golden cross-encoder converts and its reference scores agree") {
    const std::vector<std::string> cases = cases_of("cross_encoder");
    REQUIRE(cases.size() == 3);
    for (const std::string& name : cases) {
        INFO(name);
        const temporary_folder folder;
        const auto path = folder.path() / "model.mice";
        const convert_result result =
            run_convert({golden_model(name).string(), "-o", path.string(), "--ids-only"});
        INFO(result.err);
        REQUIRE(result.exit_code == 0);
        const read_model model(path);
        const mice::tools::reference_scorer scorer(
            mice::config_from_json(model.metadata("mice.config")), model.contents.tensors());
        const read_model golden(golden_model(name) / "golden.safetensors");
        const json entry = index_entry(name);
        for (std::size_t i = 0; i < entry["scores"].size(); ++i) {
            INFO("pair " << i);
            const auto ids =
                golden::ids(golden.contents, "pair" + std::to_string(i) + ".input_ids");
            const auto second = std::find(ids.begin(), ids.end(), 3) + 1; // behind the first [SEP]
            std::vector<std::int32_t> document{ids.front()};
            document.insert(document.end(), second, ids.end());
            CHECK(std::abs(scorer.score({ids.begin(), second}, document) -
                           entry["scores"][i].get<double>()) < 1e-9);
        }
    }
}

TEST_CASE("the stored self-test replays in the reference scorer") {
    for (const char* format : {"f32", "f16", "int8"}) {
        INFO(format);
        const temporary_folder folder;
        const auto path = folder.path() / "model.mice";
        const convert_result result =
            run_convert({golden_model("bert_untied").string(), "-o", path.string(), "--ids-only",
                         "--weights", format, "--self-test", "5"});
        REQUIRE(result.exit_code == 0);
        const read_model model(path);
        const auto scores = model.tensor("selftest.scores");
        REQUIRE(scores.elements() == 5);
        const auto queries = golden::ids(model.contents, "selftest.query_ids");
        const auto documents = golden::ids(model.contents, "selftest.document_ids");
        const auto query_ends = golden::ids(model.contents, "selftest.query_offsets");
        const auto document_ends = golden::ids(model.contents, "selftest.document_offsets");
        REQUIRE(query_ends.size() == 6);
        REQUIRE(document_ends.size() == 6);
        CHECK(query_ends.front() == 0);
        CHECK(static_cast<std::size_t>(document_ends.back()) == documents.size());
        const mice::tools::reference_scorer scorer(
            mice::config_from_json(model.metadata("mice.config")), model.contents.tensors());
        for (std::size_t i = 0; i < 5; ++i) {
            const std::vector<std::int32_t> query(queries.begin() + query_ends[i],
                                                  queries.begin() + query_ends[i + 1]);
            const std::vector<std::int32_t> document(documents.begin() + document_ends[i],
                                                     documents.begin() + document_ends[i + 1]);
            CHECK(query.size() >= 2);
            CHECK(document.size() <= 48);
            CHECK(scores.at<float>(i) == Approx(scorer.score(query, document)).epsilon(1e-6));
        }
    }
}

TEST_CASE("the configuration in the model file says what the checkpoint's says") {
    for (const char* name : {"bert_compress2", "bert_untied", "bert_vanilla_mean_skip_last"}) {
        INFO(name);
        const temporary_folder folder;
        const auto path = folder.path() / "model.mice";
        REQUIRE(run_convert({golden_model(name).string(), "-o", path.string(), "--ids-only"})
                    .exit_code == 0);
        const json written = read_model(path).config();
        const json given = json::parse(file_text(golden_model(name) / "config.json"));
        for (const auto& [key, value] : given.items()) {
            if (written.contains(key) && !value.is_null()) {
                INFO(key);
                CHECK(written[key] == value);
            }
        }
        CHECK(written["pooler"] == true);
    }
    const temporary_folder folder;
    const auto path = folder.path() / "model.mice";
    REQUIRE(
        run_convert({golden_model("bert_no_pooler").string(), "-o", path.string(), "--ids-only"})
            .exit_code == 0);
    CHECK(read_model(path).config()["pooler"] == false);
}

TEST_CASE("layout variants are read and what was dropped is said") {
    const temporary_folder folder;
    const auto path = folder.path() / "model.mice";
    const auto notes = [&path](const char* name) {
        const convert_result result =
            run_convert({golden_model(name).string(), "-o", path.string(), "--ids-only"});
        CHECK(result.exit_code == 0);
        return result.out;
    };
    using Catch::Matchers::Contains;
    CHECK_THAT(notes("bert_vanilla_full"), Contains("removed the prefix 'model.'"));
    CHECK_THAT(notes("bert_vanilla_mean"),
               Contains("dropped the buffer 'embeddings.position_ids'"));
    CHECK_THAT(notes("bert_no_self_attention"), Contains("dropped 20 self-attention tensors"));
    CHECK(read_model(path).contents.find("top_layers.0.attention.self.query.weight") == nullptr);
}

TEST_CASE("what ModernBERT's configuration has to say is asked for by name") {
    const auto error_of = [](const std::function<void(json&)>& change) {
        editable_checkpoint checkpoint("modernbert_window");
        change(checkpoint.config);
        const convert_result result = checkpoint.save_and_convert();
        CHECK(result.exit_code == 1);
        return result.err;
    };
    using Catch::Matchers::Contains;
    CHECK_THAT(error_of([](json& c) { c.erase("rope_parameters"); }),
               Contains("global_rope_theta"));
    CHECK_THAT(error_of([](json& c) { c["rope_parameters"].erase("sliding_attention"); }),
               Contains("rope_parameters.sliding_attention.rope_theta"));
    CHECK_THAT(
        error_of([](json& c) { c["rope_parameters"]["full_attention"]["rope_type"] = "yarn"; }),
        Contains("yarn"));
    CHECK_THAT(error_of([](json& c) { c["rope_parameters"]["full_attention"]["rope_theta"] = 0; }),
               Contains("global_rope_theta"));
    CHECK_THAT(error_of([](json& c) { c.erase("layer_types"); }), Contains("layer_types"));
    CHECK_THAT(error_of([](json& c) { c["layer_types"] = json::array({"full_attention"}); }),
               Contains("layer_types") && Contains("5 layers"));
    CHECK_THAT(error_of([](json& c) { c["layer_types"][1] = "linear_attention"; }),
               Contains("linear_attention"));
    CHECK_THAT(error_of([](json& c) { c["norm_bias"] = true; }), Contains("norm_bias"));
    CHECK_THAT(error_of([](json& c) { c["hidden_activation"] = "silu"; }), Contains("silu"));
    CHECK_THAT(error_of([](json& c) { c["compress_dim"] = 2; }), Contains("compress_dim"));
    CHECK_THAT(error_of([](json& c) {
                   c["lexical_bias"] = true;
                   c["global_cls_token"] = true;
               }),
               Contains("lexical_bias") && Contains("global_cls_token"));
    CHECK_THAT(error_of([](json& c) {
                   c["lexical_bias"] = true;
                   c.erase("special_token_ids");
               }),
               Contains("special_token_ids"));

    editable_checkpoint pair("cross_encoder_modernbert_cls");
    pair.config.erase("local_attention");
    CHECK_THAT(pair.save_and_convert().err, Contains("local_attention"));
    editable_checkpoint labels("cross_encoder_bert");
    labels.tensors["classifier.weight"] = float_tensor({2, 24}, std::vector<float>(48, 0.5F));
    CHECK_THAT(labels.save_and_convert().err, Contains("2 labels"));
}
