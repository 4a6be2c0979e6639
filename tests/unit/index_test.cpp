// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <set>
#include <thread>

#include <mice/io/file_system.hpp>

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

mice::index_options with_codec(const std::string& name) {
    mice::index_options options;
    options.codec.name = name;
    return options;
}

/// An app's storage: what it calls one folder lies in another.
class moved_files final : public mice::io::file_system {
  public:
    moved_files(std::filesystem::path said, std::filesystem::path real)
        : said_(std::move(said)), real_(std::move(real)) {}

    std::unique_ptr<mice::io::output_file> create(const std::filesystem::path& file) override {
        return system_.create(moved(file));
    }
    void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
        system_.rename(moved(from), moved(to));
    }
    void remove(const std::filesystem::path& file) override { system_.remove(moved(file)); }
    std::vector<std::string> list(const std::filesystem::path& folder) override {
        return system_.list(moved(folder));
    }
    void sync_folder(const std::filesystem::path& folder) override {
        system_.sync_folder(moved(folder));
    }
    void make_folder(const std::filesystem::path& folder) override {
        system_.make_folder(moved(folder));
    }
    std::unique_ptr<mice::io::file_lock> lock(const std::filesystem::path& file) override {
        return system_.lock(moved(file));
    }
    mice::io::mapped_file map(const std::filesystem::path& file) override {
        return system_.map(moved(file));
    }

  private:
    [[nodiscard]] std::filesystem::path moved(const std::filesystem::path& path) const {
        return real_ / path.lexically_relative(said_);
    }

    std::filesystem::path said_, real_;
    mice::io::file_system& system_ = mice::io::system_files();
};

std::vector<std::string> passages(std::uint64_t count) {
    std::vector<std::string> all;
    for (std::uint64_t i = 0; i < count; ++i) {
        all.push_back(passage(i));
    }
    return all;
}

} // namespace

TEST_CASE("stored f32 states give the scores of the texts, to the last bit") {
    const auto options = fixtures::every_kind();
    for (const auto& [name, config] : options) {
        CAPTURE(name);
        const model_in_memory model(config);
        const temporary_folder folder;
        mice::index index =
            mice::index::create(folder.path() / "index", model.ranker, with_codec("f32"));
        put_passages(index, 0, 30);
        REQUIRE(index.size() == 0);
        REQUIRE(index.uncommitted() == 30);
        REQUIRE(index.commit().documents == 30);
        const std::vector<std::string> texts = passages(30);
        const mice::ranking expected = model.ranker.rank(question, texts);
        const mice::index_ranking got = index.rank(question);
        REQUIRE(got.size() == 30);
        REQUIRE(got.complete);
        REQUIRE(got.query_tokens_seen == expected.query_tokens_seen);
        for (std::size_t i = 0; i < 30; ++i) {
            CAPTURE(i);
            REQUIRE(got[i].id == id_of(expected[i].index));
            REQUIRE(std::bit_cast<std::uint32_t>(got[i].score) ==
                    std::bit_cast<std::uint32_t>(expected[i].score));
            REQUIRE(got[i].tokens_seen == expected[i].tokens_seen);
            REQUIRE(got[i].tokens_cut == expected[i].tokens_cut);
            REQUIRE(got[i].replaced == expected[i].replaced);
        }
    }
}

