// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <mice/io/mapped_file.hpp>
#include <mice/io/safetensors.hpp>
#include <nlohmann/json.hpp>

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;
using namespace fixtures;

TEST_CASE("mice prints help, version and usage errors") {
    const workplace place;
    const result help = place.mice("");
    CHECK(help.code == 0);
    CHECK_THAT(help.out, Contains("rerank") && Contains("Exit codes"));
    CHECK_THAT(place.mice("--version").out,
               Contains("mice ") && Contains("text.safetensors") &&
                   Contains(MICE_USE_SENTENCEPIECE ? "sentencepiece: yes" : "sentencepiece: no"));
    for (const char* name : {"rerank", "score", "tokenize", "passages", "eval", "compare",
                             "attention", "index", "search", "serve", "inspect", "selftest"}) {
        const result one = place.mice(std::string(name) + " --help");
        CHECK(one.code == 0);
        CHECK_THAT(one.out, Contains(std::string("mice ") + name));
        const std::size_t example = one.out.find("Example: ");
        REQUIRE(example != std::string::npos);
        CHECK_THAT(one.out.substr(example), Contains(std::string("mice ") + name));
    }
    CHECK_THAT(place.mice("index add --help").out, Contains("Example: mice index add"));
    check_failure(place.mice("nosuch"), 64, "nosuch");
    check_failure(place.mice("rerank"), 64, "QUERY");
    check_failure(place.mice("rerank --json --trec q"), 64, "--trec");
    check_failure(place.mice("rerank q --top-k many"), 64, "--top-k");
    check_failure(place.mice("rerank q --format xml"), 64, "--format");
    check_failure(place.mice("rerank q --run a.trec"), 64, "--run");
    check_failure(place.mice("rerank --run a.trec"), 64, "--corpus");
    check_failure(place.mice("rerank q --depth 3"), 64, "--run");
    check_failure(place.mice("rerank q --model ''"), 64, "--model");
    check_failure(place.mice("serve --port 70000"), 64, "--port");
    check_failure(place.mice("eval"), 64, "FOLDERS");
    check_failure(place.mice("eval . . --run a.trec"), 64, "--run");
    check_failure(place.mice("eval . . --trec-out x"), 64, "--trec-out");
    check_failure(place.mice("tokenize --model a --tokenizer b"), 64, "--tokenizer");
}

TEST_CASE("rerank orders passages and cuts at top-k") {
    const workplace place;
    const result all =
        place.shell("printf 'w5 w6\\nw7\\nw8 w9 w10\\n' | \"$mice\" rerank w5 --json");
    REQUIRE(all.code == 0);
    const json object = json::parse(all.out);
    CHECK(object["complete"] == true);
    CHECK(object["candidates"] == 3);
    REQUIRE(object["hits"].size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(object["hits"][i]["rank"] == i + 1);
        CHECK(object["hits"][i]["tokens_cut"] == 0);
    }
    CHECK(object["hits"][0]["score"].get<double>() >= object["hits"][1]["score"].get<double>());
    CHECK(object["hits"][1]["score"].get<double>() >= object["hits"][2]["score"].get<double>());
    const result top =
        place.shell("printf 'w5 w6\\nw7\\nw8 w9 w10\\n' | \"$mice\" rerank w5 --json --top-k 1");
    const json best = json::parse(top.out);
    REQUIRE(best["hits"].size() == 1);
    CHECK(best["hits"][0]["id"] == object["hits"][0]["id"]);
    CHECK(best["candidates"] == 3);
    const result sigmoid =
        place.shell("printf 'w5 w6\\nw7\\n' | \"$mice\" rerank w5 --json --sigmoid --top-k 99");
    const json probabilities = json::parse(sigmoid.out);
    for (const json& hit : probabilities["hits"]) {
        CHECK(hit["score"].get<double>() > 0);
        CHECK(hit["score"].get<double>() < 1);
    }
}

