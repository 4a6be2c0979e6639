// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs the programs end to end with a tiny random model. Its rankings mean nothing, but they are
// the same every time.
#include "catch.hpp"

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "temporary_folder.hpp"

#if !defined(_WIN32)
#include <sys/wait.h>
#endif

namespace fixtures {

namespace fs = std::filesystem;

inline std::string content(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

inline std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

inline std::string quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text) {
        result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return result + "'";
}

struct result {
    int code = -1;
    std::string out, err;
};

/// A folder with a model that reads text, one that reads ids only, and a small collection. Commands
/// compute in f32 where they are not told otherwise, so that results are the same on every
/// processor; $default_mice is the program as users have it.
class workplace {
  public:
    workplace() {
        programs_.write("mice", in_f32());
        fs::permissions(programs_.path() / "mice", fs::perms::owner_all);
        const fs::path golden = fs::path(MICE_TEST_DATA) / "models" / "bert_inverted_full";
        folder_.write("vocab.txt", vocabulary());
        convert(golden, "text.safetensors", "--self-test 4 --tokenizer " + tokenizer());
        convert(golden, "ids.safetensors", "--ids-only");
        write("corpus.jsonl", "{\"_id\":\"d1\",\"title\":\"w5\",\"text\":\"w6 w7 w8\"}\n"
                              "{\"_id\":\"d2\",\"title\":\"\",\"text\":\"w9 w10 w5\"}\n"
                              "{\"_id\":\"d3\",\"text\":\"w11 w12\"}\n"
                              "{\"_id\":\"d4\",\"text\":\"w13 w14 w6\"}\n");
        write("queries.jsonl",
              "{\"_id\":\"q1\",\"text\":\"w5 w6\"}\n{\"_id\":\"q2\",\"text\":\"w9\"}\n"
              "{\"_id\":\"q3\",\"text\":\"w11\"}\n");
        write("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td4\t1\nq2\td2\t1\n"
                           "q3\td1\t0\n");
        write("a.trec", "q1 Q0 d4 1 2.0 x\nq1 Q0 d1 2 1.0 x\nq2 Q0 d1 1 2.0 x\nq2 Q0 d2 2 1.5 x\n");
    }

    /// The tokenizer of the models, quoted for the shell.
    [[nodiscard]] std::string tokenizer() const { return quoted(path("vocab.txt").string()); }
    [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path() / name; }
    fs::path write(const std::string& name, std::string_view text) const {
        return folder_.write(name, text);
    }

    /// Runs a shell command in the folder. $mice, $text and $ids stand for the program and models.
    result shell(const std::string& command) const {
        const std::string set = "cd " + quoted(folder_.path().string()) +
                                "; export MICE_MODEL=text.safetensors; mice=" +
                                quoted((programs_.path() / "mice").string()) +
                                "; default_mice=" + quoted(MICE_PROGRAM) +
                                "; text=text.safetensors; ids=ids.safetensors; ";
        const fs::path out = path("stdout.captured");
        const fs::path err = path("stderr.captured");
        const int status = std::system(
            ("{ " + set + command + "\n} > " + quoted(out.string()) + " 2> " + quoted(err.string()))
                .c_str());
#if defined(_WIN32)
        const int code = status;
#else
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
#endif
        return {code, content(out), content(err)};
    }
    [[nodiscard]] result mice(const std::string& arguments) const {
        return shell("\"$mice\" " + arguments);
    }

    /// Makes the model file `name` of the folder.
    void convert(const fs::path& checkpoint, const std::string& name,
                 const std::string& options) const {
        const std::string command = quoted(MICE_CONVERT_PROGRAM) + " " +
                                    quoted(checkpoint.string()) + " -q -o " +
                                    quoted(path(name).string()) + " " + options + " > " +
                                    quoted(path("convert.log").string()) + " 2>&1";
        const int status = std::system(command.c_str());
        INFO(content(path("convert.log")));
        REQUIRE(status == 0);
    }

  private:
    /// As many words as the tiny model has rows.
    static std::string vocabulary() {
        std::string text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
        for (int i = 5; i < 211; ++i) {
            text += "w" + std::to_string(i) + "\n";
        }
        return text;
    }

    /// The program, but with --precision f32 where a command scores or encodes.
    static std::string in_f32() {
        return "#!/bin/sh\nmice=" + quoted(MICE_PROGRAM) + R"(
case "$*" in *--precision*) exec "$mice" "$@" ;; esac
case "$1" in
rerank | score | search | eval | compare | attention)
    command=$1
    shift
    exec "$mice" "$command" --precision f32 "$@"
    ;;
esac
if [ "$1 $2" = "index add" ]; then
    shift 2
    exec "$mice" index add --precision f32 "$@"
fi
exec "$mice" "$@"
)";
    }

    temporary_folder folder_;
    temporary_folder programs_;
};

/// Every failure is one line on stderr and nothing else.
inline void check_failure(const result& got, int code, const std::string& says) {
    INFO(got.err);
    CHECK(got.code == code);
    CHECK(lines_of(got.err).size() == 1);
    CHECK_THAT(got.err, Catch::Matchers::StartsWith("mice: ") && Catch::Matchers::Contains(says));
}

} // namespace fixtures
