// SPDX-License-Identifier: Apache-2.0
// Faults of what the programs print: scores, their order and their digits, and ids.
#include "cli_fixture.hpp"

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <mice/io/safetensors.hpp>
#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;
using namespace fixtures;

namespace {

/// Writes `name`: the workplace's model with this bias of its classifier.
void write_biased(const workplace& place, const std::string& name, float bias) {
    std::string bytes = content(place.path("text.safetensors"));
    const mice::io::safetensors file(std::as_bytes(std::span(bytes)));
    const mice::io::tensor_view* const found = file.find("classifier.bias");
    REQUIRE(found != nullptr);
    REQUIRE(found->bytes.size() == sizeof bias);
    const auto at =
        static_cast<std::size_t>(reinterpret_cast<const char*>(found->bytes.data()) - bytes.data());
    std::memcpy(bytes.data() + at, &bias, sizeof bias);
    place.write(name, bytes);
}

void write_passages(const workplace& place) {
    std::string lines;
    for (int i = 5; i < 45; ++i) {
        lines += "w" + std::to_string(i) + " w" + std::to_string(200 - 2 * i) + " w" +
                 std::to_string(5 + i * i % 190) + "\n";
    }
    place.write("p.txt", lines);
}

std::vector<std::string> ids_of(const std::string& line) {
    std::vector<std::string> ids;
    const json object = json::parse(line);
    for (const json& hit : object["hits"]) {
        ids.push_back(hit["id"]);
    }
    return ids;
}

/// Third column of a TREC run.
std::vector<std::string> run_ids(const std::string& run) {
    std::vector<std::string> ids;
    for (const std::string& line : lines_of(run)) {
        std::istringstream fields(line);
        std::string query, unused, id;
        fields >> query >> unused >> id;
        ids.push_back(id);
    }
    return ids;
}

/// Second column of the table.
std::vector<std::string> table_scores(const std::string& table) {
    std::vector<std::string> scores;
    for (const std::string& line : lines_of(table)) {
        std::istringstream fields(line);
        std::string rank, score;
        fields >> rank >> score;
        scores.push_back(score);
    }
    scores.erase(scores.begin());
    return scores;
}

} // namespace

TEST_CASE("fault 01: with --sigmoid the order and the best are those of the logits") {
    const workplace place;
    write_passages(place);
    for (const float bias : {0.0F, 18.0F, 52.0F, -60.0F, 900.0F}) {
        INFO(bias);
        write_biased(place, "m.safetensors", bias);
        const std::string rerank = "rerank 'w5 w77' p.txt --model m.safetensors ";
        const std::vector<std::string> order = ids_of(place.mice(rerank + "--json").out);
        REQUIRE(order.size() == 40);
        const result all = place.mice(rerank + "--json --sigmoid");
        CHECK(ids_of(all.out) == order);
        CHECK(all.err.empty() == (bias < 20)); // doubles tell them apart
        const result top = place.mice(rerank + "--json --sigmoid --top-k 3");
        CHECK(ids_of(top.out) == std::vector<std::string>(order.begin(), order.begin() + 3));
        CHECK(run_ids(place.mice(rerank + "--trec --sigmoid").out) == order);
        // the value that decides is there, whatever the sigmoid rounds to
        const json object = json::parse(all.out);
        const json plain = json::parse(place.mice(rerank + "--json").out);
        for (std::size_t i = 0; i < order.size(); ++i) {
            CHECK(object["hits"][i]["logit"] == plain["hits"][i]["score"]);
        }
    }
}

TEST_CASE("fault 01: sigmoids have the digits that tell them apart") {
    const workplace place;
    write_passages(place);
    write_biased(place, "m.safetensors", 17.5F); // floats would all be 1
    const std::string rerank = "rerank w5 p.txt --model m.safetensors --sigmoid ";
    const json object = json::parse(place.mice(rerank + "--json").out);
    const std::vector<std::string> shown = table_scores(place.mice(rerank).out);
    REQUIRE(shown.size() == 40);
    for (std::size_t i = 1; i < 40; ++i) {
        const json& above = object["hits"][i - 1];
        const json& hit = object["hits"][i];
        CHECK((above["score"] > hit["score"]) == (above["logit"] > hit["logit"]));
        CHECK((shown[i - 1] != shown[i]) == (above["logit"] > hit["logit"]));
    }
}

