// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <set>

#include <mice/index/files/segment.hpp>
#include <mice/index/write/writer.hpp>

namespace {

using namespace std::string_literals;
using fixtures::catch_error;
using fixtures::hit_bits;
using fixtures::id_of;
using fixtures::ids_of;
using fixtures::model_in_memory;
using fixtures::passage;
using fixtures::put_passages;

using fixtures::question;

std::vector<std::pair<std::string, float>> candidates_of(const mice::index& index) {
    std::vector<std::pair<std::string, float>> found;
    for (const mice::index_candidate& each : index.candidates(question, 1000)) {
        found.emplace_back(each.id, each.score);
    }
    return found;
}

mice::store::segment_record record_of(std::uint64_t bytes, std::uint64_t documents,
                                      std::uint64_t deleted = 0) {
    mice::store::segment_record made{1, bytes, 0, documents, {}};
    made.deletions.documents = deleted;
    return made;
}

/// An index built in one go, to compare with.
struct reference {
    reference(const mice::reranker& ranker, std::uint64_t documents)
        : index(mice::index::create(folder.path(), ranker)) {
        put_passages(index, 0, documents);
        index.commit();
    }
    temporary_folder folder;
    mice::index index;
};

} // namespace

TEST_CASE("segments of a commit are joined, and nothing changes for readers") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index_access access;
    access.segment_memory = 1; // every document ends a segment
    mice::index index = mice::index::create(folder.path(), model.ranker, {}, access);
    std::size_t most = 0;
    for (std::uint64_t i = 0; i < 100; ++i) {
        put_passages(index, i, i + 1);
        REQUIRE(index.commit().postponed.empty());
        most = std::max(most, static_cast<std::size_t>(index.stats().segments));
    }
    REQUIRE(most < 16);
    put_passages(index, 100, 130); // thirty segments in one commit
    index.commit();
    REQUIRE(index.stats().segments < 16);
    reference once(model.ranker, 130);
    REQUIRE(ids_of(index) == ids_of(once.index));
    REQUIRE(hit_bits(index.rank(question)) == hit_bits(once.index.rank(question)));
    REQUIRE(candidates_of(index) == candidates_of(once.index));
    REQUIRE(index.get("doc-5")->metadata == "m5");
    REQUIRE(index.verify().empty());
    index.compact();
    REQUIRE(index.stats().segments == 1);
    REQUIRE(hit_bits(index.rank(question)) == hit_bits(once.index.rank(question)));
    const auto files = fixtures::files_in(folder.path());
    REQUIRE(files.size() == 4); // lock, two manifests, one segment
}

TEST_CASE("the number of files stays small with many small commits and replacements") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker);
    for (std::uint64_t round = 0; round < 60; ++round) {
        for (std::uint64_t i = 0; i < 10; ++i) { // always the same ids
            index.put(id_of(i), passage(1000 + 10 * round + i));
        }
        index.commit();
        REQUIRE(fixtures::files_in(folder.path()).size() < 40);
    }
    REQUIRE(index.size() == 10);
    REQUIRE(index.stats().deleted <= 10 * index.stats().segments);
    REQUIRE(index.verify().empty());
}

TEST_CASE("compacting leaves out what is deleted") {
    for (const bool exact_match : {false, true}) {
        CAPTURE(exact_match);
        mice::model_config config = fixtures::tiny_config();
        config.extra_attn_bias = exact_match; // stores token ids beside the states
        const model_in_memory model(config);
        const temporary_folder folder;
        mice::index index = mice::index::create(folder.path(), model.ranker);
        put_passages(index, 0, 300);
        index.commit();
        put_passages(index, 300, 400);
        index.commit();
        for (std::uint64_t i = 0; i < 400; i += 3) {
            index.erase(id_of(i));
        }
        index.put("doc-5", "another text");
        index.commit();
        const auto before = hit_bits(index.rank(question));
        const auto order = ids_of(index);
        const std::uint64_t bytes = index.stats().bytes.total();
        const std::uint64_t tokens = index.stats().tokens;
        std::uint64_t last = 0;
        index.compact([&](std::uint64_t done, std::uint64_t all) {
            REQUIRE(done >= last);
            REQUIRE(done <= all);
            last = done;
        });
        REQUIRE(last > 0);
        const mice::index_stats after = index.stats();
        REQUIRE(after.deleted == 0);
        REQUIRE(after.segments == 1);
        REQUIRE(after.tokens == tokens);
        REQUIRE(after.all_tokens == tokens);
        REQUIRE(after.bytes.total() < bytes);
        REQUIRE(hit_bits(index.rank(question)) == before);
        REQUIRE(ids_of(index) == order);
        const std::uint64_t generation = after.generation;
        REQUIRE(index.compact().generation == generation); // nothing to do
        REQUIRE(mice::index::open(folder.path(), model.ranker).verify().empty());
    }
}

