// SPDX-License-Identifier: Apache-2.0
// Times one query against many documents. Reads cases from standard input, one a line, and answers
// each with one JSON line; what a case needs is prepared once and kept. A case is "stored" (the
// documents' states are given), "not-stored", or a codec of an index, such as "kv-int8", from which
// the documents are read. bench/run.py makes the input, runs this beside its peers and compares
// scores and times; by hand:
//
//     echo stored | bench_rerank MODEL INPUT.json int8 2 0.5
#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <mice/mice.hpp>
#include <nlohmann/json.hpp>

namespace {

namespace fs = std::filesystem;
using scores = std::vector<float>; // in the order of the documents

/// Runs `work` until `least` seconds have been measured, after one run that warms up; a run of more
/// than a second needs no warming.
nlohmann::json measure(const std::function<scores()>& work, double least, double& last_run) {
    constexpr double long_run = 1;
    constexpr std::size_t most = 100;
    nlohmann::json line = {{"seconds", nlohmann::json::array()}};
    if (last_run < long_run) {
        work();
    }
    double total = 0;
    do {
        const auto start = std::chrono::steady_clock::now();
        const scores made = work();
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        last_run = spent.count();
        total += last_run;
        line["seconds"].push_back(last_run);
        line["scores"] = made;
    } while (total < least && line["seconds"].size() < most);
    return line;
}

/// One model in one precision, and the cases that were asked for.
class session {
  public:
    session(const fs::path& model, const fs::path& input, mice::precision computed,
            std::size_t threads)
        : ranker_(model, computed), options_{.threads = threads}, folder_(input.parent_path()) {
        std::ifstream file(input);
        const nlohmann::json data = nlohmann::json::parse(file);
        query_ = data.at("query").get<std::string>();
        passages_ = data.at("documents").get<std::vector<std::string>>();
        tokens_ = data.at("tokens").get<std::size_t>();
        folder_ /= "index-" + std::string(mice::name_of(computed));
    }

    nlohmann::json run(const std::string& name, double least) {
        auto found = cases_.find(name);
        if (found == cases_.end()) {
            found = cases_.emplace(name, prepared{make(name)}).first;
        }
        return measure(found->second.work, least, found->second.last_run);
    }

  private:
    struct prepared {
        std::function<scores()> work;
        double last_run = 0; // in seconds
    };

    std::function<scores()> make(const std::string& name) {
        if (name == "not-stored") {
            return [this] { return scores_of(ranker_.score(query_, passages_, options_)); };
        }
        if (documents_.empty()) {
            documents_ = ranker_.encode_all(passages_, options_);
            check_lengths();
        }
        if (name == "stored") {
            return [this] { return scores_of(ranker_.score(query_, documents_, options_)); };
        }
        return indexed(name);
    }

    /// Documents that are read from an index.
    std::function<scores()> indexed(const std::string& codec) {
        const fs::path place = folder_.string() + "-" + codec;
        fs::remove_all(place);
        mice::index_options how;
        how.codec.name = codec;
        how.words = mice::index_words::none;
        auto index = std::make_shared<mice::index>(mice::index::create(place, ranker_, how));
        std::vector<std::string> ids;
        for (std::size_t i = 0; i < documents_.size(); ++i) {
            ids.push_back(std::to_string(i));
            index->put_encoded(ids.back(), documents_[i]);
        }
        index->commit();
        return [this, index, ids] {
            scores made(ids.size());
            for (const mice::index_hit& hit : index->rank(query_, ids, options_)) {
                made[std::stoul(hit.id)] = hit.score;
            }
            return made;
        };
    }

    static scores scores_of(const mice::ranking& hits) {
        scores made;
        for (const mice::hit& hit : hits) {
            made.push_back(hit.score);
        }
        return made;
    }

    void check_lengths() const {
        for (const mice::document& each : documents_) {
            if (each.tokens() != tokens_ || each.tokens_cut() != 0) {
                throw std::runtime_error("a document does not have the number of tokens that was "
                                         "asked for");
            }
        }
    }

    mice::reranker ranker_;
    mice::rank_options options_;
    fs::path folder_;
    std::string query_;
    std::vector<std::string> passages_;
    std::size_t tokens_ = 0;
    std::vector<mice::document> documents_;
    std::map<std::string, prepared> cases_;
};

} // namespace

int main(int count, char** arguments) {
    const auto computed = mice::precision_named(count == 6 ? arguments[3] : "");
    if (!computed) {
        std::cerr << "usage: bench_rerank MODEL INPUT.json PRECISION THREADS SECONDS < CASES\n";
        return 64;
    }
    try {
        session ranked(arguments[1], arguments[2], *computed, std::stoul(arguments[4]));
        for (std::string name; std::getline(std::cin, name);) {
            std::cout << ranked.run(name, std::stod(arguments[5])).dump() << std::endl;
        }
        return 0;
    } catch (const std::exception& problem) {
        std::cerr << "bench_rerank: " << problem.what() << '\n';
        return 1;
    }
}