TEST_CASE("an index is opened again with everything that was committed") {
    const model_in_memory model;
    const temporary_folder folder;
    std::vector<std::pair<std::string, std::uint32_t>> before;
    {
        mice::index index = mice::index::create(folder.path(), model.ranker);
        put_passages(index, 0, 100);
        index.commit();
        before = hit_bits(index.rank(question));
        put_passages(index, 100, 120); // never committed
    }
    const mice::index index = mice::index::open(folder.path(), model.ranker);
    REQUIRE(index.size() == 100);
    REQUIRE(hit_bits(index.rank(question)) == before);
    REQUIRE(index.contains("doc-99"));
    REQUIRE_FALSE(index.contains("doc-100"));
    const auto stored = index.get("doc-7");
    REQUIRE(stored);
    REQUIRE(stored->id == "doc-7");
    REQUIRE(stored->metadata == "m7");
    REQUIRE(stored->tokens_seen == model.ranker.encode(passage(7)).tokens());
    REQUIRE(stored->rows == stored->tokens_seen);
    REQUIRE(stored->content_hash.size() == 32);
    REQUIRE_FALSE(index.get("doc-100"));
    const auto states = index.states("doc-7");
    REQUIRE(states);
    const mice::document encoded = model.ranker.encode(passage(7));
    REQUIRE(states->rows == encoded.tokens());
    REQUIRE(states->width == encoded.hidden());
    for (std::size_t i = 0; i < states->values.size(); ++i) {
        REQUIRE(states->values[i] == Approx(encoded.states()[i]).margin(0.05));
    }
    REQUIRE(index.verify().empty());
    REQUIRE(index.stats().recovered.empty());
}

TEST_CASE("putting again encodes only what has changed") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker);
    REQUIRE(index.put("a", "the river") == mice::put_result::added);
    REQUIRE(index.put("a", "the river") == mice::put_result::unchanged); // while it waits
    REQUIRE(index.put("b", "the mill", "one") == mice::put_result::added);
    const mice::index_commit first = index.commit();
    REQUIRE(first.documents == 2);
    REQUIRE(index.put("a", "the river") == mice::put_result::unchanged);
    REQUIRE(index.put("b", "the mill", "one") == mice::put_result::unchanged);
    REQUIRE(index.uncommitted() == 0);
    REQUIRE(index.commit().generation == first.generation);
    REQUIRE(index.put("b", "the mill", "two") == mice::put_result::replaced);
    REQUIRE(index.put("a", "the bridge") == mice::put_result::replaced);
    REQUIRE(index.put("a", "the stone") == mice::put_result::replaced); // of the one that waits
    REQUIRE(index.get("b")->metadata == "one"); // readers see the last commit
    REQUIRE(index.commit().documents == 2);
    REQUIRE(index.get("b")->metadata == "two");
    REQUIRE(ids_of(index) == std::vector{"b"s, "a"s});
    REQUIRE(hit_bits(index.rank(question, {"a"}))[0].second ==
            hit_bits([&] {
                const temporary_folder other;
                mice::index fresh = mice::index::create(other.path(), model.ranker);
                fresh.put("a", "the stone");
                fresh.commit();
                return fresh.rank(question);
            }())[0]
                .second);
}

TEST_CASE("documents are erased wherever they are") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker);
    put_passages(index, 0, 5);
    REQUIRE(index.erase("doc-1")); // waits
    REQUIRE_FALSE(index.erase("doc-1"));
    REQUIRE_FALSE(index.erase("other"));
    index.commit();
    REQUIRE(ids_of(index) == std::vector{"doc-0"s, "doc-2"s, "doc-3"s, "doc-4"s});
    REQUIRE(index.erase("doc-3")); // is committed
    REQUIRE(index.contains("doc-3"));
    index.commit();
    REQUIRE_FALSE(index.contains("doc-3"));
    REQUIRE(index.stats().deleted == 1);
    REQUIRE(index.rank(question).size() == 3);
    REQUIRE(index.put("doc-3", "the day") == mice::put_result::added);
    index.commit();
    REQUIRE(ids_of(index) == std::vector{"doc-0"s, "doc-2"s, "doc-4"s, "doc-3"s});
    for (const char* id : {"doc-0", "doc-2", "doc-3", "doc-4"}) {
        REQUIRE(index.erase(id));
    }
    REQUIRE(index.commit().documents == 0);
    REQUIRE(index.rank(question).empty());
    REQUIRE(index.stats().segments == 0);
    REQUIRE(index.candidates(question, 3).empty());
}

