// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;
using namespace fixtures;

namespace {

const std::string last_manifest = "manifest-00000000000000000003";

/// An index of two commits: d1 to d4, then e1 and e2.
struct damaged_place {
    explicit damaged_place(const std::string& damage = "") {
        place.write("more.jsonl", "{\"id\":\"e1\",\"text\":\"w20 w21\"}\n"
                                  "{\"id\":\"e2\",\"text\":\"w22 w23\"}\n");
        place.write("new.jsonl", "{\"id\":\"f1\",\"text\":\"w30\"}\n");
        const result made =
            place.shell("\"$mice\" index add W corpus.jsonl --create && \"$mice\" index add W "
                        "more.jsonl && cp -r W intact && " +
                        (damage.empty() ? std::string("true") : damage));
        INFO(made.err);
        REQUIRE(made.code == 0);
    }
    /// The bytes of every file of a folder.
    [[nodiscard]] std::map<std::string, std::string> files(const std::string& folder = "W") const {
        std::map<std::string, std::string> all;
        for (const auto& each : fs::directory_iterator(place.path(folder))) {
            all[each.path().filename().string()] = content(each.path());
        }
        return all;
    }

    workplace place;
};

const std::vector<std::string> writing_commands{
    "index add W new.jsonl", "index add W new.jsonl --create", "index remove W d1",
    "index remove W e1",     "index remove W nosuchid",        "index compact W",
    "index merge W intact",
};

} // namespace

TEST_CASE("fault 28: no writing command goes on from an older commit behind a damaged file") {
    for (const std::string& damage :
         {std::string("truncate -s -1 W/segment-2"), std::string("rm W/segment-2"),
          ": > W/" + last_manifest, "truncate -s -9 W/" + last_manifest,
          "printf x >> W/" + last_manifest, "rm W/" + last_manifest}) {
        const damaged_place at(damage);
        const auto before = at.files();
        for (const std::string& command : writing_commands) {
            CAPTURE(damage, command);
            const result got = at.place.mice(command);
            CHECK(got.code != 0);
            CHECK_FALSE(got.err.empty());
            CHECK(at.files() == before);
        }
        // What is undone is as it was.
        at.place.shell("rm -r W && cp -r intact W");
        CHECK(lines_of(at.place.mice("index list W").out).size() == 6);
    }
}

TEST_CASE("fault 28: a cut manifest is noted by every command that reads") {
    const damaged_place at(": > W/" + last_manifest);
    for (const std::string& command :
         {std::string("index list W"), std::string("index stats W --json"),
          std::string("index export W"), std::string("search W 'w5 w6'"),
          std::string("search W 'w5 w6' --all --json"), std::string("index remove W nosuchid"),
          std::string("index add W new.jsonl"), std::string("index compact W")}) {
        CAPTURE(command);
        const result got = at.place.mice(command);
        CHECK_THAT(got.err, Contains("mice: note: ") && Contains(last_manifest) &&
                                Contains("mice index repair"));
    }
    CHECK(lines_of(at.place.mice("index list W").out).size() == 4);
    const result verified = at.place.mice("index verify W");
    CHECK(verified.code == 1);
    CHECK_THAT(verified.out, Contains(last_manifest));
    // Copies are not made of it.
    CHECK(at.place.mice("index create L --like W").code == 1);
    CHECK(at.place.mice("index merge intact W").code == 1);
}

TEST_CASE("fault 28: removing what is not there writes nothing") {
    const damaged_place at("touch W/segment-900 && rm W/lock");
    const auto before = at.files();
    const result got = at.place.mice("index remove W nosuchid --json");
    CHECK(got.code == 2);
    CHECK(json::parse(got.out)["documents"] == 6);
    CHECK(json::parse(got.out)["removed"] == 0);
    CHECK_THAT(got.err, Contains("nosuchid"));
    CHECK(at.files() == before);
}

