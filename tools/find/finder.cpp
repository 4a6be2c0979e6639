// SPDX-License-Identifier: Apache-2.0
#include "find/finder.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <span>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <mice/error.hpp>
#include <mice/parallel/parallel_for.hpp>

#include "common/model_path.hpp"
#include "find/elapsed.hpp"
#include "find/states.hpp"
#include "find/words.hpp"

namespace mice::find {
namespace {

namespace fs = std::filesystem;
using steady_clock = std::chrono::steady_clock;

/// From 0 to 1, in the order of the logits.
double sigmoid(double logit) {
    return 1 / (1 + std::exp(-logit));
}

/// How much a word in a file's name counts beside one in its text.
constexpr double name_weight = 0.5;
/// Passages of one document that may be candidates.
constexpr std::size_t most_of_one = 8;

/// One state of the catalog for all that is read.
class reading_transaction {
  public:
    explicit reading_transaction(const database& in) : in_(in) { in_.run("BEGIN"); }
    ~reading_transaction() {
        try {
            in_.run("COMMIT");
        } catch (const error&) { // nothing was written
            return;
        }
    }
    reading_transaction(const reading_transaction&) = delete;
    reading_transaction& operator=(const reading_transaction&) = delete;

  private:
    const database& in_;
};

void go_on(const question& asked) {
    if (asked.cancel != nullptr && asked.cancel->requested()) {
        throw detail::errors::stopped("the search");
    }
}

} // namespace

fs::path default_folder() {
    if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data == '/') {
        return fs::path(data) / "mice-find";
    }
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home == '\0') {
        throw error(errc::invalid_argument, "neither XDG_DATA_HOME nor HOME is set: name the "
                                            "index's folder with --index DIR");
    }
    return fs::path(home) / ".local" / "share" / "mice-find";
}

/// A passage on its way through the stages.
struct finder::candidate {
    std::int64_t passage = 0, content = 0;
    std::string hash;
    double words = 0, model = 0, fused = 0;
    std::size_t words_rank = 0, model_rank = 0;
    bool encoded_now = false;
};

finder::finder(finder_options options)
    : options_(std::move(options)), catalog_(options_.folder, access_mode::read) {}

const reranker& finder::ranker() {
    if (!ranker_) {
        ranker_ = tools::load_model(tools::model_path(options_.model), options_.computed,
                                    {.threads = options_.threads});
    }
    return *ranker_;
}

// ---- first stage ----

/// Which files may be found.
struct finder::scope {
    std::string collections; ///< ids, with commas; empty: all
    std::string paths;       ///< expression for the table of names, parameter 2; empty: all
    std::string folder;      ///< how paths begin, parameter 4; empty: all
    std::string kinds;       ///< with commas around each, parameter 5; empty: all

    [[nodiscard]] bool all() const {
        return collections.empty() && paths.empty() && folder.empty() && kinds.empty();
    }
    /// " AND ..." for a query in which that stands for files; "" where all may be found.
    [[nodiscard]] std::string condition(const std::string& files) const {
        return (collections.empty() ? ""
                                    : " AND " + files + "collection IN (" + collections + ")") +
               (paths.empty()
                    ? ""
                    : " AND " + files + "id IN (SELECT rowid FROM names WHERE names MATCH ?2)") +
               (folder.empty() ? "" : " AND substr(" + files + "path, 1, length(?4)) = ?4") +
               (kinds.empty() ? ""
                              : " AND " + files +
                                    "content IN (SELECT id FROM contents WHERE instr(?5, ',' || "
                                    "kind || ',') > 0)");
    }
    void bind(statement& asked) const {
        if (!paths.empty()) {
            asked.bind_text(2, paths);
        }
        if (!folder.empty()) {
            asked.bind_blob(4, folder);
        }
        if (!kinds.empty()) {
            asked.bind_text(5, kinds);
        }
    }
};