TEST_CASE("rollback and release forget what was not committed") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker);
    put_passages(index, 0, 10);
    index.commit();
    put_passages(index, 10, 600); // some of them are in a segment by now
    index.erase("doc-2");
    index.rollback();
    REQUIRE(index.uncommitted() == 0);
    REQUIRE(index.size() == 10);
    REQUIRE(index.commit().documents == 10);
    put_passages(index, 10, 12);
    index.release();
    mice::index other = mice::index::open(folder.path(), model.ranker);
    put_passages(other, 20, 21); // the lock is free
    REQUIRE(other.commit().documents == 11);
    REQUIRE(index.size() == 10);
    REQUIRE(index.refresh());
    REQUIRE_FALSE(index.refresh());
    REQUIRE(index.size() == 11);
    const auto again = catch_error([&] { index.put("x", "y"); });
    REQUIRE(again.code == mice::errc::mismatch);
    REQUIRE(again.says("another program is writing"));
    REQUIRE(again.says(folder.path().filename().string()));
}

TEST_CASE("a writer goes on from commits of other writers") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index first = mice::index::create(folder.path(), model.ranker);
    mice::index second = mice::index::open(folder.path(), model.ranker);
    put_passages(first, 0, 10);
    first.commit();
    first.release();
    REQUIRE(second.put(id_of(3), passage(3), "m3") == mice::put_result::unchanged);
    put_passages(second, 10, 15);
    REQUIRE(second.commit().documents == 15);
}

TEST_CASE("given ids are ranked in their order, and unknown ones are told") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker, with_codec("f32"));
    put_passages(index, 0, 50);
    index.commit();
    const std::vector<std::string> ids{"doc-9", "doc-4", "doc-9", "doc-30"};
    const mice::ranking expected =
        model.ranker.rank(question, {passage(9), passage(4), passage(9), passage(30)});
    const mice::index_ranking got = index.rank(question, ids);
    REQUIRE(got.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
        REQUIRE(got[i].id == ids[expected[i].index]);
        REQUIRE(got[i].score == expected[i].score);
    }
    REQUIRE(index.rank(question, ids, {.top_k = 2}).size() == 2);
    const auto refused = catch_error([&] { (void)index.rank(question, {"doc-1", "doc-77"}); });
    REQUIRE(refused.code == mice::errc::invalid_argument);
    REQUIRE(refused.says("'doc-77'"));
    const mice::index_ranking some =
        index.rank(question, {"doc-77", "doc-1", "zz"}, {}, mice::unknown_ids::report);
    REQUIRE(some.size() == 1);
    REQUIRE(some.complete);
    REQUIRE(some.unknown == std::vector{"doc-77"s, "zz"s});
    REQUIRE(index.rank(question, std::initializer_list<std::string_view>{}).empty());
}

TEST_CASE("an exhaustive ranking keeps the best of many slices") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker, with_codec("f32"));
    put_passages(index, 0, 9000);
    index.commit();
    for (std::uint64_t i = 0; i < 9000; i += 7) {
        index.erase(id_of(i));
    }
    index.commit();
    const mice::index_ranking all = index.rank(question);
    REQUIRE(all.size() == 9000 - 1286);
    std::size_t last = 0;
    const mice::index_ranking best =
        index.rank(question, {.top_k = 25, .progress = [&](std::size_t done, std::size_t total) {
                                  REQUIRE(total == all.size());
                                  REQUIRE(done > last);
                                  last = done;
                              }});
    REQUIRE(last == all.size());
    REQUIRE(best.size() == 25);
    REQUIRE(hit_bits(best) == [&] {
        auto bits = hit_bits(all);
        bits.resize(25);
        return bits;
    }());
    for (std::size_t i = 1; i < all.size(); ++i) {
        REQUIRE(all[i - 1].score >= all[i].score);
    }
    const mice::query queries[] = {model.ranker.encode_query(question),
                                   model.ranker.encode_query("a new day")};
    const auto batch = index.rank_batch(queries, {.top_k = 25});
    REQUIRE(batch.size() == 2);
    REQUIRE(hit_bits(batch[0]) == hit_bits(best));
    REQUIRE(hit_bits(batch[1]) == hit_bits(index.rank("a new day", {.top_k = 25})));
    mice::cancellation cancel;
    cancel.request();
    const mice::index_ranking stopped = index.rank(question, {.cancel = &cancel});
    REQUIRE_FALSE(stopped.complete);
    REQUIRE(stopped.unscored == all.size());
    REQUIRE(stopped.empty());
}

