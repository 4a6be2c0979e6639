// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cstddef>
#include <filesystem>
#include <set>
#include <sstream>
#include <streambuf>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>

#include "common/collections.hpp"
#include "common/encodings.hpp"
#include "common/file_names.hpp"
#include "common/id_set.hpp"
#include "common/json_records.hpp"
#include "common/records.hpp"
#include "temporary_folder.hpp"

using namespace mice::tools;
using namespace std::string_literals;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

struct form_result {
    passage_list list;
    reading_notes notes;
};

form_result read(const std::string& text, passage_format format = passage_format::detect) {
    std::istringstream stream(text);
    line_reader input(stream, "in");
    form_result result;
    read_passages(input, format, bad_text::replace, result.list, result.notes);
    return result;
}

std::string form_message(const std::string& text, passage_format format = passage_format::detect) {
    try {
        (void)read(text, format);
    } catch (const mice::error& problem) {
        return problem.what();
    }
    return "no error";
}

std::vector<std::string> ids_in(const passage_list& list) {
    std::vector<std::string> ids;
    for (const passage& each : list.all()) {
        ids.push_back(each.id);
    }
    return ids;
}

/// Text of ASCII and of the basic plane in another encoding.
std::string wide(const std::u16string& text, std::size_t bytes, bool big) {
    std::string result;
    for (const char16_t unit : text) {
        std::string one(bytes, '\0');
        one[big ? bytes - 1 : 0] = static_cast<char>(unit & 0xFF);
        one[big ? bytes - 2 : 1] = static_cast<char>(unit >> 8);
        result += one;
    }
    return result;
}

/// Gives the same byte for ever.
class endless_bytes : public std::streambuf {
  public:
    explicit endless_bytes(std::string piece) : piece_(std::move(piece)) {}

  protected:
    int_type underflow() override {
        setg(piece_.data(), piece_.data(), piece_.data() + piece_.size());
        return traits_type::to_int_type(piece_.front());
    }

  private:
    std::string piece_;
};

using strings = std::vector<std::string>;

} // namespace

TEST_CASE("fault 03: the place of a passage counts those that were left out") {
    const form_result got = read("{\"id\":\"a\",\"text\":\"x\"}\n{\"id\":\"a\",\"text\":\"y\"}\n\n"
                                 "{\"id\":\"b\",\"text\":\"z\"}\n{\"text\":\"w\"}\n");
    REQUIRE(got.list.size() == 3);
    CHECK(got.list[0].place == 0);
    CHECK(got.list[1].place == 2);
    CHECK(got.list[2].place == 3);
}

TEST_CASE("fault 04: a passage with an id of its own is never dropped for a number") {
    const form_result first = read("{\"text\":\"first\"}\n{\"id\":\"1\",\"text\":\"second\"}\n");
    CHECK(ids_in(first.list) == strings{"#1", "1"});
    CHECK_FALSE(first.notes.anything_skipped());
    REQUIRE(first.list.find("1") != nullptr);
    CHECK(first.list[*first.list.find("1")].text == "second");
    CHECK(first.list[*first.list.find("#1")].text == "first");
    const form_result chain = read("{\"text\":\"a\"}\n{\"id\":\"#1\",\"text\":\"b\"}\n"
                                   "{\"id\":1,\"text\":\"c\"}\n{\"id\":\"##1\",\"text\":\"d\"}\n"
                                   "{\"id\":1,\"text\":\"twice\"}\n");
    CHECK(ids_in(chain.list) == strings{"###1", "#1", "1", "##1"});
    CHECK(chain.notes.lines().size() == 1);
    CHECK(chain.list[0].text == "a");
}

TEST_CASE("fault 04: the number of a line is its number in the file") {
    const form_result lines = read("bread\n\n\nknife\r\n  \nfork");
    CHECK(ids_in(lines.list) == strings{"1", "4", "6"});
    const form_result objects = read("\n{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n");
    CHECK(ids_in(objects.list) == strings{"2", "4"});
    passage_list both;
    reading_notes notes;
    for (const char* name : {"a.txt:", "b.txt:"}) {
        std::istringstream stream("one\n\ntwo\n");
        line_reader input(stream, "in");
        read_passages(input, passage_format::lines, bad_text::replace, both, notes, name);
    }
    CHECK(ids_in(both) == strings{"a.txt:1", "a.txt:3", "b.txt:1", "b.txt:3"});
}