TEST_CASE("fault 01: runs and searches order sigmoids by logits and say when they are of no use") {
    const workplace place;
    write_biased(place, "m.safetensors", 52);
    const std::string run = "rerank --run a.trec --corpus corpus.jsonl --queries queries.jsonl "
                            "--model m.safetensors --trec ";
    const result plain = place.mice(run);
    const result bounded = place.mice(run + "--sigmoid");
    REQUIRE(lines_of(plain.out).size() == 4);
    CHECK(run_ids(bounded.out) == run_ids(plain.out));
    CHECK_THAT(bounded.err, Contains("--sigmoid"));
    REQUIRE(
        place.mice("index add i corpus.jsonl --create --codec f32 --model m.safetensors").code ==
        0);
    const std::string search = "search i 'w5 w6' --all --model m.safetensors ";
    CHECK(run_ids(place.mice(search + "--trec --sigmoid").out) ==
          run_ids(place.mice(search + "--trec").out));
    CHECK(ids_of(place.mice(search + "--json --sigmoid --top-k 2").out) ==
          ids_of(place.mice(search + "--json --top-k 2").out));
    CHECK_THAT(place.mice(search + "--sigmoid").err, Contains("--sigmoid"));
    const result score = place.shell("echo '{\"query\":\"w5\",\"document\":\"w6\"}' | \"$mice\" "
                                     "score --sigmoid --model m.safetensors");
    CHECK(json::parse(score.out)["score"] == 1.0);
    CHECK(json::parse(score.out)["logit"].get<double>() > 40);
    CHECK_THAT(score.err, Contains("--sigmoid"));
    place.convert(fs::path(MICE_TEST_DATA) / "models" / "colbert", "late.safetensors",
                  "--ids-only");
    const result late = place.shell(
        "echo '{\"query_ids\":[2,60,3],\"document_ids\":[2,61,62,3]}' | \"$mice\" score --sigmoid "
        "--model late.safetensors");
    CHECK(late.code == 0);
    CHECK_THAT(late.err, Contains("sums of cosines"));
}

TEST_CASE("fault 27: scores have the fewest digits that read back as the same float") {
    const workplace place;
    write_passages(place);
    const auto check_text = [](const std::string& text) {
        INFO(text);
        const float value = std::strtof(text.c_str(), nullptr);
        CHECK(text.find_first_of(".e") != std::string::npos);
        // no text with fewer digits gives the same float
        for (int digits = 1; digits < 9; ++digits) {
            char shorter[40];
            std::snprintf(shorter, sizeof shorter, "%.*g", digits, static_cast<double>(value));
            if (std::strtof(shorter, nullptr) == value) {
                CHECK(text.size() <= std::string(shorter).size() + 2); // ".0"
                break;
            }
        }
    };
    const auto scores_in = [](const std::string& text) {
        std::vector<std::string> scores;
        const std::string key = "\"score\":";
        for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at)) {
            at += key.size();
            scores.push_back(text.substr(at, text.find_first_of(",}", at) - at));
        }
        return scores;
    };
    for (const float bias : {0.0F, 3.0F, -100.0F, 1e6F, 1e-7F}) {
        write_biased(place, "m.safetensors", bias);
        const result got = place.mice("rerank w5 p.txt --json --model m.safetensors");
        const std::vector<std::string> scores = scores_in(got.out);
        REQUIRE(scores.size() == 40);
        for (const std::string& each : scores) {
            check_text(each);
        }
        std::string pairs;
        for (int i = 5; i < 25; ++i) {
            pairs += "{\"query\":\"w5\",\"document\":\"w" + std::to_string(i) + "\"}\n";
        }
        place.write("pairs.jsonl", pairs);
        for (const std::string& each :
             scores_in(place.mice("score pairs.jsonl --model m.safetensors").out)) {
            check_text(each);
        }
        const result run = place.mice("rerank w5 p.txt --trec --model m.safetensors");
        for (std::size_t i = 0; i < 40; ++i) {
            CHECK_THAT(lines_of(run.out)[i], Contains(" " + scores[i] + " "));
        }
    }
}

TEST_CASE("fault 27: numbers on the command line are refused in few words") {
    const workplace place;
    const std::vector<std::string> commands{"rerank q --top-k -1",
                                            "rerank q --top-k 1.5",
                                            "rerank q --top-k x",
                                            "search i q --depth 0",
                                            "search i q --top-k -3",
                                            "tokenize --max-tokens 0",
                                            "eval . --depth -1",
                                            "index add i --commit-every 0",
                                            "selftest --tolerance nan",
                                            "selftest --tolerance -1",
                                            "index add i --commit-seconds nan",
                                            "rerank q --top-k 99999999999999999999999999"};
    for (const std::string& command : commands) {
        const result got = place.mice(command);
        INFO(command);
        check_failure(got, 64, "expected a");
        CHECK(got.err.size() < 200);
    }
}

