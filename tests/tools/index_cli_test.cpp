// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <mice/io/checksum.hpp>
#include <mice/io/safetensors.hpp>
#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using nlohmann::json;
using namespace fixtures;

namespace {

/// The collection of workplace as an index.
void make_index(const workplace& place, const std::string& options = "") {
    const result made = place.mice("index add i corpus.jsonl --create " + options);
    INFO(made.err);
    REQUIRE(made.code == 0);
    REQUIRE_THAT(made.out, Contains("4 added") && Contains("4 documents in the index"));
}

json stats(const workplace& place, const std::string& folder = "i") {
    const result got = place.mice("index stats --json " + folder);
    INFO(got.err);
    REQUIRE(got.code == 0);
    return json::parse(got.out);
}

std::string ids(const workplace& place, const std::string& folder = "i") {
    const result got = place.mice("index list " + folder);
    INFO(got.err);
    REQUIRE(got.code == 0);
    return got.out;
}

/// The largest file of an index that belongs to its data.
fs::path segment_of(const workplace& place, const std::string& folder = "i") {
    fs::path largest;
    for (const auto& each : fs::directory_iterator(place.path(folder))) {
        if (each.path().filename().string().starts_with("segment-") &&
            (largest.empty() || each.file_size() > fs::file_size(largest))) {
            largest = each.path();
        }
    }
    REQUIRE_FALSE(largest.empty());
    return largest;
}

/// Turns the only manifest of an empty index into one of the first mice, whose words had the older
/// form.
void make_older(const workplace& place) {
    const fs::path file = place.path("i") / "manifest-00000000000000000001";
    std::string text = content(file);
    const std::size_t version = text.find("\"version\":2");
    REQUIRE(version != std::string::npos);
    text = text.substr(0, text.find('\n') + 1);
    text[text.find('2', version)] = '1';
    const mice::io::hash128 sum =
        mice::io::checksum128(std::as_bytes(std::span(text.data(), text.size())));
    place.write("i/" + file.filename().string(), text + mice::io::hex_digits(sum) + "\n");
}

} // namespace

TEST_CASE("fault 07: search finds parts of runs without spaces and folded forms") {
    const workplace place;
    place.write("texts.jsonl", "{\"id\":\"ja\",\"text\":\"今日は成語しりとりをした\"}\n"
                               "{\"id\":\"fi\",\"text\":\"\uFB01nance soft\u00ADhyphen\"}\n");
    REQUIRE(place.mice("index add i texts.jsonl --create").code == 0);
    const auto found = [&place](const std::string& query) {
        const result got = place.mice("search i '" + query + "' --json");
        INFO(got.err);
        CHECK(got.err.find("older") == std::string::npos);
        std::vector<std::string> ids;
        const json object = json::parse(got.out);
        for (const json& hit : object["hits"]) {
            ids.push_back(hit["id"]);
        }
        return ids;
    };
    CHECK(found("しりとり") == std::vector<std::string>{"ja"});
    CHECK(found("finance") == std::vector<std::string>{"fi"});
    CHECK(found("softhyphen") == std::vector<std::string>{"fi"});
    CHECK(stats(place)["words_form"] == 2);
}

TEST_CASE("fault 07: an index of older words says so wherever its words are used") {
    const workplace place;
    REQUIRE(place.mice("index create i").code == 0);
    make_older(place);
    const auto says = [](const result& got) {
        INFO(got.err);
        CHECK(got.code == 0);
        CHECK_THAT(got.err, Contains("older form 1") && Contains("new index"));
    };
    place.write("texts.jsonl", "{\"id\":\"ja\",\"text\":\"w5 今日は成語しりとりをした\"}\n");
    says(place.mice("index add i texts.jsonl"));
    says(place.mice("index stats i"));
    CHECK_THAT(place.mice("index stats i").out, Contains("kept, of the older form 1"));
    CHECK(stats(place)["words_form"] == 1);
    says(place.mice("search i w5"));
    says(place.mice("index create like --like i"));
    CHECK_THAT(place.mice("search i --all w5").err, !Contains("older"));
    CHECK(json::parse(place.mice("search i 'しりとり' --json").out)["hits"].empty());
    CHECK(json::parse(place.mice("search i 語 --json").out)["hits"].size() == 1);
}