TEST_CASE("candidates share words with the query and are live") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker);
    index.put("a", "a bridge over the river");
    index.put("b", "old stones");
    index.put("c", "rivers and bridges");
    index.commit();
    index.put("d", "the river");
    index.erase("c");
    index.commit();
    std::set<std::string> ids;
    for (const mice::index_candidate& each : index.candidates("river bridge", 10)) {
        REQUIRE(each.score > 0);
        ids.insert(each.id);
    }
    REQUIRE(ids == std::set{"a"s, "d"s});
    REQUIRE(index.candidates("river bridge", 1)[0].id == "a");
    const temporary_folder without;
    mice::index_options options;
    options.words = mice::index_words::none;
    const mice::index other = mice::index::create(without.path(), model.ranker, options);
    REQUIRE(catch_error([&] { (void)other.candidates("river", 1); }).code ==
            mice::errc::invalid_argument);
}

TEST_CASE("ids and texts that an index does not take") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index_access strict;
    strict.on_invalid = mice::invalid_utf8::refuse;
    mice::index index = mice::index::create(folder.path(), model.ranker, {}, strict);
    for (const std::string& id : {""s, std::string(1025, 'x'), std::string(65536, 'x'), "a\0b"s,
                                  "a\nb"s, "\x7f"s, "\xc2\x85"s, "\xff"s, "\xed\xa0\x80"s}) {
        const auto refused = catch_error([&] { index.put(id, "text"); });
        REQUIRE(refused.code == mice::errc::invalid_argument);
        REQUIRE(refused.says("1 to 1024 bytes of UTF-8"));
        REQUIRE(catch_error([&] { index.erase(id); }).code == mice::errc::invalid_argument);
        REQUIRE_FALSE(index.contains(id));
    }
    REQUIRE(catch_error([&] { index.put("a", "\xff"); }).code == mice::errc::encoding);
    REQUIRE(catch_error([&] { index.put("a", "b", std::string((16 << 20) + 1, 'm')); }).code ==
            mice::errc::invalid_argument);
    // A refused argument changes nothing: the index goes on.
    const std::string longest(1024, 'y');
    const std::string large(10'000'000, 'q');
    REQUIRE(index.put(longest, "") == mice::put_result::added);
    REQUIRE(index.put("\xe6\xb2\xb3 name/with?marks", large, "m\0n"s) == mice::put_result::added);
    REQUIRE(index.commit().documents == 2);
    REQUIRE(index.get(longest)->tokens_seen == 2);
    REQUIRE(index.get("\xe6\xb2\xb3 name/with?marks")->metadata == "m\0n"s);
    REQUIRE(index.rank(question).size() == 2);
}

TEST_CASE("documents as token ids") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker, with_codec("f32"));
    const std::vector<std::int32_t> ids{2, 7, 9, 3};
    REQUIRE(index.put_ids("a", ids) == mice::put_result::added);
    REQUIRE(index.put_ids("a", ids) == mice::put_result::unchanged);
    REQUIRE(catch_error([&] { index.put_ids("b", std::vector<std::int32_t>{}); }).code ==
            mice::errc::invalid_argument);
    REQUIRE(catch_error([&] { index.put_ids("b", std::vector<std::int32_t>{500}); }).code ==
            mice::errc::invalid_argument);
    index.commit();
    const mice::document encoded = model.ranker.encode_ids(ids);
    REQUIRE(index.rank(question)[0].score ==
            model.ranker.rank(question, std::span(&encoded, 1))[0].score);
}

