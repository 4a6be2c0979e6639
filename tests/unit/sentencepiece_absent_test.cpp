// SPDX-License-Identifier: Apache-2.0
// A file of the program that is built without the sentencepiece library, beside others that have
// it: the inline namespace keeps their code apart.
#undef MICE_COMPILED
#define MICE_COMPILED 0
#undef MICE_USE_DISPATCH
#define MICE_USE_DISPATCH 1 // its kernels are in mice::compiled
#undef MICE_USE_SENTENCEPIECE
#define MICE_USE_SENTENCEPIECE 0

#include <string>
#include <string_view>

#include "../support/sentencepiece_file.hpp"
#include "catch.hpp"

#include <mice/text/sentencepiece/spec.hpp>
#include <mice/text/tokenizer.hpp>

TEST_CASE(
    "Without the sentencepiece library its tokenizers are refused, and the way out is named") {
    CHECK(std::string_view(MICE_TEXT(MICE_ABI_NAMESPACE)).find("_spm") == std::string_view::npos);
    const mice::sentencepiece_spec spec = fixtures::small_xlmr();
    try {
        (void)mice::tokenizer_from_model(
            mice::to_metadata(spec),
            mice::tokenizer_tensors{.vocabulary = {}, .merges = {}, .sentencepiece = spec.model});
        FAIL("made a tokenizer");
    } catch (const mice::error& raised) {
        CHECK(raised.code() == mice::errc::unsupported);
        CHECK(std::string(raised.what()).find("mice::sentencepiece") != std::string::npos);
    }
}
