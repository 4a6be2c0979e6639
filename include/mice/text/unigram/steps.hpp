// SPDX-License-Identifier: Apache-2.0
#pragma once

// The normalizers that Hugging Face's unigram tokenizers have.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/text/traced_form.hpp>
#include <mice/text/traced_text.hpp>
#include <mice/text/unicode/compatibility.hpp>
#include <mice/text/unicode/graphemes.hpp>
#include <mice/text/unigram/charsmap_rules.hpp>
#include <mice/text/unigram/pattern.hpp>
#include <mice/text/unigram/text_in_steps.hpp>

MICE_NAMESPACE_BEGIN

/// What a step of a unigram tokenizer's normalizer does; the names are Hugging Face's.
enum class text_step_kind {
    precompiled,   ///< the rules of unigram_spec::charsmap, of each grapheme cluster below 6 bytes
                   ///< or else of each character
    replace,       ///< `pattern`, a text, by `content`
    replace_regex, ///< `pattern`, a regular expression (see text::text_pattern), by `content`
    strip,         ///< white space off the sides, see `left` and `right`
    prepend,       ///< `content` before a text that is not empty
    lowercase,     ///< each character for itself
    strip_accents, ///< drops marks
    nmt,           ///< drops control characters, turns other white space into spaces
    nfc,           ///< this form and the others in Unicode 9.0
    nfd,
    nfkc,
    nfkd
};

/// One step of a unigram tokenizer's normalizer.
struct text_step {
    text_step_kind kind = text_step_kind::precompiled;
    std::string pattern, content;
    bool left = false, right = false;

    bool operator==(const text_step&) const = default;
};

namespace text {

namespace detail {

[[nodiscard]] inline std::size_t first_character_bytes(std::string_view text) noexcept {
    return text.empty() ? 0 : decode_utf8(text, 0).bytes;
}

/// The steps that look at one code point after the other: `map(code, emit)`.
template <class Work, typename Map> void map_codes(Work& work, Map&& map) {
    std::string result;
    result.reserve(work.text.size());
    new_origins<Work> origins(work);
    std::size_t from_first = 0;
    for (std::size_t at = 0; at < work.text.size();) {
        const decoded next = decode_utf8(work.text, at);
        map(next.code, [&](char32_t code) {
            [[maybe_unused]] const std::size_t before = result.size();
            append_utf8(result, code);
            if constexpr (Work::traced)
                origins.repeat(at, result.size() - before);
        });
        at += next.bytes;
        if (at <= work.from_first)
            from_first = result.size();
    }
    work.text = std::move(result);
    work.from_first = from_first;
    origins.finish(work);
}

template <class Work> void strip(Work& work, const text_step& step) {
    std::size_t first = 0, last = work.text.size();
    while (step.left && first < last) {
        const decoded next = decode_utf8(work.text, first);
        if (!is_whitespace(next.code))
            break;
        first += next.bytes;
    }
    while (step.right && last > first) {
        std::size_t before = last - 1;
        while (is_continuation(work.text[before]))
            --before;
        if (!is_whitespace(decode_utf8(work.text, before).code))
            break;
        last = before;
    }
    new_origins<Work> origins(work);
    origins.copy(first, last);
    origins.finish(work);
    work.text = work.text.substr(first, last - first);
    work.from_first = work.from_first > first ? work.from_first - first : 0;
}

/// Hugging Face's Nmt.
template <typename Emit> void map_nmt(char32_t code, Emit&& emit) {
    const auto within = [code](char32_t first, char32_t last) {
        return code >= first && code <= last;
    };
    if (within(0x1, 0x8) || code == 0xB || within(0xE, 0x1F) || code == 0x7F || code == 0x8F ||
        code == 0x9F)
        return;
    const bool space = within(0x9, 0xD) || code == 0x1680 || within(0x200B, 0x200F) ||
                       within(0x2028, 0x2029) || code == 0x2581 || code == 0xFEFF || code == 0xFFFD;
    emit(space ? U' ' : code);
}

template <class Work> void prepend(Work& work, std::string_view content) {
    if (work.text.empty())
        return;
    work.from_first += work.from_first > 0 ? content.size() : 0;
    new_origins<Work> origins(work);
    origins.repeat(0, content.size());
    origins.copy(0, work.text.size());
    origins.finish(work);
    work.text.insert(0, content);
}

template <class Work> void to_form(Work& work, normal_form form) {
    const auto characters = [](std::string_view text) {
        return std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); });
    };
    auto left = characters(text::to_form(form, work.text.substr(0, work.from_first)));
    if constexpr (Work::traced) {
        traced_text made =
            text::to_form(form, traced_text{std::move(work.text), std::move(work.origins)});
        work = {std::move(made.text), 0, std::move(made.origins)};
    } else {
        work = {text::to_form(form, work.text), 0};
    }
    for (; left > 0 && work.from_first < work.text.size(); --left)
        work.from_first += decode_utf8(work.text, work.from_first).bytes;
}

