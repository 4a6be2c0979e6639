// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "common/collections.hpp"
#include "temporary_folder.hpp"

using Catch::Matchers::Contains;
using mice::errc;
using namespace mice::tools;

namespace {

namespace fs = std::filesystem;

struct read_result {
    std::vector<collection_document> documents;
    std::vector<std::string> problems;
};

/// All documents of a collection; skips bad records.
read_result read_all(const fs::path& path, collection_format format = collection_format::detect,
                     bad_text policy = bad_text::replace) {
    const auto reader = open_collection(path, format, policy);
    read_result result;
    collection_document document;
    for (bool more = true; more;) {
        try {
            more = reader->next(document);
            if (more) {
                result.documents.push_back(document);
            }
        } catch (const bad_record& problem) {
            result.problems.emplace_back(problem.what());
        }
    }
    return result;
}

} // namespace

TEST_CASE("a JSON Lines collection gives ids, joined texts and metadata") {
    const temporary_folder folder;
    const fs::path file = folder.write(
        "c.jsonl", "\n{\"_id\":\"a\",\"title\":\"Tea\",\"text\":\"is hot\",\"url\":1}\n"
                   "{\"id\":7,\"text\":\"x\",\"metadata\":\"m\"}\n"
                   "{\"id\":\"c\",\"text\":\"\",\"metadata\":{\"b\":[1,2]}}\n"
                   "{\"id\":\"d\",\"text\":\"y\",\"metadata\":null}\n");
    const read_result got = read_all(file);
    REQUIRE(got.problems.empty());
    REQUIRE(got.documents.size() == 4);
    CHECK(got.documents[0].id == "a");
    CHECK(got.documents[0].text == "Tea is hot");
    CHECK(got.documents[0].metadata.empty());
    CHECK_THAT(got.documents[0].place, Contains("c.jsonl:2"));
    CHECK(got.documents[1].id == "7");
    CHECK(got.documents[1].metadata == "m");
    CHECK(got.documents[2].text.empty());
    CHECK(got.documents[2].metadata == "{\"b\":[1,2]}");
    CHECK(got.documents[3].metadata.empty());
}

TEST_CASE("bad lines of a collection are named and the others are read") {
    const temporary_folder folder;
    const fs::path file = folder.write("c.jsonl", "{\"_id\":\"a\",\"text\":\"1\"}\n"
                                                  "{\"_id\":\"b\",\"text\":\n"
                                                  "{\"text\":\"no id\"}\n"
                                                  "[1]\n"
                                                  "{\"_id\":\"c\",\"text\":5}\n"
                                                  "{\"_id\":\"d\",\"text\":\"\xFF\"}\n"
                                                  "{\"_id\":\"e\",\"text\":\"last\"}");
    const read_result got = read_all(file);
    REQUIRE(got.problems.size() == 4);
    CHECK_THAT(got.problems[0], Contains("c.jsonl:2"));
    CHECK_THAT(got.problems[1], Contains("c.jsonl:3") && Contains("_id"));
    CHECK_THAT(got.problems[2], Contains("c.jsonl:4"));
    CHECK_THAT(got.problems[3], Contains("c.jsonl:5") && Contains("text"));
    REQUIRE(got.documents.size() == 3);
    CHECK(got.documents[1].replaced == 1);
    CHECK(got.documents[2].id == "e");
    const read_result strict = read_all(file, collection_format::json_lines, bad_text::refuse);
    CHECK(strict.documents.size() == 2);
    CHECK_THAT(strict.problems.at(4), Contains("c.jsonl:6") && Contains("UTF-8"));
}

TEST_CASE("a TSV collection has two or three columns") {
    const temporary_folder folder;
    const fs::path file = folder.write("c.tsv", "1\tfirst text\r\n2\tTitle\tbody\n3\n\n"
                                                "\tno id\n4\ta\tb\tc\n5\t\n");
    const read_result got = read_all(file);
    REQUIRE(got.documents.size() == 3);
    CHECK(got.documents[0].id == "1");
    CHECK(got.documents[0].text == "first text");
    CHECK(got.documents[1].text == "Title body");
    CHECK(got.documents[2].id == "5");
    CHECK(got.documents[2].text.empty());
    REQUIRE(got.problems.size() == 3);
    CHECK_THAT(got.problems[0], Contains("c.tsv:3") && Contains("1 columns"));
    CHECK_THAT(got.problems[1], Contains("c.tsv:5") && Contains("id"));
    CHECK_THAT(got.problems[2], Contains("c.tsv:6") && Contains("4 columns"));
}

