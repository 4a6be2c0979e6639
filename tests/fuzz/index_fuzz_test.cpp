// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/forged_index.hpp"
#include "mutator.hpp"

// Seeded forgeries of an index's files, of every kind of model and every codec, with right
// checksums: only the reader's own checks are left. Every one must end in mice::error or in finite
// scores and states.
namespace {

using fixtures::forged_index;
using fixtures::random_numbers;
using fuzz::tally;

/// Overwrites a few numbers between first and last: 1 to 8 bytes, at a multiple of their size or
/// anywhere.
std::string forged(random_numbers& random, std::string file, std::size_t first, std::size_t last) {
    static constexpr std::array<std::uint64_t, 16> numbers{0,
                                                           1,
                                                           2,
                                                           8,
                                                           64,
                                                           127,
                                                           512,
                                                           65535,
                                                           0x7f800000U,
                                                           0x7f7fffffU,
                                                           0x7fffffffU,
                                                           0x80000000U,
                                                           0xffffffffU,
                                                           0x7c007c007c007c00U,
                                                           0xffffffffffffffffU,
                                                           0x8000000000000000U};
    for (std::size_t left = 1 + random.below(3); left > 0; --left) {
        const std::size_t size = std::size_t{1} << random.below(4);
        std::size_t at = first + random.below(last - first);
        at = random.below(4) == 0 ? at : at / size * size;
        std::uint64_t number = numbers[random.below(numbers.size())];
        if (random.below(3) == 0) { // a little more or less than is there
            std::memcpy(&number, file.data() + at, std::min(size, file.size() - at));
            number += random.below(9) - 4;
        }
        if (at + size <= last) {
            std::memcpy(file.data() + at, &number, size);
        }
    }
    return file;
}

/// Forges one part of an index's files after the other.
void forge(forged_index& index, std::uint64_t seed, std::size_t turns, tally& results) {
    random_numbers random(seed);
    const std::string& segment = index.files.at(index.segment);
    const mice::store::segment_footer footer = fixtures::footer_of(segment);
    for (std::size_t turn = 0; turn < turns; ++turn) {
        const std::size_t part = turn % 8;
        const auto& place = footer.places[std::min<std::size_t>(part, 4)];
        if (part < 5 && place.bytes > 0) {
            const auto first = static_cast<std::size_t>(place.offset);
            index.put_segment(
                forged(random, segment, first, first + static_cast<std::size_t>(place.bytes)));
        } else if (part == 5) { // what the footer counts and where it says that the parts are
            const std::size_t at = segment.size() - sizeof footer;
            const std::string changed =
                forged(random, segment, at + offsetof(mice::store::segment_footer, documents),
                       at + offsetof(mice::store::segment_footer, groups_checksum));
            mice::store::segment_footer other = fixtures::footer_of(changed);
            other.data_bytes = footer.data_bytes; // else there are no checksums to make right
            index.put_segment(segment, other);
        } else if (part == 6 && !index.parameters.empty()) {
            const std::string& file = index.files.at(index.parameters);
            index.put_parameters(
                forged(random, file, sizeof(mice::store::blob_header), file.size()));
        } else {
            const std::string& file = index.files.at(index.deletions);
            index.put_deletions(
                forged(random, file, sizeof(mice::store::blob_header), file.size()));
        }
        results.run([&] { index.use(); });
        if (turn % 16 == 15) {
            results.run([&] { index.rewrite(); });
            index.restore();
            continue;
        }
        index.restore();
    }
}

} // namespace

TEST_CASE("fault 29: forged indexes of every kind and codec are refused or give finite scores") {
    std::uint64_t seed = 1;
    tally results;
    for (const auto& [name, config] : fixtures::every_reader()) {
        const fixtures::model_in_memory model(config);
        for (const mice::index_codec& codec : fixtures::every_codec(model.ranker)) {
            CAPTURE(name, codec.name, codec.pool, seed);
            forged_index index(config, codec);
            REQUIRE_FALSE(fixtures::catch_error([&] { index.use(); }).thrown);
            forge(index, seed++, codec.pool == 1 ? 32 : 16, results);
        }
    }
    CHECK(seed > 60);
    CHECK(results.refused > 300);
    CHECK(results.accepted > 300);
}

TEST_CASE("fault 29: forged indexes are refused or give finite scores in fewer bits") {
    std::uint64_t seed = 1000;
    tally results;
    for (const auto computed : {mice::precision::bf16, mice::precision::int8}) {
        for (const char* name : {"kv-int8", "int8", "f32"}) {
            CAPTURE(name, seed);
            forged_index index(fixtures::small_config(), {.name = name}, computed);
            forge(index, seed++, 64, results);
        }
    }
    CHECK(results.refused > 20);
    CHECK(results.accepted > 20);
}

TEST_CASE("fault 29: forged documents of every kind are refused or give finite scores") {
    std::uint64_t seed = 2000;
    tally results;
    for (const auto& [name, config] : fixtures::every_reader()) {
        CAPTURE(name);
        random_numbers random(seed++);
        const fixtures::model_in_memory model(config);
        const mice::query query = model.ranker.encode_query("old mill");
        const fuzz::byte_string stored = model.ranker.encode("the old river mill").serialize();
        const std::string whole(fuzz::text_of(stored));
        const std::size_t data = 8 + fuzz::header_length(stored);
        const temporary_folder folder;
        mice::index index = mice::index::create(folder.path() / "index", model.ranker);
        fixtures::put_passages(index, 0, 3);
        for (int i = 0; i < 60; ++i) {
            const std::string file = forged(random, whole, data, whole.size());
            results.run([&] {
                const mice::document made = mice::document::deserialize(fuzz::bytes_of(file));
                const mice::ranking scored =
                    model.ranker.score(query, std::span(&made, 1), {.threads = 1});
                if (!std::isfinite(scored[0].score)) {
                    throw std::runtime_error("a score that is not finite");
                }
                index.put_encoded("forged", made);
            });
        }
        index.commit();
        results.run([&] { (void)index.rank("old mill"); });
    }
    CHECK(results.refused > 100);
    CHECK(results.accepted > 50);
}
