// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <mice/index/files/manifest.hpp>
#include <mice/index/files/publish.hpp>

namespace {

using fixtures::catch_error;

mice::store::manifest some_manifest() {
    mice::store::manifest made;
    made.generation = 12;
    made.next_file = 9;
    made.model = {"a \"model\"", "00ff", ""};
    made.codec = {"pq48", 2, mice::dropped_tokens::stop_words};
    made.words = mice::index_words::none;
    made.parameters = {1, 70000, 0xfeedfacecafebeefU};
    made.segments = {{2, 5000, 1, 10, {}},
                     {5, 6000, 0xffffffffffffffffU, 20, {8, 72, 3, 4, 50, 40}}};
    return made;
}

} // namespace

TEST_CASE("a manifest is read as it was written") {
    const mice::store::manifest made = some_manifest();
    const std::string text = mice::store::to_text(made);
    REQUIRE(std::count(text.begin(), text.end(), '\n') == 2);
    const mice::store::manifest read =
        mice::store::parse_manifest(text, "manifest-00000000000000000012");
    REQUIRE(read.generation == made.generation);
    REQUIRE(read.next_file == made.next_file);
    REQUIRE(read.model.name == made.model.name);
    REQUIRE(read.model.fingerprint == made.model.fingerprint);
    REQUIRE(read.codec == made.codec);
    REQUIRE(read.words == made.words);
    REQUIRE(read.parameters == made.parameters);
    REQUIRE(read.segments == made.segments);
    REQUIRE(read.documents() == 26);
    REQUIRE(read.files() ==
            std::vector<std::string>{"codec-1", "segment-2", "segment-5", "deleted-8"});
    REQUIRE(catch_error([&] {
                (void)mice::store::parse_manifest(text, "manifest-00000000000000000013");
            }).says("another commit"));
}

TEST_CASE("every flipped bit and every cut of a manifest is found") {
    const std::string text = mice::store::to_text(some_manifest());
    const std::string name = mice::store::manifest_name(12);
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            std::string wrong = text;
            wrong[at] = static_cast<char>(static_cast<unsigned char>(wrong[at]) ^ (1U << bit));
            REQUIRE(catch_error([&] { (void)mice::store::parse_manifest(wrong, name); }).code ==
                    mice::errc::format);
        }
        REQUIRE(catch_error([&] {
                    (void)mice::store::parse_manifest(text.substr(0, at), name);
                }).code == mice::errc::format);
    }
    REQUIRE(catch_error([&] { (void)mice::store::parse_manifest(text + "\n", name); }).thrown);
}

TEST_CASE("only names that a writer gives are taken for files of an index") {
    using mice::store::detail::is_index_file;
    for (const char* name : {"segment-1", "deleted-77", "codec-3", "manifest-00000000000000000001",
                             "manifest-00000000000000000001.tmp"}) {
        CAPTURE(name);
        REQUIRE(is_index_file(name));
    }
    for (const char* name :
         {"segment-", "segment-0", "segment--1", "segment-1x", "segment-1.tmp", "Segment-1",
          "../segment-1", "lock", "notes", "", "segment-99999999999999999999"}) {
        CAPTURE(name);
        REQUIRE_FALSE(is_index_file(name));
    }
}
