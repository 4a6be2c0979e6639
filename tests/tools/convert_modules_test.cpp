// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "convert_fixture.hpp"

#include <mice/io/tensor.hpp>
#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;

// Folders of sentence-transformers and PyLate. A golden checkpoint is taken apart into modules; the
// model file must be the one of the whole checkpoint, to the byte.
namespace {

constexpr const char* identity = "torch.nn.modules.linear.Identity";

struct module_folder : editable_checkpoint {
    explicit module_folder(const char* golden) : editable_checkpoint(golden) {
        settings = {{"model_type", "CrossEncoder"}, {"activation_fn", identity}};
        list =
            json::array({entry("", "sentence_transformers.base.modules.transformer.Transformer")});
    }

    json list, settings;

    [[nodiscard]] json entry(const std::string& path, const std::string& type) const {
        return {{"idx", list.size()}, {"name", path}, {"path", path}, {"type", type}};
    }
    void add(const std::string& path, const std::string& type, const json& module_config,
             const owned_tensors& module_tensors = {}) {
        list.push_back(entry(path, type));
        write(path + "/config.json", module_config.dump());
        if (!module_tensors.empty()) {
            write_tensors(directory() / path / "model.safetensors", module_tensors);
        }
    }
    void add_pooling(const char* mode) {
        add("1_Pooling", "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
            {{"embedding_dimension", 24}, {"pooling_mode", mode}, {"include_prompt", true}});
    }
    void add_dense(const std::string& path, const char* activation, const owned_tensors& weights,
                   const char* output = "sentence_embedding") {
        add(path, "sentence_transformers.base.modules.dense.Dense",
            {{"in_features", 24},
             {"out_features", 24},
             {"bias", weights.contains("linear.bias")},
             {"activation_function", activation},
             {"module_input_name", "sentence_embedding"},
             {"module_output_name", output}},
            weights);
    }
    /// Takes a tensor out of the transformer.
    owned_tensor take(const std::string& name) {
        const auto found = tensors.find(name);
        REQUIRE(found != tensors.end());
        owned_tensor tensor = std::move(found->second);
        tensors.erase(found);
        return tensor;
    }
    [[nodiscard]] convert_result run(const std::vector<std::string>& flags = {"--ids-only"}) const {
        write("modules.json", list.dump());
        write("config_sentence_transformers.json", settings.dump());
        return save_and_convert(flags);
    }
    void check_same_as(const editable_checkpoint& whole,
                       const std::vector<std::string>& flags = {"--ids-only"}) const {
        const convert_result expected = whole.save_and_convert(flags);
        INFO(expected.err);
        REQUIRE(expected.exit_code == 0);
        const convert_result result = run(flags);
        INFO(result.err);
        REQUIRE(result.exit_code == 0);
        CHECK(file_text(output()) == file_text(whole.output()));
    }
    [[nodiscard]] std::string refused(const std::vector<std::string>& flags = {
                                          "--ids-only"}) const {
        const convert_result result = run(flags);
        INFO(result.err);
        CHECK(result.exit_code == 1);
        CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
        CHECK(!std::filesystem::exists(output()));
        return result.err;
    }
};

/// BertForSequenceClassification in modules: its pooler and classifier as Dense.
struct bert_modules : module_folder {
    bert_modules() : module_folder("cross_encoder_bert") {
        pooler = {{"linear.weight", take("bert.pooler.dense.weight")},
                  {"linear.bias", take("bert.pooler.dense.bias")}};
        classifier = {{"linear.weight", take("classifier.weight")},
                      {"linear.bias", take("classifier.bias")}};
    }
    owned_tensors pooler, classifier;
};

struct pylate_folder : module_folder {
    pylate_folder() : module_folder("colbert") {
        config.erase("colbert");
        config["architectures"] = {"BertModel"};
        settings = {{"query_prefix", "[Q] "},
                    {"document_prefix", "[D] "},
                    {"query_length", 32},
                    {"document_length", 150},
                    {"do_query_expansion", true},
                    {"attend_to_expansion_tokens", false},
                    {"similarity_fn_name", "MaxSim"},
                    {"skiplist_words", {"!", ".", ","}}};
        write_tokenizer(*this);
        linear = take("linear.weight");
    }
    void add_projection(const std::string& path, const owned_tensors& weights,
                        const char* activation = identity, bool residual = false) {
        add(path, "pylate.models.Dense.Dense",
            {{"in_features", 24},
             {"out_features", 16},
             {"bias", weights.contains("linear.bias")},
             {"activation_function", activation},
             {"use_residual", residual}},
            weights);
    }
    static void write_tokenizer(const editable_checkpoint& where) {
        std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n!\n.\n";
        for (int i = 7; i < 209; ++i) {
            vocabulary += "w" + std::to_string(i) + "\n";
        }
        where.write("vocab.txt", vocabulary);
        where.write("added_tokens.json", R"({"[Q] ":209,"[D] ":210})");
    }
    owned_tensor linear;
};

/// The same model in ColBERT's own form.
struct whole_colbert : editable_checkpoint {
    whole_colbert() : editable_checkpoint("colbert") {
        config["colbert"] = {{"query_maxlen", 32},       {"doc_maxlen", 150},
                             {"query_marker_id", 209},   {"document_marker_id", 210},
                             {"mask_token_id", 4},       {"punctuation_token_ids", {1, 5, 6}},
                             {"mask_punctuation", true}, {"attend_to_mask_tokens", false}};
        pylate_folder::write_tokenizer(*this);
    }
};

} // namespace