TEST_CASE("rerank gives the same scores whatever the threads and the order") {
    const workplace place;
    const result one =
        place.shell("printf 'w5 w6\\nw7\\nw8\\n' | \"$mice\" rerank w5 --trec --threads 1");
    const result two =
        place.shell("printf 'w5 w6\\nw7\\nw8\\n' | \"$mice\" rerank w5 --trec --threads 4");
    CHECK(one.code == 0);
    CHECK(one.out == two.out);
    CHECK(lines_of(one.out).size() == 3);
    CHECK_THAT(one.out, Contains("1 Q0 ") && Contains(" mice\n"));
    CHECK_THAT(place.shell("echo w5 | \"$mice\" rerank w5 --trec --query-id Q --tag T").out,
               StartsWith("Q Q0 1 1 ") && Contains(" T\n"));
}

TEST_CASE("the table is for people and harmless for their terminal") {
    const workplace place;
    const result table = place.shell("printf 'w5 \\033[31m w6\\nb\\377d\\n' | \"$mice\" rerank w5");
    CHECK(table.code == 0);
    CHECK_THAT(table.out, StartsWith("rank"));
    CHECK(lines_of(table.out).size() == 3);
    CHECK(table.out.find('\x1b') == std::string::npos);
    CHECK_THAT(table.out, Contains("invalid UTF-8 replaced: 1"));
    CHECK_THAT(table.err, Contains("standard input:2"));
    place.write(
        "long.txt", std::string(600, 'a') + "\nw5 " + [] {
            std::string words;
            for (int i = 0; i < 500; ++i) {
                words += "w5 ";
            }
            return words;
        }());
    const result cut = place.mice("rerank w5 long.txt --first-passage");
    CHECK_THAT(cut.out, Contains("tokens cut"));
    for (const std::string& line : lines_of(cut.out)) {
        CHECK(line.size() <= 100);
    }
}

TEST_CASE("duplicate ids, bad lines and bad bytes are reported") {
    const workplace place;
    place.write("twice.jsonl", "{\"id\":\"a\",\"text\":\"w5\"}\n{\"id\":\"a\",\"text\":\"w6\"}\n");
    const result twice = place.mice("rerank w5 twice.jsonl --json");
    CHECK(twice.code == 2);
    CHECK_THAT(twice.err, Contains("twice.jsonl:2") && Contains("'a'"));
    CHECK(json::parse(twice.out)["hits"].size() == 1);
    place.write("bad.jsonl", "{\"id\":\"a\",\"text\":\"w5\"}\n{\"id\":\n");
    check_failure(place.mice("rerank w5 bad.jsonl"), 1, "bad.jsonl:2");
    place.write("bytes.txt", "fine\nnot \xFF fine\n");
    check_failure(place.mice("rerank w5 bytes.txt --strict-utf8"), 1, "bytes.txt:2");
    check_failure(place.mice("rerank w5 absent.txt"), 1, "absent.txt");
    check_failure(place.mice("rerank w5 ."), 1, "directory");
    place.write("spaces.jsonl", "{\"id\":\"a b\",\"text\":\"w5\"}\n");
    const result spaces = place.mice("rerank w5 spaces.jsonl --trec");
    check_failure(spaces, 1, "--json");
    CHECK(spaces.out.empty());
}

TEST_CASE("empty queries, empty passages and no passages are no errors") {
    const workplace place;
    const result empty = place.shell("\"$mice\" rerank w5 --json < /dev/null");
    CHECK(empty.code == 0);
    CHECK(json::parse(empty.out)["hits"].empty());
    CHECK_THAT(empty.err, Contains("no passages"));
    const result blank =
        place.shell("echo '{\"id\":\"a\",\"text\":\"\"}' | \"$mice\" rerank '' --json");
    CHECK(blank.code == 0);
    CHECK_THAT(blank.err, Contains("query is empty"));
    CHECK(json::parse(blank.out)["hits"][0]["tokens_seen"] == 2);
}

