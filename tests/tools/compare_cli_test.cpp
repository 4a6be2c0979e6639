// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;
using namespace fixtures;

namespace {

/// The fixture's collection, a second one, and a model whose scores are others.
class comparison_place : public workplace {
  public:
    comparison_place() {
        convert(fs::path(MICE_TEST_DATA) / "models" / "bert_vanilla_full", "other.safetensors",
                "--tokenizer " + tokenizer());
        (void)shell(
            "mkdir one two; cp corpus.jsonl queries.jsonl qrels.tsv one; "
            "cp corpus.jsonl queries.jsonl qrels.tsv two; head -n 2 qrels.tsv > two/qrels.tsv");
    }
};

json compared(const workplace& place, const std::string& arguments) {
    const result got = place.mice("compare " + arguments + " --json");
    INFO(got.err);
    REQUIRE(got.code == 0);
    REQUIRE(lines_of(got.out).size() == 1);
    return json::parse(got.out);
}

double number(const json& value) {
    REQUIRE(value.is_number());
    return value.get<double>();
}

/// An XML parser of its own reads the file, and counts what is in it.
std::string parsed(const workplace& place, const std::string& file) {
    const result got = place.shell("python3 -c 'import sys, xml.etree.ElementTree as t\n"
                                   "root = t.parse(sys.argv[1]).getroot()\n"
                                   "tags = [e.tag.split(\"}\")[1] for e in root.iter()]\n"
                                   "print(root.tag, tags.count(\"circle\"), sorted(set(tags)))' " +
                                   file);
    INFO(got.err);
    REQUIRE(got.code == 0);
    return got.out;
}

} // namespace

TEST_CASE("compare has the figures of eval") {
    const comparison_place place;
    const json all = compared(place, "$text other.safetensors --collection one --collection two");
    CHECK(all["baseline"] == "text");
    REQUIRE(all["models"].size() == 2);
    CHECK(all["models"][0]["kind"] == "MICE");
    CHECK(all["models"][1]["file"] == "other.safetensors");
    CHECK(all["models"][1]["file_bytes"] == fs::file_size(place.path("other.safetensors")));
    CHECK(all["models"][0]["precision"] == "f32");
    REQUIRE(all["collections"].size() == 2);
    for (const std::size_t folder : {0, 1}) {
        const json& found = all["collections"][folder];
        for (const std::size_t model : {0, 1}) {
            const json eval = json::parse(place
                                              .mice(std::string("eval --json --model ") +
                                                    (model == 0 ? "$text " : "other.safetensors ") +
                                                    (folder == 0 ? "one" : "two"))
                                              .out);
            const json& one = found["models"][model];
            CHECK(found["queries"] == eval["queries"]);
            CHECK(found["documents"] == eval["documents"]);
            CHECK(found["first_stage"] == eval["first_stage"]);
            CHECK(found["bm25"] == eval["bm25"]);
            CHECK(one["reranked"] == eval["reranked"]);
            CHECK(one["difference"] == eval["difference"]);
            CHECK(one["pairs"] == eval["pairs"]);
            CHECK(one["documents_cut"] == eval["documents_cut"]);
        }
    }
    const json& mean = all["mean"];
    const auto ndcg = [](const json& from) {
        return number(from["models"][1]["reranked"]["ndcg@10"]);
    };
    CHECK(ndcg(mean) ==
          Approx((ndcg(all["collections"][0]) + ndcg(all["collections"][1])) / 2).margin(2e-6));
    CHECK(mean["models"][1]["reranked"].size() == 3); // no interval
}

TEST_CASE("compare's ratios follow from its figures") {
    const comparison_place place;
    const json all = compared(place, "$text other.safetensors $text@int8 --collection one "
                                     "--baseline other --codec int4 --timed-queries 1");
    CHECK(all["baseline"] == "other");
    CHECK(all["codec"] == "int4");
    CHECK(all["models"][2]["model"] == "text@int8");
    CHECK(all["models"][2]["precision"] == "int8");
    const json& found = all["collections"][0];
    CHECK(found["timed_queries"] == 1);
    const json& base = found["models"][1];
    for (const json& one : found["models"]) {
        const auto way = [](const json& of, const char* name) {
            return number(of["latency_ms"][name]["median"]);
        };
        const json& ratios = one["ratios"];
        CHECK(number(ratios["ndcg@10"]) ==
              Approx(number(one["reranked"]["ndcg@10"]) / number(base["reranked"]["ndcg@10"]))
                  .epsilon(1e-4));
        // The figures are printed to six places.
        CHECK(number(ratios["speed_not_stored"]) ==
              Approx(way(base, "not_stored") / way(one, "not_stored")).epsilon(1e-3));
        CHECK(number(ratios["speed_stored"]) ==
              Approx(way(base, "stored") / way(one, "stored")).epsilon(1e-3));
        CHECK(number(ratios["bytes_per_document"]) ==
              Approx(number(one["storage"]["bytes_per_document"]) /
                     number(base["storage"]["bytes_per_document"])));
        CHECK(number(one["to_baseline"]["ndcg@10"]) ==
              Approx(number(one["reranked"]["ndcg@10"]) - number(base["reranked"]["ndcg@10"]))
                  .margin(2e-6));
        const json& half = one["latency_ms"]["stored"]["quartiles"];
        CHECK(number(half[0]) <= number(half[1]));
        CHECK(number(one["latency_ms"]["stored"]["fastest"]) > 0);
    }
    CHECK(base["to_baseline"]["p_value"] == 1.0);
    CHECK(base["ratios"]["ndcg@10"] == 1.0);
}

