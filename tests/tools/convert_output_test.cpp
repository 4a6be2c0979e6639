// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

#include <mice/io/tensor.hpp>
#include <mice/text/tokenizer.hpp>
#include <nlohmann/json.hpp>

#include "convert_fixture.hpp"

using Catch::Matchers::Contains;

namespace {

/// A vocab.txt of so many tokens, markers first as in the golden models.
std::string vocabulary(std::size_t tokens) {
    std::string text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\na\nhoney\n";
    for (std::size_t i = 8; i < tokens; ++i) {
        text += "word" + std::to_string(i) + "\n";
    }
    return text;
}

std::size_t files_in(const std::filesystem::path& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

bool running_as_root() {
#if defined(_WIN32)
    return false;
#else
    return ::geteuid() == 0;
#endif
}

} // namespace

TEST_CASE("equal input gives equal bytes") {
    const editable_checkpoint checkpoint("bert_untied");
    checkpoint.write("vocab.txt", vocabulary(211));
    const std::vector<std::string> flags{"--weights", "int8", "--self-test", "3", "--name", "n"};
    REQUIRE(checkpoint.save_and_convert(flags).exit_code == 0);
    const std::string first = file_text(checkpoint.output());
    REQUIRE(checkpoint.convert(flags).exit_code == 0);
    CHECK(file_text(checkpoint.output()) == first);
}

TEST_CASE("the metadata says what the file is and where it comes from") {
    const editable_checkpoint checkpoint("bert_untied");
    checkpoint.write("vocab.txt", vocabulary(211));
    REQUIRE(checkpoint
                .save_and_convert(
                    {"--name", "Tiny", "--license", "Apache-2.0", "--source", "caf\xC3\xA9"})
                .exit_code == 0);
    const read_model model(checkpoint.output());
    CHECK(model.metadata("format") == "mice");
    CHECK(model.metadata("mice.format_version") == "1");
    CHECK(model.metadata("mice.name") == "Tiny");
    CHECK(model.metadata("mice.license") == "Apache-2.0");
    CHECK(model.metadata("mice.source") == "caf\xC3\xA9");
    CHECK_THAT(model.metadata("mice.converter"), Contains("mice-convert "));
    CHECK(model.metadata("mice.document_fingerprint").size() == 32);
    CHECK(nlohmann::json::parse(model.metadata("mice.tokenizer")).is_object());
    CHECK(model.tensor("tokenizer.vocabulary").type == mice::io::dtype::u8);
    const convert_result invalid = checkpoint.convert({"--name", "\xFF"});
    CHECK(invalid.exit_code == 1);
    CHECK_THAT(invalid.err, Contains("--name is not valid UTF-8"));
}

TEST_CASE("a byte-level BPE tokenizer is stored with its merges") {
    editable_checkpoint checkpoint("bert_untied");
    const std::size_t ids = 2009, width = checkpoint.config["hidden_size"].get<std::size_t>();
    checkpoint.config["vocab_size"] = ids;
    checkpoint.tensors["embeddings.word_embeddings.weight"] =
        float_tensor({ids, width}, std::vector<float>(ids * width, 0.25F));
    auto root = nlohmann::json::parse(
        file_text(std::string(MICE_TEST_DATA) + "/tokenizers/byte_bpe/tokenizer.json"));
    checkpoint.write("tokenizer.json", root.dump());
    const convert_result result = checkpoint.save_and_convert({"--self-test", "2"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("byte-level BPE, 2 009 tokens"));
    const read_model model(checkpoint.output());
    const mice::io::tensor_view& merges = model.tensor("tokenizer.merges");
    CHECK(merges.type == mice::io::dtype::i32);
    CHECK(merges.shape == mice::io::tensor_shape{1740, 2});
    const auto tokenizer = mice::tokenizer_from_model(
        model.metadata("mice.tokenizer"), model.tensor("tokenizer.vocabulary").bytes, merges.bytes);
    CHECK(tokenizer->encode("").ids == std::vector<std::int32_t>{1, 2});
    CHECK(tokenizer->encode(" ").ids == std::vector<std::int32_t>{1, 224, 2});
    // Merges take part in a document's states.
    const std::string fingerprint = model.metadata("mice.document_fingerprint");
    std::swap(root["model"]["merges"][0], root["model"]["merges"][1]);
    checkpoint.write("tokenizer.json", root.dump());
    REQUIRE(checkpoint.save_and_convert({"--self-test", "2"}).exit_code == 0);
    CHECK(read_model(checkpoint.output()).metadata("mice.document_fingerprint") != fingerprint);
}

TEST_CASE("a Unigram tokenizer is stored with its scores and rules") {
    editable_checkpoint checkpoint("bert_untied");
    const std::size_t ids = 8, width = checkpoint.config["hidden_size"].get<std::size_t>();
    checkpoint.config["vocab_size"] = ids;
    checkpoint.tensors["embeddings.word_embeddings.weight"] =
        float_tensor({ids, width}, std::vector<float>(ids * width, 0.25F));
    std::string root = R"({"added_tokens":[],"normalizer":{"type":"Replace",
        "pattern":{"Regex":" {2,}"},"content":" "},"pre_tokenizer":{"type":"Metaspace",
        "replacement":"_","prepend_scheme":"first","split":true},"post_processor":{
        "type":"RobertaProcessing","cls":["<s>",0],"sep":["</s>",2]},"model":{"type":"Unigram",
        "unk_id":3,"vocab":[["<s>",0],["<pad>",0],["</s>",0],["<unk>",0],["_",-2],["a",-2],
        ["_a",-3.5],["b",-3]]}})";
    checkpoint.write("tokenizer.json", root);
    const convert_result result = checkpoint.save_and_convert({"--self-test", "2"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("Unigram, 8 tokens"));
    const read_model model(checkpoint.output());
    const mice::io::tensor_view& scores = model.tensor("tokenizer.scores");
    CHECK(scores.type == mice::io::dtype::f64);
    CHECK(scores.shape == mice::io::tensor_shape{8});
    CHECK(model.contents.find("tokenizer.charsmap") == nullptr);
    mice::tokenizer_tensors tensors{.vocabulary = model.tensor("tokenizer.vocabulary").bytes,
                                    .merges = {},
                                    .sentencepiece = {}};
    tensors.scores = scores.bytes;
    const auto tokenizer = mice::tokenizer_from_model(model.metadata("mice.tokenizer"), tensors);
    CHECK(tokenizer->encode("a  b<s>").ids == std::vector<std::int32_t>{0, 6, 4, 7, 3, 2});
    // Scores take part in a document's states.
    const std::string fingerprint = model.metadata("mice.document_fingerprint");
    root.replace(root.find("-3.5"), 4, "-3.6");
    checkpoint.write("tokenizer.json", root);
    REQUIRE(checkpoint.save_and_convert({"--self-test", "2"}).exit_code == 0);
    CHECK(read_model(checkpoint.output()).metadata("mice.document_fingerprint") != fingerprint);
}