TEST_CASE("a model that cannot be used is named") {
    const workplace place;
    check_failure(place.shell("echo x | \"$mice\" rerank q --model absent"), 1, "absent");
    check_failure(place.shell("echo x | \"$mice\" rerank q --model vocab.txt"), 1, "vocab.txt");
    check_failure(place.shell("echo x | \"$mice\" rerank q --model $ids"), 1, "tokenizer");
    check_failure(place.shell("echo x | MICE_MODEL=nowhere \"$mice\" rerank q"), 1, "MICE_MODEL");
    place.write("short.safetensors", content(place.path("text.safetensors")).substr(0, 5000));
    check_failure(place.mice("inspect short.safetensors"), 1, "short.safetensors");
}

TEST_CASE("a timeout leaves marked partial results and its own exit code") {
    const workplace place;
    const result json_out =
        place.shell("printf 'w5\\nw6\\n' | \"$mice\" rerank w5 --json --timeout 0.000001");
    CHECK(json_out.code == 3);
    const json object = json::parse(json_out.out);
    CHECK(object["complete"] == false);
    CHECK(object["scored"] == 0);
    REQUIRE(object["hits"].size() == 2);
    CHECK(object["hits"][0]["score"].is_null());
    CHECK_THAT(json_out.err, Contains("--timeout"));
    const result table =
        place.shell("printf 'w5\\nw6\\n' | \"$mice\" rerank w5 --timeout 0.000001");
    CHECK(table.code == 3);
    CHECK_THAT(table.out, Contains("PARTIAL") && Contains("not scored"));
    const result trec =
        place.shell("printf 'w5\\nw6\\n' | \"$mice\" rerank w5 --trec --timeout 0.000001");
    CHECK(trec.code == 3);
    CHECK(trec.out.empty());
    const result run =
        place.mice("rerank --run a.trec --corpus corpus.jsonl --queries queries.jsonl "
                   "--json --timeout 0.000001");
    CHECK(run.code == 3);
    CHECK(lines_of(run.out).size() == 2);
    CHECK(place.shell("printf 'w5\\nw6\\n' | \"$mice\" rerank w5 --timeout 1000").code == 0);
}

TEST_CASE("a run is re-ranked for every query with the scores of single calls") {
    const workplace place;
    const std::string collection = "--corpus corpus.jsonl --queries queries.jsonl ";
    const result run = place.mice("rerank --run a.trec --trec " + collection);
    REQUIRE(run.code == 0);
    REQUIRE(lines_of(run.out).size() == 4);
    const result single = place.mice("rerank 'w5 w6' corpus.jsonl --trec --query-id q1");
    for (const std::string& line : lines_of(run.out)) {
        std::istringstream fields(line);
        std::string query, unused, document, rank, score;
        fields >> query >> unused >> document >> rank >> score;
        if (query == "q1") {
            CHECK_THAT(single.out, Contains(" " + document + " ") && Contains(" " + score + " "));
        }
    }
    CHECK(lines_of(place.mice("rerank --run a.trec --trec --depth 1 " + collection).out).size() ==
          2);
    CHECK(lines_of(place.mice("rerank --run a.trec --trec --top-k 1 " + collection).out).size() ==
          2);
    CHECK_THAT(place.mice("rerank --run a.trec " + collection).out, Contains("query q2: w9"));
}

TEST_CASE("a run that names unknown documents and queries is ranked without them") {
    const workplace place;
    place.write("unknown.trec", "q1 Q0 d4 1 2.0 x\nq1 Q0 nodoc 2 1.0 x\nnoquery Q0 d1 1 1 x\n"
                                "q2 Q0 d1 1 1 x\n");
    const result run = place.mice(
        "rerank --run unknown.trec --corpus corpus.jsonl --queries queries.jsonl --trec");
    CHECK(run.code == 2);
    CHECK(lines_of(run.out).size() == 2);
    CHECK_THAT(run.err, Contains("'nodoc'") && Contains("'noquery'"));
    const result eval = place.mice("eval . --run unknown.trec --json");
    CHECK(eval.code == 2);
    CHECK(json::parse(eval.out)["queries"] == 2);
}

