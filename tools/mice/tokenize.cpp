// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <mice/text/tokenizer.hpp>

#include "common/choice_option.hpp"
#include "common/json.hpp"
#include "common/json_records.hpp"
#include "common/model_path.hpp"
#include "common/number_option.hpp"
#include "common/output.hpp"
#include "common/records.hpp"
#include "common/tokenizer_files.hpp"
#include "mice/commands.hpp"
#include "mice/losses.hpp"

namespace mice::cli {
namespace {

enum class text_side { query, document };

struct tokenize_options {
    std::string model;
    std::string tokenizer;
    std::string input = "-";
    text_side limit = text_side::document;
    std::optional<std::size_t> max_tokens;
    bool no_special = false;
    bool no_limit = false;
    bool parse_special = false;
    bool strict_utf8 = false;
    bool tokens = false;
    bool offsets = false;
};

/// A tokenizer, and how many tokens its model reads; no limit without a model.
struct source {
    std::optional<reranker> model; ///< owns the tokenizer where there is a model
    std::shared_ptr<const tokenizer> from_file;
    std::size_t max_tokens = std::numeric_limits<std::size_t>::max();

    [[nodiscard]] const tokenizer& get() const {
        return model ? model->text_tokenizer() : *from_file;
    }
};

source open_source(const tokenize_options& options) {
    source result;
    if (!options.tokenizer.empty()) {
        result.from_file = tools::make_tokenizer(tools::read_tokenizer(options.tokenizer));
        return result;
    }
    result.model = tools::load_model(tools::model_path(options.model));
    const model_config& config = result.model->config();
    const std::size_t limit =
        options.limit == text_side::query ? config.max_query_length : config.max_document_length;
    result.max_tokens = limit - config.marker_tokens();
    return result;
}

std::string text_of(const std::string& line, const tools::json_reader& input,
                    const tokenize_options& options, std::size_t& replaced) {
    const tools::json object = tools::parse_object_line(
        line, input.place(),
        options.strict_utf8 ? tools::bad_text::refuse : tools::bad_text::replace, replaced);
    const auto text = object.find("text");
    if (text == object.end() || !text->is_string()) {
        throw error(errc::format, input.place() + ": expected {\"text\": ...}");
    }
    return text->get<std::string>();
}

std::string json_text(const encoding& encoded, const tokenizer& words,
                      const tokenize_options& options, std::size_t replaced) {
    tools::ordered_json object{{"ids", encoded.ids}, {"cut", encoded.cut}};
    if (replaced > 0) {
        object["replaced"] = replaced;
    }
    if (options.tokens) {
        tools::ordered_json tokens = tools::ordered_json::array();
        for (const std::int32_t id : encoded.ids) {
            tokens.push_back(std::string(words.token(id)));
        }
        object["tokens"] = std::move(tokens);
    }
    if (options.offsets) {
        tools::ordered_json offsets = tools::ordered_json::array();
        for (const byte_range& range : encoded.offsets) {
            offsets.push_back(tools::ordered_json::array({range.begin, range.end}));
        }
        object["offsets"] = std::move(offsets);
    }
    return tools::json_line(object);
}

exit_code run_tokenize(const tokenize_options& options) {
    const source from = open_source(options);
    const tokenizer& words = from.get();
    encode_options encoding_options;
    encoding_options.max_tokens = options.no_limit ? std::numeric_limits<std::size_t>::max()
                                                   : options.max_tokens.value_or(from.max_tokens);
    encoding_options.specials =
        options.parse_special ? special_tokens::parse : special_tokens::plain;
    encoding_options.add_markers = options.no_special ? markers::omit : markers::add;
    encoding_options.offsets = options.offsets;

    tools::line_reader lines(options.input);
    tools::json_reader input(lines);
    tools::output out;
    tools::reading_notes notes;
    text_losses texts_cut("texts");
    std::string line;
    while (input.next(line)) {
        std::size_t replaced = 0;
        const std::string text = text_of(line, input, options, replaced);
        notes.replaced(input.place(), replaced);
        const encoding encoded = words.encode(text, encoding_options);
        texts_cut.cut(input.place(), encoded.cut);
        out.write(json_text(encoded, words, options, replaced));
        line.clear();
        if (!input.ready()) {
            out.flush();
        }
    }
    out.flush();
    texts_cut.report();
    return report(notes);
}

} // namespace

void add_tokenize_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<tokenize_options>();
    CLI::App* const tokenize = app.add_subcommand("tokenize", "Turn texts into token ids");
    tokenize
        ->add_option("FILE", options->input,
                     "JSON Lines {\"text\"}; - or none reads standard input")
        ->type_name("");
    CLI::Option* const model =
        tokenize
            ->add_option("--model", options->model, "Model file; the default model if not given")
            ->type_name("FILE")
            ->check(not_empty());
    tokenize
        ->add_option("--tokenizer", options->tokenizer,
                     "A tokenizer.json, a vocab.txt, a sentencepiece model (*.model) or a folder "
                     "with one, instead of a model; it has no limit")
        ->type_name("PATH")
        ->check(not_empty())
        ->excludes(model);
    const std::map<std::string, text_side> sides{{"query", text_side::query},
                                                 {"document", text_side::document}};
    tokenize
        ->add_option("--limit", options->limit,
                     "Which limit of the model cuts the text: query or document (default)")
        ->transform(tools::one_of(sides))
        ->type_name("SIDE");
    CLI::Option* const max_tokens =
        tokenize
            ->add_option("--max-tokens", options->max_tokens,
                         "Cut at so many tokens, special tokens included, instead")
            ->check(tools::whole_number(1))
            ->type_name("N");
    tokenize->add_flag("--no-limit", options->no_limit, "Cut nothing")->excludes(max_tokens);
    tokenize->add_flag("--no-special", options->no_special, "Add no [CLS] and [SEP]");
    tokenize->add_flag("--parse-special", options->parse_special,
                       "Special tokens written in a text, such as [SEP], act as special tokens");
    tokenize->add_flag("--strict-utf8", options->strict_utf8,
                       "Refuse invalid UTF-8 instead of replacing it");
    tokenize->add_flag("--tokens", options->tokens, "Print the tokens beside their ids");
    tokenize->add_flag("--offsets", options->offsets,
                       "Print the bytes of the text that each token came from, [begin, end)");
    tokenize->callback(
        [options, &chosen] { chosen = [options] { return run_tokenize(*options); }; });
}

} // namespace mice::cli
