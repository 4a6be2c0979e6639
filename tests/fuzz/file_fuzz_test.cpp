// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "mutator.hpp"

#include <cmath>

#include <mice/io/safetensors.hpp>
#include <mice/model/config_json.hpp>
#include <mice/networks/network.hpp>

// Seeded changes to valid files. Each must end in mice::error or in a whole, finite result;
// crashes, hangs and other exceptions fail, and the sanitizers watch.
namespace {

using fuzz::byte_string;
using fuzz::mutator;
using fuzz::tally;

/// Loads a model and scores text and ids with it.
void use_model(std::span<const std::byte> bytes) {
    const mice::reranker ranker(bytes);
    const std::vector<std::int32_t> ids{0, 5, 1};
    const std::vector<std::int32_t> short_ids{0};
    const bool all = ranker.config().vocab_size > 5 && ranker.config().max_position_embeddings > 2;
    const mice::query query = ranker.encode_query_ids(all ? ids : short_ids);
    const mice::document document = ranker.encode_ids(all ? ids : short_ids);
    const mice::ranking scored = ranker.score(query, std::span(&document, 1), {.threads = 1});
    if (!std::isfinite(scored[0].score)) {
        throw std::runtime_error("a score that is not finite");
    }
    if (ranker.has_tokenizer()) {
        const mice::ranking ranked = ranker.rank(
            "the old [SEP] mill", {"river \xff stone", "", "zq zq zq zq zq zq zq"}, {.threads = 1});
        for (const mice::hit& one : ranked) {
            if (!one.scored || !std::isfinite(one.score) ||
                one.tokens_seen > ranker.config().max_document_length) {
                throw std::runtime_error("a hit that is not whole");
            }
        }
    }
}

void use_document(const mice::reranker& ranker, const mice::query& query,
                  const byte_string& bytes) {
    const mice::document made = mice::document::deserialize(bytes);
    for (const float value : made.states()) {
        if (!std::isfinite(value)) {
            throw std::runtime_error("a state that is not finite");
        }
    }
    const mice::ranking scored = ranker.score(query, std::span(&made, 1), {.threads = 1});
    if (!std::isfinite(scored[0].score)) {
        throw std::runtime_error("a score that is not finite");
    }
}

mice::model_config config_without(std::size_t option) {
    mice::model_config config = fixtures::tiny_config();
    config.extra_attn_bias = option == 1;
    config.cross_attn_first = option == 2;
    config.bound_bottom_layers = option != 3;
    config.compress_dim = option == 4 ? 2 : 1;
    if (option == 5) {
        config.kind = mice::model_kind::late_interaction;
        config.layers = 1;
        config.vector_size = 6;
        config.query_marker = 7;
        config.document_marker = 9;
        config.filler = 4;
        config.skipped = {5, 79};
    }
    return config;
}

} // namespace

TEST_CASE("changed safetensors files are refused or consistent") {
    const byte_string original = fixtures::make_model(fixtures::tiny_config()).file();
    mutator mutate(1);
    tally results;
    for (int i = 0; i < 6000; ++i) {
        const byte_string file = fuzz::change_safetensors(mutate, original);
        results.run([&] {
            const mice::io::safetensors made(file);
            std::size_t total = 0;
            for (const auto& [name, view] : made.tensors()) {
                if (view.bytes.size() != *view.shape.elements() * bytes_of(view.type)) {
                    throw std::runtime_error("a view of another size than its shape");
                }
                total += view.bytes.size();
            }
            if (total > file.size()) {
                throw std::runtime_error("more tensor bytes than the file has");
            }
        });
    }
    CHECK(results.refused > 1000);
    CHECK(results.accepted > 50);
}

TEST_CASE("changed model files are refused or give finite scores") {
    for (std::size_t option = 0; option < 6; ++option) {
        for (const auto kind : {fixtures::storage::f32, fixtures::storage::i8}) {
            const byte_string original =
                fixtures::make_model(config_without(option), {.weights = kind}).file();
            mutator mutate(100 + 2 * option + (kind == fixtures::storage::i8 ? 1 : 0));
            tally results;
            results.run([&] { use_model(original); });
            REQUIRE(results.accepted == 1);
            for (int i = 0; i < 400; ++i) {
                const byte_string file = fuzz::change_safetensors(mutate, original);
                results.run([&] { use_model(file); });
            }
            CHECK(results.refused > 100);
        }
    }
}