TEST_CASE("a TREC collection gives title and text without markup") {
    const temporary_folder folder;
    const fs::path file = folder.write(
        "c.trec", "<DOC>\n<DOCNO> FT-1 </DOCNO>\n<HEADLINE>Of\nbread</HEADLINE>\n"
                  "<DATE>910101</DATE>\n<TEXT>\n<P>Dough &amp; yeast, 3 < 4</P> a&b &lt;x&gt;\n"
                  "</TEXT>\n</DOC>\n\n"
                  "<doc><docno>FT-2</docno><text type=\"a\">one</text><TEXT>two</TEXT></doc>\n"
                  "<DOC>\n<TEXT>no number</TEXT>\n</DOC>\n"
                  "stray\n"
                  "<DOC>\n<DOCNO>FT-3</DOCNO>\n</DOC>\n"
                  "<DOC>\n<DOCNO>FT-4</DOCNO>\n<TITLE>only a title</TITLE>\n</DOC>\n"
                  "<DOC>\n<DOCNO>FT-5</DOCNO>\n<TEXT>cut of");
    const read_result got = read_all(file);
    REQUIRE(got.documents.size() == 3);
    CHECK(got.documents[0].id == "FT-1");
    CHECK(got.documents[0].text == "Of\nbread Dough & yeast, 3 < 4  a&b <x>");
    CHECK(got.documents[1].id == "FT-2");
    CHECK(got.documents[1].text == "one\ntwo");
    CHECK(got.documents[2].text == "only a title");
    REQUIRE(got.problems.size() == 4);
    CHECK_THAT(got.problems[0], Contains("c.trec:12") && Contains("DOCNO"));
    CHECK_THAT(got.problems[1], Contains("c.trec:15") && Contains("stray"));
    CHECK_THAT(got.problems[2], Contains("c.trec:16") && Contains("FT-3"));
    CHECK_THAT(got.problems[3], Contains("c.trec:23") && Contains("cut off"));
}

TEST_CASE("a folder of texts is a collection whose ids are paths") {
    const temporary_folder folder;
    fs::create_directories(folder.path() / "b" / "c");
    fs::create_directories(folder.path() / ".git");
    folder.write("z.txt", "\xEF\xBB\xBFlast\n");
    folder.write("b/c/deep.md", "deep");
    folder.write("b/a.txt", "first");
    folder.write("b/empty", "");
    folder.write(".git/config", "hidden");
    folder.write("image", std::string("a\0b", 3));
    const read_result got = read_all(folder.path());
    REQUIRE(got.documents.size() == 4);
    CHECK(got.documents[0].id == "b/a.txt");
    CHECK(got.documents[1].id == "b/c/deep.md");
    CHECK(got.documents[1].text == "deep");
    CHECK(got.documents[2].id == "b/empty");
    CHECK(got.documents[3].text == "last\n");
    REQUIRE(got.problems.size() == 1);
    CHECK_THAT(got.problems[0], Contains("image") && Contains("NUL"));
#if !defined(_WIN32)
    fs::create_symlink(folder.path(), folder.path() / "loop");
    fs::create_symlink("z.txt", folder.path() / "link");
    const read_result linked = read_all(folder.path());
    CHECK(linked.documents.size() == 4);
    CHECK(linked.problems.size() == 3);
#endif
}

TEST_CASE("the format of a collection is detected or said") {
    const temporary_folder folder;
    CHECK(read_all(folder.write("empty", "\n \n")).documents.empty());
    const read_result plain = read_all(folder.write("plain", "just a line\n")); // one text
    REQUIRE(plain.documents.size() == 1);
    CHECK(plain.documents[0].id == "plain");
    CHECK(read_all(folder.write("one", "a\t{\n"), collection_format::tsv).documents.size() == 1);
    CHECK(read_all(folder.write("two", "{\t1\n"), collection_format::json_lines).problems.size() ==
          1);
    CHECK_THROWS_WITH(read_all(folder.path() / "absent"), Contains("absent"));
    CHECK_THROWS_WITH(read_all(folder.path() / "one", collection_format::folder),
                      Contains("not a folder"));
    CHECK_THROWS_WITH(read_all(folder.path(), collection_format::tsv), Contains("directory"));
}

TEST_CASE("a collection tells how much of it was read") {
    const temporary_folder folder;
    const auto reader = open_collection(folder.write("c.tsv", "1\ta\n2\tb\n3\tc\n4\td\n"),
                                        collection_format::detect, bad_text::replace);
    collection_document document;
    double before = 0;
    while (reader->next(document)) {
        CHECK(reader->share() > before);
        before = reader->share();
    }
    CHECK(before == 1.0);
}
