// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/sentencepiece/spec.hpp>

namespace fixtures {

/// Writes protobuf messages field by field, with any damage that a test wants.
class message {
  public:
    message& number(unsigned field, std::uint64_t value) {
        varint(field << 3);
        varint(value);
        return *this;
    }
    message& text(unsigned field, std::string_view value) {
        varint(field << 3 | 2);
        varint(value.size());
        bytes_ += value;
        return *this;
    }
    message& real(unsigned field, float value) {
        varint(field << 3 | 5);
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (unsigned i = 0; i < 4; ++i)
            bytes_ += static_cast<char>(bits >> 8 * i);
        return *this;
    }
    message& raw(std::string_view bytes) {
        bytes_ += bytes;
        return *this;
    }
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

  private:
    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7)
            bytes_ += static_cast<char>(value | 0x80);
        bytes_ += static_cast<char>(value);
    }
    std::string bytes_;
};

/// A sentencepiece model file.
struct sentencepiece_file {
    enum kind { normal = 1, unknown, control, user_defined, unused, byte };
    struct piece {
        std::string text;
        float score = 0;
        int type = normal;
    };
    std::vector<piece> pieces = {{"<unk>", 0, unknown}, {"<s>", 0, control}, {"</s>", 0, control}};
    unsigned type = 1; ///< 1 unigram, 2 BPE
    bool byte_fallback = false;
    bool whitespace_suffix = false;
    bool add_dummy_prefix = true;
    bool remove_extra_whitespaces = true;
    std::string charsmap;
    std::string more; ///< behind it all

    sentencepiece_file& add(std::string text, float score = -1, int type_of = normal) {
        pieces.push_back({std::move(text), score, type_of});
        return *this;
    }
    sentencepiece_file& add_bytes() {
        byte_fallback = true;
        for (unsigned i = 0; i < 256; ++i)
            add(std::string("<0x") + "0123456789ABCDEF"[i / 16] + "0123456789ABCDEF"[i % 16] + ">",
                0, byte);
        return *this;
    }
    [[nodiscard]] std::string text() const {
        message all;
        for (const piece& each : pieces)
            all.text(1, message()
                            .text(1, each.text)
                            .real(2, each.score)
                            .number(3, static_cast<std::uint64_t>(each.type))
                            .bytes());
        all.text(2, message()
                        .text(1, "a trainer's file")
                        .number(3, type)
                        .number(24, whitespace_suffix ? 1 : 0)
                        .number(35, byte_fallback ? 1 : 0)
                        .bytes());
        all.text(3, message()
                        .text(1, "rules")
                        .text(2, charsmap)
                        .number(3, add_dummy_prefix ? 1 : 0)
                        .number(4, remove_extra_whitespaces ? 1 : 0)
                        .number(5, 1)
                        .bytes());
        return all.raw(more).bytes();
    }
    [[nodiscard]] mice::sentencepiece_spec spec() const { return spec_of(text()); }

    [[nodiscard]] static mice::sentencepiece_spec spec_of(std::string_view file) {
        mice::sentencepiece_spec spec;
        for (const char c : file)
            spec.model.push_back(static_cast<std::byte>(c));
        return spec;
    }
};

/// "_" stands for the sign of a space.
inline std::string spaced(std::string text) {
    for (std::size_t at = text.find('_'); at != std::string::npos; at = text.find('_', at))
        text.replace(at, 1, "\xe2\x96\x81");
    return text;
}

/// Letters and the words that tests of models use; below 100 ids.
inline mice::sentencepiece_spec small_sentencepiece() {
    sentencepiece_file file;
    file.add(spaced("_"), -2);
    for (char letter = 'a'; letter <= 'z'; ++letter)
        file.add(std::string(1, letter), -8);
    for (const char* word : {"_the", "_old", "_mill", "_river", "s", "er", "_a", ".", ","})
        if (std::string_view(word) != "s")
            file.add(spaced(word), -4);
    file.add("<sym>", 0, sentencepiece_file::user_defined);
    mice::sentencepiece_spec spec = file.spec();
    spec.added_tokens = {{.id = 1, .content = "<s>", .special = true},
                         {.id = 2, .content = "</s>", .special = true}};
    return spec;
}

/// The same under XLM-R's ids.
inline mice::sentencepiece_spec small_xlmr() {
    mice::sentencepiece_spec spec = small_sentencepiece();
    const auto pieces =
        static_cast<std::int32_t>(mice::text::read_sentencepiece_model(spec.model).pieces.size());
    spec.ids = mice::piece_ids::xlmr;
    spec.pairs = mice::pair_form::roberta;
    spec.pad_token = "<pad>";
    spec.mask_token = "<mask>";
    spec.added_tokens = {{.id = 0, .content = "<s>", .special = true},
                         {.id = 2, .content = "</s>", .special = true},
                         {.id = pieces + 1, .content = "<mask>", .special = true, .lstrip = true}};
    return spec;
}

} // namespace fixtures
