// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/parallel/parallel_for.hpp>

#include "common/json.hpp"
#include "common/json_records.hpp"
#include "common/output.hpp"
#include "mice/commands.hpp"
#include "mice/losses.hpp"
#include "mice/results.hpp"

namespace mice::cli {
namespace {

struct score_options {
    scoring_options scoring;
    std::string input = "-";
    bool sigmoid = false;
};

/// One side of a pair: text, ids, or both, which then must agree.
struct side {
    std::optional<std::string> text;
    std::vector<std::int32_t> ids;
    bool is_text = true; ///< false: the ids count

    friend bool operator==(const side&, const side&) = default;
};

struct pair_line {
    side query;
    side document;
    std::string place;        ///< "pairs.jsonl:17", for notes
    std::size_t replaced = 0; ///< invalid sequences of its line that became U+FFFD
};

// Lines are worked on in groups: large enough to fill the threads, small enough to stay in memory.
constexpr std::size_t group_lines = 256;
constexpr std::size_t group_bytes = std::size_t{16} << 20;

error bad_line(std::string_view place, std::string_view what) {
    return {errc::format, std::string(place) + ": " + std::string(what)};
}

std::vector<std::int32_t> read_ids(const tools::json& value, std::string_view place,
                                   const std::string& key) {
    if (!value.is_array()) {
        throw bad_line(place, "\"" + key + "\" must be a list of token ids");
    }
    std::vector<std::int32_t> ids;
    for (const tools::json& id : value) {
        constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();
        if (!id.is_number_integer() || id.get<std::int64_t>() < 0 ||
            id.get<std::int64_t>() > largest) {
            throw bad_line(place, "\"" + key + "\" must hold whole numbers from 0 up, got " +
                                      tools::to_text(id).substr(0, 40));
        }
        ids.push_back(id.get<std::int32_t>());
    }
    return ids;
}

/// Reads `key` (text), `key`_ids, or both.
side read_side(const tools::json& object, const std::string& key, std::string_view place) {
    const auto text = object.find(key);
    const auto ids = object.find(key + "_ids");
    if (text == object.end() && ids == object.end()) {
        throw bad_line(place, "expected \"" + key + "\" or \"" + key + "_ids\"");
    }
    side result;
    if (text != object.end()) {
        if (!text->is_string()) {
            throw bad_line(place, "\"" + key + "\" must be text, not " + text->type_name());
        }
        result.text = text->get<std::string>();
    }
    if (ids != object.end()) {
        result.ids = read_ids(*ids, place, key + "_ids");
        result.is_text = false;
    }
    return result;
}

class pair_scorer {
  public:
    pair_scorer(const reranker& ranker, const score_options& options)
        : ranker_(ranker), options_(options.scoring.for_library()),
          shown_(options.sigmoid ? shown_score::sigmoid : shown_score::logit),
          check_(ranker.config().kind, shown_) {}

    /// Throws, naming the place, for ids that the model does not have and texts that it cannot
    /// read.
    void check(const pair_line& pair, std::string_view place) const {
        try {
            if (pair.query.is_text || pair.document.is_text) {
                (void)ranker_.text_tokenizer();
            }
            check_ids(pair.query, "query", ranker_.config().max_query_length);
            check_ids(pair.document, "document", ranker_.config().max_document_length);
        } catch (const error& problem) {
            throw error(problem.code(), std::string(place) + ": " + problem.what());
        }
    }

    /// Writes one line a pair, in order.
    void write(std::span<const pair_line> pairs, tools::output& out) {
        for (std::size_t first = 0; first < pairs.size();) {
            std::size_t end = first + 1;
            while (end < pairs.size() && pairs[end].query == pairs[first].query) {
                ++end;
            }
            write_same_query(pairs.subspan(first, end - first), out);
            first = end;
        }
    }

    /// Notes what was cut, and scores for which a sigmoid is useless.
    void report() const {
        queries_cut_.report();
        documents_cut_.report();
        check_.report();
    }

  private:
    /// Ids are taken as they are: only the model's positions limit them. Where the text stands
    /// beside them, it must give the same ids: a line that says two things is not scored.
    void check_ids(const side& each, const std::string& key, std::size_t text_limit) const {
        const std::size_t markers = ranker_.config().marker_tokens(); // the model puts it in itself
        const std::size_t limit = ranker_.config().max_position_embeddings - markers;
        if (each.is_text) {
            return;
        }
        if (each.ids.empty()) {
            throw detail::errors::bad_argument(
                "a list of token ids is empty; it needs at least the "
                "special tokens");
        }
        if (each.ids.size() > limit) {
            throw detail::errors::bad_argument(std::to_string(each.ids.size()) +
                                               " token ids, the model reads at most " +
                                               std::to_string(limit) + "; shorten the list");
        }
        for (const std::int32_t id : each.ids) {
            if (static_cast<std::size_t>(id) >= ranker_.config().vocab_size) {
                throw detail::errors::id_out_of_range(id, ranker_.config().vocab_size);
            }
        }
        if (each.text && ranker_.has_tokenizer() &&
            ranker_.text_tokenizer()
                    .encode(*each.text, {.max_tokens = text_limit - markers,
                                         .specials = options_.specials,
                                         .on_invalid = options_.on_invalid})
                    .ids != each.ids) {
            throw detail::errors::bad_argument("\"" + key + "\" and \"" + key +
                                               "_ids\" differ; leave one of them out");
        }
    }

