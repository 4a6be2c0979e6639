// SPDX-License-Identifier: Apache-2.0
// An entry point for libFuzzer: loads any bytes as a model and, where that works, scores with it.
// Build and run, from the project's root:
//
//   clang++-14 -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
//       -DMICE_USE_SENTENCEPIECE=1 -I include tests/fuzz/libfuzzer_model.cc
//       -o build/libfuzzer_model -lsentencepiece -pthread
//   mkdir -p build/corpus && build/libfuzzer_model -seed_models=build/corpus
//   build/libfuzzer_model -max_len=65536 -rss_limit_mb=2048 build/corpus
//
// The second line writes small valid models to start from: random bytes never become one.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "../support/random_model.hpp"

namespace {

void write_seeds(const std::filesystem::path& folder) {
    mice::model_config config = fixtures::tiny_config();
    config.vocab_size = 300;
    for (const fixtures::storage kind : {fixtures::storage::f32, fixtures::storage::i8}) {
        // none (ids), WordPiece, byte-level BPE, sentencepiece
        for (const char tokenizer : {'i', 't', 'b', 's'}) {
            const std::vector<std::byte> file =
                fixtures::make_model(config, {.weights = kind,
                                              .with_tokenizer = tokenizer != 'i',
                                              .byte_bpe = tokenizer == 'b',
                                              .sentencepiece = tokenizer == 's'})
                    .file();
            const std::string name = std::to_string(static_cast<int>(kind)) + tokenizer;
            std::ofstream out(folder / name, std::ios::binary);
            out.write(reinterpret_cast<const char*>(file.data()),
                      static_cast<std::streamsize>(file.size()));
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
    constexpr std::string_view option = "-seed_models=";
    for (int i = 1; i < *count; ++i) {
        const std::string_view argument((*arguments)[i]);
        if (argument.starts_with(option)) {
            write_seeds(argument.substr(option.size()));
            std::exit(0);
        }
    }
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const mice::reranker ranker(std::as_bytes(std::span(data, size)));
        const std::vector<std::int32_t> ids(2, 0);
        const mice::document document = ranker.encode_ids(ids);
        const mice::ranking scored =
            ranker.score(ranker.encode_query_ids(ids), std::span(&document, 1), {.threads = 1});
        if (!std::isfinite(scored[0].score)) {
            std::abort();
        }
        if (ranker.has_tokenizer()) {
            static_cast<void>(ranker.rank("old [SEP] mill", {"river \xff", ""}, {.threads = 1}));
        }
    } catch (const mice::error&) {
        // the promised answer to a file that is no model; anything else ends the run
    }
    return 0;
}
