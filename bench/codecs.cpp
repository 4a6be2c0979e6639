// SPDX-License-Identifier: Apache-2.0
// The dial of an index: for each codec bytes per token, size, speed (queries/s, and relative to
// documents in memory) and quality on judged collections, as a Markdown table. Every document of
// the candidate lists is encoded once, put into one index a codec, and all indexes rank the same
// lists, interleaved.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <mice/mice.hpp>

#include "common/metrics.hpp"
#include "common/precision_option.hpp"
#include "common/records.hpp"

namespace {

using namespace mice;
namespace fs = std::filesystem;

/// "int8", or with options "int8/pool2/stop-words".
index_codec codec_of(const std::string& text) {
    std::istringstream parts(text);
    index_codec codec;
    std::getline(parts, codec.name, '/');
    for (std::string part; std::getline(parts, part, '/');) {
        if (part.starts_with("pool")) {
            codec.pool = std::stoul(part.substr(4));
        } else {
            codec.drop =
                part == "stop-words" ? dropped_tokens::stop_words : dropped_tokens::punctuation;
        }
    }
    return codec;
}

/// What one codec showed on one collection.
struct outcome {
    double bytes_per_token = 0;
    double megabytes = 0; ///< of the whole folder
    double seconds = 0;   ///< of ranking
    double ndcg = 0;
    double tau = 0;
    double deviation = 0; ///< of a score, at most
};

/// Kendall's tau-b of two score lists of the same documents.
double kendall_tau(const std::vector<float>& a, const std::vector<float>& b) {
    double agree = 0;
    double tied_a = 0;
    double tied_b = 0;
    const auto pairs = static_cast<double>(a.size() * (a.size() - 1) / 2);
    for (std::size_t i = 0; i < a.size(); ++i) {
        for (std::size_t j = i + 1; j < a.size(); ++j) {
            const int left = (a[i] > a[j]) - (a[i] < a[j]);
            const int right = (b[i] > b[j]) - (b[i] < b[j]);
            agree += left * right;
            tied_a += left == 0;
            tied_b += right == 0;
        }
    }
    const double scale = std::sqrt((pairs - tied_a) * (pairs - tied_b));
    return scale > 0 ? agree / scale : 1;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The median of all but the first.
double median_of_warm(std::vector<double> seconds) {
    const auto middle = seconds.begin() + 1 + static_cast<std::ptrdiff_t>(seconds.size() - 1) / 2;
    std::nth_element(seconds.begin() + 1, middle, seconds.end());
    return *middle;
}

struct wishes {
    std::vector<std::string> codecs{
        "f32",        "int16",           "int8",     "int4",   "pq62", "pq48", "pq32", "int8/pool2",
        "int4/pool2", "int8/stop-words", "kv-int16", "kv-int8"};
    fs::path work = fs::temp_directory_path() / "mice-codecs";
    std::size_t queries = 0; ///< of each collection; 0: all
    std::size_t rounds = 0;  ///< of timing
};

class dial {
    using scores = std::vector<std::pair<std::string, float>>; // best first

  public:
    dial(const reranker& ranker, const wishes& asked) : ranker_(ranker), asked_(asked) {}

    std::vector<outcome> run(const fs::path& folder, const fs::path& run_file) {
        tools::reading_notes notes;
        const auto corpus =
            tools::read_corpus(folder / "corpus.jsonl", tools::bad_text::replace, notes);
        const auto queries =
            tools::read_queries(folder / "queries.jsonl", tools::bad_text::replace, notes);
        const auto judged = tools::read_qrels(folder / "qrels.tsv", notes);
        std::vector<tools::run_list> lists = tools::read_run(run_file, notes);
        std::erase_if(lists, [&](const tools::run_list& list) {
            const auto found = judged.find(list.query_id);
            return found == judged.end() ||
                   std::none_of(found->second.begin(), found->second.end(),
                                [](const auto& each) { return each.second > 0; });
        });
        if (asked_.queries != 0 && lists.size() > asked_.queries) {
            lists.resize(asked_.queries);
        }
        std::vector<mice::index> indexes = build(corpus, lists);
        std::map<std::string, std::string> texts;
        for (const tools::query_record& each : queries) {
            texts[each.id] = each.text;
        }
        // row 0: the documents' states in memory; then one row a codec
        std::vector<outcome> outcomes(asked_.codecs.size() + 1);
        std::vector<std::vector<double>> ndcgs(outcomes.size());
        for (const tools::run_list& list : lists) {
            const query encoded = ranker_.encode_query(texts.at(list.query_id));
            measure(encoded, list.document_ids, judged.at(list.query_id), indexes, outcomes, ndcgs);
            std::cerr << '.' << std::flush;
        }
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
            const auto count = static_cast<double>(lists.size());
            if (i > 0) {
                const index_stats stats = indexes[i - 1].stats();
                outcomes[i].bytes_per_token = stats.bytes_per_token();
                outcomes[i].megabytes = static_cast<double>(stats.bytes.total()) / 1e6;
            }
            outcomes[i].ndcg = 100 * tools::mean(ndcgs[i]);
            outcomes[i].tau /= count;
            outcomes[i].seconds /= count;
        }
        std::cerr << '\n';
        return outcomes;
    }

  private:
    using grades_of = std::map<std::string, int, std::less<>>;

    /// Ranks one query's documents in memory and in every index, round after round.
    void measure(const query& encoded, const std::vector<std::string>& names,
                 const grades_of& judged, const std::vector<mice::index>& indexes,
                 std::vector<outcome>& outcomes, std::vector<std::vector<double>>& ndcgs) const {
        std::vector<const document*> documents;
        for (const std::string& id : names) {
            documents.push_back(&documents_.at(id));
        }
        const std::vector<std::string_view> ids(names.begin(), names.end());
        std::map<std::string, float> expected;
        std::vector<std::vector<double>> seconds(outcomes.size());
        for (std::size_t round = 0; round <= asked_.rounds; ++round) {
            for (std::size_t i = 0; i < outcomes.size(); ++i) {
                const auto start = std::chrono::steady_clock::now();
                const scores got =
                    i == 0 ? rank(encoded, documents, names) : rank(encoded, ids, indexes[i - 1]);
                seconds[i].push_back(seconds_since(start));
                if (round == 0) {
                    if (i == 0) {
                        expected = {got.begin(), got.end()};
                    }
                    compare(got, expected, judged, outcomes[i], ndcgs[i]);
                }
            }
        }
        for (std::size_t i = 0; i < outcomes.size() && asked_.rounds > 0; ++i) {
            outcomes[i].seconds += median_of_warm(seconds[i]);
        }
    }

    [[nodiscard]] scores rank(const query& encoded, const std::vector<const document*>& documents,
                              const std::vector<std::string>& ids) const {
        scores found;
        for (const hit& each : ranker_.rank(encoded, std::span<const document* const>(documents))) {
            found.emplace_back(ids[each.index], each.score);
        }
        return found;
    }
    [[nodiscard]] static scores rank(const query& encoded, const std::vector<std::string_view>& ids,
                                     const mice::index& from) {
        scores found;
        for (const index_hit& each : from.rank(encoded, ids)) {
            found.emplace_back(each.id, each.score);
        }
        return found;
    }

    std::vector<mice::index> build(const tools::passage_list& corpus,
                                   const std::vector<tools::run_list>& lists) {
        std::set<std::string> wanted;
        for (const tools::run_list& list : lists) {
            wanted.insert(list.document_ids.begin(), list.document_ids.end());
        }
        std::vector<mice::index> indexes;
        for (const std::string& each : asked_.codecs) {
            const fs::path place = asked_.work / ("index-" + std::to_string(indexes.size()));
            fs::remove_all(place);
            index_options options;
            options.codec = codec_of(each);
            options.words = index_words::none;
            indexes.push_back(mice::index::create(place, ranker_, options));
        }
        constexpr std::size_t batch = 256;
        const std::vector<std::string> ids(wanted.begin(), wanted.end());
        for (std::size_t first = 0; first < ids.size(); first += batch) {
            const std::size_t last = std::min(ids.size(), first + batch);
            std::vector<std::string> texts;
            for (std::size_t i = first; i < last; ++i) {
                texts.push_back(corpus[*corpus.find(ids[i])].joined());
            }
            const std::vector<document> encoded = ranker_.encode_all(texts);
            for (mice::index& each : indexes) {
                for (std::size_t i = first; i < last; ++i) {
                    each.put_encoded(ids[i], encoded[i - first]);
                }
            }
            for (std::size_t i = first; i < last; ++i) {
                documents_.emplace(ids[i], encoded[i - first]);
            }
            std::cerr << "\rencoded " << last << " of " << ids.size() << std::flush;
        }
        for (mice::index& each : indexes) {
            each.commit();
        }
        std::cerr << '\n';
        return indexes;
    }

    static void compare(const scores& got, const std::map<std::string, float>& expected,
                        const grades_of& judged, outcome& into, std::vector<double>& ndcgs) {
        std::vector<float> here;
        std::vector<float> there;
        std::vector<int> grades;
        std::vector<int> all;
        for (const auto& [id, score] : got) {
            here.push_back(score);
            there.push_back(expected.at(id));
            const auto grade = judged.find(id);
            grades.push_back(grade == judged.end() ? 0 : grade->second);
            into.deviation =
                std::max(into.deviation, static_cast<double>(std::fabs(score - there.back())));
        }
        for (const auto& each : judged) {
            all.push_back(each.second);
        }
        into.tau += kendall_tau(here, there);
        ndcgs.push_back(tools::ndcg(grades, all));
    }

    const reranker& ranker_;
    const wishes& asked_;
    std::map<std::string, document> documents_;
};

void print(const std::vector<std::string>& codecs, const std::vector<std::string>& names,
           const std::vector<std::vector<outcome>>& all) {
    std::cout << "| codec | bytes a token | MB | queries/s | speed |";
    for (const std::string& each : names) {
        std::cout << ' ' << each << " |";
    }
    std::cout << " mean nDCG@10 | less | tau | largest deviation |\n| --- |";
    for (std::size_t i = 0; i < names.size() + 8; ++i) {
        std::cout << " --- |";
    }
    std::cout << '\n' << std::fixed;
    double first = 0;
    double seconds_in_memory = 0;
    for (std::size_t i = 0; i <= codecs.size(); ++i) {
        outcome sum;
        for (const std::vector<outcome>& each : all) {
            sum.bytes_per_token += each[i].bytes_per_token;
            sum.megabytes += each[i].megabytes;
            sum.seconds += each[i].seconds;
            sum.ndcg += each[i].ndcg;
            sum.tau += each[i].tau;
            sum.deviation = std::max(sum.deviation, each[i].deviation);
        }
        const auto count = static_cast<double>(all.size());
        first = i == 0 ? sum.ndcg : first;
        seconds_in_memory = i == 0 ? sum.seconds : seconds_in_memory;
        std::cout << "| " << (i == 0 ? "f32 in memory" : codecs[i - 1]) << " | "
                  << std::setprecision(1) << sum.bytes_per_token / count << " | " << sum.megabytes
                  << " | " << std::setprecision(2) << (sum.seconds > 0 ? count / sum.seconds : 0)
                  << " | " << std::setprecision(3)
                  << (sum.seconds > 0 ? seconds_in_memory / sum.seconds : 0) << std::setprecision(2)
                  << " |";
        for (const std::vector<outcome>& each : all) {
            std::cout << ' ' << each[i].ndcg << " |";
        }
        std::cout << ' ' << sum.ndcg / count << " | " << (first - sum.ndcg) / count << " | "
                  << std::setprecision(3) << sum.tau / count << std::setprecision(4) << " | "
                  << sum.deviation << " |\n";
    }
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Bytes, speed and quality of every codec of an index");
    std::string model;
    std::vector<std::string> collections;
    wishes asked;
    app.add_option("--model", model, "Model file")->required();
    precision computed = precision::f32;
    tools::add_precision_option(app, computed);
    app.add_option("--codecs", asked.codecs, "Codecs, such as int4 or int8/pool2/stop-words")
        ->delimiter(',');
    app.add_option("--work", asked.work, "Folder for the indexes, removed at the end");
    app.add_option("--queries", asked.queries, "Only the first so many of each collection");
    app.add_option("--rounds", asked.rounds,
                   "Time so many rounds of each query, after one that warms up; the median counts. "
                   "Let nothing else run");
    app.add_option("collections", collections,
                   "FOLDER=RUN: corpus.jsonl, queries.jsonl and qrels.tsv, and a TREC run of "
                   "candidates")
        ->required();
    CLI11_PARSE(app, argc, argv);
    try {
        const reranker ranker(fs::path(model), computed);
        std::vector<std::string> names;
        std::vector<std::vector<outcome>> all;
        for (const std::string& each : collections) {
            const std::size_t cut = each.find('=');
            if (cut == std::string::npos) {
                std::cerr << "bench_codecs: expected FOLDER=RUN, got " << each << '\n';
                return 64;
            }
            const fs::path folder = each.substr(0, cut);
            names.push_back(folder.filename().string());
            all.push_back(dial(ranker, asked).run(folder, each.substr(cut + 1)));
            print(asked.codecs, {names.back()}, {all.back()});
        }
        fs::remove_all(asked.work);
        print(asked.codecs, names, all);
    } catch (const std::exception& e) {
        std::cerr << "bench_codecs: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