#if MICE_USE_SENTENCEPIECE
TEST_CASE("a sentencepiece model is stored as it is") {
    editable_checkpoint checkpoint("bert_untied");
    const std::size_t ids = 1502, width = checkpoint.config["hidden_size"].get<std::size_t>();
    checkpoint.config["vocab_size"] = ids;
    checkpoint.tensors["embeddings.word_embeddings.weight"] =
        float_tensor({ids, width}, std::vector<float>(ids * width, 0.25F));
    std::string pieces =
        file_text(std::string(MICE_TEST_DATA) + "/tokenizers/spm_unigram/spm.model");
    checkpoint.write("sentencepiece.bpe.model", pieces);
    checkpoint.write("tokenizer_config.json", R"({"tokenizer_class":"XLMRobertaTokenizer"})");
    const convert_result result = checkpoint.save_and_convert({"--self-test", "2"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("sentencepiece, 1 502 tokens"));
    const read_model model(checkpoint.output());
    const mice::io::tensor_view& stored = model.tensor("tokenizer.sentencepiece");
    CHECK(stored.type == mice::io::dtype::u8);
    CHECK(std::string(reinterpret_cast<const char*>(stored.bytes.data()), stored.bytes.size()) ==
          pieces);
    CHECK(model.contents.find("tokenizer.vocabulary") == nullptr);
    const auto tokenizer = mice::tokenizer_from_model(
        model.metadata("mice.tokenizer"),
        mice::tokenizer_tensors{.vocabulary = {}, .merges = {}, .sentencepiece = stored.bytes});
    CHECK(tokenizer->encode("hello world").ids ==
          std::vector<std::int32_t>{0, 139, 129, 29, 120, 115, 252, 2});
    // The pieces take part in a document's states.
    const std::string fingerprint = model.metadata("mice.document_fingerprint");
    pieces[pieces.find("\xe6\xb3\x95") + 3 + 4] ^= 1; // a bit of the score behind it
    checkpoint.write("sentencepiece.bpe.model", pieces);
    REQUIRE(checkpoint.save_and_convert({"--self-test", "2"}).exit_code == 0);
    CHECK(read_model(checkpoint.output()).metadata("mice.document_fingerprint") != fingerprint);
    // It must survive.
    const std::string itself = (checkpoint.directory() / "sentencepiece.bpe.model").string();
    const convert_result onto = run_convert({checkpoint.directory().string(), "-o", itself});
    CHECK(onto.exit_code == 1);
    CHECK_THAT(onto.err, Contains("part of the checkpoint"));
    CHECK(file_text(itself) == pieces);
}
#endif

TEST_CASE("without a tokenizer the file is written with a warning") {
    const editable_checkpoint checkpoint("bert_untied");
    const convert_result result = checkpoint.save_and_convert();
    CHECK(result.exit_code == 0);
    CHECK_THAT(result.err, Contains("warning") && Contains("scores token ids only"));
    const read_model model(checkpoint.output());
    CHECK(model.metadata("mice.tokenizer") == "(none)");
    CHECK(model.contents.find("tokenizer.vocabulary") == nullptr);
    CHECK(checkpoint.convert({"--ids-only"}).err.empty());
}

TEST_CASE("a vocabulary larger than the embeddings is refused, a smaller one noted") {
    const editable_checkpoint checkpoint("bert_untied"); // 211 embeddings
    checkpoint.write("vocab.txt", vocabulary(212));
    const convert_result large = checkpoint.save_and_convert();
    CHECK(large.exit_code == 1);
    CHECK_THAT(large.err, Contains("has 212 ids") && Contains("embeddings for 211"));
    CHECK(!std::filesystem::exists(checkpoint.output()));
    checkpoint.write("vocab.txt", vocabulary(200));
    const convert_result small = checkpoint.convert();
    CHECK(small.exit_code == 0);
    CHECK_THAT(small.out, Contains("knows 200 of the 211 ids"));
}

TEST_CASE("a tokenizer may come from elsewhere and a broken one is refused") {
    const editable_checkpoint checkpoint("bert_untied");
    checkpoint.save();
    checkpoint.write("elsewhere/vocab.txt", vocabulary(20));
    const auto path = checkpoint.directory() / "elsewhere" / "vocab.txt";
    const convert_result result = checkpoint.convert({"--tokenizer", path.string()});
    CHECK(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("knows 20 of"));
    std::filesystem::remove(checkpoint.output());
    checkpoint.write("tokenizer.json", "{}");
    const convert_result broken = checkpoint.convert();
    CHECK(broken.exit_code == 1);
    CHECK_THAT(broken.err, Contains("tokenizer.json"));
    CHECK(!std::filesystem::exists(checkpoint.output()));
    CHECK(checkpoint.convert({"--tokenizer", "/no/such/file"}).exit_code == 1);
}

TEST_CASE("self-test pairs come from texts where there is a tokenizer") {
    const editable_checkpoint checkpoint("bert_untied");
    checkpoint.write("vocab.txt", vocabulary(211));
    REQUIRE(checkpoint.save_and_convert({"--self-test", "9"}).exit_code == 0);
    const read_model model(checkpoint.output());
    CHECK(model.tensor("selftest.scores").elements() == 9);
    const auto& ids = model.tensor("selftest.document_ids");
    const auto& ends = model.tensor("selftest.document_offsets");
    REQUIRE(ends.elements() == 10);
    for (std::size_t i = 0; i < 9; ++i) {
        const auto first = static_cast<std::size_t>(ends.at<std::int32_t>(i));
        const auto end = static_cast<std::size_t>(ends.at<std::int32_t>(i + 1));
        CHECK(ids.at<std::int32_t>(first) == 2);   // [CLS]
        CHECK(ids.at<std::int32_t>(end - 1) == 3); // [SEP]
        CHECK(end - first <= 48);
    }
}

TEST_CASE("the fingerprint follows what shapes documents and nothing else") {
    const auto fingerprint = [](const editable_checkpoint& checkpoint,
                                const std::vector<std::string>& flags = {}) {
        REQUIRE(checkpoint.save_and_convert(flags).exit_code == 0);
        return read_model(checkpoint.output()).metadata("mice.document_fingerprint");
    };
    editable_checkpoint checkpoint("bert_untied");
    const std::string original = fingerprint(checkpoint);
    CHECK(fingerprint(checkpoint, {"--name", "x", "--self-test", "1"}) == original);
    CHECK(fingerprint(checkpoint, {"--weights", "int8"}) != original);
    checkpoint.tensors["classifier.bias"] = float_tensor({1}, {7});
    CHECK(fingerprint(checkpoint) == original);
    checkpoint.config["cls_cross_attention"] = "full";
    CHECK(fingerprint(checkpoint) == original);
    for (const char* name :
         {"query_bottom_layers.0.output.dense.bias", "top_layers.0.output.dense.bias"}) {
        checkpoint.tensors[name].bytes[0] ^= std::byte{1};
        CHECK(fingerprint(checkpoint) == original);
    }
    for (const char* name :
         {"document_bottom_layers.2.output.dense.bias", "embeddings.LayerNorm.bias"}) {
        editable_checkpoint other("bert_untied");
        other.tensors[name].bytes[0] ^= std::byte{1};
        CHECK(fingerprint(other) != original);
    }
    checkpoint.config["max_document_length"] = 159;
    CHECK(fingerprint(checkpoint) != original);
    checkpoint.config["max_document_length"] = 160;
    checkpoint.write("vocab.txt", vocabulary(211));
    const std::string with_words = fingerprint(checkpoint);
    CHECK(with_words != original);
    checkpoint.write("tokenizer_config.json", "{\"do_lower_case\": false}");
    CHECK(fingerprint(checkpoint) != with_words);
}

TEST_CASE("the summary shows what was read and written, and --quiet nothing") {
    const editable_checkpoint checkpoint("bert_compress2");
    const auto golden = golden_model("bert_compress2").string();
    const convert_result result = run_convert({golden, "-o", checkpoint.output().string()});
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("2 shared + 2 interaction") && Contains("48 wide, 4 heads") &&
                               Contains("interaction layers 24 wide") && Contains("f32, ") &&
                               Contains("self, cross, FFN") && Contains("fingerprint"));
    const auto size = std::filesystem::file_size(checkpoint.output());
    std::string digits = std::to_string(size);
    digits.insert(digits.size() - 3, " ");
    CHECK_THAT(result.out, Contains(digits + " bytes"));
    CHECK(run_convert({golden, "-o", checkpoint.output().string(), "--quiet"}).out.empty());
}

