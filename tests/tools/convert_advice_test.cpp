// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "convert_fixture.hpp"

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;

// Follows the advice of errors, as people do: gives every option that an error proposes. In the end
// there must be a model, and no error may come twice.
namespace {

using arguments = std::vector<std::string>;

/// The words of a message, quotation marks and the punctuation behind words gone.
std::vector<std::string> words_of(const std::string& message) {
    std::istringstream stream(message);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) {
        while (!word.empty() &&
               std::string_view(";,.:()").find(word.back()) != std::string_view::npos) {
            word.pop_back();
        }
        if (word.starts_with('(')) {
            word.erase(0, 1);
        }
        if (word.size() > 1 && word.front() == '\'' && word.back() == '\'') {
            word = word.substr(1, word.size() - 2);
        }
        words.push_back(word);
    }
    return words;
}

/// A value for what stands behind an option; nothing where that is no value.
std::optional<std::string> value_of(const std::string& word, const std::string& tokenizer) {
    static const std::set<std::string> prose{"turns", "belongs", "fits", "if",    "as",  "at",
                                             "or",    "out",     "is",   "means", "and", ""};
    if (word == "PATH") {
        return tokenizer;
    }
    if (word == "N") {
        return "32";
    }
    if (word == "C") {
        return "2";
    }
    return prose.contains(word) ? std::nullopt : std::optional(word);
}

void remove_flag(arguments& given, const std::string& flag) {
    const auto place = std::find(given.begin(), given.end(), flag);
    if (place != given.end()) {
        given.erase(place, place + 2);
    }
}

/// Does what the message says: adds options, replaces values, leaves options out.
arguments follow(const std::string& message, arguments given, const std::string& tokenizer) {
    const std::vector<std::string> words = words_of(message);
    if (message.find("leave the flag out") != std::string::npos) {
        for (const std::string& word : words) {
            const std::string flag = word.starts_with("--") ? word : "--" + word;
            std::string dashed = flag;
            std::replace(dashed.begin(), dashed.end(), '_', '-');
            remove_flag(given, dashed);
        }
        return given;
    }
    if (message.find("leave it out of the command line") != std::string::npos) {
        for (std::string word : words) {
            std::replace(word.begin(), word.end(), '_', '-');
            remove_flag(given, "--" + word);
        }
        return given;
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& flag = words[i];
        if (!flag.starts_with("--")) {
            continue;
        }
        const std::string next = i + 1 < words.size() ? words[i + 1] : "";
        if (i > 0 && words[i - 1] == "leave" && next == "out") {
            remove_flag(given, flag);
            continue;
        }
        const auto value = value_of(next, tokenizer);
        if (flag == "--override-config") {
            given.push_back(flag);
        } else if (value) {
            if (flag != "--drop-tensor" || // which may be given for several tensors
                message.find("nearest name") != std::string::npos) {
                remove_flag(given, flag);
            }
            given.push_back(flag);
            given.push_back(*value);
        }
    }
    return given;
}

/// Follows errors until there is a model; returns how many there were.
int errors_until_done(const editable_checkpoint& checkpoint, arguments given) {
    const auto tokenizer = checkpoint.folder() / "vocab.txt";
    std::ofstream words(tokenizer, std::ios::binary);
    for (const char* marker : {"[PAD]", "[unused0]", "[CLS]", "[SEP]", "[MASK]", "[UNK]"}) {
        words << marker << '\n';
    }
    words << "[unused1]\n.\n";
    words.close();
    checkpoint.save();
    std::set<std::string> seen;
    for (int errors = 0; errors < 12; ++errors) {
        const convert_result result = checkpoint.convert(given);
        if (result.exit_code == 0) {
            return errors;
        }
        UNSCOPED_INFO(result.err);
        REQUIRE(seen.insert(result.err).second); // an error that came back
        const arguments next = follow(result.err, given, tokenizer.string());
        REQUIRE(next != given); // it proposed nothing
        given = next;
    }
    return -1;
}

