// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <mice/error.hpp>
#include <mice/passages.hpp>
#include <mice/text/unicode/utf8.hpp>

#include "common/choice_option.hpp"
#include "common/json_output.hpp"
#include "common/model_path.hpp"
#include "common/number_option.hpp"
#include "common/output.hpp"
#include "common/terminal.hpp"
#include "mice/commands.hpp"

namespace mice::cli {
namespace {

struct passages_options {
    std::string model;
    std::vector<std::string> inputs;
    std::size_t tokens = 0, overlap = 0, overlap_sentences = 0;
    text_kind kind = text_kind::automatic;
    bool json = false;
};

/// Prints the passages of one text.
class printer {
  public:
    printer(tools::output& out, std::string name, bool json)
        : out_(out), name_(std::move(name)), json_(json), columns_(tools::output_columns()) {}

    void print(const passage& one, std::string_view text) {
        out_.write(json_ ? json_text(one, text) : line(one, text));
    }

  private:
    [[nodiscard]] std::string json_text(const passage& one, std::string_view text) const {
        return tools::json_line(tools::ordered_json{{"file", text::repair_utf8(name_).text},
                                                    {"index", one.index},
                                                    {"begin", one.begin},
                                                    {"end", one.end},
                                                    {"first_line", one.first_line},
                                                    {"last_line", one.last_line},
                                                    {"tokens", one.tokens},
                                                    {"headings", repaired(one.headings)},
                                                    {"text", text::repair_utf8(text).text}});
    }
    [[nodiscard]] static std::vector<std::string> repaired(std::vector<std::string> texts) {
        for (std::string& text : texts) {
            text = text::repair_utf8(text).text;
        }
        return texts;
    }

    /// "README.md:12-30  225 tokens  mice > When to use it: You have hits of..."
    [[nodiscard]] std::string line(const passage& one, std::string_view text) const {
        std::string path;
        for (const std::string& heading : one.headings) {
            path += (path.empty() ? "" : " > ") + heading;
        }
        constexpr std::size_t looked_at = 2000;
        const std::string shown =
            name_ + ":" + std::to_string(one.first_line) + "-" + std::to_string(one.last_line) +
            "  " + std::to_string(one.tokens) + " tokens  " + path + (path.empty() ? "" : ": ") +
            std::string(text.substr(0, looked_at));
        return tools::fit(tools::printable(shown), columns_) + "\n";
    }

    tools::output& out_;
    std::string name_;
    bool json_;
    std::size_t columns_;
};

void cut(std::istream& input, passage_cutter cutter, printer print) {
    const auto take = [&] {
        while (const auto next = cutter.next()) {
            print.print(*next, cutter.text());
        }
    };
    std::array<char, std::size_t{1} << 16> portion{};
    while (input.read(portion.data(), portion.size()) || input.gcount() > 0) {
        cutter.feed({portion.data(), static_cast<std::size_t>(input.gcount())});
        take();
    }
    if (input.bad()) {
        throw error(errc::io, "reading the text failed");
    }
    cutter.finish();
    take();
}

exit_code run_passages(const passages_options& options) {
    const reranker ranker = tools::load_model(tools::model_path(options.model));
    tools::output out;
    const std::vector<std::string> one{"-"};
    for (const std::string& name : options.inputs.empty() ? one : options.inputs) {
        passage_cutter cutter(ranker, {.max_tokens = options.tokens,
                                       .overlap_tokens = options.overlap,
                                       .overlap_sentences = options.overlap_sentences,
                                       .kind = options.kind,
                                       .file_name = name});
        if (name == "-") {
            cut(std::cin, std::move(cutter), {out, name, options.json});
            continue;
        }
        std::ifstream file(name, std::ios::binary);
        if (!file || (file.peek() == std::ifstream::traits_type::eof() && file.bad())) {
            throw detail::errors::cannot_open(name, std::generic_category().message(errno));
        }
        file.clear();
        cut(file, std::move(cutter), {out, name, options.json});
    }
    out.flush();
    return exit_code::ok;
}

} // namespace

void add_passages_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<passages_options>();
    CLI::App* const passages =
        app.add_subcommand("passages", "Cut long texts into passages that a model reads whole");
    passages->add_option("FILE", options->inputs, "Text files; - or none reads standard input")
        ->type_name("");
    add_model_option(*passages, options->model);
    passages
        ->add_option("--tokens", options->tokens,
                     "Tokens of a passage at most, special tokens included; the model's limit if "
                     "not given")
        ->check(tools::whole_number(1))
        ->type_name("N");
    CLI::Option* const overlap =
        passages
            ->add_option("--overlap", options->overlap,
                         "Tokens that a passage repeats of the one before, at most")
            ->check(tools::whole_number(0))
            ->type_name("N");
    passages
        ->add_option("--overlap-sentences", options->overlap_sentences,
                     "Sentences that a passage repeats of the one before")
        ->check(tools::whole_number(0))
        ->type_name("N")
        ->excludes(overlap);
    const std::map<std::string, text_kind> kinds{{"auto", text_kind::automatic},
                                                 {"plain", text_kind::plain},
                                                 {"markdown", text_kind::markdown},
                                                 {"code", text_kind::code},
                                                 {"log", text_kind::log}};
    passages
        ->add_option("--kind", options->kind,
                     "What the texts are: auto (default), plain, markdown, code or log")
        ->transform(tools::one_of(kinds))
        ->type_name("KIND");
    passages->add_flag("--json", options->json, "JSON Lines with places and texts");
    passages->callback(
        [options, &chosen] { chosen = [options] { return run_passages(*options); }; });
}

} // namespace mice::cli