TEST_CASE("compare measures bytes in a real index and leaves nothing behind") {
    const comparison_place place;
    const result made = place.shell("mkdir scratch; TMPDIR=scratch \"$mice\" compare $text "
                                    "--collection one --codec f32 --json; ls scratch >&2");
    REQUIRE(made.code == 0);
    CHECK(made.err.empty());
    const json all = json::parse(made.out);
    const json& storage = all["collections"][0]["models"][0]["storage"];
    // q1's and q2's candidates: d1 d4 d2 (w5 stands in d1 and d2)
    CHECK(storage["documents"] == 3);
    const result index =
        place.shell("grep -v w11 corpus.jsonl > three.jsonl; \"$mice\" index add i "
                    "three.jsonl --create --codec f32 > log; "
                    "\"$mice\" index stats i --json");
    const json stats = json::parse(index.out);
    CHECK(storage["tokens"] == stats["tokens"]);
    CHECK(number(storage["bytes_per_token"]) == Approx(number(stats["bytes_per_token"])));
    CHECK(number(storage["bytes_per_document"]) ==
          Approx(number(stats["bytes"]["codes"]) / 3).margin(1e-5));
    CHECK(number(storage["state_bytes_per_document"]) <= number(storage["bytes_per_document"]));
}

TEST_CASE("compare prints tables and saves a page, an object and a picture") {
    const comparison_place place;
    const result made = place.mice("compare $text other.safetensors --collection one --collection "
                                   "two --json-out r.json --markdown-out r.md --plot-out r.svg");
    INFO(made.err);
    REQUIRE(made.code == 0);
    CHECK(made.err.empty());
    CHECK_THAT(made.out, StartsWith("Candidates: BM25's first 100.") &&
                             Contains("one: 2 queries") && Contains("two: 1 queries") &&
                             Contains("mean: 3 queries") && Contains("Beside text"));
    for (const std::string& line : lines_of(made.out)) {
        if (line.find(". ") == std::string::npos) { // prose is for the terminal to wrap
            CHECK(line.size() <= 100);
        }
    }
    CHECK(json::parse(content(place.path("r.json")))["collections"].size() == 2);
    CHECK_THAT(content(place.path("r.md")), StartsWith("# Comparison\n") &&
                                                Contains("## one: 2 queries, 4 documents") &&
                                                Contains("| other |"));
    // two points for each model, and two in the legend
    CHECK_THAT(parsed(place, "r.svg"), Contains("}svg 6 "));
    CHECK_THAT(content(place.path("r.svg")), Contains("mean of 2 collections"));
}

TEST_CASE("a model's name cannot forge a page, a picture or a terminal's state") {
    const comparison_place place;
    const result made = place.shell(
        "evil=$(printf '<script>alert(1)<!--|x\\033[31m\"&.safetensors'); mkdir -p \"$(dirname "
        "\"$evil\")\"; cp $text \"$evil\"; \"$mice\" compare \"$evil\" \"$evil@bf16\" --collection "
        "one --markdown-out r.md --plot-out r.svg --json-out r.json");
    INFO(made.err);
    REQUIRE(made.code == 0);
    CHECK(made.out.find('\x1b') == std::string::npos);
    CHECK_THAT(parsed(place, "r.svg"),
               Contains("['circle', 'line', 'rect', 'svg', 'text', 'title']"));
    const std::string page = content(place.path("r.md"));
    CHECK(page.find("<script") == std::string::npos);
    CHECK(page.find('\x1b') == std::string::npos);
    CHECK_THAT(page, Contains("&lt;!--\\|x"));
    CHECK(json::parse(content(place.path("r.json")))["models"].size() == 2);
}

TEST_CASE("labels of a crowded picture do not overlap") {
    const comparison_place place;
    std::string models;
    for (int i = 0; i < 12; ++i) {
        models += " $text";
    }
    const result made =
        place.mice("compare" + models + " --collection one --plot-out r.svg --timed-queries 1");
    INFO(made.err);
    REQUIRE(made.code == 0);
    CHECK_THAT(made.out, Contains("text (12)"));
    const result overlaps = place.shell(
        "python3 -c 'import xml.etree.ElementTree as t\n"
        "boxes = []\n"
        "for e in t.parse(\"r.svg\").getroot().iter():\n"
        "    if e.tag.endswith(\"}text\") and e.text.startswith(\"text\"):\n"
        "        w, x, y = 6 * len(e.text), float(e.get(\"x\")), float(e.get(\"y\"))\n"
        "        boxes.append((x - w if e.get(\"text-anchor\") == \"end\" else x, y, w))\n"
        "print(len(boxes), sum(1 for i, a in enumerate(boxes) for b in boxes[:i]\n"
        "    if abs(a[1] - b[1]) < 11 and a[0] < b[0] + b[2] and b[0] < a[0] + a[2]))'");
    INFO(overlaps.err);
    CHECK(overlaps.out == "24 0\n");
}