TEST_CASE("fault 27: a mistyped command or option gets a suggestion") {
    const workplace place;
    const auto suggests = [&place](const std::string& command, const std::string& name) {
        INFO(command);
        check_failure(place.mice(command), 64, "did you mean '" + name + "'? Run 'mice ");
    };
    suggests("rernk q", "rerank");
    suggests("evl .", "eval");
    suggests("serach i q", "search");
    suggests("index lst i", "list");
    suggests("rerank q --topk 3", "--top-k");
    suggests("search i q --timeuot=3", "--timeout");
    check_failure(place.mice("--top-k 3 rerank q"), 64,
                  "an option of 'rerank': put it behind that");
    const result unknown = place.mice("zzzzzzzz q");
    CHECK(unknown.code == 64);
    CHECK(unknown.err.find("did you mean") == std::string::npos);
}

TEST_CASE("fault 27: a query without quotes gets advice about quotes") {
    const workplace place;
    check_failure(place.mice("rerank how to keep bread fresh"), 1, "'how to ...'");
    check_failure(place.mice("rerank how to keep bread fresh"), 1, "quotes");
    check_failure(place.mice("search i how to keep bread"), 64, "quotes");
    check_failure(place.mice("attention how to keep bread"), 64, "quotes");
    // a name of a file is no word, and a query with spaces was quoted
    CHECK(place.mice("rerank how absent.txt").err.find("quotes") == std::string::npos);
    CHECK(place.mice("rerank 'how to' keep").err.find("quotes") == std::string::npos);
}

TEST_CASE("fault 34: ids with control characters reach no terminal and are not lost") {
    const workplace place;
    place.write("ids.jsonl", "{\"id\":\"red\\u001b[31m\",\"text\":\"w5\"}\n"
                             "{\"id\":\"c1\\u009b31m\",\"text\":\"w6\"}\n"
                             "{\"id\":\"turn\\u202Eed\",\"text\":\"w7\"}\n");
    check_failure(place.mice("rerank w5 ids.jsonl --trec"), 1, "--json");
    CHECK(place.mice("rerank w5 ids.jsonl --trec").out.empty());
    const result objects = place.mice("rerank w5 ids.jsonl --json");
    REQUIRE(objects.code == 0);
    for (const char* const raw : {"\x1b", "\xC2\x9B", "\xE2\x80\xAE"}) {
        CHECK(objects.out.find(raw) == std::string::npos);
    }
    const std::vector<std::string> ids = ids_of(objects.out);
    CHECK(std::find(ids.begin(), ids.end(), "red\x1b[31m") != ids.end());
    CHECK(std::find(ids.begin(), ids.end(),
                    "turn\xE2\x80\xAE"
                    "ed") != ids.end());
    CHECK_THAT(place.mice("rerank w5 p.jsonl --trec --tag $'a\\033b'").err, StartsWith("mice: "));
}

TEST_CASE("fault 34: index list is harmless and its lines name the same ids again") {
    const workplace place;
    place.write("odd.jsonl", "{\"id\":\"turn\\u202Eed\",\"text\":\"w5\"}\n"
                             "{\"id\":\"\\\"quoted\\\"\",\"text\":\"w6\"}\n"
                             "{\"id\":\"  \",\"text\":\"w7\"}\n"
                             "{\"id\":\"C:\\\\back\\\\u001b\",\"text\":\"w8\"}\n"
                             "{\"id\":\"plain\",\"text\":\"w9\"}\n");
    REQUIRE(place.mice("index add i odd.jsonl --create").code == 0);
    const result list = place.mice("index list i");
    REQUIRE(lines_of(list.out).size() == 5);
    CHECK(list.out.find("\xE2\x80\xAE") == std::string::npos);
    CHECK_THAT(list.out, Contains("\nC:\\back\\u001b\n") && Contains("\nplain\n"));
    place.write("list", list.out);
    const result searched = place.mice("search i w5 --ids list --json");
    CHECK(searched.code == 0);
    CHECK(json::parse(searched.out)["candidates"] == 5);
    const result removed = place.mice("index remove i --ids list --json");
    CHECK(removed.code == 0);
    CHECK(json::parse(removed.out)["removed"] == 5);
}