TEST_CASE("an index is created, filled, listed and described") {
    const workplace place;
    const result made = place.mice("index create i --codec f32");
    INFO(made.err);
    REQUIRE(made.code == 0);
    CHECK_THAT(made.out, Contains("f32"));
    CHECK(ids(place).empty());
    const result added = place.mice("index add i corpus.jsonl");
    CHECK_THAT(added.out, Contains("4 added, 0 replaced, 0 unchanged, 0 left out; 4 documents"));
    CHECK(ids(place) == "d1\nd2\nd3\nd4\n");
    const json got = stats(place);
    CHECK(got["documents"] == 4);
    CHECK(got["codec"] == "f32");
    CHECK(got["words"] == true);
    CHECK(got["bytes"]["total"].get<int>() > got["bytes"]["codes"].get<int>());
    CHECK(got["bytes_per_token"].get<double>() >= 4.0);
    CHECK_THAT(place.mice("index stats i").out,
               Contains("documents        4") && Contains("f32") && Contains("kept"));
    check_failure(place.mice("index create i"), 1, "i");
}

TEST_CASE("a codec that is kept under another name is noted and shown") {
    const workplace place;
    const result made = place.mice("index create i --codec f16");
    INFO(made.err);
    REQUIRE(made.code == 0);
    CHECK_THAT(made.err, Contains("--codec f16 is kept as int16"));
    CHECK_THAT(made.out, Contains("int16 (also named f16)"));
    CHECK(stats(place)["codec"] == "int16");
    CHECK(stats(place)["codec_alias"] == "f16");
    CHECK(stats(place)["codec_waits"] == false);
    CHECK_THAT(place.mice("index stats i").out, Contains("int16 (also named f16)"));
    const result added = place.mice("index add i --create --codec kv-f16 corpus.jsonl");
    CHECK(added.code == 1); // another codec
    CHECK_THAT(added.err, Contains("kept as kv-int16") && Contains("int16"));
    CHECK(place.mice("index create j --codec int16").err.find("kept as") == std::string::npos);
    REQUIRE(place.mice("index create k --codec pq8").code == 0);
    CHECK_THAT(place.mice("index stats k").out, Contains("pq8; learns from the first documents"));
    CHECK_THAT(place.mice("index create --help").out, Contains("kv-int8") && Contains("pq62"));
}

TEST_CASE("adding again encodes nothing, and changed documents are replaced") {
    const workplace place;
    make_index(place);
    const result again = place.mice("index add i corpus.jsonl --json");
    const json counts = json::parse(again.out);
    CHECK(counts["unchanged"] == 4);
    CHECK(counts["added"] == 0);
    CHECK(counts["documents"] == 4);
    place.write("new.jsonl",
                "{\"id\":\"d2\",\"text\":\"w20\"}\n{\"id\":\"d9\",\"text\":\"w21\"}\n");
    const json changed = json::parse(place.mice("index add i new.jsonl --json").out);
    CHECK(changed["replaced"] == 1);
    CHECK(changed["added"] == 1);
    CHECK(changed["documents"] == 5);
    CHECK(ids(place) == "d1\nd3\nd4\nd2\nd9\n");
}

TEST_CASE("an index is filled from TSV, TREC, a folder and standard input") {
    const workplace place;
    place.write("c.tsv", "t1\tw5 w6\nt2\tw7\tw8\n");
    place.write("c.trec", "<DOC>\n<DOCNO>x1</DOCNO>\n<TEXT>\nw9 w10\n</TEXT>\n</DOC>\n");
    fs::create_directories(place.path("texts") / "sub");
    place.write("texts/a.txt", "w11");
    place.write("texts/sub/b.txt", "w12");
    const result files = place.mice("index add i --create c.tsv c.trec texts");
    INFO(files.err);
    REQUIRE(files.code == 0);
    CHECK(ids(place) == "t1\nt2\nx1\na.txt\nsub/b.txt\n");
    const result piped = place.shell("printf 'p1\\tw5\\n' | \"$mice\" index add i");
    CHECK(piped.code == 0);
    CHECK_THAT(piped.out, Contains("1 added") && Contains("6 documents"));
    // A title is read as in every other command.
    place.write("t2.jsonl", "{\"id\":\"t2\",\"title\":\"w7\",\"text\":\"w8\"}\n");
    CHECK_THAT(place.mice("index add i t2.jsonl").out, Contains("1 unchanged"));
}