finder::scope finder::scope_of(const question& asked, std::string paths) {
    scope made{.collections = {}, .paths = std::move(paths), .folder = asked.folder, .kinds = {}};
    if (!made.folder.empty() && !made.folder.ends_with('/')) {
        made.folder += '/';
    }
    for (const std::string& kind : asked.kinds) {
        made.kinds += (made.kinds.empty() ? "," : "") + kind + ",";
    }
    for (const std::string& name : asked.collections) {
        const std::optional<collection> found = catalog_.find_collection(name);
        if (!found) {
            throw error(errc::invalid_argument, "there is no collection " +
                                                    detail::errors::quoted(name) +
                                                    "; 'mice-find ls' lists them");
        }
        made.collections += (made.collections.empty() ? "" : ", ") + std::to_string(found->id);
    }
    return made;
}

std::vector<finder::candidate> finder::candidates_of(const question& asked,
                                                     const parsed_query& parsed,
                                                     const scope& within, answer& made) {
    const std::string belongs =
        within.all()
            ? ""
            : " AND p.content IN (SELECT content FROM files WHERE 1" + within.condition("") + ")";
    made.empty_field = parsed.empty_field;
    made.no_words = parsed.words.empty() && parsed.paths.empty();
    std::vector<candidate> found;
    std::unordered_map<std::int64_t, std::size_t> taken; // passages of a content
    std::unordered_map<std::int64_t, double> by_name;    // content -> score of its file's name
    const std::int64_t depth = static_cast<std::int64_t>(std::max(asked.candidates, asked.results));
    if (!parsed.names.empty() || parsed.only_paths) {
        statement names = catalog_.base().prepare(
            "SELECT f.content, -rank FROM names JOIN files f ON f.id = names.rowid WHERE names "
            "MATCH ?1 AND f.content IS NOT NULL" +
            within.condition("f.") + " ORDER BY rank LIMIT ?3");
        names.bind_text(1, parsed.only_paths ? parsed.paths : parsed.names).bind(3, depth);
        within.bind(names);
        while (names.step()) {
            double& score = by_name[names.integer(0)];
            score = std::max(score, name_weight * names.real(1));
        }
    }
    if (!parsed.words.empty()) {
        statement words = catalog_.base().prepare(
            "SELECT p.id, p.content, p.hash, -rank FROM words JOIN passages p ON p.id = "
            "words.rowid WHERE words MATCH ?1" +
            belongs + " ORDER BY rank LIMIT ?3");
        words.bind_text(1, parsed.words).bind(3, depth * 3);
        within.bind(words);
        while (words.step() && found.size() < static_cast<std::size_t>(depth)) {
            if (taken[words.integer(1)]++ < most_of_one) {
                const auto name = by_name.find(words.integer(1));
                found.push_back(
                    {.passage = words.integer(0),
                     .content = words.integer(1),
                     .hash = words.text(2),
                     .words = words.real(3) + (name == by_name.end() ? 0 : name->second)});
            }
        }
    }
    // Files that are found by their names alone give their first passages.
    statement first =
        catalog_.base().prepare("SELECT id, hash FROM passages WHERE content = ?1 AND number = 0");
    for (const auto& [content, score] : by_name) {
        if (!taken.contains(content)) {
            first.bind(1, content);
            if (first.step()) {
                found.push_back({.passage = first.integer(0),
                                 .content = content,
                                 .hash = first.text(1),
                                 .words = score});
            }
            first.reset();
        }
    }
    std::sort(found.begin(), found.end(), [](const candidate& a, const candidate& b) {
        return a.words != b.words ? a.words > b.words : a.passage < b.passage;
    });
    found.resize(std::min(found.size(), static_cast<std::size_t>(depth)));
    for (std::size_t i = 0; i < found.size(); ++i) {
        found[i].words_rank = i + 1;
        found[i].fused = found[i].words;
    }
    return found;
}

// ---- second stage ----

/// Opens the states that the catalog names. Whoever makes them anew removes the old ones, perhaps
/// between the two steps.
void finder::open_states_in_use() {
    constexpr int most_tries = 5;
    for (int i = 1;; ++i) {
        const std::string name = catalog_.setting(states_setting);
        if (states_ && name == states_name_) {
            return;
        }
        try {
            states_ = open_states(catalog_, options_.folder, ranker());
            states_name_ = name;
            return;
        } catch (const error&) {
            if (i == most_tries || catalog_.setting(states_setting) == name) {
                throw;
            }
        }
    }
}

