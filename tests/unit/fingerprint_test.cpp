// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <mice/io/safetensors.hpp>
#include <mice/model.hpp>
#include <mice/model/fingerprint.hpp>
#include <mice/text/wordpiece/spec.hpp>

namespace {

using fixtures::catch_error;

/// A model file whose fingerprint is computed, as mice-convert writes it.
fixtures::model_file_parts fingerprinted(const mice::model_config& config) {
    fixtures::model_file_parts parts = fixtures::make_model(config);
    const std::vector<std::byte> bytes = parts.file();
    const mice::io::safetensors file(bytes);
    parts.metadata["mice.document_fingerprint"] =
        mice::document_fingerprint(config, file.tensors(), parts.metadata.at("mice.tokenizer"),
                                   {.vocabulary = file.find("tokenizer.vocabulary")->bytes,
                                    .merges = {},
                                    .sentencepiece = {}});
    return parts;
}

mice::model_config config_of(std::string_view name) {
    for (const auto& [each, config] : fixtures::every_kind()) {
        if (each == name) {
            return config;
        }
    }
    return fixtures::late_interaction_config();
}

} // namespace

TEST_CASE("fault 32: a model with other weights and the old fingerprint meets no stored document") {
    for (const std::string kind : {"default", "untied sides", "adapter", "ModernBERT, default",
                                   "cross-encoder, default", "late interaction"}) {
        CAPTURE(kind);
        const mice::model_config config = config_of(kind);
        const temporary_folder folder;
        fixtures::model_file_parts parts = fingerprinted(config);
        const std::vector<std::byte> honest = parts.file();
        const mice::reranker ranker{std::span<const std::byte>(honest)};
        const mice::query query = ranker.encode_query("old mill");
        const mice::document made = ranker.encode("the old river mill");
        REQUIRE(ranker.score(query, std::span(&made, 1)).complete);
        {
            mice::index index = mice::index::create(folder.path() / "index", ranker);
            fixtures::put_passages(index, 0, 3);
            index.commit();
        }
        for (fixtures::stored_tensor& each : parts.tensors) {
            const bool zeroed = each.name.ends_with("word_embeddings.weight") ||
                                each.name.ends_with("tok_embeddings.weight");
            if (zeroed) {
                std::fill(each.bytes.begin(), each.bytes.end(), std::byte{0});
            }
        }
        const std::vector<std::byte> forged = parts.file();
        const mice::reranker other{std::span<const std::byte>(forged)}; // scores texts as it is
        REQUIRE(other.fingerprint() == ranker.fingerprint());
        REQUIRE(other.rank("old mill", {"the mill"}).complete);
        const auto path = folder.path() / "index";
        const mice::query again = other.encode_query("old mill");
        for (const auto& refused :
             {catch_error([&] { (void)mice::index::open(path, other); }),
              catch_error([&] { (void)mice::index::open_or_create(path, other); }),
              catch_error([&] { (void)mice::index::create(folder.path() / "new", other); }),
              catch_error([&] { (void)other.score(again, std::span(&made, 1)); })}) {
            REQUIRE(refused.code == mice::errc::mismatch);
            REQUIRE(refused.says(std::string(ranker.fingerprint())));
            REQUIRE(refused.says("convert"));
        }
        REQUIRE_FALSE(std::filesystem::exists(folder.path() / "new"));
        REQUIRE(mice::index::open(path, ranker).rank("old mill").complete);
    }
}

TEST_CASE("fault 32: whatever shapes a document changes the fingerprint and nothing else does") {
    const fixtures::model_file_parts honest = fingerprinted(fixtures::tiny_config());
    const auto check = [](const fixtures::model_file_parts& parts) {
        const std::vector<std::byte> bytes = parts.file();
        const mice::model loaded{std::span<const std::byte>(bytes)};
        return catch_error([&] { loaded.check_fingerprint(); }).thrown;
    };
    REQUIRE_FALSE(check(honest));
    std::size_t shaping = 0;
    for (std::size_t i = 0; i < honest.tensors.size(); ++i) {
        fixtures::model_file_parts parts = honest;
        fixtures::stored_tensor& changed = parts.tensors[i];
        if (changed.name == "tokenizer.vocabulary") {
            continue;
        }
        CAPTURE(changed.name);
        changed.bytes[0] ^= std::byte{1};
        REQUIRE(check(parts) == mice::shapes_documents(changed.name));
        shaping += mice::shapes_documents(changed.name) ? 1 : 0;
    }
    REQUIRE(shaping > 15);
    REQUIRE(shaping < honest.tensors.size());
    fixtures::model_file_parts parts = honest;
    parts.config.max_document_length -= 1;
    REQUIRE(check(parts));
    parts = honest;
    mice::wordpiece_spec spec = fixtures::small_tokenizer();
    spec.lowercase = false;
    parts.metadata["mice.tokenizer"] = mice::to_metadata(spec);
    REQUIRE(check(parts));
    parts = honest;
    parts.metadata["mice.document_fingerprint"] = "a name of mine"; // nobody computed it
    REQUIRE_FALSE(check(parts));
}

TEST_CASE("fault 32: fingerprints stay what they are from version to version") {
    // Stored in every model file and index that was ever made: another rule would refuse them all.
    const std::map<std::string, std::string> known{
        {"default", "b642ea65eca1ed631090354aad03d568"},
        {"adapter", "4f4345abbfa44ba260a44818abc8889a"},
        {"untied sides", "8295d916c6031afd4111e42b26685302"},
        {"ModernBERT, default", "0be6e4b34e1cfcf37ad21af6e680dcaf"},
        {"cross-encoder, split, stored", "22ed376b03ca3b63a0d12f7c2d4d8d45"},
        {"late interaction", "142e03b6b1710125ad0b4e86611c8c54"}};
    for (const auto& [kind, fingerprint] : known) {
        CAPTURE(kind);
        CHECK(fingerprinted(config_of(kind)).metadata.at("mice.document_fingerprint") ==
              fingerprint);
    }
    for (const char* name : {"mice-minilm-l2x2-int8", "mice-minilm-l6x2-int8"}) {
        const mice::model shipped(std::filesystem::path(MICE_TEST_MODELS) /
                                  (std::string(name) + ".safetensors"));
        REQUIRE(mice::is_computed_fingerprint(shipped.fingerprint()));
        shipped.check_fingerprint();
    }
}
