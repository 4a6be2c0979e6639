// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"

#include <cmath>
#include <functional>
#include <limits>

#include <mice/io/safetensors.hpp>
#include <mice/io/tensor.hpp>

namespace {

using fixtures::catch_error;
using fixtures::caught_error;
using mice::document;

document small_document() {
    fixtures::random_numbers random(3);
    return {random.floats(12), {2, 7, 3}, "model-a", {.tokens_cut = 5, .replaced = 2}};
}

bool same(const document& a, const document& b) {
    return std::equal(a.states().begin(), a.states().end(), b.states().begin(), b.states().end(),
                      [](float x, float y) {
                          return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
                      }) &&
           std::equal(a.ids().begin(), a.ids().end(), b.ids().begin(), b.ids().end()) &&
           a.fingerprint() == b.fingerprint() && a.tokens_cut() == b.tokens_cut() &&
           a.replaced() == b.replaced();
}

/// Reads untrusted bytes: the result must be a complete document or an error of the promised kind.
bool reads(std::span<const std::byte> bytes) {
    try {
        const document made = document::deserialize(bytes);
        REQUIRE(made.tokens() > 0);
        REQUIRE(made.hidden() > 0);
        REQUIRE(made.states().size() == made.tokens() * made.hidden());
        for (const float value : made.states()) {
            REQUIRE(std::isfinite(value));
        }
        return true;
    } catch (const mice::error& e) {
        REQUIRE((e.code() == mice::errc::format || e.code() == mice::errc::tensor ||
                 e.code() == mice::errc::unsupported));
        REQUIRE(std::string_view(e.what()).size() < 1000);
        return false;
    }
}

/// A stored document with its parts changed.
struct stored_document {
    mice::io::safetensors::metadata_map metadata{{"format", "mice-document"},
                                                 {"mice.format_version", "1"},
                                                 {"mice.document_fingerprint", "model-a"},
                                                 {"mice.tokens_cut", "5"},
                                                 {"mice.replaced", "2"}};
    fixtures::stored_tensor states{
        "states", mice::io::dtype::f32, {3, 4}, std::vector<std::byte>(48)};
    fixtures::stored_tensor ids{"ids", mice::io::dtype::i32, {3}, std::vector<std::byte>(12)};

    [[nodiscard]] caught_error error() const {
        const std::vector<mice::io::tensor_to_write> tensors{
            {states.name, {states.type, states.shape, states.bytes}},
            {ids.name, {ids.type, ids.shape, ids.bytes}}};
        const std::vector<std::byte> file = mice::io::write_safetensors(tensors, metadata);
        return catch_error([&] { static_cast<void>(document::deserialize(file)); });
    }
};

caught_error error_after(const std::function<void(stored_document&)>& change) {
    stored_document stored;
    REQUIRE(!stored.error().thrown);
    change(stored);
    return stored.error();
}

} // namespace

TEST_CASE("a stored document comes back bit for bit") {
    const document made = small_document();
    CHECK(same(document::deserialize(made.serialize()), made));
    const std::vector<float> odd{0.0F,
                                 -0.0F,
                                 std::numeric_limits<float>::denorm_min(),
                                 std::numeric_limits<float>::max(),
                                 -1e-38F,
                                 1.0F / 3};
    const document edges(odd, {0, std::numeric_limits<std::int32_t>::max()},
                         "\xce\xb1 \"quoted\" \\ \n",
                         {.tokens_cut = std::numeric_limits<std::size_t>::max(), .replaced = 0});
    CHECK(same(document::deserialize(edges.serialize()), edges));
    const document one({1.0F}, {5}, "");
    CHECK(same(document::deserialize(one.serialize()), one));
    CHECK(made.serialize() == made.serialize());
}

TEST_CASE("a document encoded by a model comes back with the same score") {
    const std::vector<std::byte> file = fixtures::make_model(fixtures::small_config()).file();
    const mice::reranker ranker{std::span(file), mice::precision::f32};
    const document made = ranker.encode("the old mill \xff by the river");
    CHECK(made.replaced() == 1);
    CHECK(made.hidden() == 32);
    CHECK(made.fingerprint() == ranker.fingerprint());
    const document back = document::deserialize(made.serialize());
    REQUIRE(same(back, made));
    const mice::query query = ranker.encode_query("old mill");
    CHECK(ranker.score(query, std::span(&back, 1))[0].score ==
          ranker.score(query, std::span(&made, 1))[0].score);
}

TEST_CASE("a document needs tokens and the same number of values for each") {
    const auto code = [](std::vector<float> states, std::vector<std::int32_t> ids) {
        return catch_error([&] { const document made(std::move(states), std::move(ids), "m"); });
    };
    CHECK(code({}, {}).code == mice::errc::invalid_argument);
    CHECK(code({1, 2, 3}, {}).thrown);
    CHECK(!code({}, {1}).thrown); // a cross-encoder's, which keeps no states
    CHECK(code({1, 2, 3}, {1, 2}).thrown);
    CHECK(!code({1, 2, 3, 4}, {1, 2}).thrown);
}