void finder::rank(std::vector<candidate>& candidates, const question& asked,
                  const std::string& text, answer& made) {
    const steady_clock::time_point start = steady_clock::now();
    const reranker& model = ranker();
    if (states_) {
        with_advice([&] { states_->refresh(); }); // committed before the catalog names them
        if (const std::string note = older_states(*states_); !note.empty()) {
            made.states_note = damaged_states(error(errc::format, note)).what();
        }
    }
    rank_options options{.threads = options_.threads};
    options.cancel = asked.cancel;
    encoded_ = model.encode_query(text, options);
    std::unordered_map<std::string, std::vector<candidate*>>
        by_hash; // equal passages are ranked once
    for (candidate& each : candidates) {
        by_hash[hex_of(each.hash)].push_back(&each);
    }
    std::vector<std::string> missing;
    if (states_) {
        std::vector<std::string_view> ids;
        for (const auto& [id, same] : by_hash) {
            ids.push_back(id);
        }
        index_ranking ranked = with_advice([&] {
            return states_->rank(*encoded_, std::span<const std::string_view>(ids), options,
                                 unknown_ids::report);
        });
        go_on(asked);
        for (const index_hit& hit : ranked) {
            for (candidate* const each : by_hash[hit.id]) {
                each->model = static_cast<double>(hit.score);
            }
        }
        missing = std::move(ranked.unknown);
    } else {
        for (const auto& [id, same] : by_hash) {
            missing.push_back(id);
        }
    }
    // Not encoded yet, or lost: encoded now.
    for (const std::string& id : missing) {
        go_on(asked);
        statement asked_text = catalog_.base().prepare(
            "SELECT c.title, p.heading, substr(CAST(p.slice AS BLOB), p.start + 1, p.size) FROM "
            "passages p JOIN contents c ON c.id = p.content WHERE p.id = ?1");
        asked_text.bind(1, by_hash[id].front()->passage);
        if (!asked_text.step()) {
            continue;
        }
        const std::string_view passage = asked_text.bytes(2);
        const document now = model.encode(
            encoded_text(context_of(asked_text.bytes(0), asked_text.bytes(1), passage), passage));
        const ranking scored = model.score(*encoded_, std::span(&now, 1), options);
        go_on(asked);
        for (candidate* const each : by_hash[id]) {
            each->model = static_cast<double>(scored[0].score);
            each->encoded_now = true;
        }
    }
    std::vector<stage_scores> scores;
    std::vector<double> by_model;
    for (const candidate& each : candidates) {
        scores.push_back({each.words, each.model});
        by_model.push_back(each.model);
    }
    const std::vector<double> fused = fuse(scores, asked.fused);
    const std::vector<std::size_t> ranks = ranks_of(by_model);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        candidates[i].fused = fused[i];
        candidates[i].model_rank = ranks[i];
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const candidate& a, const candidate& b) { return a.fused > b.fused; });
    made.rank_seconds = seconds_since(start);
}

// ---- third stage ----

void finder::highlight(std::vector<found_passage>& found, const std::vector<const candidate*>& of,
                       const question& asked) {
    std::vector<std::string> contexts; // the catalog is for one thread
    for (std::size_t i = 0; i < found.size(); ++i) {
        contexts.push_back(
            context_of(catalog_.title_of(of[i]->content), found[i].heading, found[i].passage));
    }
    parallel::parallel_for(found.size(), {options_.threads, nullptr}, [&](std::size_t i) {
        go_on(asked);
        highlight(found[i], *of[i], contexts[i]);
    });
}