TEST_CASE("score answers line by line, in order, for texts and ids") {
    const workplace place;
    place.write("pairs.jsonl", "{\"query\":\"w5\",\"document\":\"w6 w7\"}\n"
                               "{\"query_ids\":[2,5,3],\"document_ids\":[2,6,7,3]}\n\n"
                               "{\"query\":\"w8\",\"document\":\"w6 w7\"}\n"
                               "{\"query\":\"w5\",\"document_ids\":[2,6,7,3]}\n");
    const result scored = place.shell("\"$mice\" score < pairs.jsonl");
    REQUIRE(scored.code == 0);
    const std::vector<std::string> lines = lines_of(scored.out);
    REQUIRE(lines.size() == 4);
    CHECK(lines[0] == lines[1]);
    CHECK(lines[0] == lines[3]);
    CHECK(lines[0] != lines[2]);
    CHECK(json::parse(lines[0])["score"].is_number());
    CHECK(place.mice("score pairs.jsonl --threads 3").out == scored.out);
    CHECK(place.shell("\"$mice\" score --sigmoid < pairs.jsonl").out != scored.out);
}

TEST_CASE("every command that scores computes in the precision asked for") {
    const workplace place;
    place.write("pairs.jsonl", "{\"query\":\"w5 w6\",\"document\":\"w6 w7\"}\n");
    const auto score = [&](const std::string& precision) {
        const result got = place.mice("score pairs.jsonl --precision " + precision);
        INFO(got.err);
        REQUIRE(got.code == 0);
        return json::parse(got.out)["score"].get<double>();
    };
    const double f32 = json::parse(place.mice("score pairs.jsonl").out)["score"].get<double>();
    CHECK(score("f32") == f32);
    std::vector<double> all{f32};
    for (const std::string precision : {"bf16", "int8"}) {
        const double rounded = score(precision);
        CHECK(std::find(all.begin(), all.end(), rounded) == all.end());
        CHECK(rounded == Approx(f32).margin(0.6));
        all.push_back(rounded);
    }
    CHECK(std::find(all.begin(), all.end(), score("automatic")) != all.end());
    check_failure(place.mice("score pairs.jsonl --precision f16"), 64, "--precision");

    const auto differs = [&](const std::string& command) {
        const result reference = place.mice(command);
        const result rounded = place.mice(command + " --precision int8");
        CHECK(reference.code == 0);
        CHECK(rounded.code == 0);
        CHECK(reference.out != rounded.out);
    };
    differs("rerank w5 corpus.jsonl --json");
    differs("index add a --create corpus.jsonl; \"$mice\" search a 'w5 w6' --json");
}

TEST_CASE("score takes text and ids together only where they agree") {
    const workplace place;
    const std::string pair = R"({"query":"w5","query_ids":[2,5,3],"document":"w6","document_ids":)";
    const auto score = [&](const std::string& line, const std::string& model) {
        return place.shell("echo " + quoted(line) + " | \"$mice\" score --model " + model);
    };
    const result both = score(pair + "[2,6,3]}", "$text");
    CHECK(both.code == 0);
    CHECK(both.out == score(R"({"query":"w5","document":"w6"})", "$text").out);
    check_failure(score(pair + "[2,7,3]}", "$text"), 1, "document_ids");
    CHECK(score(pair + "[2,7,3]}", "$ids").code == 0); // no tokenizer to ask: the ids count
}

TEST_CASE("score reproduces the golden scores from ids") {
    const workplace place;
    const mice::io::mapped_file file(fs::path(MICE_TEST_DATA) / "models" / "bert_inverted_full" /
                                     "golden.safetensors");
    const mice::io::safetensors golden(file.bytes());
    std::string input;
    std::vector<double> expected;
    for (std::size_t i = 0; golden.find("pair" + std::to_string(i) + ".score") != nullptr; ++i) {
        const std::string pair = "pair" + std::to_string(i);
        json line;
        for (const char* side : {"query_ids", "document_ids"}) {
            const mice::io::tensor_view* view = golden.find(pair + "." + side);
            REQUIRE(view != nullptr);
            for (std::size_t k = 0; k < view->elements(); ++k) {
                line[side].push_back(view->at<std::int32_t>(k));
            }
        }
        input += line.dump() + "\n";
        expected.push_back(static_cast<double>(golden.find(pair + ".score")->at<float>(0)));
    }
    REQUIRE(!expected.empty());
    place.write("golden.jsonl", input);
    const result scored = place.shell("\"$mice\" score --model $ids < golden.jsonl");
    REQUIRE(scored.code == 0);
    const std::vector<std::string> lines = lines_of(scored.out);
    REQUIRE(lines.size() == expected.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        CHECK(json::parse(lines[i])["score"].get<double>() == Approx(expected[i]).margin(2e-4));
    }
}

