// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/forged_index.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <mice/index/files/publish.hpp>
#include <mice/index/files/text_record.hpp>
#include <mice/index/state.hpp>
#include <mice/texts.hpp>

namespace {

using fixtures::catch_error;
using fixtures::files_in;
using fixtures::ids_of;
using fixtures::model_in_memory;
using fixtures::question;
using mice::put_result;
using strings = std::vector<std::string>;

/// Paragraphs of a few words, each with a number that tells it from all others.
strings paragraphs(std::uint64_t seed, std::size_t count) {
    static const strings words{"river", "old", "mill", "stone", "the", "bridge", "and", "new"};
    fixtures::random_numbers random(seed);
    strings made;
    for (std::size_t i = 0; i < count; ++i) {
        std::string text = "The " + std::to_string(seed * 1000 + i);
        for (std::size_t left = 4 + random.below(8); left > 0; --left) {
            text += " " + words[random.below(words.size())];
        }
        made.push_back(text + ".\n\n");
    }
    return made;
}
std::string joined(const strings& parts) {
    std::string text;
    for (const std::string& each : parts) {
        text += each;
    }
    return text;
}

const mice::index_options exact{.codec = {.name = "f32"}};

std::string manifest_of(const std::filesystem::path& folder) {
    std::string text;
    for (const auto& [name, bytes] : files_in(folder)) {
        text = name.starts_with("manifest-") ? bytes : text;
    }
    return text;
}

/// Short and long texts.
std::map<std::string, std::string> some_texts() {
    std::map<std::string, std::string> texts;
    for (std::uint64_t i = 0; i < 10; ++i) {
        texts["t" + std::to_string(i)] =
            joined(paragraphs(i + 1, i % 3 == 0 ? 1 : 5 * static_cast<std::size_t>(i)));
    }
    return texts;
}

void put_all(mice::index& into, const std::map<std::string, std::string>& texts) {
    for (const auto& [id, text] : texts) {
        CHECK(into.put_text(id, text, "about " + id) == put_result::added);
    }
}

/// A hit, without what only an index knows.
using place = std::tuple<std::string, std::uint32_t, std::uint32_t, std::size_t, std::size_t,
                         std::uint64_t, std::uint64_t, std::uint64_t, std::size_t>;

std::vector<place> places(const mice::index_ranking& ranked) {
    std::vector<place> made;
    for (const mice::index_hit& each : ranked) {
        made.emplace_back(each.id, std::bit_cast<std::uint32_t>(each.score),
                          std::bit_cast<std::uint32_t>(each.best_score), each.passages,
                          each.best_index, each.best.begin, each.best.end, each.best.first_line,
                          each.tokens_seen);
    }
    return made;
}
/// The same as rank_texts has it. A document of one passage has no place in an index.
std::vector<place> expected_places(const mice::reranker& ranker,
                                   const std::map<std::string, std::string>& texts) {
    strings ids, list;
    for (const auto& [id, text] : texts) {
        ids.push_back(id);
        list.push_back(text);
    }
    std::vector<place> made;
    for (const mice::text_hit& each : rank_texts(ranker, question, list)) {
        const mice::passage best = each.passages > 1 ? each.best : mice::passage{};
        made.emplace_back(ids[each.index], std::bit_cast<std::uint32_t>(each.score),
                          std::bit_cast<std::uint32_t>(each.best_score), each.passages, best.index,
                          best.begin, best.end, best.first_line, each.tokens_seen);
    }
    return made;
}

} // namespace