TEST_CASE("fault 06: an id that is not UTF-8 is refused and named") {
    for (const char* format :
         {"{\"id\":\"a%s\",\"text\":\"x\"}\n", "{\"_id\":\"%s\",\"text\":\"\"}\n"}) {
        for (const char* bytes : {"\xFF", "\xE2\x82", "\\ud800", "x\\uDC00y"}) {
            char line[80];
            std::snprintf(line, sizeof line, format, bytes);
            CHECK_THAT(form_message("{\"id\":\"fine\",\"text\":\"x\"}\n"s + line),
                       Contains("in:2") && Contains("id is not UTF-8"));
        }
    }
    // U+FFFD may be meant, and the text may be repaired.
    const form_result fine = read("{\"id\":\"a\uFFFD\",\"text\":\"b\xFF\"}\n"
                                  "{\"id\":\"\\ufffd\",\"text\":\"\\ud800\"}\n");
    CHECK(ids_in(fine.list) == strings{"a\uFFFD", "\uFFFD"});
    CHECK(fine.list[0].replaced == 1);
}

TEST_CASE("fault 06: ids of TSV and TREC collections and of queries are refused alike") {
    const temporary_folder folder;
    const auto problems = [](const fs::path& file) {
        const auto reader = open_collection(file, collection_format::detect, bad_text::replace);
        collection_document document;
        strings result;
        for (bool more = true; more;) {
            try {
                more = reader->next(document);
            } catch (const bad_record& problem) {
                result.emplace_back(problem.what());
            }
        }
        return result;
    };
    const strings tsv = problems(folder.write("c.tsv", "a\tx\nb\xFF\ty\nb\xFE\tz\xFF\n"));
    REQUIRE(tsv.size() == 2);
    CHECK_THAT(tsv[0], Contains("c.tsv:2") && Contains("id is not UTF-8"));
    const strings trec =
        problems(folder.write("c.trec", "<DOC><DOCNO>\xFF</DOCNO><TEXT>x</TEXT></DOC>\n"
                                        "<DOC><DOCNO>b</DOCNO><TEXT>x\xFF</TEXT></DOC>\n"));
    REQUIRE(trec.size() == 1);
    CHECK_THAT(trec[0], Contains("c.trec:1") && Contains("id is not UTF-8"));
    CHECK(problems(folder.write("c.jsonl", "{\"id\":\"\xFF\",\"text\":\"\"}\n")).size() == 1);
    reading_notes notes;
    CHECK_THROWS_WITH(read_queries(folder.write("q.jsonl", "{\"_id\":\"\xC0\",\"text\":\"x\"}\n"),
                                   bad_text::replace, notes),
                      Contains("q.jsonl:1") && Contains("id is not UTF-8"));
}

TEST_CASE("fault 11: a JSON array is read like JSON Lines whatever its layout") {
    const strings wanted{"a", "7", "3"};
    const std::string first = "{\"id\":\"a\",\"text\":\"x, ]} \\\" [ \"}";
    const std::string second = "{\"_id\":7,\"title\":\"T\",\"text\":\"y\",\"url\":[1,{\"b\":[]}]}";
    for (const std::string& text :
         {"[" + first + "," + second + ",\"only text\"]",
          "\xEF\xBB\xBF [\r\n  " + first + "\r\n,\r\n" + second + " ,\n\n \"only text\" \n] \n\n",
          "\n\n[\n{\n\"id\"\n:\n\"a\",\n\"text\": \"x, ]} \\\" [ \"\n}\n,\n" + second +
              ",\"only text\"\n]"}) {
        INFO(text);
        const form_result got = read(text);
        CHECK(ids_in(got.list) == wanted);
        REQUIRE(got.list.size() == 3);
        CHECK(got.list[0].text == "x, ]} \" [ ");
        CHECK(got.list[1].joined() == "T y");
        CHECK(got.list[2].text == "only text");
    }
    CHECK(read("[]").list.size() == 0);
    CHECK(read(" [ \n ] \n").list.size() == 0);
}

