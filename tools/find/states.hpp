// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>
#include <mice/index.hpp>

#include "find/catalog.hpp"

// The states of passages: an index of mice in the folder that the catalog names.
namespace mice::find {

/// How states are stored where nobody says otherwise: 62 bytes a token.
inline constexpr const char* default_codec = "pq62";

/// Bytes of text that are about a token.
inline constexpr std::uint64_t bytes_of_token = 5;

/// Names in the catalog's settings.
inline constexpr const char* states_setting = "states";           ///< folder in use
inline constexpr const char* next_states_setting = "states_next"; ///< folder that is being filled
inline constexpr const char* next_codec_setting = "codec_next";   ///< that was wanted for it
inline constexpr const char* model_setting = "model";             ///< fingerprint
inline constexpr const char* codec_setting = "codec";
inline constexpr const char* learned_setting = "learned"; ///< tokens that the codec learned from
inline constexpr const char* later_setting =
    "codec_later"; ///< of an index that has grown; or empty

/// States that are damaged, with what makes them anew.
[[nodiscard]] error damaged_states(const error& problem);

/// Why states are fewer than were written: the last manifest is damaged or gone, and readers see an
/// older commit. Empty: they are the last.
[[nodiscard]] std::string older_states(const mice::index& states);

/// Calls `task`, and says of states that are damaged what makes them anew.
template <class Task> decltype(auto) with_advice(const Task& task) {
    try {
        return task();
    } catch (const error& problem) {
        if (problem.code() != errc::format) {
            throw;
        }
        throw damaged_states(problem);
    }
}

/// Opens the states to read; nothing where there are none yet. Throws errc::mismatch where they are
/// another model's.
[[nodiscard]] std::optional<mice::index> open_states(const catalog& from,
                                                     const std::filesystem::path& folder,
                                                     const reranker& ranker,
                                                     const index_access& access = {});

/// How many tokens the texts of a catalog have, about.
[[nodiscard]] std::uint64_t about_tokens(const catalog& in);

/// Writes states. For one thread.
class states_writer {
  public:
    /// Opens the states in use, or makes new ones with this codec; but with int8 where the codec
    /// has to learn and fewer tokens are expected than it needs. Throws errc::mismatch where those
    /// in use are another model's.
    states_writer(const catalog& owner, std::filesystem::path folder, const reranker& ranker,
                  const std::string& codec, std::size_t threads, std::uint64_t expected);

    /// Whether the states of an index are of this model, or there are none.
    [[nodiscard]] static bool fits(const catalog& owner, const reranker& ranker);
    /// Opens the states in use for make_anew alone, whatever model they are of.
    struct any_model {};
    states_writer(any_model, const catalog& owner, std::filesystem::path folder,
                  const reranker& ranker, std::size_t threads);

    /// Whether states should be made anew, now that so many tokens are to come: the codec learned
    /// from little, or waits until there is enough.
    [[nodiscard]] bool worth_learning(std::uint64_t expected) const;
    /// Encodes every passage again into new states of the wanted codec (int8 where it has to learn
    /// and there is too little), which then are in use; false where `keep_on`, called with (done,
    /// in all), stopped it. The next call with that codec, or with none, goes on there.
    bool make_anew(const std::optional<std::string>& wanted,
                   const std::function<bool(std::uint64_t, std::uint64_t)>& keep_on);

    /// Encodes what the model reads of a passage, unless its states are there.
    void put(std::string_view hash, const std::string& text);
    /// Makes what was put durable.
    void commit();
    /// Removes the states of passages that are gone, which the catalog lists.
    void remove_doomed();
    /// Rewrites the states where a quarter of their room or more is not used: files of the commit
    /// before, and removed passages.
    void give_room_back();
    /// Tokens in the states.
    [[nodiscard]] std::uint64_t tokens() const;
    /// Whether nothing was committed yet: the codec learns from what comes first.
    [[nodiscard]] bool fresh() const { return fresh_ && codec_.starts_with("pq"); }
    [[nodiscard]] mice::index& states() { return *states_; }
    /// Passages that were encoded since the start.
    [[nodiscard]] std::uint64_t encoded() const noexcept { return encoded_; }

  private:
    [[nodiscard]] mice::index opened(const std::string& name) const;
    [[nodiscard]] std::optional<mice::index> begun_states(const std::string& name);
    void note_learned(const mice::index& of) const;

    const catalog& owner_;
    std::filesystem::path folder_;
    const reranker& ranker_;
    std::string codec_;
    std::size_t threads_;
    std::optional<mice::index> states_;
    bool fresh_ = false;
    std::uint64_t encoded_ = 0;
};

/// Folders of states in an index's folder that are not in use.
[[nodiscard]] std::vector<std::filesystem::path> unused_states(const catalog& owner,
                                                               const std::filesystem::path& folder);

} // namespace mice::find
