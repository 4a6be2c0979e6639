// SPDX-License-Identifier: Apache-2.0
#include "find/states.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include <mice/error.hpp>

namespace mice::find {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view folder_prefix = "states-";
/// What a codec that learns looks at, and when it has seen enough of it.
constexpr std::uint64_t sample_tokens = 33'000, good_sample = 30'000;
constexpr const char* small_codec = "int8";

std::uint64_t number_of(std::string_view digits) {
    std::uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

/// The codec for so many tokens: one that learns would know nothing but the first texts of a small
/// index.
std::string fitting(const std::string& codec, std::uint64_t tokens) {
    return codec.starts_with("pq") && tokens < good_sample ? small_codec : codec;
}

error other_model() {
    return {errc::mismatch,
            "the index was made with another model: give that one with --model, or let "
            "'mice-find update --re-encode' encode all passages with this one"};
}

/// What the library advises is for its own command.
std::string without_advice(std::string what) {
    constexpr std::string_view to_repair = "; 'mice index verify' names the file, and adding the "
                                           "documents to a new index repairs it";
    for (const std::string_view advice :
         {std::string_view("; verify the index, and restore it or build it again"),
          std::string_view("; verify the index"), std::string_view("; build the index again"),
          std::string_view("; encode it again"),
          std::string_view("; nothing can be written before 'mice index repair'"), to_repair}) {
        for (auto at = what.find(advice); at != what.npos; at = what.find(advice)) {
            what.erase(at, advice.size());
        }
    }
    return what;
}

} // namespace

error damaged_states(const error& problem) {
    return {errc::format, without_advice(problem.what()) +
                              "; the texts are safe: 'mice-find update --re-encode' encodes "
                              "them anew"};
}

std::string older_states(const mice::index& states) {
    const std::string note = states.recovered();
    return note.empty()
               ? note
               : "the states are not those that were written last: " + without_advice(note);
}

std::optional<mice::index> open_states(const catalog& from, const fs::path& folder,
                                       const reranker& ranker, const index_access& access) {
    const std::string name = from.setting(states_setting);
    if (name.empty()) {
        return std::nullopt;
    }
    if (from.setting(model_setting) != ranker.fingerprint()) {
        throw other_model();
    }
    return with_advice([&] {
        if (!mice::index::exists(folder / name)) {
            throw error(errc::format, "the states in " +
                                          detail::errors::quoted((folder / name).string()) +
                                          " are gone");
        }
        return mice::index::open(folder / name, ranker, access);
    });
}

bool states_writer::fits(const catalog& owner, const reranker& ranker) {
    return owner.setting(states_setting).empty() ||
           owner.setting(model_setting) == ranker.fingerprint();
}

std::uint64_t about_tokens(const catalog& in) {
    return in.text_bytes() / bytes_of_token;
}

states_writer::states_writer(any_model, const catalog& owner, fs::path folder,
                             const reranker& ranker, std::size_t threads)
    : owner_(owner), folder_(std::move(folder)), ranker_(ranker), threads_(threads) {}

states_writer::states_writer(const catalog& owner, fs::path folder, const reranker& ranker,
                             const std::string& codec, std::size_t threads, std::uint64_t expected)
    : states_writer(any_model{}, owner, std::move(folder), ranker, threads) {
    if (!fits(owner, ranker)) {
        throw other_model();
    }
    const std::string used = owner_.setting(states_setting);
    if (!used.empty()) {
        codec_ = owner_.setting(codec_setting);
        states_ = opened(used);
    } else {
        const std::string name = std::string(folder_prefix) + "1";
        codec_ = fitting(codec, expected);
        fs::remove_all(folder_ / name); // of an update that was killed here
        states_ = opened(name);
        transaction changes(owner_.base());
        owner_.set(states_setting, name);
        owner_.set(model_setting, ranker_.fingerprint());
        owner_.set(codec_setting, codec_);
        owner_.set(later_setting, codec_ == codec ? std::string() : codec);
        changes.commit();
    }
    fresh_ = states_->size() == 0;
}

mice::index states_writer::opened(const std::string& name) const {
    const index_options options{.codec = {.name = codec_}, .words = index_words::none};
    return with_advice([&] {
        return mice::index::open_or_create(folder_ / name, ranker_, options, {.threads = threads_});
    });
}

/// What a call of make_anew that was stopped has encoded; nothing where there is none, or of
/// another model.
std::optional<mice::index> states_writer::begun_states(const std::string& name) {
    if (!mice::index::exists(folder_ / name)) {
        return std::nullopt;
    }
    try {
        mice::index begun = mice::index::open(folder_ / name, ranker_, {.threads = threads_});
        codec_ = begun.stats().codec.name;
        return begun;
    } catch (const error& refused) {
        if (refused.code() != errc::mismatch && refused.code() != errc::format) {
            throw;
        }
        return std::nullopt;
    }
}

void states_writer::note_learned(const mice::index& of) const {
    if (owner_.setting(learned_setting).empty() && !of.stats().codec_waits) {
        owner_.set(learned_setting, std::to_string(of.stats().all_tokens));
    }
}

bool states_writer::worth_learning(std::uint64_t expected) const {
    if (!owner_.setting(later_setting).empty()) {
        return tokens() >= sample_tokens;
    }
    if (!codec_.starts_with("pq") || fresh_) {
        return false;
    }
    const std::uint64_t learned = number_of(owner_.setting(learned_setting));
    const std::uint64_t all = tokens() + expected;
    return learned < good_sample && all >= sample_tokens && all >= 2 * learned;
}

bool states_writer::make_anew(const std::optional<std::string>& wanted,
                              const std::function<bool(std::uint64_t, std::uint64_t)>& keep_on) {
    const std::string used = owner_.setting(states_setting);
    const std::string begun = owner_.setting(next_codec_setting);
    const std::string codec = wanted.value_or(begun);
    std::string name = owner_.setting(next_states_setting);
    if (name.empty() || codec != begun) {
        const std::uint64_t number =
            used.empty() ? 0 : number_of(std::string_view(used).substr(folder_prefix.size()));
        name = std::string(folder_prefix) + std::to_string(number + 1);
        fs::remove_all(folder_ / name);
        transaction changes(owner_.base());
        owner_.set(next_states_setting, name);
        owner_.set(next_codec_setting, codec);
        changes.commit();
    }
    std::optional<mice::index> made = begun_states(name);
    if (!made) {
        fs::remove_all(folder_ / name);
        codec_ = fitting(codec, std::max(about_tokens(owner_), states_ ? tokens() : 0));
        made = opened(name);
    }
    const std::uint64_t all =
        static_cast<std::uint64_t>(owner_.base().integer("SELECT count(*) FROM passages"));
    std::uint64_t done = 0;
    bool stopped = false;
    owner_.each_passage([&](std::string_view hash, const std::string& text) {
        if (stopped) {
            return;
        }
        made->put(hex_of(hash), text);
        if (++done % 256 == 0) {
            stopped = !keep_on(done, all);
        }
        if (made->uncommitted() >= 4096) {
            encoded_ += made->commit().encoded;
        }
    });
    encoded_ += made->commit().encoded;
    if (stopped) {
        return false;
    }
    transaction changes(owner_.base());
    owner_.set(states_setting, name);
    owner_.set(model_setting, ranker_.fingerprint());
    owner_.set(codec_setting, codec_);
    owner_.set(later_setting, codec_ == codec ? std::string() : codec);
    owner_.set(next_states_setting, "");
    owner_.set(next_codec_setting, "");
    owner_.set(learned_setting, made->stats().codec_waits
                                    ? std::string()
                                    : std::to_string(made->stats().all_tokens));
    changes.commit();
    fresh_ = made->size() == 0;
    states_ = std::move(made);
    if (!used.empty()) {
        fs::remove_all(folder_ / used);
    }
    return true;
}

void states_writer::put(std::string_view hash, const std::string& text) {
    states_->put(hex_of(hash), text);
}

void states_writer::commit() {
    encoded_ += with_advice([&] { return states_->commit().encoded; });
    fresh_ = fresh_ && states_->size() == 0;
    note_learned(*states_);
}

void states_writer::remove_doomed() {
    bool some = false;
    for (const std::string& each : owner_.doomed_states()) {
        some = with_advice([&] { return states_->erase(hex_of(each)); }) || some;
    }
    if (some) {
        commit();
    }
    owner_.forget_doomed();
}

void states_writer::give_room_back() {
    const index_stats stats = states_->stats();
    if (stats.deleted > stats.passages / 2 + 1000 ||
        stats.disk_bytes > stats.bytes.total() + stats.bytes.total() / 4) {
        with_advice([&] { states_->compact(); });
    }
}

std::uint64_t states_writer::tokens() const {
    return states_->stats().tokens;
}

std::vector<fs::path> unused_states(const catalog& owner, const fs::path& folder) {
    const std::string used = owner.setting(states_setting);
    const std::string next = owner.setting(next_states_setting);
    std::vector<fs::path> unused;
    std::error_code problem;
    for (fs::directory_iterator each(folder, problem), end; !problem && each != end;
         each.increment(problem)) {
        const std::string name = each->path().filename().string();
        if (name.starts_with(folder_prefix) && name != used && name != next) {
            unused.push_back(each->path());
        }
    }
    return unused;
}

} // namespace mice::find
