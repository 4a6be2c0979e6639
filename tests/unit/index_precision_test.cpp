// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/forged_index.hpp"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

// An index says what its documents were encoded in.
namespace {

using fixtures::catch_error;
using fixtures::forged_index;
using fixtures::put_passages;
using mice::precision;
using mice::precision_set;

constexpr precision computed[] = {precision::f32, precision::bf16, precision::int8};

/// The same small model in every precision.
struct rankers {
    std::vector<std::byte> bytes = fixtures::make_model(fixtures::tiny_config()).file();
    mice::reranker f32{std::span<const std::byte>(bytes), precision::f32};
    mice::reranker bf16{std::span<const std::byte>(bytes), precision::bf16};
    mice::reranker int8{std::span<const std::byte>(bytes), precision::int8};

    [[nodiscard]] const mice::reranker& in(precision wanted) const {
        return wanted == precision::f32 ? f32 : wanted == precision::bf16 ? bf16 : int8;
    }
};

precision_set set_of(std::initializer_list<precision_set> parts) {
    precision_set all;
    for (const precision_set each : parts) {
        all.add(each);
    }
    return all;
}

/// Puts documents into the index of a folder, and creates it where there is none.
void add(const std::filesystem::path& folder, const mice::reranker& ranker, std::uint64_t first,
         std::uint64_t last) {
    mice::index index = mice::index::open_or_create(folder, ranker);
    put_passages(index, first, last);
    index.commit();
}

/// Makes a segment say that its documents were encoded in these; 0 is what older writers left.
void say(forged_index& index, std::uint64_t precisions) {
    const std::string& file = index.files[index.segment];
    mice::store::segment_footer footer = fixtures::footer_of(file);
    footer.precisions = precisions;
    index.put_segment(file, footer);
}

precision_set held_by(const forged_index& index) {
    return mice::index::open(index.path, index.ranker).stats().precisions;
}

} // namespace

TEST_CASE("a set of precisions says what is in it") {
    CHECK(precision_set().empty());
    CHECK(precision_set().text() == "none");
    CHECK_FALSE(precision_set().mixed());
    const precision_set one(precision::int8);
    CHECK(one.contains(precision::int8));
    CHECK_FALSE(one.contains(precision::f32));
    CHECK_FALSE(one.lacks_some());
    CHECK_FALSE(one.mixed());
    CHECK(one.text() == "int8");
    const precision_set all = set_of({one, precision_set(precision::f32),
                                      precision_set(precision::bf16), precision_set::unrecorded()});
    CHECK(all.mixed());
    CHECK(all.lacks_some());
    CHECK(all.text() == "f32, bf16, int8, not recorded");
    CHECK(set_of({one, precision_set::unrecorded()}).mixed());
    CHECK_FALSE(precision_set::unrecorded().mixed());
    for (std::uint64_t bits = 0; bits < precision_set::known_bits; ++bits) {
        CHECK(precision_set::from_bits(bits).bits() == bits);
    }
}

TEST_CASE("an index records what its documents were encoded in") {
    const rankers ranker;
    for (const precision each : computed) {
        CAPTURE(mice::name_of(each));
        const temporary_folder folder;
        const auto path = folder.path() / "index";
        {
            mice::index index = mice::index::create(path, ranker.in(each));
            CHECK(index.stats().precisions.empty());
            put_passages(index, 0, 5);
            index.put_ids("ids", std::vector<std::int32_t>{2, 7, 3});
            index.commit();
            CHECK(index.stats().precisions == precision_set(each));
        }
        for (const precision reader : computed) { // whatever a reader computes in
            mice::index index = mice::index::open(path, ranker.in(reader));
            CHECK(index.stats().precisions == precision_set(each));
            CHECK(index.put("doc-1", fixtures::passage(1), "m1") == mice::put_result::unchanged);
            index.commit();
            CHECK(index.stats().precisions == precision_set(each));
            CHECK(index.verify().empty());
        }
        // a codec that learns keeps states until it can
        mice::index learned = mice::index::create(folder.path() / "learned", ranker.in(each),
                                                  {.codec = {.name = "pq10"}});
        put_passages(learned, 0, 5);
        learned.commit();
        CHECK(learned.stats().precisions == precision_set(each));
    }
}

TEST_CASE("an index of several writers has the precisions of what is in its files") {
    const rankers ranker;
    const temporary_folder folder;
    const auto path = folder.path() / "index";
    add(path, ranker.f32, 0, 5);
    add(path, ranker.int8, 5, 10);
    const precision_set both =
        set_of({precision_set(precision::f32), precision_set(precision::int8)});
    mice::index index = mice::index::open(path, ranker.int8);
    CHECK(index.stats().precisions == both);
    for (std::uint64_t i = 0; i < 4; ++i) {
        index.erase(fixtures::id_of(i));
    }
    index.commit();
    CHECK(index.stats().precisions == both);
    index.put(fixtures::id_of(4), "the new mill"); // the last that was encoded in f32
    index.commit();
    index.compact();
    CHECK(index.stats().precisions == precision_set(precision::int8));
    CHECK(index.size() == 6);

    add(folder.path() / "joined", ranker.f32, 0, 5);
    add(folder.path() / "joined", ranker.bf16, 5, 10);
    mice::index joined = mice::index::open(folder.path() / "joined", ranker.int8);
    joined.compact();
    CHECK(joined.stats().segments == 1);
    CHECK(joined.stats().precisions ==
          set_of({precision_set(precision::f32), precision_set(precision::bf16)}));
}