TEST_CASE("an index ranks texts as rank_texts does, bit for bit") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder folder;
    const auto texts = some_texts();
    mice::index index = mice::index::create(folder.path(), model.ranker, exact);
    put_all(index, texts);
    const mice::index_commit done = index.commit();
    const auto expected = expected_places(model.ranker, texts);
    CHECK(done.documents == 10);
    CHECK(done.documents_cut == 0);
    CHECK(done.encoded == index.stats().passages);
    CHECK(index.size() == 10);
    CHECK(index.stats().documents == 10);
    CHECK(index.stats().passages > 40);
    CHECK(places(index.rank(question)) == expected);
    CHECK(index.rank(question).complete);
    strings ids;
    for (const auto& [id, text] : texts) {
        ids.push_back(id);
    }
    CHECK(places(index.rank(question, ids)) == expected);
    for (const std::size_t threads : {1U, 3U}) {
        const mice::index_ranking best = index.rank(question, {.top_k = 4, .threads = threads});
        REQUIRE(best.size() == 4);
        CHECK(places(best) == std::vector<place>(expected.begin(), expected.begin() + 4));
    }
    const mice::query query = model.ranker.encode_query(question);
    CHECK(places(index.rank_batch({&query, 1})[0]) == expected);
    CHECK(index.rank(question, {"t5", "t3", "t5"}).size() == 3);
    CHECK(index.verify().empty());

    const mice::index again = mice::index::open(folder.path(), model.ranker);
    CHECK(places(again.rank(question)) == expected);
    index.compact();
    CHECK(places(index.rank(question)) == expected);
    CHECK(index.verify().empty());
    const mice::rank_options late{.deadline =
                                      std::chrono::steady_clock::now() - std::chrono::seconds(1)};
    CHECK(index.rank(question, late).unscored == 10);
    CHECK(index.rank(question, ids, late).unscored == 10);
    CHECK(!index.rank(question, late).complete);
}

TEST_CASE("a text in an index is one document") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder folder;
    const std::string text = joined(paragraphs(3, 40));
    mice::index index = mice::index::create(folder.path(), model.ranker);
    index.put_text("long", text, "what the user wants");
    index.put_text("short", "the old stone bridge");
    index.commit();
    const auto stored = index.get("long");
    REQUIRE(stored);
    const auto cut = mice::passages_of_text(model.ranker, text);
    CHECK(stored->metadata == "what the user wants");
    CHECK(stored->id == "long");
    REQUIRE(stored->passages.size() == cut.size());
    std::size_t tokens = 0;
    for (std::size_t i = 0; i < cut.size(); ++i) {
        CHECK(stored->passages[i] ==
              mice::stored_passage{cut[i].begin, cut[i].end, cut[i].first_line, cut[i].last_line});
        tokens += cut[i].tokens;
    }
    CHECK(stored->tokens_seen == tokens);
    CHECK(stored->tokens_cut == 0);
    CHECK(index.get("short")->passages.empty());
    CHECK(ids_of(index) == strings{"long", "short"});
    CHECK(index.contains("long"));
    CHECK(index.states("long")->rows > 0);

    mice::store::text_part part{cut[1].begin, cut[1].end, 1, 1, {}, 0, 0};
    part.content = mice::detail::content_hash(
        "passage", mice::io::text_bytes(mice::passage_text(text, cut, 1)), {});
    const std::string inner = mice::store::id_of_passage("long", part);
    CHECK(!index.contains(inner));
    CHECK(!index.get(inner));
    CHECK(!index.states(inner));
    CHECK(index.rank(question, {inner}, {}, mice::unknown_ids::report).unknown.size() == 1);
    CHECK(catch_error([&] { (void)index.erase(inner); }).code == mice::errc::invalid_argument);

    SECTION("candidates are documents") {
        const auto found = index.candidates("old stone bridge mill river", 10);
        REQUIRE(found.size() == 2);
        CHECK(index.candidates("river", 1).size() == 1);
        CHECK(index.candidates("3017", 5).at(0).id == "long"); // one paragraph has it
    }
    SECTION("it is erased with all its passages") {
        CHECK(index.erase("long"));
        CHECK(index.size() == 2);
        index.commit();
        CHECK(index.size() == 1);
        CHECK(index.stats().passages == 1);
        CHECK(ids_of(index) == strings{"short"});
        CHECK(index.candidates("3017", 5).empty());
        CHECK(index.verify().empty());
        CHECK(!index.erase("long"));
    }
    SECTION("other documents take its place whole") {
        CHECK(index.put("long", text) == put_result::replaced);
        index.commit();
        CHECK(index.stats().passages == 2);
        CHECK(index.get("long")->tokens_cut > 0);
        CHECK(index.put_text("long", text) == put_result::replaced);
        CHECK(index.put_encoded("long", model.ranker.encode("mill")) == put_result::replaced);
        CHECK(index.put_text("long", text) == put_result::replaced);
        CHECK(index.put_text("long", text) == put_result::unchanged);
        index.commit();
        CHECK(index.stats().passages == cut.size() + 1);
        CHECK(index.verify().empty());
    }
    SECTION("rollback brings it back") {
        index.erase("long");
        index.rollback();
        index.commit();
        CHECK(index.size() == 2);
        index.put_text("long", joined(paragraphs(4, 30)));
        index.rollback();
        CHECK(index.put_text("long", text, "what the user wants") == put_result::unchanged);
        CHECK(index.commit().encoded == 0);
        CHECK(index.stats().passages == cut.size() + 1);
        CHECK(index.verify().empty());
    }
}