TEST_CASE("compare takes runs as eval does") {
    const comparison_place place;
    const json all = compared(place, "$text --collection . --run a.trec --depth 1");
    const json eval = json::parse(place.mice("eval . --run a.trec --depth 1 --json").out);
    CHECK(all["collections"][0]["bm25"] == eval["bm25"]);
    CHECK(all["collections"][0]["models"][0]["reranked"] == eval["reranked"]);
    CHECK(all["candidates"] == "the run's first 1");
    place.write("unknown.trec", "q1 Q0 d1 1 2.0 x\nq1 Q0 nosuch 2 1.0 x\n");
    const result left_out = place.mice("compare $text --collection . --run unknown.trec");
    CHECK(left_out.code == 2);
    CHECK_THAT(left_out.err, Contains("nosuch"));
}

TEST_CASE("compare says what is wrong before it works") {
    const comparison_place place;
    check_failure(place.mice("compare --collection one"), 64, "MODELS");
    check_failure(place.mice("compare $text"), 64, "--collection");
    check_failure(place.mice("compare absent.safetensors --collection one"), 1, "absent");
    check_failure(place.mice("compare $text@f8 --collection one"), 64, "'f8'");
    check_failure(place.mice("compare absent@f8 --collection one"), 1, "absent@f8");
    check_failure(place.mice("compare corpus.jsonl --collection one"), 1, "corpus.jsonl");
    check_failure(place.mice("compare $text $ids --collection one"), 1, "'ids.safetensors'");
    check_failure(place.mice("compare $text --collection nowhere"), 1, "nowhere");
    check_failure(place.mice("compare $text --collection one --baseline b"), 64, "'text'");
    check_failure(place.mice("compare $text --collection one --codec int3"), 1, "int3");
    check_failure(place.mice("compare $text --collection one --timed-queries 0"), 64,
                  "--timed-queries");
    check_failure(place.mice("compare $text --collection one --b 2"), 1, "b must be");
    check_failure(place.mice("compare $text --collection one --collection two --run a.trec"), 64,
                  "--run");
    check_failure(place.mice("compare $text --collection one --plot-out no/such/x.svg"), 1,
                  "x.svg");
    check_failure(place.mice("compare $text --collection one --plot-out x --json-out ./x"), 64,
                  "x");
    check_failure(place.shell("TMPDIR=nowhere \"$mice\" compare $text --collection one"), 1,
                  "TMPDIR");
    place.write("two/qrels.tsv", "q9\td1\t1\n");
    const result none = place.mice("compare $text --collection two --json-out r.json");
    CHECK(none.code == 1);
    CHECK_THAT(none.err, Contains("no query"));
    CHECK_FALSE(fs::exists(place.path("r.json")));
    place.write("two/qrels.tsv", "q1\td1\t1\n");
    place.write("two/corpus.jsonl", "");
    CHECK_THAT(place.mice("compare $text --collection two").err, Contains("'two'"));
}

#if !defined(_WIN32)
TEST_CASE("Ctrl-C ends a comparison and removes its temporary files") {
    const comparison_place place;
    // Many documents, so that it works for a while. The machine's speed is unknown, so a signal
    // that came too early or too late is sent again at another time.
    const result stopped = place.shell(
        "mkdir big; cp queries.jsonl big; printf 'q1\\td1\\t1\\n' > big/qrels.tsv; "
        "awk 'BEGIN { for (i = 1; i <= 200000; ++i) { printf "
        "\"{\\\"_id\\\":\\\"d%d\\\",\\\"text\\\":"
        "\\\"w5\", i; for (j = 0; j < 60; ++j) printf \" w%d\", 5 + (i + j) % 200; print \"\\\"}\" "
        "} }' > big/corpus.jsonl; for seconds in 4 8 2 20 60; do rm -rf scratch r.json; "
        "mkdir scratch; TMPDIR=scratch timeout --preserve-status -s INT $seconds \"$mice\" compare "
        "$text --collection big --depth 200000 --threads 1 --json-out r.json > out 2> err; "
        "code=$?; grep -q stopped err && break; done; "
        "cat out; cat err >&2; ls scratch; exit $code");
    INFO(stopped.err);
    CHECK(stopped.code == 130);
    CHECK_THAT(stopped.err, Contains("stopped"));
    CHECK(stopped.out.find("mice-compare") == std::string::npos);
    CHECK_FALSE(fs::exists(place.path("r.json")));
}
#endif
