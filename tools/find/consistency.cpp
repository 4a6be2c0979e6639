// SPDX-License-Identifier: Apache-2.0
#include "find/consistency.hpp"

#include <string_view>
#include <system_error>
#include <unordered_map>

#include <mice/error.hpp>
#include <mice/index.hpp>

#include "find/states.hpp"

namespace mice::find {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view of_catalog = "the catalog: "; // before what is damaged there

class checker {
  public:
    checker(const catalog& of, const fs::path& folder, const reranker& ranker)
        : catalog_(of), folder_(folder), ranker_(ranker) {}

    std::vector<consistency_finding> run() {
        for (const std::string& each : catalog_.damage()) {
            add(inconsistency::damage, std::string(of_catalog) + each);
        }
        rows(inconsistency::unused_text,
             "SELECT 'text ' || id FROM contents c WHERE NOT EXISTS (SELECT 1 FROM files f WHERE "
             "f.content = c.id)");
        for (const std::int64_t each : catalog_.changed_texts()) {
            add(inconsistency::changed_text, name_of_text(each));
        }
        find_missing_words();
        find_in_states();
        for (const fs::path& each : unused_states(catalog_, folder_)) {
            add(inconsistency::unused_folder, each.filename().string());
        }
        return std::move(found_);
    }

    /// Of the states alone.
    std::vector<consistency_finding> run_on_states() {
        find_in_states();
        return std::move(found_);
    }
    [[nodiscard]] bool misses_words() {
        find_missing_words();
        return !found_.empty();
    }

  private:
    void find_missing_words() {
        rows(
            inconsistency::missing_words,
            "SELECT 'passage ' || id FROM passages WHERE id NOT IN (SELECT id FROM words_docsize)");
        rows(inconsistency::missing_words,
             "SELECT 'words ' || id FROM words_docsize WHERE id NOT IN (SELECT id FROM passages)");
        rows(inconsistency::missing_words,
             "SELECT 'file ' || id FROM files WHERE id NOT IN (SELECT id FROM names_docsize)");
        rows(inconsistency::missing_words,
             "SELECT 'name ' || id FROM names_docsize WHERE id NOT IN (SELECT id FROM files)");
    }

    void add(inconsistency kind, std::string what) { found_.push_back({kind, std::move(what)}); }

    void rows(inconsistency kind, std::string_view sql) {
        statement asked = catalog_.base().prepare(sql);
        while (asked.step()) {
            add(kind, asked.text(0));
        }
    }

    /// A file of the text.
    [[nodiscard]] std::string name_of_text(std::int64_t content) const {
        statement asked = catalog_.base().prepare(
            "SELECT c.name || '/' || CAST(f.path AS TEXT) FROM files f JOIN collections c ON c.id "
            "= f.collection WHERE f.content = ?1 ORDER BY f.id LIMIT 1");
        asked.bind(1, content);
        return asked.step() ? asked.text(0) : "text " + std::to_string(content);
    }

    void find_in_states() {
        const std::optional<mice::index> states = open_states(catalog_, folder_, ranker_);
        std::unordered_map<std::string, bool> wanted; // id -> found
        statement asked = catalog_.base().prepare("SELECT DISTINCT hash FROM passages");
        while (asked.step()) {
            wanted.emplace(hex_of(asked.bytes(0)), false);
        }
        if (states) {
            if (const std::string note = older_states(*states); !note.empty()) {
                add(inconsistency::damage, note);
            }
            for (const index_finding& each : states->verify()) {
                add(inconsistency::damage, each.file + ": " + each.what);
            }
            for (const stored_document& each : states->documents()) {
                const auto place = wanted.find(each.id);
                if (place == wanted.end()) {
                    add(inconsistency::unused_states, "states " + each.id);
                } else {
                    place->second = true;
                }
            }
        }
        for (const auto& [id, there] : wanted) {
            if (!there) {
                add(inconsistency::missing_states, "states " + id);
            }
        }
    }

    const catalog& catalog_;
    const fs::path& folder_;
    const reranker& ranker_;
    std::vector<consistency_finding> found_;
};

} // namespace

const char* name_of(inconsistency kind) noexcept {
    switch (kind) {
    case inconsistency::unused_text:
        return "unused_text";
    case inconsistency::changed_text:
        return "changed_text";
    case inconsistency::missing_words:
        return "missing_words";
    case inconsistency::missing_states:
        return "missing_states";
    case inconsistency::unused_states:
        return "unused_states";
    case inconsistency::unused_folder:
        return "unused_folder";
    case inconsistency::damage:
        break;
    }
    return "damage";
}

bool is_of_states(const consistency_finding& found) {
    return found.kind == inconsistency::damage && !found.what.starts_with(of_catalog);
}

std::vector<consistency_finding> check_consistency(const catalog& of, const fs::path& folder,
                                                   const reranker& ranker) {
    return checker(of, folder, ranker).run();
}

cleanup_report clean_up(const catalog& in, const fs::path& folder, const reranker& ranker,
                        std::size_t threads) {
    cleanup_report made;
    if (!in.damage().empty() || checker(in, folder, ranker).misses_words()) {
        in.repair();
        made.catalog_repaired = true;
        if (const std::vector<std::string> left = in.damage(); !left.empty()) {
            throw error(errc::format, "the index is damaged: " + std::string(of_catalog) +
                                          left.front() +
                                          "; remove its folder and add the collections again");
        }
    }
    for (const fs::path& each : unused_states(in, folder)) {
        fs::remove_all(each);
        ++made.folders_removed;
    }
    const std::int64_t texts = in.base().integer("SELECT count(*) FROM contents");
    while (in.remove_unused_texts()) {
    }
    made.texts_removed =
        static_cast<std::uint64_t>(texts - in.base().integer("SELECT count(*) FROM contents"));
    const std::vector<std::int64_t> changed = in.changed_texts();
    if (!changed.empty()) {
        in.read_again(changed);
    }
    made.texts_to_read = changed.size();
    std::vector<std::string> unused;
    std::unordered_map<std::string, bool> missing;
    for (const consistency_finding& each : checker(in, folder, ranker).run_on_states()) {
        constexpr std::string_view prefix = "states ";
        if (each.kind == inconsistency::damage) {
            throw error(errc::format, "the index is damaged: " + each.what +
                                          "; 'mice-find update --re-encode' makes the states anew");
        }
        if (each.kind == inconsistency::unused_states) {
            unused.push_back(from_hex(std::string_view(each.what).substr(prefix.size())));
        } else if (each.kind == inconsistency::missing_states) {
            missing.emplace(each.what.substr(prefix.size()), true);
        }
    }
    in.doom_states(unused);
    made.states_removed = unused.size();
    if (in.base().integer("SELECT count(*) FROM passages") > 0 ||
        !in.setting(states_setting).empty()) {
        states_writer states(in, folder, ranker, default_codec, threads, about_tokens(in));
        if (!missing.empty()) {
            in.each_passage([&](std::string_view hash, const std::string& text) {
                if (missing.contains(hex_of(hash))) {
                    states.put(hash, text);
                }
            });
            states.commit();
            made.states_added = states.encoded();
        }
        states.remove_doomed();
        if (states.states().stats().deleted > 0) {
            states.states().compact();
        }
    }
    in.base().run("INSERT INTO words(words) VALUES('optimize')");
    in.base().run("INSERT INTO names(names) VALUES('optimize')");
    in.base().run("VACUUM");
    return made;
}

} // namespace mice::find