TEST_CASE("an edited text is encoded where it was edited") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder folder;
    mice::index_access access;
    SECTION("in one segment") {}
    SECTION("in a segment for each passage") {
        access.segment_memory = 1;
    }
    mice::index index = mice::index::create(folder.path(), model.ranker, exact, access);
    strings parts = paragraphs(7, 120);
    index.put_text("t", joined(parts));
    const std::uint64_t all = index.commit().encoded;
    REQUIRE(all > 50);
    const auto put = [&](std::string_view metadata = {}) {
        const std::string text = joined(parts);
        CHECK(index.put_text("t", text, metadata) == put_result::replaced);
        const std::uint64_t encoded = index.commit().encoded;
        CHECK(index.verify().empty());
        CHECK(places(index.rank(question)) == expected_places(model.ranker, {{"t", text}}));
        CHECK(index.stats().passages == mice::passages_of_text(model.ranker, text).size());
        return encoded;
    };
    /// Passages of the text now that it did not have before.
    const auto touched = [&](const strings& before) {
        const auto of = [&](const std::string& text) {
            std::multiset<std::string> made;
            for (const auto& one : mice::passages(text, model.ranker)) {
                made.insert(text.substr(one.begin, one.end - one.begin));
            }
            return made;
        };
        const auto old = of(joined(before)), now = of(joined(parts));
        strings fresh;
        std::set_difference(now.begin(), now.end(), old.begin(), old.end(),
                            std::back_inserter(fresh));
        return fresh.size();
    };
    strings before = parts;
    parts[60] = "The new stone 9999 and the river.\n\n";
    CHECK(put() <= touched(before) + 2);
    CHECK(touched(before) <= 3);
    before = parts;
    parts.insert(parts.begin(), "A line above all others.\n\n");
    CHECK(put() <= touched(before) + 2);
    before = parts;
    parts.erase(parts.begin() + 30, parts.begin() + 40);
    CHECK(put() <= touched(before) + 2);
    before = parts;
    parts.emplace_back("And one behind.\n\n");
    CHECK(put() <= touched(before) + 2);
    CHECK(put("new metadata") == 1); // the first passage alone
    CHECK(index.put_text("t", joined(parts), "new metadata") == put_result::unchanged);
    CHECK(index.commit().encoded == 0);
    // equal paragraphs are told apart by how often they came
    parts.assign(40, "The old mill and the river and the bridge and the stone and the mill.\n\n");
    put();
    parts.resize(37);
    CHECK(put() <= 2);
}

TEST_CASE("texts are kept in every codec") {
    const model_in_memory model(fixtures::small_config());
    for (const mice::index_codec& codec : fixtures::every_codec(model.ranker)) {
        INFO(codec.name << ", pool " << codec.pool);
        const temporary_folder folder;
        mice::index index = mice::index::create(folder.path(), model.ranker, {.codec = codec});
        strings parts = paragraphs(9, 40);
        index.put_text("t", joined(parts));
        parts.erase(parts.begin() + 20); // before anything is encoded, or the codec learned
        index.put_text("t", joined(parts));
        index.commit();
        parts.erase(parts.begin() + 10);
        index.put_text("t", joined(parts));
        CHECK(index.commit().encoded < 8);
        CHECK(index.stats().passages == mice::passages_of_text(model.ranker, joined(parts)).size());
        CHECK(index.verify().empty());
        const auto before = places(index.rank(question));
        index.compact();
        CHECK(places(index.rank(question)) == before);
    }
}