TEST_CASE("an existing file is replaced whole and no temporary file is left") {
    const editable_checkpoint checkpoint("bert_untied");
    checkpoint.save();
    std::ofstream(checkpoint.output()) << "an older model";
    REQUIRE(checkpoint.convert().exit_code == 0);
    CHECK(read_model(checkpoint.output()).metadata("format") == "mice");
    CHECK(files_in(checkpoint.folder()) == 2); // the checkpoint and the model
}

TEST_CASE("a failure leaves the existing file and no temporary file") {
    editable_checkpoint checkpoint("bert_untied");
    std::ofstream(checkpoint.output()) << "an older model";
    checkpoint.tensors.erase("classifier.bias");
    REQUIRE(checkpoint.save_and_convert().exit_code == 1);
    CHECK(file_text(checkpoint.output()) == "an older model");
    CHECK(files_in(checkpoint.folder()) == 2);
}

#if !defined(_WIN32)
TEST_CASE("a write that fails half way leaves the existing file and no temporary file") {
    const editable_checkpoint checkpoint("bert_untied");
    checkpoint.save();
    std::ofstream(checkpoint.output()) << "an older model";
    // A limit of 16 KiB stands in for a full disk: the write fails in the middle.
    const convert_result result =
        run_convert({checkpoint.directory().string(), "-o", checkpoint.output().string()},
                    "ulimit -f 16; trap '' XFSZ; ");
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains("cannot write") && Contains("free some space"));
    CHECK(file_text(checkpoint.output()) == "an older model");
    CHECK(files_in(checkpoint.folder()) == 2);
}
#endif