TEST_CASE("indexes of shards join into the index of the whole") {
    const model_in_memory model;
    reference once(model.ranker, 90);
    const temporary_folder folder;
    std::vector<std::filesystem::path> shards;
    for (std::uint64_t i = 0; i < 9; ++i) {
        shards.push_back(folder.path() / ("shard" + std::to_string(i)));
        mice::index shard = mice::index::create(shards.back(), model.ranker);
        put_passages(shard, 10 * i, 10 * i + 10);
        shard.put("gone", "deleted");
        shard.commit();
        shard.erase("gone");
        shard.commit();
    }
    mice::index merged = mice::index::create(folder.path() / "merged", model.ranker);
    const mice::index_merge done = merged.merge(shards);
    REQUIRE(done.added == 90);
    REQUIRE(done.replaced == 0);
    REQUIRE(done.skipped == 0);
    REQUIRE(done.generation == merged.stats().generation);
    REQUIRE(ids_of(merged) == ids_of(once.index));
    REQUIRE(hit_bits(merged.rank(question)) == hit_bits(once.index.rank(question)));
    REQUIRE(candidates_of(merged) == candidates_of(once.index));
    REQUIRE(merged.verify().empty());
    const mice::index_merge again = merged.merge(shards); // the same documents are no conflict
    REQUIRE(again.added == 0);
    REQUIRE(again.skipped == 90);
    REQUIRE(again.generation == done.generation);
}

TEST_CASE("an id with two contents is decided as the caller wishes") {
    const model_in_memory model;
    const temporary_folder folder;
    const auto make = [&](const std::string& name, const std::string& text) {
        mice::index index = mice::index::create(folder.path() / name, model.ranker);
        index.put("shared", text);
        index.put("only " + name, "the day");
        index.commit();
        return folder.path() / name;
    };
    const std::vector others{make("b", "the second"), make("c", "the third")};
    mice::index index = mice::index::open(make("a", "the first"), model.ranker);
    const auto hash_of = [&](const std::filesystem::path& of) {
        return mice::index::open(of, model.ranker).get("shared")->content_hash;
    };
    index.put("waiting", "is committed first");
    const auto refused = catch_error([&] { (void)index.merge(others); });
    REQUIRE(refused.code == mice::errc::mismatch);
    REQUIRE(refused.says("'shared'"));
    REQUIRE(ids_of(index) == std::vector{"shared"s, "only a"s, "waiting"s});
    index.put("later", "the writer goes on");
    REQUIRE(index.commit().documents == 4);

    const mice::index_merge first = index.merge(others, mice::merge_conflict::keep_first);
    REQUIRE(first.added == 2);
    REQUIRE(first.skipped == 2);
    REQUIRE(index.get("shared")->content_hash == hash_of(folder.path() / "a"));
    const mice::index_merge last = index.merge(others, mice::merge_conflict::keep_last);
    REQUIRE(last.added == 0);
    REQUIRE(last.replaced == 2);
    REQUIRE(last.skipped == 2);
    REQUIRE(index.size() == 6);
    REQUIRE(index.get("shared")->content_hash == hash_of(folder.path() / "c"));
    REQUIRE(index.verify().empty());
}

TEST_CASE("indexes that do not fit are not merged") {
    const model_in_memory model;
    const model_in_memory foreign(fixtures::tiny_config(), {.seed = 2});
    const temporary_folder folder;
    const auto made = [&](const std::string& name, const model_in_memory& by,
                          const mice::index_options& options) {
        mice::index index = mice::index::create(folder.path() / name, by.ranker, options);
        index.put(name, "the day");
        index.commit();
        return folder.path() / name;
    };
    mice::index_options sixteen;
    sixteen.codec.name = "int16";
    mice::index_options wordless;
    wordless.words = mice::index_words::none;
    mice::index index = mice::index::open(made("a", model, {}), model.ranker);
    for (const auto& other :
         {made("b", foreign, {}), made("c", model, sixteen), made("d", model, wordless)}) {
        const auto refused = catch_error([&] { (void)index.merge(std::span(&other, 1)); });
        REQUIRE(refused.code == mice::errc::mismatch);
    }
    const std::filesystem::path none = folder.path() / "none";
    REQUIRE(catch_error([&] { (void)index.merge(std::span(&none, 1)); }).code == mice::errc::io);
    REQUIRE(index.size() == 1);
    mice::index like =
        mice::index::create_like(folder.path() / "e", model.ranker, folder.path() / "c");
    REQUIRE(like.stats().codec.name == "int16");
    const std::vector from{folder.path() / "c"};
    REQUIRE(like.merge(from).added == 1);
}

