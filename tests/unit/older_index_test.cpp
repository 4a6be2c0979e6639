// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <string>
#include <vector>

#include <mice/index/files/manifest.hpp>
#include <mice/index/files/publish.hpp>
#include <mice/index/state.hpp>
#include <mice/io/file_system.hpp>

namespace {

using fixtures::catch_error;
using fixtures::files_in;
using fixtures::hit_bits;
using fixtures::model_in_memory;
using fixtures::question;
using mice::text::word_form;

/// Builds an index as mice did when words had their first form.
mice::index make_older(const std::filesystem::path& folder, const mice::reranker& ranker,
                       const mice::index_access& access = {}) {
    mice::store::create_index(mice::io::system_files(), folder,
                              mice::detail::first_manifest(ranker, {}, word_form::older), {});
    return mice::index::open(folder, ranker, access);
}

/// river and mill; on the way a run of kana, a ligature.
void put_texts(mice::index& into, const std::string& prefix = "") {
    into.put(prefix + "kana", "river しりとり");
    into.put(prefix + "ligature", "old \uFB01sh");
    into.put(prefix + "plain", "the mill");
}

std::vector<std::string> found(const mice::index& in, const std::string& query) {
    std::vector<std::string> ids;
    for (const mice::index_candidate& each : in.candidates(query, 10)) {
        ids.push_back(each.id);
    }
    return ids;
}

std::string newest_manifest(const std::filesystem::path& folder) {
    std::string text;
    for (const auto& [name, bytes] : files_in(folder)) {
        text = name.starts_with("manifest-") ? bytes : text;
    }
    return text;
}

using id_list = std::vector<std::string>;

} // namespace

TEST_CASE("fault 07: an index of older words says so and is searched as it was made") {
    const model_in_memory model;
    const temporary_folder folder, other;
    mice::index_access access;
    access.segment_memory = 1; // a segment for each document
    mice::index older = make_older(folder.path() / "i", model.ranker, access);
    put_texts(older);
    older.commit();
    CHECK(older.stats().words_form == 1);
    CHECK(older.stats().older_words());
    CHECK(newest_manifest(folder.path() / "i").find("\"version\":1") != std::string::npos);
    CHECK(found(older, "しりとり") == id_list{"kana"});
    CHECK(found(older, "しり").empty());
    CHECK(found(older, "\uFB01sh") == id_list{"ligature"});
    CHECK(found(older, "fish").empty());
    CHECK(found(older, "mill") == id_list{"plain"});

    mice::index now = mice::index::create(other.path() / "i", model.ranker, {}, access);
    put_texts(now);
    now.commit();
    CHECK(now.stats().words_form == 2);
    CHECK_FALSE(now.stats().older_words());
    CHECK(newest_manifest(other.path() / "i").find("\"version\":2") != std::string::npos);
    CHECK(found(now, "しり") == id_list{"kana"});
    CHECK(found(now, "fish") == id_list{"ligature"});
    CHECK(hit_bits(now.rank(question)) == hit_bits(older.rank(question)));
}

TEST_CASE("fault 07: what is added to an index of older words is cut as the rest of it") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index_access access;
    access.segment_memory = 1;
    mice::index older = make_older(folder.path() / "i", model.ranker, access);
    put_texts(older);
    older.commit();
    for (int i = 0; i < 12; ++i) { // so that segments are joined
        put_texts(older, std::to_string(i));
        CHECK(older.commit().postponed.empty());
    }
    older.compact();
    CHECK(older.stats().segments == 1);
    CHECK(older.stats().older_words());
    CHECK(found(older, "しりとり").size() == 10);
    CHECK(found(older, "しり").empty());
    const mice::index again = mice::index::open(folder.path() / "i", model.ranker);
    CHECK(again.stats().older_words());
    CHECK(again.verify().empty());
}

TEST_CASE("fault 07: words of two forms are not merged") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index older = make_older(folder.path() / "old", model.ranker);
    put_texts(older);
    older.commit();
    mice::index now = mice::index::create(folder.path() / "new", model.ranker);
    now.put("mine", "river");
    now.commit();
    const std::vector<std::filesystem::path> from{folder.path() / "old"};
    const auto refused = catch_error([&] { now.merge(from); });
    CHECK(refused.code == mice::errc::mismatch);
    CHECK(refused.says("form of words"));
    CHECK(now.size() == 1);
    // create_like makes one that they can be merged into.
    mice::index like =
        mice::index::create_like(folder.path() / "like", model.ranker, folder.path() / "old");
    CHECK(like.stats().older_words());
    CHECK(like.merge(from).added == 3);
    CHECK(found(like, "しりとり") == id_list{"kana"});
}

TEST_CASE("fault 07: an index without words is readable by programs that know no second form") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index bare =
        mice::index::create(folder.path() / "i", model.ranker, {.words = mice::index_words::none});
    bare.put("a", "river");
    bare.commit();
    CHECK(bare.stats().words_form == 0);
    CHECK_FALSE(bare.stats().older_words());
    CHECK(newest_manifest(folder.path() / "i").find("\"version\":1") != std::string::npos);
}

TEST_CASE("fault 07: a manifest that lies about the form of its words is found out") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path() / "i", model.ranker);
    put_texts(index);
    index.commit();
    index.release();
    for (const auto& [name, bytes] : files_in(folder.path() / "i")) {
        if (name.starts_with("manifest-")) {
            mice::store::manifest changed = mice::store::parse_manifest(bytes, name);
            changed.form = word_form::older;
            fixtures::write_file(folder.path() / "i" / name, mice::store::to_text(changed));
        }
    }
    const mice::index lying = mice::index::open(folder.path() / "i", model.ranker);
    const auto problem = catch_error([&] { (void)lying.candidates("river", 5); });
    CHECK(problem.code == mice::errc::format);
    CHECK(problem.says("another form"));
}