TEST_CASE("fault 11: an array that is none is named and lines that begin with a bracket are text") {
    const std::string one = "{\"text\":\"x\"}";
    CHECK_THAT(form_message("[" + one), Contains("in:1") && Contains("no end"));
    CHECK_THAT(form_message("[\n" + one + ",\n"), Contains("no end"));
    CHECK_THAT(form_message("[{\"text\":\"x\n\n"), Contains("no end"));
    CHECK_THAT(form_message("[" + one + "\n" + one + "]"), Contains("in:2") && Contains("comma"));
    CHECK_THAT(form_message("[" + one + ",]"), Contains("comma"));
    CHECK_THAT(form_message("[" + one + ",," + one + "]"), Contains("comma"));
    CHECK_THAT(form_message("[" + one + "] x"), Contains("something else"));
    CHECK_THAT(form_message("[" + one + "]\n[" + one + "]"), Contains("something else"));
    CHECK_THAT(form_message("[" + one + ",5]"), Contains("element 2") && Contains("object"));
    CHECK_THAT(form_message("[" + one + ",{\"text\":}]"), Contains("element 2"));
    CHECK_THAT(form_message("[" + one + ",}}}}]"), Contains("comma"));
    CHECK_THAT(form_message("[" + one + ",1}]"), Contains("element 2"));
    const form_result text = read("[1] A reference\n[SEP] and a marker\n[a, b]\n");
    CHECK(ids_in(text.list) == strings{"1", "2", "3"});
    CHECK(text.list[0].text == "[1] A reference");
    CHECK(read("[{\"text\":\"x\"}]\n", passage_format::lines).list[0].text == "[{\"text\":\"x\"}]");
}

TEST_CASE("fault 11: UTF-16 and UTF-32 are named with and without their mark") {
    const std::vector<std::u16string> texts{
        u"a line\nand another\n",    u"[{\"id\": \"a\", \"text\": \"x\"}]",
        u"хлеб и нож\nвилка\n",      u"パンを焼く\nナイフ\n",
        u"面包和刀子的故事\n叉子\n", u"ψωμί και μαχαίρι\nα\n",
        u"빵과 칼 이야기\n포크\n",   u"ขนมปัง และ มีด\n"};
    for (const std::u16string& text : texts) {
        for (const std::size_t bytes : {2U, 4U}) {
            for (const bool big : {false, true}) {
                const std::string name = "UTF-" + std::to_string(8 * bytes) +
                                         (big ? " (big-endian)" : " (little-endian)");
                INFO(name << " " << texts.size());
                CHECK_THAT(foreign_encoding(wide(text, bytes, big)), Contains(name));
                CHECK_THAT(foreign_encoding(wide(u"\uFEFF" + text, bytes, big)), Contains(name));
                CHECK_THAT(form_message(wide(text, bytes, big)),
                           Contains("'in' is " + name) && Contains("iconv -f UTF-"));
            }
        }
    }
    CHECK_THAT(foreign_encoding("\x1F\x8B\x08\0"s), Contains("gzip"));
    CHECK_THAT(foreign_encoding("\x28\xB5\x2F\xFD\0"s), Contains("zstd"));
    CHECK_THAT(foreign_encoding("\x84\x31\x95\x33 "s), Contains("GB18030"));
}

TEST_CASE("fault 11: UTF-8 is never taken for another encoding") {
    for (const std::string& text :
         {""s, "a"s, "\n"s, "a\0b\n"s, "\0"s, "\xEF\xBB\xBFtext"s, "хлеб\nнож\n"s, "パン"s,
          "BZh9 "s, "caf\xE9 na\xEFve\n"s, "PK is a name"s,
          "one \0 two \0 three, and more text \xFF\n"s}) {
        INFO(text);
        CHECK(foreign_encoding(text).empty());
        CHECK(form_message(text) == "no error");
    }
}