TEST_CASE("documents that are encoded already") {
    const model_in_memory model;
    const model_in_memory other(fixtures::tiny_config(), {.seed = 2});
    for (const std::string codec : {"f32", "pq10"}) {
        CAPTURE(codec);
        const temporary_folder folder;
        mice::index index = mice::index::create(folder.path(), model.ranker, with_codec(codec));
        mice::index texts =
            mice::index::create(folder.path() / "texts", model.ranker, with_codec(codec));
        for (std::uint64_t i = 0; i < 20; ++i) {
            const mice::document encoded = model.ranker.encode(passage(i));
            REQUIRE(index.put_encoded(id_of(i), encoded, "m") == mice::put_result::added);
            REQUIRE(index.put_encoded(id_of(i), encoded, "m") == mice::put_result::unchanged);
            texts.put(id_of(i), passage(i));
        }
        REQUIRE(index.erase("doc-5")); // before its codec is there
        REQUIRE(texts.erase("doc-5"));
        put_passages(index, 20, 30); // both kinds in one commit
        put_passages(texts, 20, 30);
        REQUIRE(index.commit().documents == 29);
        REQUIRE(texts.commit().documents == 29);
        REQUIRE(hit_bits(index.rank(question)) == hit_bits(texts.rank(question)));
        const auto foreign =
            catch_error([&] { index.put_encoded("x", other.ranker.encode("the mill")); });
        REQUIRE(foreign.code == mice::errc::mismatch);
        const mice::document wrong(std::vector<float>(8, std::nanf("")), {2},
                                   std::string(model.ranker.fingerprint()));
        REQUIRE(catch_error([&] { index.put_encoded("x", wrong); }).code ==
                mice::errc::invalid_argument);
        REQUIRE(index.commit().documents == 29);
    }
}

TEST_CASE("an app's own storage is asked whether there is an index") {
    const model_in_memory model;
    const temporary_folder folder;
    moved_files files("/no/such/place", folder.path() / "there");
    const mice::index_access access{.files = &files};
    const std::filesystem::path path = "/no/such/place/index";
    REQUIRE_FALSE(mice::index::exists(path, access));
    {
        mice::index made = mice::index::open_or_create(path, model.ranker, {}, access);
        put_passages(made, 0, 3);
        made.commit();
    }
    REQUIRE(mice::index::exists(path, access));
    REQUIRE_FALSE(mice::index::exists(path));
    REQUIRE(mice::index::open_or_create(path, model.ranker, {}, access).size() == 3);
    REQUIRE(mice::index::exists(folder.path() / "there" / "index"));
}

TEST_CASE("indexes are bound to their model and to their options") {
    const model_in_memory model;
    const model_in_memory other(fixtures::tiny_config(), {.seed = 2});
    const temporary_folder folder;
    const auto path = folder.path() / "made" / "here";
    REQUIRE_FALSE(mice::index::exists(path));
    (void)mice::index::create(path, model.ranker);
    REQUIRE(mice::index::exists(path));
    const auto foreign = catch_error([&] { (void)mice::index::open(path, other.ranker); });
    REQUIRE(foreign.code == mice::errc::mismatch);
    REQUIRE(foreign.says("seed-1"));
    REQUIRE(foreign.says("seed-2"));
    const auto again = catch_error([&] { (void)mice::index::create(path, model.ranker); });
    REQUIRE(again.code == mice::errc::invalid_argument);
    REQUIRE(again.says("manifest-"));
    REQUIRE(mice::index::open_or_create(path, model.ranker).size() == 0);
    REQUIRE(catch_error([&] {
                (void)mice::index::open_or_create(path, model.ranker, with_codec("int16"));
            }).code == mice::errc::mismatch);
    for (const std::string prefix : {"", "kv-"}) { // another name of the same codec
        const auto sixteen = folder.path() / (prefix + "f16");
        REQUIRE(mice::index::create(sixteen, model.ranker, with_codec(prefix + "f16"))
                    .stats()
                    .codec.name == prefix + "int16");
        for (const std::string name : {"f16", "int16"}) {
            REQUIRE(mice::index::open_or_create(sixteen, model.ranker, with_codec(prefix + name))
                        .size() == 0);
        }
    }
    REQUIRE(catch_error([&] {
                (void)mice::index::create(folder.path() / "b", model.ranker, with_codec("int9"));
            }).code == mice::errc::invalid_argument);
    REQUIRE_FALSE(std::filesystem::exists(folder.path() / "b"));
    const temporary_folder empty;
    const auto nothing = catch_error([&] { (void)mice::index::open(empty.path(), model.ranker); });
    REQUIRE(nothing.code == mice::errc::io);
    REQUIRE(nothing.says("there is no index"));
    REQUIRE(catch_error([&] {
                (void)mice::index::open(empty.path() / "none", model.ranker);
            }).code == mice::errc::io);
    empty.write("notes.txt", "mine");
    const auto full = catch_error([&] { (void)mice::index::create(empty.path(), model.ranker); });
    REQUIRE(full.code == mice::errc::invalid_argument);
    REQUIRE(full.says("notes.txt"));
}