void finder::highlight(found_passage& found, const candidate& of,
                       const std::string& context) const {
    const std::string text = encoded_text(context, found.passage);
    const std::size_t before = text.size() - found.passage.size();
    rank_options options{.threads = 1};
    options.highlights =
        highlight_options{.sentences = before > 0 ? std::size_t{2} : std::size_t{1}};
    const std::string id = hex_of(of.hash);
    mice::highlights all;
    try {
        all = states_ && states_->contains(id)
                  ? with_advice([&] { return states_->highlight(*encoded_, id, text, options); })
                  : ranker_->highlight(*encoded_, text, options);
    } catch (const error& problem) {
        if (problem.code() != errc::mismatch && problem.code() != errc::invalid_argument) {
            throw;
        }
        all.note = problem.what();
    }
    found.highlights.method = all.method;
    found.highlights.note = all.note;
    for (mice::highlight& each : all.sentences) {
        if (each.end <= before || !found.highlights.sentences.empty()) {
            continue; // of the headings above
        }
        std::erase_if(each.words,
                      [before](const highlighted_word& word) { return word.begin < before; });
        each.begin = std::max(each.begin, before) - before;
        each.end -= before;
        for (highlighted_word& word : each.words) {
            word.begin -= before;
            word.end -= before;
        }
        each.line = 1 + static_cast<std::size_t>(std::count(
                            found.passage.begin(),
                            found.passage.begin() + static_cast<std::ptrdiff_t>(each.begin), '\n'));
        found.highlights.sentences.push_back(std::move(each));
    }
}

void finder::describe(found_passage& found, const candidate& of, const scope& within) {
    statement file = catalog_.base().prepare(
        "SELECT c.name, c.root, f.path, t.title, t.key FROM files f JOIN collections c ON c.id = "
        "f.collection JOIN contents t ON t.id = f.content WHERE f.content = ?1" +
        within.condition("f.") + " ORDER BY f.id LIMIT 1");
    file.bind(1, of.content);
    within.bind(file);
    if (!file.step()) {
        return;
    }
    found.collection = file.text(0);
    found.file = fs::path(file.text(1)) / fs::path(file.text(2));
    found.title = file.text(3).empty() ? found.file.filename().string() : file.text(3);
    found.document = document_id(file.bytes(4));
    statement passage = catalog_.base().prepare(
        "SELECT heading, member, page, line, first_line, last_line, substr(CAST(slice AS BLOB), "
        "start + 1, size) FROM passages WHERE id = ?1");
    passage.bind(1, of.passage);
    if (passage.step()) {
        found.heading = passage.text(0);
        found.member = passage.text(1);
        found.page = passage.integer(2);
        found.line = passage.integer(3);
        found.first_line = passage.integer(4);
        found.last_line = passage.integer(5);
        found.passage = passage.text(6);
    }
    found.content = of.content;
    found.words_rank = of.words_rank;
    found.model_rank = of.model_rank;
    found.words_score = of.words;
    found.model_score = of.model;
    found.fused_score = of.fused;
    found.encoded_now = of.encoded_now;
}

answer finder::query(const question& asked) {
    answer made;
    steady_clock::time_point start = steady_clock::now();
    std::optional<reading_transaction> reading;
    do { // until the states of the transaction's catalog are open
        reading.reset();
        if (asked.rerank) {
            open_states_in_use();
        }
        made.load_seconds = seconds_since(start);
        reading.emplace(catalog_.base());
    } while (asked.rerank && catalog_.setting(states_setting) != states_name_);
    const stoppable stops(catalog_.base(), asked.cancel);
    start = steady_clock::now();
    const parsed_query parsed = parse_query(asked.text);
    const scope within = scope_of(asked, parsed.paths);
    std::vector<candidate> candidates = candidates_of(asked, parsed, within, made);
    made.candidates = candidates.size();
    made.words_seconds = seconds_since(start);
    if (asked.rerank && !candidates.empty()) {
        rank(candidates, asked, parsed.text, made);
    }
    start = steady_clock::now();
    std::unordered_map<std::int64_t, bool> seen;
    std::vector<const candidate*> shown;
    for (const candidate& each : candidates) {
        if (made.found.size() >= asked.results) {
            break;
        }
        go_on(asked);
        if (seen.contains(each.content)) {
            continue; // the best passage of a document stands for it
        }
        found_passage found;
        found.score = asked.rerank && asked.fused.way != fusion::reciprocal ? sigmoid(each.fused)
                                                                            : each.fused;
        if (asked.min_score && found.score < *asked.min_score) {
            break;
        }
        describe(found, each, within);
        if (found.collection.empty()) {
            continue; // its file is gone, its text not yet
        }
        seen[each.content] = true;
        made.found.push_back(std::move(found));
        shown.push_back(&each);
    }
    if (asked.rerank && asked.highlights) {
        highlight(made.found, shown, asked);
    }
    made.highlight_seconds = seconds_since(start);
    return made;
}

} // namespace mice::find
