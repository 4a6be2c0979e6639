// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "faulty_files.hpp"
#include "index_fixture.hpp"

#include <mice/io/file_system.hpp>

// Changes an index step by step, and checks what is left of the changes.
namespace fixtures {

/// What an index holds: the text's number of each id.
using documents_held = std::map<std::string, std::uint64_t>;

/// Steps that each end in a commit. A step may be run again after it failed.
class workload {
  public:
    explicit workload(const model_in_memory& model, const std::filesystem::path& other)
        : model_(model), other_(other) {
        mice::index made = create(other, {});
        for (std::uint64_t i = 40; i < 46; ++i) {
            put(made, i);
        }
        made.commit();
        describe();
    }

    [[nodiscard]] std::size_t steps() const { return held_.size() - 1; }
    /// What the index holds after that many steps; after step 0 there is none.
    [[nodiscard]] const documents_held& held_after(std::size_t step) const { return held_[step]; }
    [[nodiscard]] const model_in_memory& model() const { return model_; }

    /// Runs steps first.. on a folder; `acknowledged` is called after each.
    void run(const std::filesystem::path& folder, mice::io::file_system* files,
             std::size_t first = 0,
             const std::function<void(std::size_t)>& acknowledged = {}) const {
        std::optional<mice::index> index;
        for (std::size_t step = first; step < steps(); ++step) {
            run_step(folder, files, step, index);
            if (acknowledged) {
                acknowledged(step + 1);
            }
        }
    }

    /// Runs one step on `index`, which is opened or created if need be.
    void run_step(const std::filesystem::path& folder, mice::io::file_system* files,
                  std::size_t step, std::optional<mice::index>& index) const {
        mice::index_access access;
        access.threads = 1; // no threads, so that the test may fork
        access.files = files;
        if (!index) {
            index = mice::index::exists(folder) ? mice::index::open(folder, model_.ranker, access)
                                                : create(folder, access);
        }
        if (step == 0) {
            return;
        }
        if (step == 4) {
            const std::filesystem::path others[] = {other_};
            index->merge(others);
        } else if (step == 6) {
            index->compact();
        } else {
            change(*index, step);
            index->commit();
        }
    }

    /// Empty if the folder opens, holds what some step from `low` to `high` leaves, undamaged and
    /// with the right scores, and takes another document; else what is wrong.
    [[nodiscard]] std::string fault_of(const std::filesystem::path& folder, std::size_t low,
                                       std::size_t high) const {
        failing_files unflushed(failing_files::fault::none, 0); // only the kernel need keep it
        mice::index_access access = one_thread();
        access.files = &unflushed;
        try {
            if (!mice::index::exists(folder)) {
                if (low == 0) {
                    (void)create(folder, access);
                    return {};
                }
                return "the index is gone";
            }
            mice::index index = mice::index::open(folder, model_.ranker, access);
            const documents_held got = held_in(index);
            bool expected = false;
            for (std::size_t step = std::max<std::size_t>(low, 1); step <= high; ++step) {
                expected = expected || got == held_[step];
            }
            if (!expected) {
                return "it holds " + std::to_string(got.size()) +
                       " documents of no commit that it may be at";
            }
            if (!index.verify().empty()) {
                return "verify: " + index.verify()[0].file + ": " + index.verify()[0].what;
            }
            put(index, 99);
            if (index.commit().documents != got.size() + 1) {
                return "the writer does not go on";
            }
            return index.verify().empty() ? "" : "the writer's commit is damaged";
        } catch (const std::exception& e) {
            return e.what();
        }
    }

    /// Documents by their metadata, each with the score of its text.
    [[nodiscard]] documents_held held_in(const mice::index& index) const {
        documents_held got;
        std::map<std::string, std::uint32_t> scores;
        for (const mice::index_hit& each : index.rank("the old river mill", {.threads = 1})) {
            scores[each.id] = std::bit_cast<std::uint32_t>(each.score);
        }
        for (const mice::stored_document& each : index.documents()) {
            const std::uint64_t number = std::stoull(each.metadata);
            if (scores.at(each.id) != score_of(number)) {
                throw std::runtime_error("document " + each.id + " has another score");
            }
            got[each.id] = number;
        }
        return got;
    }

    [[nodiscard]] static mice::index_access one_thread() {
        mice::index_access access;
        access.threads = 1;
        return access;
    }

  private:
    [[nodiscard]] mice::index create(const std::filesystem::path& folder,
                                     mice::index_access access) const {
        mice::index_options options;
        options.codec.name = "f32";
        access.threads = 1;
        return mice::index::create(folder, model_.ranker, options, access);
    }
    static void put(mice::index& index, std::uint64_t number, std::uint64_t text = 0) {
        text = text == 0 ? number : text;
        index.put(id_of(number), passage(text), std::to_string(text));
    }
    [[nodiscard]] std::uint32_t score_of(std::uint64_t number) const {
        const auto known = scores_.find(number);
        if (known != scores_.end()) {
            return known->second;
        }
        const std::string text = passage(number);
        const mice::ranking ranked =
            model_.ranker.rank("the old river mill", {text}, {.threads = 1});
        return scores_[number] = std::bit_cast<std::uint32_t>(ranked[0].score);
    }

    static void change(mice::index& index, std::size_t step) {
        switch (step) {
        case 1:
            for (std::uint64_t i = 0; i < 6; ++i) {
                put(index, i);
            }
            break;
        case 2:
            put(index, 6);
            put(index, 3, 73); // replaced
            index.erase(id_of(1));
            break;
        case 3:
            for (std::uint64_t i = 7; i < 12; ++i) {
                put(index, i);
            }
            index.erase(id_of(6));
            break;
        case 5:
            index.erase(id_of(41));
            put(index, 12);
            put(index, 0, 70);
            break;
        default: // small commits, which are joined
            put(index, 10 + step);
        }
    }

    void describe() {
        held_.resize(1);
        held_.emplace_back(); // created
        documents_held now;
        const auto add = [&](std::uint64_t first, std::uint64_t last) {
            for (std::uint64_t i = first; i < last; ++i) {
                now[id_of(i)] = i;
            }
        };
        add(0, 6);
        held_.push_back(now);
        add(6, 7);
        now[id_of(3)] = 73;
        now.erase(id_of(1));
        held_.push_back(now);
        add(7, 12);
        now.erase(id_of(6));
        held_.push_back(now);
        add(40, 46);
        held_.push_back(now);
        now.erase(id_of(41));
        add(12, 13);
        now[id_of(0)] = 70;
        held_.push_back(now);
        held_.push_back(now); // compacted
        for (std::uint64_t step = 7; step < 16; ++step) {
            add(10 + step, 11 + step);
            held_.push_back(now);
        }
    }

    const model_in_memory& model_;
    std::filesystem::path other_;
    std::vector<documents_held> held_; // after each number of steps
    mutable std::map<std::uint64_t, std::uint32_t> scores_;
};

} // namespace fixtures