TEST_CASE("score answers each line before it needs the next") {
    const workplace place;
    // The second line is written only after the first answer has been read.
    const result talk = place.shell(
        "mkfifo in out; \"$mice\" score < in > out & exec 3> in 4< out; "
        "echo '{\"query\":\"w5\",\"document\":\"w6\"}' >&3; read -r first <&4; "
        "echo '{\"query\":\"w5\",\"document\":\"w7\"}' >&3; read -r second <&4; exec 3>&-; wait; "
        "echo \"$first\"; echo \"$second\"");
    CHECK(talk.code == 0);
    REQUIRE(lines_of(talk.out).size() == 2);
    CHECK_THAT(talk.out, Contains("score"));
}

TEST_CASE("score stops at a bad line, names it, and keeps the answers before it") {
    const workplace place;
    const std::string good = "{\"query\":\"w5\",\"document\":\"w6\"}\n";
    const std::vector<std::string> bad_lines{
        "nonsense",
        "[]",
        "{\"query\":\"w5\"}",
        "{\"query\":1,\"document\":\"\"}",
        "{\"query\":\"a\",\"query_ids\":[2],\"document\":\"\"}",
        "{\"query_ids\":[2,9999,3],\"document\":\"\"}",
        "{\"query_ids\":[2,-1,3],\"document\":\"\"}",
        "{\"query_ids\":[2,1.5,3],\"document\":\"\"}",
        "{\"query_ids\":[],\"document\":\"\"}",
        "{\"query_ids\":\"2\",\"document\":\"\"}",
        "{\"query_ids\":[99999999999],\"document\":\"\"}"};
    for (const std::string& bad : bad_lines) {
        place.write("in.jsonl", good + good + bad + "\n" + good);
        const result scored = place.shell("\"$mice\" score < in.jsonl");
        INFO(bad);
        check_failure(scored, 1, "standard input:3");
        CHECK(lines_of(scored.out).size() == 2);
    }
    place.write("in.jsonl", "{\"query_ids\":[2,5,3],\"document_ids\":[2,6,3]}\n" + good);
    const result no_tokenizer = place.mice("score --model $ids in.jsonl");
    check_failure(no_tokenizer, 1, "in.jsonl:2");
    CHECK(lines_of(no_tokenizer.out).size() == 1);
    std::string many;
    for (int i = 0; i < 600; ++i) {
        many += "{\"query\":\"w5\",\"document\":\"w" + std::to_string(5 + i % 200) + "\"}\n";
    }
    place.write("in.jsonl", many);
    CHECK(lines_of(place.mice("score in.jsonl").out).size() == 600);
}