/// Builds the result of replacing parts of a text.
template <class Work> class replacer {
  public:
    explicit replacer(Work& work) : work_(work), origins_(work) {}
    void replace(std::size_t start, std::size_t stop, std::string_view content) {
        copy_to(start);
        result_ += content;
        origins_.repeat(stop - 1, content.size());
        copied_ = stop;
        // What is put in comes of the last character that is taken out.
        if (stop <= work_.from_first)
            from_first_ = result_.size();
    }
    void finish() {
        copy_to(work_.text.size());
        work_.text = std::move(result_);
        work_.from_first = from_first_;
        origins_.finish(work_);
    }

  private:
    void copy_to(std::size_t stop) {
        if (copied_ < work_.from_first)
            from_first_ = result_.size() + std::min(stop, work_.from_first) - copied_;
        result_.append(work_.text, copied_, stop - copied_);
        origins_.copy(copied_, stop);
    }
    Work& work_;
    new_origins<Work> origins_;
    std::string result_;
    std::size_t copied_ = 0, from_first_ = 0;
};

template <class Work> void replace(Work& work, const text_step& step) {
    replacer out(work);
    for (std::size_t at = work.text.find(step.pattern); at != std::string::npos;
         at = work.text.find(step.pattern, at + step.pattern.size()))
        out.replace(at, at + step.pattern.size(), step.content);
    out.finish();
}

/// Applies rules to clusters. Which characters the results count as is Hugging Face's own, as
/// `from_first` and origins show: what is dropped before anything is kept shifts all that follows.
template <class Work> class rule_applier {
  public:
    rule_applier(Work& work, const charsmap_rules& rules) : work_(work), rules_(rules) {}

    void run() {
        result_.reserve(work_.text.size());
        const std::string_view text = work_.text;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = cluster_end(text, at);
            const std::string_view cluster = text.substr(at, end - at);
            at = end;
            constexpr std::size_t short_cluster = 6;
            if (cluster.size() < short_cluster && apply(cluster))
                continue;
            for (std::size_t i = 0; i < cluster.size();) {
                const std::size_t bytes = decode_utf8(cluster, i).bytes;
                if (cluster.size() == bytes && bytes < short_cluster) // was looked at
                    keep(cluster);
                else if (!apply(cluster.substr(i, bytes)))
                    keep(cluster.substr(i, bytes));
                i += bytes;
            }
        }
        finish();
    }

  private:
    struct change {
        std::size_t bytes;     // of the character in the result
        std::ptrdiff_t change; // > 0: one more; < 0: stands for so many more
    };

    bool apply(std::string_view part) {
        const auto rule = rules_.find(part);
        if (!rule)
            return false;
        result_ += *rule;
        if (tracking()) {
            std::ptrdiff_t more = -characters(part);
            for (std::size_t i = 0; i < rule->size();) {
                const std::size_t bytes = decode_utf8(*rule, i).bytes;
                ++more;
                changes_.push_back({bytes, more > 0 ? 1 : 0});
                i += bytes;
            }
            if (more < 0 && !changes_.empty())
                changes_.back().change += more;
        }
        return true;
    }

    void keep(std::string_view character) {
        result_ += character;
        if (tracking())
            changes_.push_back({character.size(), 0});
    }

    [[nodiscard]] static std::ptrdiff_t characters(std::string_view text) {
        return std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); });
    }

    /// The first few changes tell it all: later characters come of later ones.
    [[nodiscard]] bool tracking() const {
        if constexpr (Work::traced)
            return true;
        return work_.from_first > 0 && changes_.size() < work_.from_first + most_parts;
    }

    void finish() {
        std::size_t source = 0, from_first = 0;
        for (const change& each : changes_) {
            const std::size_t looks_at = each.change > 0 && source > 0 ? source - 1 : source;
            if (looks_at >= work_.from_first)
                break;
            from_first += each.bytes;
            if (each.change <= 0)
                for (std::ptrdiff_t i = each.change; i <= 0 && source < work_.text.size(); ++i)
                    source += decode_utf8(work_.text, source).bytes;
        }
        if constexpr (Work::traced) {
            byte_origins origins;
            origins.reserve(result_.size());
            origin_walk walk(work_.text, work_.origins);
            for (const change& each : changes_)
                origins.insert(origins.end(), each.bytes, walk.next(each.change));
            work_.origins = std::move(origins);
        }
        work_.text = std::move(result_);
        work_.from_first = from_first;
    }

    static constexpr std::size_t most_parts = 2 * max_replacement_bytes;
    Work& work_;
    const charsmap_rules& rules_;
    std::string result_;
    std::vector<change> changes_;
};

} // namespace detail