TEST_CASE("targets that cannot be written are refused clearly") {
    const editable_checkpoint checkpoint("bert_untied");
    checkpoint.save();
    const auto to = [&checkpoint](const std::filesystem::path& target) {
        const convert_result result =
            run_convert({checkpoint.directory().string(), "-o", target.string()});
        CHECK(result.exit_code == 1);
        CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
        return result.err;
    };
    CHECK_THAT(to(checkpoint.folder() / "missing" / "x.mice"), Contains("create the folder first"));
    CHECK_THAT(to(checkpoint.folder()), Contains("not a regular file"));
    CHECK_THAT(to("/dev/null"), Contains("not a regular file"));
    const auto weights = checkpoint.directory() / "model.safetensors";
    const std::string before = file_text(weights);
    CHECK_THAT(to(weights), Contains("part of the checkpoint"));
    CHECK(file_text(weights) == before);
    CHECK_THAT(to(checkpoint.directory() / "config.json"), Contains("part of the checkpoint"));
    if (running_as_root()) {
        WARN("skipped: root may write to a read-only folder");
        return;
    }
    const auto locked = checkpoint.folder() / "locked";
    std::filesystem::create_directory(locked);
    std::filesystem::permissions(locked, std::filesystem::perms::owner_read |
                                             std::filesystem::perms::owner_exec);
    CHECK_THAT(to(locked / "x.mice"), Contains("may write to"));
    CHECK(files_in(locked) == 0);
}