TEST_CASE("model files with changed weights are refused or give finite scores") {
    const byte_string original = fixtures::make_model(fixtures::tiny_config()).file();
    mutator mutate(200);
    tally results;
    for (int i = 0; i < 1500; ++i) {
        byte_string file = original;
        const std::size_t data = 8 + fuzz::header_length(original);
        for (std::size_t left = 1 + mutate.random().below(20); left > 0; --left) {
            const std::size_t at = data + mutate.random().below(file.size() - data);
            file[at] = static_cast<std::byte>(mutate.random().below(256));
        }
        results.run([&] { use_model(file); });
    }
    CHECK(results.refused > 10);
    CHECK(results.accepted > 100);
}

TEST_CASE("model files with changed configurations are refused or give finite scores") {
    std::vector<fixtures::model_file_parts> kinds{fixtures::make_model(fixtures::tiny_config())};
    for (const auto& [name, config] : fixtures::every_kind()) {
        if (name == "ModernBERT, lexical bias" || name == "cross-encoder, split, stored") {
            kinds.push_back(fixtures::make_model(config));
        }
    }
    REQUIRE(kinds.size() == 3);
    mutator mutate(300);
    tally results;
    for (std::size_t i = 0; i < 3600; ++i) {
        const fixtures::model_file_parts& parts = kinds[i % kinds.size()];
        const byte_string config = fuzz::bytes_of(mice::config_to_json(parts.config));
        const byte_string changed = mutate.change(config, {0, config.size()}, 1);
        byte_string file;
        try {
            file = parts.file(std::string(fuzz::text_of(changed)));
        } catch (const mice::error&) {
            continue; // text that no header can hold
        }
        results.run([&] { use_model(file); });
    }
    CHECK(results.refused > 1000);
    CHECK(results.accepted > 3);
}

TEST_CASE("model files with changed tokenizers are refused or give finite scores") {
    mice::model_config config = fixtures::tiny_config();
    config.vocab_size = 300;
    mutator mutate(400);
    for (const std::string kind : {"wordpiece", "byte_bpe", "unigram", "sentencepiece"}) {
        if (kind == "sentencepiece" && !MICE_USE_SENTENCEPIECE) {
            continue;
        }
        const fixtures::model_file_parts whole =
            fixtures::make_model(config, {.byte_bpe = kind == "byte_bpe",
                                          .sentencepiece = kind == "sentencepiece",
                                          .unigram = kind == "unigram"});
        tally results;
        for (int i = 0; i < 1500; ++i) {
            fixtures::model_file_parts parts = whole;
            std::string& metadata = parts.metadata.at("mice.tokenizer");
            auto& vocabulary = parts.tensor(kind == "sentencepiece" ? "tokenizer.sentencepiece"
                                                                    : "tokenizer.vocabulary");
            if (i % 2 == 0) {
                const byte_string changed =
                    mutate.change(fuzz::bytes_of(metadata), {0, metadata.size()});
                metadata = fuzz::text_of(changed);
            } else if (kind == "byte_bpe" && i % 4 == 1) {
                auto& merges = parts.tensor("tokenizer.merges");
                merges.bytes = i % 8 == 1 ? fuzz::swap_rows(mutate, merges.bytes, 8)
                                          : mutate.change(merges.bytes, {0, merges.bytes.size()});
                merges.bytes.resize(merges.bytes.size() / 8 * 8);
                merges.shape = {merges.bytes.size() / 8, 2};
            } else if (kind == "unigram" && i % 4 == 1) {
                auto& scores = parts.tensor("tokenizer.scores");
                scores.bytes = mutate.flip(scores.bytes, {0, scores.bytes.size()}, 4);
            } else {
                const fuzz::region all{0, vocabulary.bytes.size()};
                vocabulary.bytes = kind == "sentencepiece" ? mutate.flip(vocabulary.bytes, all, 1)
                                                           : mutate.change(vocabulary.bytes, all);
                vocabulary.shape = {vocabulary.bytes.size()};
            }
            byte_string file;
            try {
                file = parts.file();
            } catch (const mice::error&) {
                continue; // text that no header can hold
            }
            results.run([&] { use_model(file); });
        }
        CHECK(results.refused > 300);
        CHECK(results.accepted > 50);
    }
}

TEST_CASE("changed documents are refused or give finite scores") {
    const byte_string model = fixtures::make_model(config_without(1)).file();
    const mice::reranker ranker{std::span<const std::byte>(model)};
    const mice::query query = ranker.encode_query("old mill");
    const byte_string original = ranker.encode("the old mill").serialize();
    mutator mutate(500);
    tally results;
    for (int i = 0; i < 6000; ++i) {
        const byte_string file = i % 3 == 0 ? mutate.change(original, {0, original.size()})
                                            : fuzz::change_safetensors(mutate, original);
        results.run([&] { use_document(ranker, query, file); });
    }
    CHECK(results.refused > 1000);
    CHECK(results.accepted > 50);
}