TEST_CASE("which segments are worth joining") {
    using mice::store::next_merge;
    using mice::store::segment_record;
    const std::uint64_t mib = std::uint64_t{1} << 20;
    std::vector<segment_record> list(7, record_of(1000, 10));
    REQUIRE_FALSE(next_merge(list));
    list.push_back(record_of(2000, 10));
    REQUIRE(next_merge(list));
    REQUIRE(next_merge(list)->first == 0);
    REQUIRE(next_merge(list)->last == 8);
    list.insert(list.begin() + 4, record_of(900 * mib, 10000)); // parts the neighbours
    REQUIRE_FALSE(next_merge(list));
    REQUIRE(next_merge(std::vector{record_of(900 * mib, 1000, 501)})); // more than half deleted
    REQUIRE_FALSE(next_merge(std::vector{record_of(900 * mib, 1000, 500)}));
    // A segment of the largest size stays as it is.
    REQUIRE_FALSE(next_merge(std::vector<segment_record>(50, record_of(9ULL << 30, 1000))));
    REQUIRE_FALSE(next_merge(std::vector<segment_record>(50, record_of(9 * mib, 3U << 20))));
    // A thousand commits of one size leave only a few segments (a logarithm), and a merge never
    // exceeds the limits.
    list.clear();
    std::size_t most = 0;
    for (int i = 0; i < 1000; ++i) {
        list.push_back(record_of(mib, 100));
        while (const auto run = next_merge(list)) {
            segment_record sum = record_of(0, 0);
            for (std::size_t k = run->first; k < run->last; ++k) {
                sum.bytes += list[k].bytes;
                sum.documents += list[k].documents;
            }
            REQUIRE(sum.bytes <= mice::store::segment_limits().bytes);
            list.erase(list.begin() + static_cast<std::ptrdiff_t>(run->first) + 1,
                       list.begin() + static_cast<std::ptrdiff_t>(run->last));
            list[run->first] = sum;
        }
        most = std::max(most, list.size());
    }
    REQUIRE(most < 32);
    REQUIRE(mice::store::compacting_runs(list).size() == 1);
    REQUIRE(mice::store::compacting_runs(std::vector{record_of(mib, 10)}).empty());
    REQUIRE(mice::store::compacting_runs(std::vector{record_of(mib, 10, 1)}).size() == 1);
}

TEST_CASE("fault 25: what an index takes on disk is told beside what its last commit takes") {
    const fixtures::model_in_memory model;
    const temporary_folder folder;
    const auto path = folder.path() / "index";
    mice::index index = mice::index::create(path, model.ranker);
    for (std::uint64_t i = 0; i < 60; ++i) {
        index.put(fixtures::id_of(i), fixtures::passage(i), std::string(1000, 'm'));
    }
    index.commit();
    for (std::uint64_t i = 1; i < 60; ++i) {
        index.erase(fixtures::id_of(i));
    }
    index.commit();
    const auto measured = [&path] {
        std::uint64_t sum = 0;
        for (const auto& [name, bytes] : fixtures::files_in(path)) {
            sum += bytes.size();
        }
        return sum;
    };
    const mice::index_stats removed = index.stats();
    CHECK(removed.documents == 1);
    CHECK(removed.bytes.total() < 20'000); // rewritten; the commit before keeps the old segment
    CHECK(removed.disk_bytes > 60'000);
    CHECK(removed.disk_bytes == measured());
    CHECK(removed.disk_files == fixtures::files_in(path).size());
    index.compact();
    const mice::index_stats compacted = index.stats();
    CHECK(compacted.bytes.total() < 20'000);
    CHECK(compacted.disk_bytes < 20'000);
    CHECK(compacted.disk_bytes == measured());
    fixtures::write_file(path / "segment-500", std::string(12'345, 'x')); // of a killed writer
    CHECK(index.stats().disk_bytes == compacted.disk_bytes + 12'345);
    CHECK(index.stats().bytes.total() == compacted.bytes.total());
}
