// SPDX-License-Identifier: Apache-2.0
#include "self_test.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "common/reference_scorer.hpp"

namespace mice::tools {
namespace {

constexpr std::size_t longest_query = 16;
constexpr std::size_t longest_document = 48; // the reference is slow; this many reach all code

constexpr std::array<std::string_view, 8> queries{
    "how do bees make honey",
    "symptoms of vitamin D deficiency",
    "open a file in read-only mode",
    "Why is the sky blue?",
    "best time to plant garlic",
    "tides",
    "what does an index fund cost per year, and who pays for it",
    "convert 32 degrees Fahrenheit to Celsius"};

constexpr std::array<std::string_view, 9> documents{
    "Bees collect nectar from flowers and carry it to the hive, where other bees pass it from "
    "mouth "
    "to mouth until most of its water is gone. The thick syrup that is left is honey.",
    "A lack of vitamin D may cause tiredness, bone pain and weak muscles.",
    "Pass O_RDONLY to open() and the call fails if the file does not exist.",
    "Sunlight is scattered by the molecules of the air, and blue light is scattered more than red.",
    "Plant garlic in autumn, four to six weeks before the ground freezes.",
    "The Moon's gravity pulls the oceans towards it; on the far side the water is left behind. As "
    "the "
    "Earth turns, each coast passes through both bulges and sees two high tides a day.",
    "Fees of index funds are often between 0.05% and 0.5% of the sum invested.",
    "Subtract 32 and multiply by five ninths: 32 \xC2\xB0"
    "F is 0 \xC2\xB0"
    "C.",
    "No."};

/// splitmix64: the same ids on every machine.
class id_source {
  public:
    std::size_t below(std::size_t limit) {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return static_cast<std::size_t>((z ^ (z >> 31)) % limit);
    }

    std::vector<std::int32_t> ids(std::size_t longest, std::size_t vocabulary) {
        std::vector<std::int32_t> result(2 + below(longest - 1));
        for (std::int32_t& id : result) {
            id = static_cast<std::int32_t>(below(vocabulary));
        }
        return result;
    }

  private:
    std::uint64_t state_ = 0;
};

void append(std::vector<std::int32_t>& flat, std::vector<std::int32_t>& offsets,
            const std::vector<std::int32_t>& ids) {
    flat.insert(flat.end(), ids.begin(), ids.end());
    offsets.push_back(static_cast<std::int32_t>(flat.size()));
}

io::tensor_view view_of(const std::vector<std::int32_t>& values) {
    return {io::dtype::i32, {values.size()}, std::as_bytes(std::span(values))};
}

} // namespace

std::vector<io::tensor_to_write> self_test::tensors() const {
    return {
        {"selftest.query_ids", view_of(query_ids)},
        {"selftest.query_offsets", view_of(query_offsets)},
        {"selftest.document_ids", view_of(document_ids)},
        {"selftest.document_offsets", view_of(document_offsets)},
        {"selftest.scores", {io::dtype::f32, {scores.size()}, std::as_bytes(std::span(scores))}}};
}

self_test make_self_test(const model_config& config, const io::safetensors::tensor_map& stored,
                         const tokenizer* words, std::size_t pairs) {
    const reference_scorer scorer(config, stored);
    const std::size_t query_limit =
        std::min(longest_query, config.max_query_length - config.marker_tokens());
    const std::size_t document_limit =
        std::min(longest_document, config.max_document_length - config.marker_tokens());
    id_source source;
    self_test result;
    for (std::size_t i = 0; i < pairs; ++i) {
        std::vector<std::int32_t> query;
        std::vector<std::int32_t> document;
        if (words != nullptr) {
            // Eight and nine have no common factor, so the first 72 pairs all differ.
            query = words->encode(queries[i % queries.size()], {.max_tokens = query_limit}).ids;
            document =
                words->encode(documents[i % documents.size()], {.max_tokens = document_limit}).ids;
        } else {
            query = source.ids(query_limit, config.vocab_size);
            document = source.ids(document_limit, config.vocab_size);
        }
        result.scores.push_back(static_cast<float>(scorer.score(query, document)));
        append(result.query_ids, result.query_offsets, query);
        append(result.document_ids, result.document_offsets, document);
    }
    return result;
}

} // namespace mice::tools
