// SPDX-License-Identifier: Apache-2.0
// Tokenizing without and with offsets, on one thread: MB of text a second of processor time, of the
// best of ROUNDS rounds in turn, and the ratio of both. The tokenizers are those of the golden
// tests; unigram has the pieces of the sentencepiece model. One JSON line for each tokenizer.
//
//     bench_tokenizers [CORPUS.jsonl [ROUNDS]]
#include <algorithm>
#include <cstddef>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <mice/text/sentencepiece/model.hpp>
#include <mice/text/tokenizer.hpp>
#include <mice/text/unigram/spec.hpp>

#include "../tests/support/byte_bpe_folder.hpp"
#include "../tests/support/sentencepiece_file.hpp"

namespace {

using tokenizers = std::vector<std::pair<std::string, std::shared_ptr<const mice::tokenizer>>>;

/// The model's pieces behind steps such as XLM-R's.
mice::unigram_spec unigram_of(const mice::sentencepiece_spec& model) {
    mice::unigram_spec spec;
    const mice::text::sentencepiece_model read = mice::text::read_sentencepiece_model(model.model);
    for (const auto& piece : read.pieces) {
        spec.vocabulary.emplace_back(piece.text);
        spec.scores.push_back(static_cast<double>(piece.score));
    }
    spec.normalizer = {
        {.kind = mice::text_step_kind::nfkc, .pattern = "", .content = ""},
        {.kind = mice::text_step_kind::replace_regex, .pattern = " {2,}", .content = " "}};
    spec.splitter = {{.kind = mice::split_step_kind::whitespace},
                     {.kind = mice::split_step_kind::metaspace}};
    spec.added_tokens = {{.id = 0, .content = "<unk>", .special = true},
                         {.id = 1, .content = "<s>", .special = true},
                         {.id = 2, .content = "</s>", .special = true}};
    return spec;
}

tokenizers all_tokenizers() {
    const mice::sentencepiece_spec model = fixtures::sentencepiece_file::spec_of(
        test::golden_text("tokenizers/spm_unigram/spm.model"));
    tokenizers all = {
        {"wordpiece", mice::make_tokenizer(test::wordpiece_folder("tokenizers/wordpiece_uncased"))},
        {"byte_bpe", mice::make_tokenizer(test::byte_bpe_folder("tokenizers/byte_bpe"))},
        {"unigram", mice::make_tokenizer(unigram_of(model))}};
    if (MICE_USE_SENTENCEPIECE) {
        all.emplace_back("sentencepiece", mice::make_tokenizer(model));
    }
    return all;
}

/// The texts of a corpus, as often as it takes for `least` bytes, 100 MB of a larger one at most.
std::vector<std::string> texts_of(const std::string& path, std::size_t least) {
    std::ifstream file(path, std::ios::binary);
    std::vector<std::string> texts;
    std::size_t bytes = 0;
    for (std::string line; bytes < 100'000'000 && std::getline(file, line);) {
        texts.push_back(nlohmann::json::parse(line).at("text").get<std::string>());
        bytes += texts.back().size();
    }
    if (bytes == 0) {
        throw std::runtime_error("no texts in " + path);
    }
    for (std::size_t next = 0; bytes < least; ++next) {
        texts.push_back(texts[next]);
        bytes += texts.back().size();
    }
    return texts;
}

/// Seconds of processor time.
double seconds_of(const mice::tokenizer& tokenizer, const std::vector<std::string>& texts,
                  bool offsets, std::size_t& tokens) {
    tokens = 0;
    const std::clock_t begun = std::clock();
    for (const std::string& text : texts) {
        tokens += tokenizer.encode(text, {.add_markers = mice::markers::omit, .offsets = offsets})
                      .ids.size();
    }
    return static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
}

void run(const std::string& corpus, std::size_t rounds) {
    const std::vector<std::string> texts = texts_of(corpus, 200'000);
    std::size_t bytes = 0;
    for (const std::string& text : texts) {
        bytes += text.size();
    }
    const double megabytes = static_cast<double>(bytes) / 1e6;
    for (const auto& [name, tokenizer] : all_tokenizers()) {
        double without = std::numeric_limits<double>::max(), with = without;
        std::size_t tokens = 0, traced = 0;
        for (std::size_t round = 0; round < rounds; ++round) {
            without = std::min(without, seconds_of(*tokenizer, texts, false, tokens));
            with = std::min(with, seconds_of(*tokenizer, texts, true, traced));
        }
        if (tokens != traced) {
            throw std::runtime_error(name + ": offsets change the tokens");
        }
        nlohmann::ordered_json told;
        told["tokenizer"] = name;
        told["megabytes"] = megabytes;
        told["tokens"] = tokens;
        told["mb_per_second"] = megabytes / without;
        told["mb_per_second_with_offsets"] = megabytes / with;
        told["ratio"] = without / with;
        std::cout << told.dump() << std::endl;
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc > 3) {
        std::cerr << "usage: bench_tokenizers [CORPUS.jsonl [ROUNDS]]\n";
        return 64;
    }
    try {
        run(argc > 1 ? argv[1] : MICE_BENCH_CORPUS, argc > 2 ? std::stoull(argv[2]) : 20);
    } catch (const std::exception& e) {
        std::cerr << "bench_tokenizers: " << e.what() << '\n';
        return 1;
    }
}