/// The steps of a normalizer, one after the other. Immutable and thread-safe.
class text_steps {
  public:
    /// Throws errc::unsupported for a regular expression that is not of text_pattern's form.
    text_steps(std::vector<text_step> steps, charsmap_rules rules)
        : steps_(std::move(steps)), rules_(std::move(rules)) {
        for (const text_step& step : steps_)
            if (step.kind == text_step_kind::replace_regex)
                patterns_.emplace_back(step.pattern);
    }

    /// Normalizes valid UTF-8; `Work` is text_in_steps or traced_in_steps.
    template <class Work> void apply(Work& work) const {
        std::size_t pattern = 0;
        for (const text_step& step : steps_) {
            if (step.kind == text_step_kind::replace_regex) {
                detail::replacer out(work);
                patterns_[pattern++].each_match(work.text, [&](const text_pattern::match& found) {
                    out.replace(found.start, found.stop, step.content);
                });
                out.finish();
            } else {
                apply_one(step, work);
            }
        }
    }

    /// A text of its own.
    [[nodiscard]] std::string normalized(std::string_view text) const {
        text_in_steps work{std::string(text), 0};
        apply(work);
        return std::move(work.text);
    }

  private:
    template <class Work> void apply_one(const text_step& step, Work& work) const {
        using kind = text_step_kind;
        switch (step.kind) {
        case kind::precompiled:
            if (!rules_.empty())
                detail::rule_applier(work, rules_).run();
            break;
        case kind::replace:
            detail::replace(work, step);
            break;
        case kind::strip:
            detail::strip(work, step);
            break;
        case kind::prepend:
            detail::prepend(work, step.content);
            break;
        case kind::lowercase:
            detail::map_codes(work, [](char32_t code, auto&& emit) {
                const mapping lower = lowercase(code);
                for (const char32_t each : lower.view())
                    emit(each);
            });
            break;
        case kind::strip_accents:
            detail::map_codes(work, [](char32_t code, auto&& emit) {
                if (!is_accent(code))
                    emit(code);
            });
            break;
        case kind::nmt:
            detail::map_codes(work,
                              [](char32_t code, auto&& emit) { detail::map_nmt(code, emit); });
            break;
        case kind::nfc:
        case kind::nfd:
        case kind::nfkc:
        case kind::nfkd: {
            constexpr std::array<normal_form, 4> forms = {normal_form::nfc, normal_form::nfd,
                                                          normal_form::nfkc, normal_form::nfkd};
            detail::to_form(
                work,
                forms[static_cast<std::size_t>(step.kind) - static_cast<std::size_t>(kind::nfc)]);
            break;
        }
        case kind::replace_regex: // needs its pattern
            break;
        }
    }

    std::vector<text_step> steps_;
    charsmap_rules rules_;
    std::vector<text_pattern> patterns_; // of the steps replace_regex, in their order
};

} // namespace text
MICE_NAMESPACE_END