TEST_CASE("a bad record stops the adding or is left out") {
    const workplace place;
    place.write("bad.jsonl", "{\"id\":\"a\",\"text\":\"w5\"}\nnonsense\n{\"text\":\"no id\"}\n"
                             "{\"id\":\"new\\nline\",\"text\":\"w6\"}\n"
                             "{\"id\":\"" +
                                 std::string(2000, 'x') +
                                 "\",\"text\":\"w6\"}\n"
                                 "{\"id\":\"b\",\"text\":\"w7\"}\n");
    check_failure(place.mice("index add i --create bad.jsonl"), 1, "bad.jsonl:2");
    CHECK(ids(place) == "a\n"); // what came before is committed
    const result skipped = place.mice("index add i --skip-bad bad.jsonl");
    CHECK(skipped.code == 2);
    CHECK_THAT(skipped.out, Contains("1 added, 0 replaced, 1 unchanged, 4 left out"));
    CHECK_THAT(skipped.err, Contains("bad.jsonl:2") && Contains("bad.jsonl:3") &&
                                Contains("bad.jsonl:4") && Contains("bad.jsonl:5"));
    CHECK(ids(place) == "a\nb\n");
    place.write("bytes.tsv", "c\tw5 \xFF\n");
    const result replaced = place.mice("index add i bytes.tsv");
    CHECK(replaced.code == 0);
    CHECK_THAT(replaced.err, Contains("U+FFFD 1 times"));
    check_failure(place.mice("index add i bytes.tsv --strict-utf8"), 1, "bytes.tsv:1");
}

TEST_CASE("documents are removed by name and by file") {
    const workplace place;
    make_index(place);
    CHECK_THAT(place.mice("index remove i d2").out, Contains("1 removed; 3 documents"));
    const result unknown = place.mice("index remove i d2 d3");
    CHECK(unknown.code == 2);
    CHECK_THAT(unknown.err, Contains("d2"));
    CHECK(ids(place) == "d1\nd4\n");
    CHECK(stats(place)["deleted"].get<int>() + stats(place)["documents"].get<int>() >= 2);
    const result all =
        place.shell("\"$mice\" index list i | \"$mice\" index remove i --ids - --json");
    CHECK(json::parse(all.out)["removed"] == 2);
    CHECK(ids(place).empty());
    check_failure(place.mice("index remove i"), 64, "--ids");
}

TEST_CASE("compacting keeps every document and drops the removed ones") {
    const workplace place;
    make_index(place);
    REQUIRE(place.mice("index remove i d1 d3").code == 0);
    const std::string before = place.mice("index export i --states").out;
    const result compacted = place.mice("index compact i --json");
    INFO(compacted.err);
    REQUIRE(compacted.code == 0);
    CHECK(json::parse(compacted.out)["documents"] == 2);
    CHECK(json::parse(compacted.out)["bytes"].get<int>() <
          json::parse(compacted.out)["bytes_before"].get<int>());
    CHECK(stats(place)["deleted"] == 0);
    CHECK(place.mice("index export i --states").out == before);
}

TEST_CASE("merged indexes hold what one index would") {
    const workplace place;
    make_index(place);
    REQUIRE(
        place.shell("head -n 2 corpus.jsonl > 1.jsonl; tail -n 2 corpus.jsonl > 2.jsonl").code ==
        0);
    REQUIRE(place.mice("index add a 1.jsonl --create").code == 0);
    REQUIRE(place.mice("index create b --like a").code == 0);
    REQUIRE(place.mice("index add b 2.jsonl").code == 0);
    const result merged = place.mice("index merge m a b");
    INFO(merged.err);
    REQUIRE(merged.code == 0);
    CHECK_THAT(merged.out, Contains("4 added") && Contains("4 documents in the index"));
    CHECK(place.mice("index export m --states").out == place.mice("index export i --states").out);
    CHECK(place.mice("search m 'w5 w6 w9' --json").out ==
          place.mice("search i 'w5 w6 w9' --json").out);
    // Equal documents are no conflict, others are.
    CHECK_THAT(place.mice("index merge m a").out, Contains("2 skipped"));
    place.write("d1.jsonl", "{\"id\":\"d1\",\"text\":\"w99\"}\n");
    REQUIRE(place.mice("index add c d1.jsonl --create").code == 0);
    check_failure(place.mice("index merge m c"), 1, "d1");
    CHECK_THAT(place.mice("index merge m c --on-conflict keep-first").out, Contains("1 skipped"));
    CHECK_THAT(place.mice("index merge m c --on-conflict keep-last").out, Contains("1 replaced"));
    check_failure(place.mice("index merge m nowhere"), 1, "nowhere");
    REQUIRE(place.mice("index create f --codec f32").code == 0);
    check_failure(place.mice("index merge m f"), 1, "f32");
}