TEST_CASE("tokenize prints ids and what was cut") {
    const workplace place;
    place.write("texts.jsonl", "{\"text\":\"w5 w6 [SEP] w7\"}\n");
    const auto ids = [&place](const std::string& options) {
        const result got = place.mice("tokenize texts.jsonl " + options);
        INFO(got.err);
        REQUIRE(got.code == 0);
        return json::parse(got.out);
    };
    CHECK(ids("--parse-special")["ids"] == json({2, 5, 6, 3, 7, 3}));
    CHECK(ids("--parse-special --no-special")["ids"] == json({5, 6, 3, 7}));
    CHECK(ids("")["ids"].size() > 6);
    CHECK(ids("--tokenizer vocab.txt --parse-special")["ids"] == json({2, 5, 6, 3, 7, 3}));
    CHECK(ids("--tokenizer . --parse-special")["cut"] == 0);
    const json cut = ids("--parse-special --max-tokens 4");
    CHECK(cut["ids"] == json({2, 5, 6, 3}));
    CHECK(cut["cut"] == 2);
    CHECK(ids("--parse-special --tokens")["tokens"][1] == "w5");
    std::string words;
    for (int i = 0; i < 1000; ++i) {
        words += "w5 ";
    }
    place.write("texts.jsonl", "{\"text\":\"" + words + "\"}\n");
    const json config = json::parse(place.mice("inspect --json").out)["config"];
    CHECK(ids("")["ids"].size() == config["max_document_length"]);
    CHECK(ids("--limit query")["ids"].size() == config["max_query_length"]);
    CHECK(ids("--no-limit")["ids"].size() == 1002);
    CHECK(ids("--no-limit")["cut"] == 0);
    place.write("bad.jsonl", "{\"text\":\"w5\"}\n{\"words\":1}\n");
    const result bad = place.mice("tokenize bad.jsonl");
    check_failure(bad, 1, "bad.jsonl:2");
    CHECK(lines_of(bad.out).size() == 1);
    check_failure(place.mice("tokenize --tokenizer absent texts.jsonl"), 1, "absent");
    check_failure(place.mice("tokenize --model $ids texts.jsonl"), 1, "tokenizer");
}

TEST_CASE("eval measures both orders of a collection") {
    const workplace place;
    const result eval = place.mice("eval . --json --trec-out out.trec");
    INFO(eval.err);
    REQUIRE(eval.code == 0);
    const json object = json::parse(eval.out);
    CHECK(object["collection"] == place.path("x").parent_path().filename().string());
    CHECK(object["queries"] == 2); // q3 has no relevant document
    // BM25 finds d1 and d4 for q1 (w5 w6), d1 first; d2 for q2.
    CHECK(object["bm25"]["ndcg@10"].get<double>() > 0.9);
    CHECK(object["bm25"]["recall@100"] == 1.0);
    CHECK(object["reranked"]["recall@100"] == 1.0);
    CHECK(object["reranked"]["ndcg@10_interval"].size() == 2);
    CHECK(object["difference"]["p_value"].get<double>() <= 1);
    CHECK(lines_of(content(place.path("out.trec"))).size() == object["pairs"]);
    const result shallow = place.mice("eval . --json --depth 1");
    CHECK(json::parse(shallow.out)["pairs"] == 2);
    const result table = place.mice("eval .");
    CHECK_THAT(table.out, Contains("BM25") && Contains("reranked") && Contains("p = "));
}

TEST_CASE("eval computes the order of a given run exactly") {
    const workplace place;
    const result eval = place.mice("eval . --run a.trec --json");
    REQUIRE(eval.code == 0);
    const json object = json::parse(eval.out);
    // q1: d4 (grade 1) before d1 (grade 2); q2: d1 before d2.
    const double third = 1 / std::log2(3.0);
    const double expected = ((1 + 2 * third) / (2 + third) + third) / 2;
    CHECK(object["bm25"]["ndcg@10"].get<double>() == Approx(expected).margin(1e-6));
    CHECK(object["bm25"]["mrr@10"].get<double>() == Approx(0.75));
    CHECK(object["first_stage"] == "a.trec");
    CHECK(place.mice("eval . --run a.trec --json --threads 1").code == 0);
}

TEST_CASE("eval averages several folders and finds runs by name") {
    const workplace place;
    const result made =
        place.shell("mkdir one two runs; cp *.jsonl qrels.tsv one; cp *.jsonl qrels.tsv "
                    "two; cp a.trec runs/one.trec; cp a.trec runs/two.trec; "
                    "\"$mice\" eval one two/ --run runs --json");
    INFO(made.err);
    REQUIRE(made.code == 0);
    const std::vector<std::string> lines = lines_of(made.out);
    REQUIRE(lines.size() == 3);
    CHECK(json::parse(lines[1])["collection"] == "two");
    CHECK(json::parse(lines[2])["collection"] == "mean");
    CHECK(json::parse(lines[2])["bm25"]["mrr@10"] == 0.75);
    CHECK(place.mice("eval one two --run a.trec --run a.trec --json").out.size() > 100);
}

