// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/attention.hpp>
#include <mice/io/safetensors.hpp>

#include "common/atomic_file.hpp"
#include "common/json_records.hpp"
#include "common/output.hpp"
#include "common/svg.hpp"
#include "common/terminal.hpp"
#include "common/text_table.hpp"
#include "mice/commands.hpp"
#include "mice/losses.hpp"

// Shows what a model attends to, across groups of tokens and layers (MICE paper, section 3), one
// pair at a time, as the engine computes it.
namespace mice::cli {
namespace {

struct command_options {
    scoring_options scoring;
    std::string query, document;
    std::string pairs;
    std::string svg;
    bool json = false;
};

constexpr std::size_t groups = 3;
constexpr std::array<std::string_view, groups> group_names{"CLS", "query", "document"};

/// How much of the attention of rows of one group goes to columns of another: sums over rows and
/// pairs, and how many rows there were.
struct group_mass {
    std::array<std::array<double, groups>, groups> sums{};
    std::array<std::size_t, groups> rows{};

    [[nodiscard]] double mean(std::size_t from, std::size_t to) const {
        return rows[from] == 0 ? 0 : sums[from][to] / static_cast<double>(rows[from]);
    }
};

/// One attention block, head by head.
struct block_mass {
    std::string name;
    std::vector<group_mass> heads;

    [[nodiscard]] group_mass all_heads() const {
        group_mass sum;
        for (const group_mass& head : heads) {
            for (std::size_t from = 0; from < groups; ++from) {
                sum.rows[from] += head.rows[from];
                for (std::size_t to = 0; to < groups; ++to) {
                    sum.sums[from][to] += head.sums[from][to];
                }
            }
        }
        return sum;
    }
};

struct text_pair {
    std::string query, document;
};

class attention_sums {
  public:
    attention_sums(const reranker& ranker, const command_options& options) : ranker_(ranker) {
        const rank_options texts = options.scoring.for_library();
        asked_.specials = texts.specials;
        asked_.on_invalid = texts.on_invalid;
        asked_.max_weights = most_weights;
        // which has no other attention
        asked_.encoders = ranker.config().kind == model_kind::late_interaction;
    }

    /// `place` is empty for the pair on the command line.
    void add(const text_pair& pair, const std::string& place) {
        const observed_attention seen =
            observe_attention(ranker_, pair.query, pair.document, asked_);
        queries_cut_.cut(place, seen.query_tokens_cut);
        documents_cut_.cut(place, seen.document_tokens_cut);
        replaced_ += seen.replaced;
        for (const attention_block& block : seen.blocks) {
            if (block.kind != attention_kind::document_encoder) {
                add_block(block, seen.query_tokens);
            }
        }
        ++pairs_;
    }

    [[nodiscard]] const std::vector<block_mass>& blocks() const { return blocks_; }
    [[nodiscard]] std::size_t pairs() const { return pairs_; }

    /// Notes what was not read of the texts.
    void report() const {
        queries_cut_.report();
        documents_cut_.report();
        if (replaced_ > 0) {
            tools::print_message("mice: note: " + std::to_string(replaced_) +
                                 " invalid UTF-8 sequences were replaced by U+FFFD; --strict-utf8 "
                                 "refuses them");
        }
    }

  private:
    /// [CLS], or the learned row in front of it, is the first token; then the query's and the
    /// document's.
    void add_block(const attention_block& block, std::size_t query_tokens) {
        const auto group_of = [query_tokens](std::size_t token) -> std::size_t {
            return token == 0 ? 0 : token < query_tokens ? 1 : 2;
        };
        block_mass& sums = block_of(block.name);
        sums.heads.resize(block.heads);
        for (std::size_t head = 0; head < block.heads; ++head) {
            group_mass& mass = sums.heads[head];
            for (std::size_t i = 0; i < block.rows; ++i) {
                const std::size_t from = group_of(block.first_row + i);
                const std::span<const float> weights = block.row(head, i);
                ++mass.rows[from];
                for (std::size_t j = 0; j < weights.size(); ++j) {
                    mass.sums[from][group_of(block.first_column + j)] +=
                        static_cast<double>(weights[j]);
                }
            }
        }
    }