TEST_CASE("verify finds no damage, then a flipped bit") {
    const workplace place;
    make_index(place);
    const result sound = place.mice("index verify i");
    CHECK(sound.code == 0);
    CHECK_THAT(sound.out, Contains("no damage: 4 documents"));
    const fs::path segment = segment_of(place);
    std::string bytes = content(segment);
    bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 0x10);
    place.write("i/" + segment.filename().string(), bytes);
    const result damaged = place.mice("index verify i");
    CHECK(damaged.code == 1);
    CHECK_THAT(damaged.out, Contains(segment.filename().string()));
    CHECK_THAT(damaged.err, Contains("damaged") && Contains("restore"));
    const json found = json::parse(place.mice("index verify i --json").out);
    CHECK(found["damaged"] == true);
    CHECK(found["findings"][0]["file"] == segment.filename().string());
}

TEST_CASE("export writes documents and states as JSON Lines") {
    const workplace place;
    make_index(place, "--codec f32 --keep-text");
    const std::vector<std::string> lines = lines_of(place.mice("index export i --states").out);
    REQUIRE(lines.size() == 4);
    const json first = json::parse(lines[0]);
    CHECK(first["id"] == "d1");
    CHECK(first["metadata"] == "w5 w6 w7 w8");
    CHECK(first["tokens_seen"] == 6);
    CHECK(first["rows"] == 6);
    REQUIRE(first["states"].size() == 6);
    CHECK(first["states"][0].size() == first["states"][5].size());
    CHECK(first["content_hash"].get<std::string>().size() == 32);
    const std::vector<std::string> plain = lines_of(place.mice("index export i").out);
    CHECK_FALSE(json::parse(plain[0]).contains("states"));
    CHECK(place.mice("index export i -o out.jsonl").out.empty());
    CHECK(lines_of(content(place.path("out.jsonl"))) == plain);
}

TEST_CASE("key and value codecs export keys and values of each layer") {
    const workplace place;
    make_index(place, "--codec kv-int16");
    CHECK(stats(place)["codec"] == "kv-int16");
    const json first = json::parse(lines_of(place.mice("index export i --states").out).at(0));
    CHECK_FALSE(first.contains("states"));
    REQUIRE(first["key_values"].is_array());
    REQUIRE_FALSE(first["key_values"].empty());
    for (const json& layer : first["key_values"]) {
        REQUIRE(layer.size() == 6);
        CHECK(layer[0].size() % 2 == 0);
        CHECK(layer[0].size() == layer[5].size());
    }
}

TEST_CASE("pooled and dropped tokens are told") {
    const workplace place;
    make_index(place, "--codec int4 --pool 2 --drop stop-words");
    const json told = stats(place);
    CHECK(told["codec"] == "int4");
    CHECK(told["pool"] == 2);
    CHECK(told["drop"] == "stop-words");
    CHECK(told["rows"].get<int>() < told["tokens"].get<int>());
    CHECK_THAT(place.mice("index stats i").out, Contains("int4, pooled by 2, without stop-words"));
}

TEST_CASE("commands on an index say what is wrong") {
    const workplace place;
    make_index(place);
    for (const std::string command : {"list", "stats", "verify", "compact", "export"}) {
        check_failure(place.mice("index " + command + " nowhere"), 1, "mice index create");
        check_failure(place.mice("index " + command), 64, "INDEX");
        CHECK_THAT(place.mice("index " + command + " --help").out,
                   Contains("mice index " + command));
    }
    check_failure(place.mice("index"), 64, "mice index --help");
    CHECK_THAT(place.mice("index --help").out, Contains("verify") && Contains("export"));
    check_failure(place.mice("index nosuch"), 64, "nosuch");
    check_failure(place.mice("index add nowhere corpus.jsonl"), 1, "--create");
    check_failure(place.mice("index add i absent.jsonl"), 1, "absent.jsonl");
    check_failure(place.mice("index add i --codec f32 corpus.jsonl"), 64, "--create");
    check_failure(place.mice("index add j --create --codec nonsense corpus.jsonl"), 1, "nonsense");
    check_failure(place.mice("index create j --drop everything"), 64, "--drop");
    check_failure(place.mice("index create j --pool 0"), 64, "--pool");
    check_failure(place.mice("index create j --pool 65"), 64, "1 to 64");
    check_failure(place.mice("index create j --codec pq5000"), 1, "pq5000");
    check_failure(place.mice("index create j --like i --codec f32"), 64, "--like");
    check_failure(place.mice("index add i --create --codec f32 corpus.jsonl"), 1, "f32");
    fs::create_directories(place.path("foreign"));
    place.write("foreign/notes.txt", "not an index");
    check_failure(place.mice("index create foreign"), 1, "foreign");
    check_failure(place.mice("index list foreign"), 1, "mice index create");
    // Another model's index is refused, and both are named.
    for (const std::string name : {"inverted", "vanilla"}) {
        place.convert(fs::path(MICE_TEST_DATA) / "models" / ("bert_" + name + "_full"),
                      name + ".safetensors",
                      "--name " + name + " --tokenizer " + place.tokenizer());
    }
    REQUIRE(place.mice("index create k --model inverted.safetensors").code == 0);
    for (const std::string command : {"index list k", "index verify k", "search k w5"}) {
        const result foreign = place.mice(command + " --model vanilla.safetensors");
        check_failure(foreign, 1, "'inverted ");
        CHECK_THAT(foreign.err, Contains("'vanilla "));
    }
    check_failure(place.shell("\"$mice\" index add i corpus.jsonl --model \"$ids\""), 1,
                  "tokenizer");
}