TEST_CASE("fault 20: grades and scores that are no numbers are told apart") {
    const temporary_folder folder;
    reading_notes notes;
    const auto qrels = [&](const std::string& text) {
        return read_qrels(folder.write("qrels.tsv", text), notes);
    };
    const judgements judged =
        qrels("query-id\tcorpus-id\tscore\nq\ta\t2.0\nq\tb\t+1\nq\tc\t-1.00\n");
    CHECK(judged.at("q").at("a") == 2);
    CHECK(judged.at("q").at("b") == 1);
    CHECK(judged.at("q").at("c") == -1);
    CHECK(qrels("topic iter docno rel\nq 0 a 1.0\n").at("q").at("a") == 1);
    CHECK(qrels("qid\tpid\tlabel\nq\ta\t1\n").size() == 1);
    CHECK_THROWS_WITH(qrels("q\ta\t1.5\n"), Contains("qrels.tsv:1") && Contains("whole number"));
    CHECK_THROWS_WITH(qrels("q\ta\tnan\n"), Contains("'nan'") && Contains("place in an order"));
    CHECK_THROWS_WITH(qrels("q\ta\t1,5\n"),
                      Contains("'1,5' is not a number") && Contains("whole numbers"));
    CHECK_THROWS_WITH(qrels("q\ta\t2,0\n"), Contains("decimal comma") && Contains("'2.0'"));
    CHECK_THROWS_WITH(qrels("q\ta\tmany\n"), Contains("qrels.tsv:1") && Contains("not a number"));
    CHECK_THROWS_WITH(qrels("q\ta\t1e99\n"), Contains("whole number"));
    const auto run = [&](const std::string& text) {
        return read_run(folder.write("a.run", text), notes);
    };
    const std::vector<run_list> lists = run("query_id Q0 doc_id rank score tag\nq Q0 b 2.0 1 t\n"
                                            "q Q0 a 1 1.0 t\n");
    REQUIRE(lists.size() == 1);
    CHECK(lists[0].document_ids == strings{"a", "b"});
    CHECK_THROWS_WITH(run("q Q0 d 1 nan t\n"), Contains("a.run:1") && Contains("score 'nan'") &&
                                                   Contains("place in an order"));
    CHECK_THROWS_WITH(run("q Q0 d 1 -inf t\n"), Contains("score '-inf'"));
    CHECK_THROWS_WITH(run("q Q0 d 1 1,5 t\n"), Contains("decimal comma") && Contains("'1.5'"));
    CHECK_THROWS_WITH(run("q Q0 d first 1 t\n"), Contains("rank 'first'"));
    CHECK_THROWS_WITH(run("q Q0 d 1.5 1 t\n"), Contains("rank '1.5'"));
    CHECK_THROWS_WITH(run("q Q0 d 1 1\n"), Contains("six columns") && Contains("got 5"));
}

TEST_CASE("fault 20: a head line of a TSV collection is no document and says the order") {
    const temporary_folder folder;
    const auto read_tsv = [&](const std::string& text) {
        const auto reader = open_collection(folder.write("c.tsv", text), collection_format::detect,
                                            bad_text::replace);
        collection_document document;
        strings result;
        while (reader->next(document)) {
            result.push_back(document.id + "=" + document.text);
        }
        return result;
    };
    CHECK(read_tsv("pid\tpassage\n1\tx\n") == strings{"1=x"});
    CHECK(read_tsv("id\ttext\ttitle\n1\tbody\tHead\n2\tb\t\n") == strings{"1=Head body", "2=b"});
    CHECK(read_tsv("Text\t_id\nx\t1\n") == strings{"1=x"});
    CHECK(read_tsv("1\tx\nid\ttext\n") == strings{"1=x", "id=text"});
    CHECK(read_tsv("id\tof something\n") == strings{"id=of something"});
    CHECK(read_tsv("id\ttext\n").empty());
}