TEST_CASE("fault 28: the repair command tells before it acts and moves files aside") {
    const damaged_place at("truncate -s -1 W/segment-2");
    const auto before = at.files();
    const result asked = at.place.mice("index repair W");
    CHECK(asked.code == 1);
    CHECK_THAT(asked.out, Contains("commit 3 (6 documents) would be lost") &&
                              Contains("commit 2 (4 documents)") &&
                              Contains("would move segment-2"));
    CHECK_THAT(asked.err, Contains("nothing was changed") && Contains("--yes"));
    const result dry = at.place.mice("index repair W --dry-run --json");
    CHECK(dry.code == 0);
    const json plan = json::parse(dry.out);
    CHECK(plan["damaged"] == true);
    CHECK(plan["last_documents"] == 6);
    CHECK(plan["goes_back_to"] == 2);
    CHECK(plan["committed"].is_null());
    CHECK(plan["moves"].size() == 2);
    CHECK(at.files() == before);
    CHECK(at.place.mice("index repair W --dry-run --yes").code == 64);

    const result done = at.place.mice("index repair W --yes");
    INFO(done.err);
    CHECK(done.code == 0);
    CHECK_THAT(done.out, Contains("was lost") && Contains("moved segment-2"));
    const auto after = at.files();
    for (const json& each : plan["moves"]) {
        CHECK(after.at(each["name"]) == before.at(each["file"]));
    }
    CHECK(lines_of(at.place.mice("index list W").out).size() == 4);
    CHECK(at.place.mice("index verify W").code == 0);
    const result added = at.place.mice("index add W more.jsonl");
    CHECK_THAT(added.out, Contains("2 added") && Contains("6 documents"));
    const result again = at.place.mice("index repair W --yes");
    CHECK(again.code == 0);
    CHECK_THAT(again.out, Contains("nothing to repair"));
    check_failure(at.place.mice("index repair nowhere"), 1, "there is no index");
}

#if !defined(_WIN32)
TEST_CASE("fault 28: too little memory for the newest segment costs no document") {
    workplace place;
    std::string lines;
    for (int i = 0; i < 8; ++i) {
        lines += "{\"id\":\"big" + std::to_string(i) + "\",\"text\":\"w5\",\"metadata\":\"" +
                 std::string(std::size_t{8} << 20, 'm') + "\"}\n";
    }
    place.write("big.jsonl", lines);
    place.write("new.jsonl", "{\"id\":\"f1\",\"text\":\"w30\"}\n");
    REQUIRE(place
                .shell("\"$mice\" index add W corpus.jsonl --create && \"$mice\" index add W "
                       "big.jsonl")
                .code == 0);
    const auto newest = place.path("W") / last_manifest;
    std::size_t failures = 0;
    for (int limit = 20'000; limit <= 220'000; limit += 20'000) { // KiB of address space
        CAPTURE(limit);
        REQUIRE(fs::exists(newest));
        const std::string manifest = content(newest);
        const result got = place.shell("(ulimit -v " + std::to_string(limit) +
                                       "; \"$mice\" index add W new.jsonl --threads 1)");
        const result listed = place.mice("index list W");
        REQUIRE(lines_of(listed.out).size() == (got.code == 0 ? 13 : 12));
        failures += got.code == 0 ? 0 : 1;
        if (got.code == 0) {
            break;
        }
        REQUIRE(content(newest) == manifest);
    }
    CHECK(failures > 0);
    CHECK(place.mice("index verify W").code == 0);
}
#endif

TEST_CASE("fault 31: commands name the file that has the number of no commit") {
    for (const std::string& stray : {std::string("manifest-09223372036854775807"),
                                     std::string("manifest-18446744073709551615")}) {
        const damaged_place at("touch W/" + stray);
        const auto before = at.files();
        for (const std::string& command : writing_commands) {
            CAPTURE(stray, command);
            const result got = at.place.mice(command);
            CHECK(got.code != 0);
            CHECK_THAT(got.err, Contains(stray));
            CHECK(at.files() == before);
        }
        const result listed = at.place.mice("index list W");
        CHECK(listed.code == 0);
        CHECK(lines_of(listed.out).size() == 6);
        CHECK_THAT(listed.err, Contains("mice: note: ") && Contains(stray));
        CHECK(at.place.mice("index repair W --yes").code == 0);
        CHECK_THAT(at.place.mice("index add W new.jsonl").out, Contains("7 documents"));
        CHECK(lines_of(at.place.mice("index list W").out).size() == 7);
    }
}

TEST_CASE("fault 25: stats tell the bytes on disk beside those of the last commit") {
    const damaged_place at;
    REQUIRE(at.place.mice("index remove W d1 d2 d3 d4 e1").code == 0);
    std::uint64_t bytes = 0;
    for (const auto& [name, text] : at.files()) {
        bytes += text.size();
    }
    const json got = json::parse(at.place.mice("index stats W --json").out);
    CHECK(got["documents"] == 1);
    CHECK(got["bytes_on_disk"] == bytes);
    CHECK(got["files_on_disk"] == at.files().size());
    CHECK(got["bytes"]["total"].get<std::uint64_t>() < bytes);
    CHECK_THAT(at.place.mice("index stats W").out,
               Contains("bytes on disk    " + std::to_string(bytes)));
}