TEST_CASE("eval says what is wrong with a collection") {
    const workplace place;
    check_failure(place.mice("eval nowhere"), 1, "qrels.tsv");
    check_failure(place.mice("eval . --b 2"), 1, "b must be");
    check_failure(place.mice("eval . --run absent.trec"), 1, "absent.trec");
    place.shell("mkdir bad; cp corpus.jsonl queries.jsonl bad");
    place.write("bad/qrels.tsv", "q9\td1\t1\n");
    const result none = place.mice("eval bad");
    CHECK(none.code == 1);
    CHECK_THAT(none.err, Contains("'q9'") && Contains("no query"));
    place.write("bad/qrels.tsv", "q1\td1\t1\nq9\td1\t1\n");
    CHECK(place.mice("eval bad --json").code == 2);
}

TEST_CASE("inspect shows configuration, tensors and provenance") {
    const workplace place;
    const result text = place.mice("inspect");
    CHECK(text.code == 0);
    CHECK_THAT(text.out, Contains("cross_attn_first") && Contains("211 tokens") &&
                             Contains("self-test") && Contains("4 pairs"));
    const json object = json::parse(place.mice("inspect $ids --json").out);
    CHECK(object["tokenizer"] == false);
    CHECK(object["config"]["vocab_size"] == 211);
    CHECK(object["parameters"].get<std::size_t>() > 10'000);
    CHECK(object["document_fingerprint"].get<std::string>().size() == 32);
    CHECK(!object["tensors"].empty());
}

TEST_CASE("selftest passes on a good file and fails on changed scores") {
    const workplace place;
    const result good = place.mice("selftest");
    CHECK(good.code == 0);
    CHECK_THAT(good.out, Contains("4 reference pairs") && Contains("passed"));
    const json object = json::parse(place.mice("selftest --json").out);
    CHECK(object["passed"] == true);
    CHECK(object["largest"].get<double>() < 1e-3);
    check_failure(place.mice("selftest $ids"), 1, "--self-test");

    // The same file with one reference score off by 1.
    std::string bytes = content(place.path("text.safetensors"));
    const mice::io::safetensors file(std::as_bytes(std::span(bytes)));
    const mice::io::tensor_view* scores = file.find("selftest.scores");
    REQUIRE(scores != nullptr);
    const float wrong = scores->at<float>(2) + 1;
    const auto place_in_file = static_cast<std::size_t>(
        reinterpret_cast<const char*>(scores->bytes.data()) - bytes.data());
    std::memcpy(bytes.data() + place_in_file + 2 * sizeof(float), &wrong, sizeof wrong);
    place.write("wrong.safetensors", bytes);
    const result bad = place.mice("selftest wrong.safetensors");
    CHECK(bad.code == 1);
    CHECK_THAT(bad.out, Contains("FAILED") && Contains("pair 2"));
    CHECK(lines_of(bad.err).size() == 1);
    CHECK(place.mice("selftest wrong.safetensors --tolerance 2").code == 0);
}

#if !defined(_WIN32)
TEST_CASE("a closed, full or broken standard output is handled") {
    const workplace place;
    if (fs::exists("/dev/full")) {
        const result full = place.shell("echo w5 > in.txt; \"$mice\" rerank w5 in.txt > /dev/full");
        check_failure(full, 1, "standard output");
    }
    const result closed = place.shell("echo w5 > in.txt; \"$mice\" rerank w5 in.txt >&-");
    check_failure(closed, 1, "standard output");
    const result no_input = place.shell("\"$mice\" rerank w5 <&-");
    check_failure(no_input, 1, "standard input");
    place.shell("for i in $(seq 5000); do echo w5 w6 w7 w8 w9; done > many.txt");
    const result gone =
        place.shell("{ \"$mice\" rerank w5 many.txt; echo $? > code; } | head -n 1; "
                    "cat code");
    CHECK_THAT(gone.out, Contains("1\n"));
    CHECK(gone.err.empty());
}
#endif