TEST_CASE("texts are merged whole") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder one, two;
    const auto texts = some_texts();
    auto changed = texts;
    for (auto& [id, text] : changed) {
        text += joined(paragraphs(50, 4));
    }
    mice::index into = mice::index::create(one.path(), model.ranker, exact);
    mice::index from = mice::index::create(two.path(), model.ranker, exact);
    put_all(into, {{"t1", texts.at("t1")}, {"t2", texts.at("t2")}, {"t3", texts.at("t3")}});
    put_all(from, {{"t2", changed.at("t2")}, {"t3", texts.at("t3")}, {"t8", changed.at("t8")}});
    into.commit();
    from.commit();
    const std::vector<std::filesystem::path> others{two.path()};
    CHECK(catch_error([&] { (void)into.merge(others); }).code == mice::errc::mismatch);
    std::map<std::string, std::string> expected{{"t1", texts.at("t1")},
                                                {"t2", texts.at("t2")},
                                                {"t3", texts.at("t3")},
                                                {"t8", changed.at("t8")}};
    const bool last = GENERATE(false, true);
    const mice::index_merge done = into.merge(others, last ? mice::merge_conflict::keep_last
                                                           : mice::merge_conflict::keep_first);
    CHECK(done.added == 1);
    CHECK(done.replaced == (last ? 1 : 0));
    CHECK(done.skipped == (last ? 1 : 2));
    if (last) {
        expected["t2"] = changed.at("t2");
    }
    CHECK(into.size() == 4);
    CHECK(into.verify().empty());
    auto ranked = places(into.rank(question));
    auto wanted = expected_places(model.ranker, expected);
    std::sort(ranked.begin(), ranked.end());
    std::sort(wanted.begin(), wanted.end());
    CHECK(ranked == wanted);
}

TEST_CASE("an index with long texts is of version 3, and others stay as they were") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder by_text, by_put;
    mice::index one = mice::index::create(by_text.path(), model.ranker);
    mice::index two = mice::index::create(by_put.path(), model.ranker);
    for (std::uint64_t i = 0; i < 20; ++i) {
        one.put_text(fixtures::id_of(i), fixtures::passage(i), "m");
        two.put(fixtures::id_of(i), fixtures::passage(i), "m");
    }
    one.commit();
    two.commit();
    const auto without_lock = [](const std::filesystem::path& folder) { return files_in(folder); };
    CHECK(without_lock(by_text.path()) == without_lock(by_put.path()));
    CHECK_THAT(manifest_of(by_text.path()), Catch::Contains("\"version\":2"));
    one.put_text("long", joined(paragraphs(1, 30)));
    one.commit();
    CHECK_THAT(manifest_of(by_text.path()),
               Catch::Contains("\"version\":3") && Catch::Contains("\"words_form\":2"));
    one.erase("long");
    one.commit();
    CHECK_THAT(manifest_of(by_text.path()), Catch::Contains("\"version\":2"));
    CHECK(one.verify().empty());
}

TEST_CASE("an index of older words keeps long texts") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder folder;
    mice::store::create_index(
        mice::io::system_files(), folder.path(),
        mice::detail::first_manifest(model.ranker, {}, mice::text::word_form::older), {});
    mice::index index = mice::index::open(folder.path(), model.ranker);
    index.put_text("long", joined(paragraphs(1, 30)));
    index.commit();
    const mice::index again = mice::index::open(folder.path(), model.ranker);
    CHECK(again.stats().older_words());
    CHECK_THAT(manifest_of(folder.path()), Catch::Contains("\"words_form\":1"));
    CHECK(again.candidates("1017", 3).size() == 1);
}