TEST_CASE("readers keep their commit while a writer commits and compacts") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index writer = mice::index::create(folder.path(), model.ranker);
    put_passages(writer, 0, 200);
    writer.commit();
    mice::index reader = mice::index::open(folder.path(), model.ranker);
    const auto before = hit_bits(reader.rank(question));
    mice::index_documents walk = reader.documents();
    for (int round = 0; round < 5; ++round) {
        put_passages(writer, 200 + 10 * static_cast<std::uint64_t>(round),
                     210 + 10 * static_cast<std::uint64_t>(round));
        writer.erase(id_of(static_cast<std::uint64_t>(round)));
        writer.commit();
    }
    writer.compact();
    REQUIRE(writer.stats().segments == 1);
    REQUIRE(writer.stats().deleted == 0);
    REQUIRE(hit_bits(reader.rank(question)) == before); // its files are gone by name
    REQUIRE(reader.refresh());
    REQUIRE(reader.size() == 245);
    REQUIRE(hit_bits(reader.rank(question)) == hit_bits(writer.rank(question)));
    std::size_t walked = 0;
    for (const mice::stored_document& each : walk) {
        REQUIRE(each.id == id_of(walked++));
    }
    REQUIRE(walked == 200);
}

TEST_CASE("many threads read an index while one writes") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker);
    put_passages(index, 0, 64);
    index.commit();
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> readers;
    const auto first = hit_bits(index.rank(question, {"doc-1", "doc-2"}, {.threads = 1}));
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            while (!done) {
                const auto got = hit_bits(index.rank(question, {"doc-1", "doc-2"}, {.threads = 1}));
                const std::uint64_t size = index.size();
                if (got != first || index.rank(question, {.threads = 1}).size() < 64 || size < 64 ||
                    !index.contains("doc-63")) {
                    ++wrong;
                }
            }
        });
    }
    for (std::uint64_t round = 0; round < 12; ++round) {
        put_passages(index, 64 + 4 * round, 68 + 4 * round);
        index.commit();
    }
    index.compact();
    done = true;
    for (std::thread& each : readers) {
        each.join();
    }
    REQUIRE(wrong == 0);
    REQUIRE(index.size() == 112);
}

TEST_CASE("fault 26: an index names a null text or id") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker);
    const char* none = nullptr;
    index.put("a", "old mill");
    index.put("b", {});
    index.commit();
    CHECK(catch_error([&] { index.put("c", none); }).says("the text of a document is a null"));
    const std::vector<const char*> ids{"a", none};
    CHECK(catch_error([&] { (void)index.rank(question, ids); }).says("id 1 "));
    CHECK(catch_error([&] { (void)index.rank(question, {"a", none}); }).says("id 1 "));
    CHECK(index.rank(question, {"a", "b"}).size() == 2);
}