    void write_same_query(std::span<const pair_line> pairs, tools::output& out) {
        const side& asked = pairs.front().query;
        if (!query_ || !(last_ == asked)) {
            query_ = asked.is_text ? ranker_.encode_query(*asked.text, options_)
                                   : ranker_.encode_query_ids(asked.ids);
            last_ = asked;
        }
        const ranking scored = ranker_.score(*query_, encode(pairs), options_);
        std::vector<float> logits;
        for (const hit& each : scored) {
            const pair_line& pair = pairs[each.index];
            tools::ordered_json object;
            add_score(object, each.score, shown_);
            const auto add_loss = [&object](const char* key, std::size_t count) {
                if (count > 0) {
                    object[key] = count;
                }
            };
            add_loss("query_tokens_cut", query_->tokens_cut());
            add_loss("tokens_cut", each.tokens_cut);
            add_loss("replaced", pair.replaced);
            out.write(tools::json_line(object));
            queries_cut_.cut(pair.place, query_->tokens_cut());
            documents_cut_.cut(pair.place, each.tokens_cut);
            logits.push_back(each.score);
        }
        check_.look_at(std::move(logits));
    }

    std::vector<document> encode(std::span<const pair_line> pairs) const {
        std::vector<std::optional<document>> encoded(pairs.size());
        parallel::parallel_for(pairs.size(), {options_.threads, nullptr}, [&](std::size_t i) {
            const side& each = pairs[i].document;
            encoded[i] =
                each.is_text ? ranker_.encode(*each.text, options_) : ranker_.encode_ids(each.ids);
        });
        std::vector<document> documents;
        documents.reserve(pairs.size());
        for (std::optional<document>& each : encoded) {
            documents.push_back(std::move(*each));
        }
        return documents;
    }

    const reranker& ranker_;
    rank_options options_;
    shown_score shown_;
    side last_;
    std::optional<query> query_;
    text_losses queries_cut_{"queries"};
    text_losses documents_cut_{"documents"};
    sigmoid_check check_;
};

exit_code run_score(const score_options& options) {
    const reranker ranker = options.scoring.load();
    pair_scorer scorer(ranker, options);
    tools::line_reader lines(options.input);
    tools::json_reader input(lines);
    tools::output out;
    tools::reading_notes notes;
    std::vector<pair_line> group;
    std::size_t bytes = 0;
    const auto finish_group = [&] {
        bytes = 0;
        const std::vector<pair_line> pairs = std::exchange(group, {});
        scorer.write(pairs, out);
        out.flush();
    };
    std::string line;
    try {
        while (input.next(line)) {
            bytes += line.size();
            std::size_t replaced = 0;
            const tools::json object = tools::parse_object_line(
                line, input.place(), options.scoring.text_policy(), replaced);
            notes.replaced(input.place(), replaced);
            pair_line pair{read_side(object, "query", input.place()),
                           read_side(object, "document", input.place()), input.place(), replaced};
            scorer.check(pair, input.place());
            group.push_back(std::move(pair));
            line.clear();
            // A program that waits for an answer before it writes the next line gets it.
            if (group.size() == group_lines || bytes >= group_bytes || !input.ready()) {
                finish_group();
            }
        }
    } catch (const error&) {
        finish_group(); // the lines before the bad one are answered
        scorer.report();
        (void)report(notes);
        throw;
    }
    finish_group();
    scorer.report();
    return report(notes);
}

} // namespace

void add_score_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<score_options>();
    CLI::App* const score =
        app.add_subcommand("score", "Score query-document pairs, one JSON line each");
    score
        ->add_option(
            "FILE", options->input,
            "JSON Lines {\"query\",\"document\"} or {\"query_ids\",\"document_ids\"} (with "
            "their special tokens); - or none reads standard input")
        ->type_name("");
    score->add_flag("--sigmoid", options->sigmoid, "Print scores from 0 to 1 instead of logits");
    options->scoring.add_to(*score);
    score->callback([options, &chosen] { chosen = [options] { return run_score(*options); }; });
}

} // namespace mice::cli