#if !defined(_WIN32)
TEST_CASE("Ctrl-C keeps what was added, and a second run goes on") {
    const workplace place;
    // The signal should reach a program that waits for more documents. A busy machine may take any
    // time to get there, so a signal that came too early is sent again later.
    const result stopped =
        place.shell("for seconds in 2 8 30 100; do rm -rf i pipe; mkfifo pipe; "
                    "{ head -n 2 corpus.jsonl; exec sleep 200; } > pipe & feeder=$!; "
                    "timeout --preserve-status -s INT $seconds \"$mice\" index add i --create "
                    "< pipe > out 2> err; code=$?; kill $feeder; grep -q added out && break; done; "
                    "cat out; cat err >&2; exit $code");
    INFO(stopped.err);
    CHECK(stopped.code == 130);
    CHECK_THAT(stopped.out, Contains("2 added"));
    CHECK_THAT(stopped.err, Contains("stopped"));
    CHECK(ids(place) == "d1\nd2\n");
    CHECK_THAT(place.mice("index add i corpus.jsonl").out,
               Contains("2 added, 0 replaced, 2 unchanged"));
}

TEST_CASE("documents that arrive slowly are committed meanwhile") {
    const workplace place;
    const result got =
        place.shell("{ head -n 2 corpus.jsonl; for i in $(seq 100); do sleep 0.1; "
                    "[ \"$(\"$mice\" index list i 2>/dev/null | wc -l)\" = 2 ] && break; done; "
                    "\"$mice\" index list i > meanwhile; tail -n 2 corpus.jsonl; } | "
                    "\"$mice\" index add i --create --commit-seconds 0.1");
    INFO(got.err);
    CHECK(got.code == 0);
    CHECK(content(place.path("meanwhile")) == "d1\nd2\n");
    CHECK(ids(place) == "d1\nd2\nd3\nd4\n");
}
#endif

TEST_CASE("fault 32: a model with zeroed embeddings and the old fingerprint is refused by name") {
    const workplace place;
    make_index(place);
    CHECK_THAT(place.mice("selftest --json").out, Contains("\"fingerprint\":\"checked\""));
    std::string bytes = content(place.path("text.safetensors"));
    const mice::io::safetensors file(std::as_bytes(std::span(bytes.data(), bytes.size())));
    const mice::io::tensor_view* words = file.find("embeddings.word_embeddings.weight");
    REQUIRE(words != nullptr);
    const auto at = reinterpret_cast<const char*>(words->bytes.data()) - bytes.data();
    std::fill_n(bytes.begin() + at, words->bytes.size(), '\0');
    place.write("forged.safetensors", bytes);
    place.write("more.txt", "w7 w8\n");
    const std::string before = ids(place);
    for (const std::string call : {"index verify i", "index stats i", "search i w5",
                                   "index add i more.txt", "index create new", "selftest"}) {
        CAPTURE(call);
        const result refused = place.mice(call + " --model forged.safetensors");
        CHECK(refused.code == 1);
        CHECK(refused.out.empty());
        CHECK_THAT(refused.err, Contains("fingerprint"));
    }
    CHECK(ids(place) == before);
    CHECK_FALSE(fs::exists(place.path("new")));
    CHECK(place.mice("index verify i").code == 0);
}