TEST_CASE("fault 14: a modular BERT cross-encoder gives the file of the whole one") {
    const editable_checkpoint whole("cross_encoder_bert");
    bert_modules modules;
    modules.add_pooling("cls");
    modules.add_dense("2_Dense", "torch.nn.modules.activation.Tanh", modules.pooler);
    modules.add("3_Dropout", "sentence_transformers.models.Dropout", {{"dropout", 0.1}});
    modules.add_dense("4_Dense", identity, modules.classifier, "scores");
    modules.check_same_as(whole);
    modules.settings = json::object(); // the module that writes scores tells as much
    modules.check_same_as(whole);
}

TEST_CASE("fault 14: one Dense alone is a classifier without a pooler") {
    editable_checkpoint whole("cross_encoder_bert");
    whole.config["pooler"] = false;
    whole.tensors.erase("bert.pooler.dense.weight");
    whole.tensors.erase("bert.pooler.dense.bias");
    bert_modules modules;
    // The transformer as AutoModel saves it has a pooler that nothing behind it reads.
    modules.tensors["bert.pooler.dense.weight"] = modules.pooler["linear.weight"];
    modules.tensors["bert.pooler.dense.bias"] = modules.pooler["linear.bias"];
    modules.add_pooling("cls");
    modules.add_dense("2_Dense", identity, modules.classifier, "scores");
    modules.check_same_as(whole, {"--ids-only"});
}

TEST_CASE(
    "fault 14: a head with GELU is ELECTRA's and one with tanh BERT's whatever the backbone") {
    for (const bool electra_backbone : {false, true}) {
        bert_modules modules;
        modules.config["model_type"] = electra_backbone ? "electra" : "bert";
        modules.add_pooling("cls");
        modules.add_dense("2_Dense", "torch.nn.modules.activation.GELU", modules.pooler);
        modules.add_dense("3_Dense", identity, modules.classifier, "scores");
        editable_checkpoint whole("cross_encoder_bert");
        whole.config["model_type"] = "electra";
        whole.tensors.erase("classifier.weight");
        whole.tensors.erase("classifier.bias");
        whole.tensors.erase("bert.pooler.dense.weight");
        whole.tensors.erase("bert.pooler.dense.bias");
        whole.tensors["classifier.dense.weight"] = modules.pooler["linear.weight"];
        whole.tensors["classifier.dense.bias"] = modules.pooler["linear.bias"];
        whole.tensors["classifier.out_proj.weight"] = modules.classifier["linear.weight"];
        whole.tensors["classifier.out_proj.bias"] = modules.classifier["linear.bias"];
        modules.check_same_as(whole);
    }
    bert_modules modules;
    modules.config["model_type"] = "electra";
    modules.config["embedding_size"] = 24;
    modules.add_pooling("cls");
    modules.add_dense("2_Dense", "torch.nn.Tanh", modules.pooler);
    modules.add_dense("3_Dense", identity, modules.classifier, "scores");
    modules.check_same_as(editable_checkpoint("cross_encoder_bert"));
}