TEST_CASE("a document cut at any byte is refused") {
    const std::vector<std::byte> whole = small_document().serialize();
    REQUIRE(reads(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        INFO("cut to " << size << " of " << whole.size() << " bytes");
        // a copy of its own, so that a read past the end is seen by the sanitizer
        const std::vector<std::byte> part(whole.begin(),
                                          whole.begin() + static_cast<std::ptrdiff_t>(size));
        REQUIRE(!reads(part));
    }
    std::vector<std::byte> longer = whole;
    longer.push_back(std::byte{0});
    CHECK(!reads(longer));
}

TEST_CASE("a document with any byte of its header changed is refused or whole") {
    const std::vector<std::byte> whole = small_document().serialize();
    const std::size_t header = whole.size() - 12 * 4 - 3 * 4;
    std::size_t refused = 0;
    for (std::size_t at = 0; at < header; ++at) {
        for (const unsigned change :
             {0x01U, 0x02U, 0x04U, 0x08U, 0x10U, 0x20U, 0x40U, 0x80U, 0xffU}) {
            std::vector<std::byte> damaged = whole;
            damaged[at] ^= static_cast<std::byte>(change);
            refused += !reads(damaged);
        }
    }
    CHECK(refused > header); // what is left are the texts and the blanks
}

TEST_CASE("a stored document with contradicting parts is refused with the reason") {
    using mice::io::dtype;
    const auto format = [](const caught_error& wrong, std::string_view part) {
        INFO(wrong.text);
        CHECK(wrong.code == mice::errc::format);
        CHECK(wrong.says(part));
    };
    format(error_after([](stored_document& d) { d.metadata["format"] = "mice"; }), "another kind");
    format(error_after([](stored_document& d) { d.metadata.erase("format"); }), "'format'");
    const caught_error newer =
        error_after([](stored_document& d) { d.metadata["mice.format_version"] = "2"; });
    CHECK(newer.code == mice::errc::unsupported);
    CHECK(newer.says("'2'"));
    for (const std::string key :
         {"mice.document_fingerprint", "mice.tokens_cut", "mice.replaced"}) {
        format(error_after([&](stored_document& d) { d.metadata.erase(key); }), key);
    }
    for (const char* number :
         {"", "x", "-1", "1.5", " 5", "5 ", "0x5", "99999999999999999999999"}) {
        format(error_after([&](stored_document& d) { d.metadata["mice.tokens_cut"] = number; }),
               "mice.tokens_cut");
    }
    format(error_after([](stored_document& d) { d.ids.name = "tokens"; }), "'ids'");
    format(error_after([](stored_document& d) { d.ids.type = dtype::f32; }), "'ids'");
    format(error_after([](stored_document& d) { d.ids.shape = {3, 1}; }), "'ids'");
    format(error_after([](stored_document& d) { d.states.type = dtype::i32; }), "'states'");
    format(error_after([](stored_document& d) { d.states.shape = {12}; }), "'states'");
    format(error_after([](stored_document& d) { d.states.shape = {4, 3}; }), "[4, 3]");
    // none at all is what a cross-encoder keeps
    CHECK_FALSE(error_after([](stored_document& d) {
                    d.states.shape = {3, 0};
                    d.states.bytes.clear();
                }).thrown);
    format(error_after([](stored_document& d) {
               d.states.shape = {0, 4};
               d.states.bytes.clear();
               d.ids.shape = {0};
               d.ids.bytes.clear();
           }),
           "0 ids");
    for (const std::uint32_t bits : {0x7fc00000U, 0x7f800000U, 0xff800000U}) {
        format(error_after([bits](stored_document& d) {
                   std::memcpy(d.states.bytes.data() + 44, &bits, 4);
               }),
               "NaN or infinity");
    }
}

TEST_CASE("a document of another model is refused with both names") {
    const std::vector<std::byte> first_file = fixtures::make_model(fixtures::small_config()).file();
    const std::vector<std::byte> second_file =
        fixtures::make_model(fixtures::small_config(), {.seed = 2}).file();
    const mice::reranker first{std::span(first_file)};
    const mice::reranker second{std::span(second_file)};
    const document made = first.encode("water");
    const caught_error foreign =
        catch_error([&] { static_cast<void>(second.rank("water", std::span(&made, 1))); });
    CHECK(foreign.code == mice::errc::mismatch);
    CHECK(foreign.says("seed-1"));
    CHECK(foreign.says("seed-2"));
    // the right name over states of another width is refused as well
    const document narrow(std::vector<float>(6), {2, 9, 3}, "seed-1");
    CHECK(catch_error([&] {
              static_cast<void>(first.rank("water", std::span(&narrow, 1)));
          }).code == mice::errc::mismatch);
    const document* none = nullptr;
    const mice::query query = first.encode_query("water");
    CHECK(catch_error([&] {
              static_cast<void>(first.rank(query, std::span<const document* const>(&none, 1)));
          }).code == mice::errc::invalid_argument);
}