    block_mass& block_of(std::string_view name) {
        const auto [found, is_new] = places_.try_emplace(std::string(name), blocks_.size());
        if (is_new) {
            blocks_.push_back({std::string(name), {}});
        }
        return blocks_[found->second];
    }

    static constexpr std::size_t most_weights = std::size_t{1} << 30; // 4 GiB

    const reranker& ranker_;
    attention_options asked_;
    std::map<std::string, std::size_t> places_;
    std::vector<block_mass> blocks_;
    std::size_t pairs_ = 0;
    text_losses queries_cut_{"queries"};
    text_losses documents_cut_{"documents"};
    std::size_t replaced_ = 0; // of texts; those of lines are noted where they are read
};

std::string percent(double share) {
    char text[16];
    std::snprintf(text, sizeof text, "%.1f", 100 * share);
    return text;
}

/// A line for each block: the mean over heads, in percent.
std::string table_text(const attention_sums& sums) {
    tools::text_table table;
    table.columns.push_back({"attention in %", tools::text_table::alignment::left});
    for (std::size_t from = 0; from < groups; ++from) {
        for (std::size_t to = 0; to < groups; ++to) {
            table.columns.push_back(
                {std::string(group_names[from]) + " > " + std::string(group_names[to]),
                 tools::text_table::alignment::right});
        }
    }
    for (const block_mass& block : sums.blocks()) {
        std::vector<std::string> row{block.name};
        const group_mass mean = block.all_heads();
        for (std::size_t from = 0; from < groups; ++from) {
            for (std::size_t to = 0; to < groups; ++to) {
                row.push_back(mean.rows[from] == 0 ? "-" : percent(mean.mean(from, to)));
            }
        }
        table.rows.push_back(std::move(row));
    }
    return table.text(200);
}

tools::ordered_json matrix_json(const group_mass& mass) {
    tools::ordered_json rows = tools::ordered_json::array();
    for (std::size_t from = 0; from < groups; ++from) {
        tools::ordered_json row = tools::ordered_json::array();
        for (std::size_t to = 0; to < groups; ++to) {
            row.push_back(mass.rows[from] == 0 ? tools::ordered_json(nullptr)
                                               : tools::ordered_json(mass.mean(from, to)));
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::string json_text(const attention_sums& sums) {
    tools::ordered_json blocks = tools::ordered_json::array();
    for (const block_mass& block : sums.blocks()) {
        tools::ordered_json heads = tools::ordered_json::array();
        for (const group_mass& head : block.heads) {
            heads.push_back(matrix_json(head));
        }
        blocks.push_back({{"name", block.name},
                          {"mean", matrix_json(block.all_heads())},
                          {"heads", std::move(heads)}});
    }
    return tools::json_line(tools::ordered_json{
        {"groups", group_names}, {"pairs", sums.pairs()}, {"blocks", std::move(blocks)}});
}

/// White for 0, dark blue for 1.
std::string colour(double share) {
    const double kept = 1 - std::sqrt(std::clamp(share, 0.0, 1.0));
    const auto mix = [kept](int dark) { return static_cast<int>(dark + kept * (255 - dark)); };
    char text[8];
    std::snprintf(text, sizeof text, "#%02x%02x%02x", mix(8), mix(48), mix(107));
    return text;
}

/// A heat map: a line for each block, a cell for each head and one for their mean, and in each cell
/// three rows of three squares, from each group to each.
std::string svg_text(const attention_sums& sums, std::string_view title) {
    constexpr double square = 9;
    constexpr double cell = 3 * square + 6;
    constexpr double left = 230;
    constexpr double top = 86;
    std::size_t heads = 0;
    for (const block_mass& block : sums.blocks()) {
        heads = std::max(heads, block.heads.size());
    }
    const double width = left + cell * static_cast<double>(heads + 1) + 30;
    const double height = top + cell * static_cast<double>(sums.blocks().size()) + 24;
    tools::svg picture(std::max(width, 560.0), height, title);
    picture.text({12, 24}, title, {.size = 15, .bold = true});
    picture.text({12, 44},
                 "Each square: the share of attention from a group (rows: CLS, query, document) to "
                 "a group (columns).",
                 {.size = 11});
    const auto draw = [&](const group_mass& mass, double x, double y, const std::string& place) {
        for (std::size_t from = 0; from < groups; ++from) {
            for (std::size_t to = 0; to < groups; ++to) {
                const std::string tip = place + ", " + std::string(group_names[from]) + " to " +
                                        std::string(group_names[to]) + ": " +
                                        percent(mass.mean(from, to)) + " %";
                picture.rect({x + square * static_cast<double>(to),
                              y + square * static_cast<double>(from), square, square},
                             {.fill = colour(mass.mean(from, to)),
                              .stroke = "#b8b8b8",
                              .width = 0.5,
                              .tooltip = tip});
            }
        }
    };
    picture.text({left, top - 8}, "mean", {.size = 11});
    for (std::size_t head = 0; head < heads; ++head) {
        picture.text({left + cell * static_cast<double>(head + 1) + 1.5 * square, top - 8},
                     std::to_string(head), {.size = 11, .anchor = tools::svg_anchor::middle});
    }
    double y = top;
    for (const block_mass& block : sums.blocks()) {
        picture.text({left - 10, y + 2 * square}, block.name,
                     {.size = 11, .anchor = tools::svg_anchor::end});
        draw(block.all_heads(), left, y, block.name + ", mean of all heads");
        for (std::size_t head = 0; head < block.heads.size(); ++head) {
            draw(block.heads[head], left + cell * static_cast<double>(head + 1), y,
                 block.name + ", head " + std::to_string(head));
        }
        y += cell;
    }
    return picture.file();
}

void add_pairs(attention_sums& sums, const command_options& options, tools::reading_notes& notes) {
    tools::line_reader lines(options.pairs);
    tools::json_reader input(lines);
    std::string line;
    while (input.next(line)) {
        std::size_t replaced = 0;
        const tools::json object =
            tools::parse_object_line(line, input.place(), options.scoring.text_policy(), replaced);
        notes.replaced(input.place(), replaced);
        text_pair pair;
        for (auto [key, text] :
             {std::pair("query", &pair.query), std::pair("document", &pair.document)}) {
            const auto found = object.find(key);
            if (found == object.end() || !found->is_string()) {
                throw error(errc::format,
                            input.place() + ": expected the text \"" + std::string(key) + "\"");
            }
            *text = found->get<std::string>();
        }
        sums.add(pair, input.place());
        line.clear();
    }
    if (sums.pairs() == 0) {
        throw error(errc::format, lines.name() + " holds no pair");
    }
}

exit_code run_attention(const command_options& options) {
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer(); // or says that there is none
    attention_sums sums(ranker, options);
    tools::reading_notes notes;
    if (options.pairs.empty()) {
        sums.add({options.query, options.document}, "");
    } else {
        add_pairs(sums, options, notes);
    }
    if (!options.svg.empty()) {
        const std::string* name = ranker.file().find_metadata("mice.name");
        tools::atomic_file file(options.svg);
        file.write(svg_text(sums, "Attention of " + (name != nullptr ? *name : "a model")));
        file.commit();
    }
    tools::output out;
    out.write(options.json ? json_text(sums) : table_text(sums));
    out.flush();
    sums.report();
    return report(notes);
}

} // namespace

void add_attention_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<command_options>();
    CLI::App* const attention = app.add_subcommand(
        "attention",
        "Show how much [CLS], query and document attend to each other, layer by layer");
    auto* query = attention->add_option("QUERY", options->query, "The query's text");
    auto* document = attention->add_option("DOCUMENT", options->document, "The document's text");
    attention
        ->add_option(
            "--pairs", options->pairs,
            "JSON Lines {\"query\",\"document\"} instead: the mean over all pairs; - reads "
            "standard input")
        ->check(not_empty())
        ->excludes(query)
        ->excludes(document);
    attention->add_option("--svg", options->svg, "Save a heat map, layer by layer and head by head")
        ->check(not_empty());
    attention->add_flag("--json", options->json, "Print one JSON object, heads apart");
    options->scoring.add_to(*attention);
    attention->callback([options, &chosen, query, document] {
        if (options->pairs.empty() && (query->count() == 0 || document->count() == 0)) {
            throw usage_error("give QUERY and DOCUMENT, or --pairs FILE");
        }
        chosen = [options] { return run_attention(*options); };
    });
}

} // namespace mice::cli