TEST_CASE("what put_encoded was given is of no known precision") {
    const rankers ranker;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path() / "index", ranker.f32);
    index.put_encoded("given", ranker.int8.encode("the old mill"));
    index.commit();
    CHECK(index.stats().precisions == precision_set::unrecorded());
    index.put("own", "a river");
    index.commit();
    CHECK(index.stats().precisions ==
          set_of({precision_set::unrecorded(), precision_set(precision::f32)}));

    // where nothing is encoded, nothing depends on a precision
    for (const fixtures::named_config& each : fixtures::every_reader()) {
        if (each.config.state_width() == 0) {
            const std::vector<std::byte> bytes = fixtures::make_model(each.config).file();
            const mice::reranker pairs{std::span<const std::byte>(bytes), precision::int8};
            mice::index ids = mice::index::create(folder.path() / each.name, pairs);
            ids.put("own", "a river");
            ids.put_encoded("given", pairs.encode("the old mill"));
            ids.commit();
            CHECK(ids.stats().precisions.empty());
        }
    }
}

TEST_CASE("merge says what parts were encoded in and whether they differ") {
    const rankers ranker;
    const temporary_folder folder;
    add(folder.path() / "a", ranker.int8, 0, 3);
    add(folder.path() / "b", ranker.int8, 3, 6);
    add(folder.path() / "c", ranker.f32, 6, 9);
    (void)mice::index::create(folder.path() / "empty", ranker.f32);
    mice::index merged = mice::index::create(folder.path() / "merged", ranker.bf16);
    const std::vector<std::filesystem::path> alike{folder.path() / "a", folder.path() / "b",
                                                   folder.path() / "empty"};
    const mice::index_merge first = merged.merge(alike);
    const precision_set int8(precision::int8);
    CHECK(first.parts == std::vector<precision_set>{int8, int8, precision_set()});
    CHECK(first.precisions == int8);
    CHECK_FALSE(first.precisions.mixed());
    CHECK(merged.stats().precisions == int8);

    const std::vector<std::filesystem::path> other{folder.path() / "c"};
    const mice::index_merge second = merged.merge(other);
    CHECK(second.added == 3);
    CHECK(second.parts == std::vector<precision_set>{precision_set(precision::f32)});
    CHECK(second.precisions.mixed());
    CHECK(second.precisions.text() == "f32, int8");
    CHECK(merged.stats().precisions == second.precisions);
}

TEST_CASE("indexes of writers that recorded no precision are read and merged") {
    for (const char* codec : {"int8", "f32", "kv-int8"}) {
        CAPTURE(codec);
        forged_index older(fixtures::tiny_config(), {.name = codec});
        CHECK(held_by(older) == precision_set(precision::f32));
        say(older, 0);
        older.use();
        CHECK(older.findings().empty());
        CHECK(held_by(older) == precision_set::unrecorded());

        const temporary_folder folder;
        mice::index now = mice::index::create_like(folder.path() / "now", older.ranker, older.path);
        const std::vector<std::filesystem::path> from{older.path};
        const mice::index_merge copied = now.merge(from);
        CHECK(copied.added == 11);
        CHECK(copied.precisions == precision_set::unrecorded());
        CHECK_FALSE(copied.precisions.mixed());
        now.put("new", "the new mill");
        now.commit();
        now.compact();
        CHECK(now.stats().precisions ==
              set_of({precision_set(precision::f32), precision_set::unrecorded()}));
        CHECK(mice::index::open(folder.path() / "now", older.ranker).verify().empty());
        older.rewrite();
        CHECK(held_by(older) == precision_set::unrecorded());
    }
}

TEST_CASE("forged precisions of an index are refused") {
    forged_index index(fixtures::tiny_config(), {.name = "int8"});
    for (const std::uint64_t known : {1U, 2U, 4U, 8U, 15U}) {
        say(index, known);
        CHECK(held_by(index).bits() == known);
    }
    for (const std::uint64_t unknown :
         {std::uint64_t{16}, std::uint64_t{17}, std::uint64_t{1} << 63,
          std::numeric_limits<std::uint64_t>::max()}) {
        CAPTURE(unknown);
        say(index, unknown);
        const auto found = catch_error([&] { index.use(); });
        CHECK(found.code == mice::errc::format);
        CHECK(found.says(index.segment));
        CHECK(found.says("precisions that mice does not know"));
    }
}