/// A plain BERT of that many layers, with or without a head, made of a golden cross-encoder.
struct bert_of : editable_checkpoint {
    bert_of(int layers, bool head) : editable_checkpoint("cross_encoder_bert") {
        owned_tensors kept;
        for (const auto& [name, tensor] : tensors) {
            constexpr std::string_view first = "bert.encoder.layer.0.";
            if (name.starts_with(first)) {
                for (int layer = 0; layer < layers; ++layer) {
                    kept["bert.encoder.layer." + std::to_string(layer) + "." +
                         name.substr(first.size())] = tensor;
                }
            } else if (!name.starts_with("bert.encoder.") &&
                       (head || !name.starts_with("classifier"))) {
                kept[name] = tensor;
            }
        }
        tensors = std::move(kept);
        config["num_hidden_layers"] = layers;
    }
};

} // namespace

TEST_CASE("fault 15: the cut that is proposed to a backbone fits it") {
    for (const int layers : {1, 2, 3, 6, 7, 12}) {
        INFO(layers);
        CHECK(errors_until_done(bert_of(layers, false), {}) == 1);
    }
    editable_checkpoint modern("cross_encoder_modernbert_cls");
    for (const char* name :
         {"classifier.weight", "classifier.bias", "head.dense.weight", "head.norm.weight"}) {
        modern.tensors.erase(name);
    }
    CHECK(errors_until_done(modern, {}) == 1);
}

TEST_CASE("fault 15: a cut that does not fit is answered with one that does") {
    for (const arguments& given : std::vector<arguments>{
             {"--derive", "l4+3"},
             {"--derive", "l6+all"},
             {"--derive", "l99+99"},
             {"--derive", "l0+9"},
             {"--derive", "l5+2"},
             {"--derive", "4+3"},
             {"--derive", "l4"},
             {"--derive", "l6+2", "--from-layer", "5"},
             {"--derive", "l2+2", "--from-layer", "8"},
             {"--derive", "l9+2", "--from-layer", "9"},
             {"--derive", "l2+2", "--bound-bottom-layers", "false", "--n-docs-ctx-layers", "9"}}) {
        INFO(given[1]);
        CHECK(errors_until_done(bert_of(6, true), given) > 0);
        CHECK(errors_until_done(bert_of(1, false), {"--derive", given[1]}) >= 0);
    }
    CHECK(errors_until_done(bert_of(6, true), {"--derive", "l2+2", "--global-cls-token", "true"}) ==
          1);
    CHECK(errors_until_done(bert_of(6, true), {"--derive", "l2+2", "--compress-dim", "2"}) == 1);
}

TEST_CASE("fault 15: a stray tensor is named and may be left out") {
    const owned_tensor one = float_tensor({1}, {1});
    for (const char* stray :
         {"loss_fct.pos_weight", "loss.weight", "zzz", "a.b.c", "temperature", "epoch.count"}) {
        for (const bool head : {true, false}) {
            bert_of checkpoint(6, head);
            checkpoint.tensors[stray] = one;
            INFO(stray);
            if (head) {
                CHECK_THAT(checkpoint.save_and_convert().err,
                           Contains("'" + std::string(stray) + "' does not belong") &&
                               Contains("--drop-tensor '" + std::string(stray) + "'"));
            }
            CHECK(errors_until_done(checkpoint, {}) == (head ? 1 : 2));
        }
    }
    bert_of several(3, true);
    for (const char* name : {"aux.weight", "aux.bias", "teacher.weight", "teacher.bias", "step"}) {
        several.tensors[name] = one;
    }
    CHECK(errors_until_done(several, {}) == 3);
    // Nothing of a layer is ever proposed to be left out, nor what is but misspelt.
    editable_checkpoint longer("bert_vanilla_mean");
    longer.config["n_interaction_layers"] = 1;
    const std::string message = longer.save_and_convert().err;
    CHECK_THAT(message, Contains("'top_layers.1.") && !Contains("--drop-tensor"));
    bert_of misspelt(3, true);
    auto node = misspelt.tensors.extract("classifier.bias");
    node.key() = "clasifier.bias";
    misspelt.tensors.insert(std::move(node));
    CHECK_THAT(misspelt.save_and_convert().err,
               Contains("nearest name that does is 'classifier.bias'") &&
                   !Contains("--drop-tensor"));
}

