// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <mice/reranker.hpp>

#include "find/catalog.hpp"

// Whether the catalog and the states say the same.
namespace mice::find {

/// What does not fit together.
enum class inconsistency {
    unused_text,    ///< a text of no file
    changed_text,   ///< a text with bytes that are not those that were read of its file
    missing_words,  ///< a passage that no word finds, or words of no passage
    missing_states, ///< a passage without states: it is encoded at each query
    unused_states,  ///< states of no passage
    unused_folder,  ///< a folder of states that is not in use
    damage          ///< bytes that are not what was written
};

/// One thing that was found.
struct consistency_finding {
    inconsistency kind;
    std::string what;
};

/// The name of a kind, such as "unused_states".
[[nodiscard]] const char* name_of(inconsistency kind) noexcept;

/// Whether it is damage of the states, which can be made anew.
[[nodiscard]] bool is_of_states(const consistency_finding& found);

/// Compares both stores, and reads every byte of the texts and states. Changes nothing.
[[nodiscard]] std::vector<consistency_finding>
check_consistency(const catalog& of, const std::filesystem::path& folder, const reranker& ranker);

/// What cleanup() did.
struct cleanup_report {
    std::uint64_t states_removed = 0, states_added = 0, texts_removed = 0, folders_removed = 0;
    std::uint64_t texts_to_read = 0; ///< their bytes had changed: the next update reads them again
    bool catalog_repaired = false;   ///< what SQLite keeps beside its tables was made anew
};

/// Removes what is unused, encodes what is missing, and gives unused room back. Whoever calls it
/// holds the write_lock. Throws mice::error: errc::format for damage, which only adding everything
/// again repairs.
cleanup_report clean_up(const catalog& in, const std::filesystem::path& folder,
                        const reranker& ranker, std::size_t threads);

} // namespace mice::find