TEST_CASE("a record of a text is read as it was written, and damage is refused") {
    using mice::store::parse_text_record;
    std::vector<mice::store::text_part> parts(3);
    parts[0] = {0, 50, 1, 3, {}, 0, 0};
    parts[1] = {40, 90, 3, 5, {1, 2}, 0, 0};
    parts[2] = {90, 91, 5, 5, {3, 4}, 1, 0};
    const std::string bytes = mice::store::to_bytes(parts, "user\0's");
    const auto record = parse_text_record(bytes, "segment-1");
    REQUIRE(record.parts.size() == 3);
    CHECK(record.metadata == std::string_view("user\0's"));
    CHECK(record.parts[2].content == mice::io::hash128{3, 4});
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK(catch_error([&] { (void)parse_text_record(bytes.substr(0, size), "s"); }).code ==
              mice::errc::format);
    }
    CHECK(catch_error([&] { (void)parse_text_record(bytes + "x", "s"); }).code ==
          mice::errc::format);
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) { // no crash, and never more parts
        std::string changed = bytes;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
        (void)catch_error([&] {
            const auto read = parse_text_record(changed, "s");
            CHECK(read.parts.size() == 3);
        });
    }
    const auto refuse = [&](auto&& change) {
        auto wrong = parts;
        change(wrong);
        CHECK(catch_error([&] {
                  (void)parse_text_record(mice::store::to_bytes(wrong, ""), "s");
              }).code == mice::errc::format);
    };
    refuse([](auto& p) { p.resize(1); });
    refuse([](auto& p) { p[1].end = 1; });
    refuse([](auto& p) { p[2].begin = 0; });
    refuse([](auto& p) { p[2].first_line = 0; });
    refuse([](auto& p) { p[2].first_line = 6; });
    refuse([](auto& p) { p[1].zero = 1; });
}

TEST_CASE("an index whose texts and passages do not belong together is found out") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder folder, other;
    {
        mice::index index = mice::index::create(folder.path(), model.ranker, exact);
        index.put_text("long", joined(paragraphs(1, 30)));
        index.put("short", "mill");
        index.commit();
    }
    const auto files = files_in(folder.path());
    std::string name;
    for (const auto& [each, bytes] : files) {
        name = each.starts_with("manifest-") ? each : name;
    }
    const auto with = [&](const std::function<void(nlohmann::json&)>& change) {
        fixtures::write_file(folder.path() / name,
                             fixtures::changed_manifest(files.at(name), change));
    };
    SECTION("a count that is not that of the passages") {
        with([](nlohmann::json& all) { all["passages"] = 3; });
        mice::index index = mice::index::open(folder.path(), model.ranker);
        CHECK(!index.verify().empty());
        mice::index into = mice::index::create(other.path(), model.ranker, exact);
        const std::vector<std::filesystem::path> others{folder.path()};
        CHECK(catch_error([&] { (void)into.merge(others); }).code == mice::errc::format);
        CHECK(into.size() == 0);
        // a writer that would count below nothing commits nothing
        const auto failed = catch_error([&] {
            index.erase("long");
            index.commit();
        });
        CHECK(failed.code == mice::errc::format);
        CHECK(files_in(folder.path()).at(name) ==
              fixtures::changed_manifest(files.at(name),
                                         [](nlohmann::json& all) { all["passages"] = 3; }));
    }
    SECTION("counts that cannot be") {
        for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{100000}}) {
            with([&](nlohmann::json& all) { all["passages"] = count; });
            CHECK(catch_error([&] { (void)mice::index::open(folder.path(), model.ranker); }).code ==
                  mice::errc::format);
        }
        with([](nlohmann::json& all) { all["words_form"] = 3; });
        CHECK(catch_error([&] { (void)mice::index::open(folder.path(), model.ranker); }).code ==
              mice::errc::format);
        with([](nlohmann::json& all) { all.erase("words_form"); });
        CHECK(catch_error([&] { (void)mice::index::open(folder.path(), model.ranker); }).code ==
              mice::errc::format);
    }
}