TEST_CASE("fault 15: a checkpoint of another kind is told so at once") {
    editable_checkpoint other("cross_encoder_bert");
    other.tensors.clear();
    other.tensors["decoder.block.0.weight"] = float_tensor({1}, {1});
    other.tensors["shared.weight"] = float_tensor({1}, {1});
    CHECK_THAT(other.save_and_convert().err, Contains("the first is 'decoder.block.0.weight'") &&
                                                 !Contains("n_contextualization_layers"));
    other.tensors.clear();
    CHECK_THAT(other.save_and_convert().err, Contains("holds no tensors"));
}

TEST_CASE("fault 15: prefixes are found by what stands behind them") {
    const bert_of plain(2, true);
    REQUIRE(plain.save_and_convert({"--ids-only"}).exit_code == 0);
    for (const std::string prefix :
         {"cross_encoder.", "0.auto_model.", "module.net.", "encoder."}) {
        bert_of checkpoint(2, true);
        owned_tensors tensors;
        for (const auto& [name, tensor] : checkpoint.tensors) {
            tensors[name.starts_with("bert.") ? prefix + name.substr(5) : name] = tensor;
        }
        checkpoint.tensors = std::move(tensors);
        INFO(prefix);
        const convert_result result = checkpoint.save_and_convert({"--ids-only"});
        INFO(result.err);
        REQUIRE(result.exit_code == 0);
        CHECK(file_text(checkpoint.output()) == file_text(plain.output()));
    }
}

TEST_CASE("fault 15: every option that an error proposes leads on") {
    editable_checkpoint bare("bert_untied");
    for (const char* key : {"n_contextualization_layers", "n_docs_ctx_layers", "cross_attn_first",
                            "n_interaction_layers", "bound_bottom_layers", "cls_cross_attention"}) {
        bare.config.erase(key);
    }
    CHECK(errors_until_done(bare, {"--n-docs-ctx-layers", "3"}) == 4);
    const editable_checkpoint mice_model("bert_vanilla_mean");
    CHECK(errors_until_done(mice_model, {"--cross-attn-first", "true"}) == 1);
    CHECK(errors_until_done(mice_model, {"--derive", "l1+1"}) == 1);
    CHECK(errors_until_done(mice_model, {"--keep-f16", "nothing"}) == 2);
    CHECK_THAT(mice_model.save_and_convert({"--drop-tensor", "classifier.weigt"}).err,
               Contains("the nearest name is --drop-tensor 'classifier.weight'"));
    const editable_checkpoint modern("cross_encoder_modernbert_cls");
    CHECK(errors_until_done(modern, {"--derive", "l2+1", "--from-layer", "3"}) == 1);
    CHECK(errors_until_done(modern, {"--derive", "l9+9"}) == 1);
    CHECK(errors_until_done(modern, {"--pooler", "false", "--cross-attn-first", "true"}) == 2);
    bert_of large(3, true);
    large.tensors["classifier.weight"] = float_tensor({1, 24}, std::vector<float>(24, 1e5F));
    large.tensors["bert.pooler.dense.weight"] =
        float_tensor({24, 24}, std::vector<float>(576, 1e5F));
    CHECK(errors_until_done(large, {"--weights", "f16"}) == 1);
    bert_of no_pooler(3, true);
    no_pooler.tensors.erase("bert.pooler.dense.weight");
    no_pooler.tensors.erase("bert.pooler.dense.bias");
    CHECK(errors_until_done(no_pooler, {}) == 1);
    CHECK(errors_until_done(no_pooler, {"--derive", "l9+1"}) == 2);
    bert_of words(3, true);
    std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
    for (int i = 0; i < 300; ++i) {
        vocabulary += "w" + std::to_string(i) + "\n";
    }
    words.write("vocab.txt", vocabulary);
    CHECK(errors_until_done(words, {}) == 1);
    editable_checkpoint colbert("colbert");
    for (const char* key :
         {"query_maxlen", "query_marker_id", "document_marker_id", "mask_token_id",
          "punctuation_token_ids", "cls_token_id", "sep_token_id"}) {
        colbert.config["colbert"].erase(key);
    }
    CHECK(errors_until_done(colbert, {"--cross-attn-first", "true"}) == 3);
}