TEST_CASE("fault 34: a line without an end and a stream without an end are refused") {
    for (const std::string& piece : {"x"s, "{\"text\":\""s, "[{\"text\":\""s}) {
        endless_bytes bytes(piece + std::string(60'000, 'y'));
        std::istream stream(&bytes);
        line_reader input(stream, "endless");
        passage_list list;
        reading_notes notes;
        CHECK_THROWS_WITH(
            read_passages(input, passage_format::detect, bad_text::replace, list, notes),
            Contains("endless:1") && Contains("256 MiB"));
    }
    endless_bytes zeros(std::string(8192, '\0'));
    std::istream nothing(&zeros);
    line_reader none(nothing, "zeros");
    std::string line;
    CHECK_THROWS_WITH(none.next(line), Contains("'zeros' is no text"));
    endless_bytes lines("bread\n");
    std::istream stream(&lines);
    line_reader input(stream, "lines");
    input.hold_at_most(1'000'000);
    std::size_t read = 0;
    CHECK_THROWS_WITH(
        [&] {
            while (input.next(line)) {
                ++read;
            }
        }(),
        Contains("lines gave") && Contains("no end"));
    CHECK(read == 1'000'000 / (256 + 5));
}

TEST_CASE("a JSON array that never closes a value is bounded") {
    endless_bytes bytes("[{\"text\":\n" + std::string(60'000, ' ') + "\n");
    std::istream stream(&bytes);
    line_reader input(stream, "endless");
    json_reader records(input);
    std::string record;
    CHECK_THROWS_WITH(records.next(record), Contains("256 MiB"));
}

TEST_CASE("a set of ids knows what was put into it") {
    id_set seen;
    CHECK_FALSE(seen.contains(""));
    for (int i = 0; i < 10'000; ++i) {
        CHECK(seen.insert(std::to_string(i)));
    }
    for (int i = 0; i < 10'000; ++i) {
        CHECK_FALSE(seen.insert(std::to_string(i)));
        CHECK(seen.contains(std::to_string(i)));
    }
    CHECK_FALSE(seen.contains("x"));
    CHECK(seen.insert(""));
    CHECK_FALSE(seen.insert(""));
}

TEST_CASE("fault 02: files are named by their paths below what all have in common") {
    const temporary_folder folder;
    for (const char* each : {"fa", "fb", "fa/sub"}) {
        fs::create_directories(folder.path() / each);
    }
    const auto at = [&](const std::string& name) { return (folder.path() / name).string(); };
    const auto id = [&](const strings& given, const std::string& file) {
        strings full;
        for (const std::string& each : given) {
            full.push_back(at(each));
        }
        return file_names(full).id_of(at(file));
    };
    CHECK(id({"fa"}, "fa/README.txt") == "README.txt");
    CHECK(id({"fa/"}, "fa/sub/x") == "sub/x");
    CHECK(id({"fa", "fb"}, "fb/README.txt") == "fb/README.txt");
    CHECK(id({"fa/./", "fa/../fb"}, "fa/README.txt") == "fa/README.txt");
    CHECK(id({"fa", "fa/sub"}, "fa/sub/x") == "sub/x");
    CHECK(id({"fa/note.md"}, "fa/note.md") == "note.md");
    CHECK(id({"fa/note.md", "fb/note.md"}, "fb/note.md") == "fb/note.md");
    CHECK(id({"fa", "note.md"}, "note.md") == "note.md");
    std::set<std::string> taken{"README.txt", "fa/README.txt"};
    const auto refuse = [&](const std::string& wanted) { return taken.contains(wanted); };
    CHECK(free_name(at("fa/README.txt"), at("fa"), refuse) ==
          folder.path().filename().string() + "/fa/README.txt");
    CHECK(free_name("/a", "/", [](const std::string& wanted) { return wanted != "#/a"; }) == "#/a");
}

TEST_CASE("fault 02: a file keeps its id and no other file that is there gets it") {
    const temporary_folder folder;
    const auto none = [](const std::string&) { return false; };
    for (const char* each : {"ix", "fa", "fb"}) {
        fs::create_directories(folder.path() / each);
    }
    const fs::path a = folder.write("fa/r.txt", "a");
    const fs::path b = folder.write("fb/r.txt", "b");
    const file_names only_a(strings{(folder.path() / "fa").string()});
    const file_names only_b(strings{(folder.path() / "fb").string()});
    const file_names both(
        strings{(folder.path() / "fa").string(), (folder.path() / "fb").string()});
    {
        known_files known(folder.path() / "ix");
        CHECK(known.id_of(a, only_a, none) == "r.txt");
        CHECK(known.id_of(b, only_b, none) == "fb/r.txt"); // the other file has the short one
        known.save();
    }
    known_files known(folder.path() / "ix");
    CHECK(known.trouble().empty());
    CHECK(known.id_of(a, both, none) == "r.txt");
    CHECK(known.id_of(b, both, none) == "fb/r.txt");
    CHECK(known.id_of(folder.write("fb/s.txt", "s"), only_b, none) == "fb/s.txt"); // as its sibling
    CHECK(known.id_of(folder.write("fa/s.txt", "s"), both, none) == "s.txt");
    known.forget("s.txt");
    const std::vector<fs::path> below{folder.path() / "fa"};
    CHECK(known.gone_below(below).empty());
    fs::remove(a);
    fs::remove(b);
    CHECK(known.gone_below(below) == strings{"r.txt"});
    CHECK(known.gone_below(std::vector<fs::path>{folder.path() / "f"}).empty());
    CHECK(known.gone_below(std::vector<fs::path>{folder.path()}).size() == 2);
    known.forget("r.txt");
    CHECK(known.gone_below(below).empty());
    // A file that is gone gives its name away.
    folder.write("ix/r.txt", "c");
    const file_names moved(strings{(folder.path() / "ix").string()});
    CHECK(known.id_of(folder.path() / "ix" / "r.txt", moved, none) == "r.txt");
    folder.write("ix/files.jsonl", "{\"id\":\"x\",\"file\":\"/nowhere/x\"}\nnonsense\n");
    known_files damaged(folder.path() / "ix");
    CHECK_THAT(damaged.trouble(), Contains("files.jsonl:2"));
    CHECK(damaged.gone_below(std::vector<fs::path>{"/nowhere"}).empty());
}