TEST_CASE("fault 14: a modular ModernBERT cross-encoder gives the file of the whole one") {
    for (const std::string mode : {"cls", "mean"}) {
        const std::string golden = "cross_encoder_modernbert_" + mode;
        const editable_checkpoint whole(golden);
        module_folder modules(golden.c_str());
        modules.config.erase("classifier_pooling");
        modules.add_pooling(mode.c_str());
        modules.add_dense("2_Dense", "torch.nn.modules.activation.GELU",
                          {{"linear.weight", modules.take("head.dense.weight")}});
        modules.add("3_LayerNorm", "sentence_transformers.models.LayerNorm", {{"dimension", 24}},
                    {{"norm.weight", modules.take("head.norm.weight")},
                     {"norm.bias", float_tensor({24}, std::vector<float>(24))}});
        modules.add_dense("4_Dense", identity,
                          {{"linear.weight", modules.take("classifier.weight")},
                           {"linear.bias", modules.take("classifier.bias")}},
                          "scores");
        modules.check_same_as(whole);
    }
}

TEST_CASE("fault 14: the transformer may lie in a folder of its own") {
    const editable_checkpoint whole("cross_encoder_bert");
    bert_modules modules;
    modules.list[0]["path"] = "0_Transformer";
    modules.add_pooling("cls");
    modules.add_dense("2_Dense", "torch.nn.Tanh", modules.pooler);
    modules.add_dense("3_Dense", identity, modules.classifier, "scores");
    modules.write("0_Transformer/config.json", modules.config.dump());
    write_tensors(modules.directory() / "0_Transformer" / "model.safetensors", modules.tensors);
    modules.write("modules.json", modules.list.dump());
    modules.write("config_sentence_transformers.json", modules.settings.dump());
    REQUIRE(whole.save_and_convert({"--ids-only"}).exit_code == 0);
    const convert_result result = modules.convert({"--ids-only"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK(file_text(modules.output()) == file_text(whole.output()));
    const std::string classifier = (modules.directory() / "3_Dense" / "model.safetensors").string();
    const std::string before = file_text(classifier);
    CHECK(run_convert({modules.directory().string(), "-o", classifier, "--ids-only"}).exit_code ==
          1);
    CHECK(file_text(classifier) == before);
}

TEST_CASE("fault 14: what is no head that mice has is refused by what is missing") {
    const auto with = [](const auto& change) {
        bert_modules modules;
        change(modules);
        return modules.refused();
    };
    const char* const tanh = "torch.nn.Tanh";
    CHECK_THAT(with([&](bert_modules& m) {
                   m.add_pooling("mean");
                   m.add_dense("2_Dense", tanh, m.pooler);
                   m.add_dense("3_Dense", identity, m.classifier, "scores");
               }),
               Contains("pooling 'mean'"));
    CHECK_THAT(with([&](bert_modules& m) {
                   m.add_pooling("cls");
                   m.add_dense("2_Dense", "torch.nn.ReLU", m.pooler);
                   m.add_dense("3_Dense", identity, m.classifier, "scores");
               }),
               Contains("the activation ReLU"));
    CHECK_THAT(with([&](bert_modules& m) {
                   m.add_pooling("cls");
                   m.add("2_Normalize", "sentence_transformers.models.Normalize", json::object());
                   m.add_dense("3_Dense", identity, m.classifier, "scores");
               }),
               Contains("the module 'Normalize' at '2_Normalize'"));
    CHECK_THAT(with([&](bert_modules& m) {
                   m.add_pooling("cls");
                   m.add_dense("2_Dense", tanh, m.pooler);
               }),
               Contains("24 labels"));
    CHECK_THAT(with([&](bert_modules& m) { m.add_pooling("cls"); }), Contains("no Dense module"));
    CHECK_THAT(with([&](bert_modules& m) {
                   m.add_pooling("cls");
                   m.add_dense("2_Dense", tanh, m.classifier, "scores");
               }),
               Contains("Tanh of the score"));
    CHECK_THAT(with([&](bert_modules& m) {
                   m.add("1_LogitScore", "sentence_transformers.cross_encoder.modules.LogitScore",
                         json::object());
               }),
               Contains("LogitScore"));
    CHECK_THAT(with([&](bert_modules& m) {
                   m.settings = json::object();
                   m.add_pooling("mean");
               }),
               Contains("bi-encoder") && Contains("--derive l1+all"));
    CHECK_THAT(with([&](bert_modules& m) {
                   m.settings["model_type"] = "MultiVectorEncoder";
                   m.add_dense("1_Dense", identity, m.classifier);
               }),
               Contains("MultiVectorEncoder"));
    CHECK_THAT(with([&](bert_modules& m) {
                   m.settings["prompts"] = {{"query", "find: "}};
                   m.settings["default_prompt_name"] = "query";
                   m.add_pooling("cls");
                   m.add_dense("2_Dense", identity, m.classifier, "scores");
               }),
               Contains("the default prompt 'query'"));
    module_folder modern("cross_encoder_modernbert_cls");
    modern.add_pooling("cls");
    modern.add_dense("2_Dense", identity,
                     {{"linear.weight", modern.take("classifier.weight")},
                      {"linear.bias", modern.take("classifier.bias")}},
                     "scores");
    modern.tensors.erase("head.dense.weight");
    modern.tensors.erase("head.norm.weight");
    CHECK_THAT(modern.refused(), Contains("LayerNorm"));
}

TEST_CASE("fault 14: hostile modules are refused before they are read") {
    const auto with = [](const json& list) {
        bert_modules modules;
        modules.list = list;
        return modules.refused();
    };
    const char* const transformer = "sentence_transformers.models.Transformer";
    for (const char* path : {"../other", "/etc", "a/b", "..", "C:x"}) {
        CHECK_THAT(with({{{"path", ""}, {"type", transformer}},
                         {{"path", path}, {"type", "sentence_transformers.models.Dense"}}}),
                   Contains("not a plain folder name"));
    }
    CHECK_THAT(with(json::object()), Contains("modules.json"));
    CHECK_THAT(with(json::array()), Contains("modules.json"));
    CHECK_THAT(with(json::array({1})), Contains("lacks 'type' or 'path'"));
    CHECK_THAT(with({{{"path", 7}, {"type", transformer}}}), Contains("'path'"));
    CHECK_THAT(with({{{"path", ""}, {"type", "sentence_transformers.models.Router"}}}),
               Contains("'Router'"));
    bert_modules missing;
    missing.add_pooling("cls");
    missing.add_dense("2_Dense", identity, {});
    CHECK_THAT(missing.refused(), Contains("no model.safetensors"));
    bert_modules key;
    key.add_pooling("cls");
    key.add_dense("2_Dense", identity, key.classifier, "scores");
    key.write("2_Dense/config.json", R"({"activation_function":"torch.nn.Identity","scale":2})");
    CHECK_THAT(key.refused(), Contains("'scale'"));
    bert_modules shape;
    shape.add_pooling("cls");
    shape.add_dense("2_Dense", "torch.nn.Tanh",
                    {{"linear.weight", float_tensor({7, 24}, std::vector<float>(168))},
                     {"linear.bias", float_tensor({7}, std::vector<float>(7))}});
    shape.add_dense("3_Dense", identity, shape.classifier, "scores");
    CHECK_THAT(shape.refused(), Contains("pooler.dense.weight") && Contains("[7, 24]"));
    bert_modules joined;
    joined.add_pooling("cls");
    joined.add_dense("2_Dense", identity,
                     {{"linear.weight", float_tensor({7, 24}, std::vector<float>(168))},
                      {"linear.bias", float_tensor({7}, std::vector<float>(7))}});
    joined.add_dense("3_Dense", identity, joined.classifier, "scores");
    CHECK_THAT(joined.refused(), Contains("takes 24 values, but gets 7"));
}

TEST_CASE("fault 14: a cross-encoder or a bi-encoder of modules can be derived from") {
    bert_modules cross;
    cross.add_pooling("cls");
    cross.add_dense("2_Dense", "torch.nn.Tanh", cross.pooler);
    cross.add_dense("3_Dense", identity, cross.classifier, "scores");
    cross.check_same_as(editable_checkpoint("cross_encoder_bert"),
                        {"--derive", "l2+1", "--ids-only"});
    bert_modules vectors;
    vectors.settings = {{"model_type", "SentenceTransformer"}};
    vectors.add_pooling("mean");
    vectors.add("2_Normalize", "sentence_transformers.models.Normalize", json::object());
    CHECK(vectors.run({"--derive", "l1+all", "--ids-only"}).exit_code == 0);
    CHECK_THAT(vectors.run({"--derive", "masked:document-alone"}).err, Contains("bi-encoder"));
}

TEST_CASE("fault 14: a PyLate folder gives the file of ColBERT's own form") {
    const whole_colbert whole;
    pylate_folder pylate;
    pylate.add_projection("1_Dense", {{"linear.weight", pylate.linear}});
    pylate.check_same_as(whole, {});
    // skiplist_words has a word that is no token, which is the unknown one there
    CHECK(read_model(pylate.output()).config()["skipped"] == json({1, 5, 6}));
}

TEST_CASE("fault 14: several Dense modules of PyLate are one projection") {
    const whole_colbert whole;
    pylate_folder pylate;
    const std::size_t width = pylate.linear.shape[1];
    const mice::io::tensor_shape square{width, width};
    std::vector<float> half(width * width);
    for (std::size_t i = 0; i < width; ++i) {
        half[i * (width + 1)] = 0.5F;
    }
    std::vector<float> twice = floats_of(pylate.linear);
    std::for_each(twice.begin(), twice.end(), [](float& value) { value *= 2; });
    const owned_tensor doubled = float_tensor(pylate.linear.shape, twice);
    pylate.add_projection("1_Dense", {{"linear.weight", float_tensor(square, half)}});
    pylate.add_projection("2_Dense", {{"linear.weight", doubled}});
    pylate.check_same_as(whole, {});
    // By a residual matrix of its own 0.5 x + 0.5 x = x.
    pylate_folder residual;
    residual.add_projection("1_Dense",
                            {{"linear.weight", float_tensor(square, half)},
                             {"residual.weight", float_tensor(square, half)}},
                            identity, true);
    residual.add_projection("2_Dense", {{"linear.weight", residual.linear}});
    residual.check_same_as(whole, {});
    std::vector<float> less = half; // -0.5 x + x
    std::for_each(less.begin(), less.end(), [](float& value) { value = -value; });
    pylate_folder itself;
    itself.add_projection("1_Dense", {{"linear.weight", float_tensor(square, less)}}, identity,
                          true);
    itself.add_projection("2_Dense", {{"linear.weight", doubled}});
    itself.check_same_as(whole, {});
}

TEST_CASE("fault 14: settings of PyLate that mice does not have are refused by name") {
    const auto with = [](const char* key, const json& value) {
        pylate_folder pylate;
        pylate.add_projection("1_Dense", {{"linear.weight", pylate.linear}});
        pylate.settings[key] = value;
        return pylate.refused({});
    };
    CHECK_THAT(with("do_query_expansion", false), Contains("do_query_expansion"));
    CHECK_THAT(with("query_prefix", ""), Contains("prefix"));
    CHECK_THAT(with("document_prefix", "[Doc]"),
               Contains("no token '[Doc]', the document_prefix") && Contains("--tokenizer PATH"));
    CHECK_THAT(with("similarity_fn_name", "cosine"), Contains("'cosine'"));
    CHECK_THAT(with("query_length", "32"), Contains("max_query_length"));
    CHECK_THAT(with("document_length", 161), Contains("max_document_length"));
    CHECK_THAT(with("skiplist_words", "!"), Contains("skiplist_words"));
    CHECK_THAT(with("attend_to_expansion_tokens", 1), Contains("attend_to_mask_tokens"));
    pylate_folder biased;
    biased.add_projection("1_Dense",
                          {{"linear.weight", biased.linear},
                           {"linear.bias", float_tensor({16}, std::vector<float>(16, 1))}});
    CHECK_THAT(biased.refused({}), Contains("a bias of the module '1_Dense'"));
    pylate_folder active;
    active.add_projection("1_Dense", {{"linear.weight", active.linear}}, "torch.nn.GELU");
    CHECK_THAT(active.refused({}), Contains("the activation GELU"));
    pylate_folder modern;
    modern.config["model_type"] = "modernbert";
    modern.add_projection("1_Dense", {{"linear.weight", modern.linear}});
    CHECK_THAT(modern.refused({}), Contains("late interaction with a ModernBERT backbone"));
}

TEST_CASE("fault 14: PyLate's defaults hold where the folder says nothing") {
    pylate_folder pylate;
    pylate.settings = {{"model_type", "ColBERT"}, {"document_length", 100}};
    pylate.add_projection("1_Dense", {{"linear.weight", pylate.linear}});
    const convert_result result = pylate.run({});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const json config = read_model(pylate.output()).config();
    CHECK(config["max_query_length"] == 32);
    CHECK(config["query_marker"] == 209);
    CHECK(config["attend_to_filler"] == false);
    CHECK(config["skipped"] == json({1, 5, 6})); // the 32 marks, of which two are tokens
}

TEST_CASE("fault 14: texts that are lowercased before the tokenizer need one that does so") {
    bert_modules modules;
    modules.add_pooling("cls");
    modules.add_dense("2_Dense", "torch.nn.Tanh", modules.pooler);
    modules.add_dense("3_Dense", identity, modules.classifier, "scores");
    modules.write("sentence_bert_config.json", R"({"do_lower_case":true})");
    modules.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
    modules.write("tokenizer_config.json", R"({"do_lower_case":false})");
    CHECK_THAT(modules.refused({}), Contains("do_lower_case"));
    modules.write("tokenizer_config.json", "{}");
    CHECK(modules.run({}).exit_code == 0);
}

TEST_CASE("fault 14: modules in half precision stay so") {
    bert_modules modules;
    editable_checkpoint whole("cross_encoder_bert");
    const auto halve = [](owned_tensor& tensor) {
        const std::size_t count = tensor.bytes.size() / sizeof(float);
        tensor.type = mice::io::dtype::f16;
        tensor.bytes.assign(2 * count, std::byte{0x30}); // 0.129
    };
    for (owned_tensors* each :
         {&modules.tensors, &modules.pooler, &modules.classifier, &whole.tensors}) {
        for (auto& [name, tensor] : *each) {
            halve(tensor);
        }
    }
    modules.add_pooling("cls");
    modules.add_dense("2_Dense", "torch.nn.Tanh", modules.pooler);
    modules.add_dense("3_Dense", identity, modules.classifier, "scores");
    modules.check_same_as(whole);
    CHECK(read_model(modules.output()).metadata("mice.weights") == "f16");
}
