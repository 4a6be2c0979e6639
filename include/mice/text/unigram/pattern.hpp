// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mice/error.hpp>
#include <mice/text/unicode/unicode.hpp>
#include <mice/text/unicode/utf8.hpp>

MICE_NAMESPACE_BEGIN
namespace text {

/// The few regular expressions that tokenizers replace text with, such as " {2,}" and
/// "\s{2,}|[\n\r\t]", with the meaning that Oniguruma gives them: alternatives of characters, \s
/// and [sets], each perhaps repeated, between \A or ^ and \z or $. Found in a time in proportion to
/// the text. Immutable and thread-safe.
class text_pattern {
  public:
    struct match {
        std::size_t start = 0, stop = 0;
    };

    /// Throws errc::unsupported, naming the expression, for what is not of this form, or matches
    /// nothing at all, or needs steps back.
    explicit text_pattern(std::string_view expression) : expression_(expression) {
        if (expression.size() > max_bytes || first_invalid_utf8(expression) != expression.npos)
            throw refused();
        std::string_view rest = expression;
        do
            alternatives_.push_back(read_alternative(rest));
        while (take(rest, "|"));
        if (!rest.empty())
            throw refused();
    }

    /// Calls `found(match)` for each match in `text` (valid UTF-8), leftmost first.
    template <typename Found> void each_match(std::string_view text, Found&& found) const {
        std::vector<std::size_t> hopeless(alternatives_.size()); // no match begins before
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t stop = stop_at(text, at, hopeless);
            if (stop > at)
                found(match{at, stop});
            at = stop > at ? stop : at + decode_utf8(text, at).bytes;
        }
    }

  private:
    static constexpr std::size_t max_bytes = 256;
    static constexpr std::size_t many = std::numeric_limits<std::size_t>::max();

    struct item {
        std::vector<char32_t> codes; // and
        bool white_space = false;    // \s
        std::size_t least = 1, most = 1;

        [[nodiscard]] bool has(char32_t code) const {
            return (white_space && is_whitespace(code)) ||
                   std::find(codes.begin(), codes.end(), code) != codes.end();
        }
        [[nodiscard]] bool overlaps(const item& other) const {
            const auto within = [](const item& one, const item& two) {
                return std::any_of(one.codes.begin(), one.codes.end(),
                                   [&two](char32_t code) { return two.has(code); });
            };
            return (white_space && other.white_space) || within(*this, other) ||
                   within(other, *this);
        }
    };
    enum class edge { none, text, line };
    struct alternative {
        edge front = edge::none, back = edge::none;
        std::vector<item> items;
    };

    [[nodiscard]] error refused() const {
        return errors::not_supported(
            "the regular expression " + errors::quoted(expression_) +
            " of a tokenizer's Replace (alternatives of characters, \\s and [sets], each perhaps "
            "with + or {n,}, between \\A or ^ and \\z or $, can be had)");
    }

    static bool take(std::string_view& rest, std::string_view token) {
        if (!rest.starts_with(token))
            return false;
        rest.remove_prefix(token.size());
        return true;
    }

    [[nodiscard]] alternative read_alternative(std::string_view& rest) const {
        alternative result;
        if (take(rest, "\\A"))
            result.front = edge::text;
        else if (take(rest, "^"))
            result.front = edge::line;
        while (!rest.empty() && !rest.starts_with('|')) {
            if (take(rest, "\\z"))
                result.back = edge::text;
            else if (take(rest, "$"))
                result.back = edge::line;
            else
                result.items.push_back(read_item(rest));
            if (result.back != edge::none && !rest.empty() && !rest.starts_with('|'))
                throw refused();
        }
        check(result);
        return result;
    }

    /// Greedy without steps back finds the same as with them where no item takes the next one's
    /// characters, and the end of a line none of the last's.
    void check(const alternative& each) const {
        if (each.items.empty())
            throw refused();
        for (std::size_t i = 0; i + 1 < each.items.size(); ++i)
            if (each.items[i].least != each.items[i].most &&
                each.items[i].overlaps(each.items[i + 1]))
                throw refused();
        if (each.back == edge::line && each.items.back().has(U'\n'))
            throw refused();
    }

    [[nodiscard]] item read_item(std::string_view& rest) const {
        item result;
        if (take(rest, "[")) {
            if (rest.starts_with('^') || rest.starts_with(']'))
                throw refused();
            while (!take(rest, "]"))
                read_character(rest, result, "[&-");
        } else {
            read_character(rest, result, ".[](){}*+?^$|");
        }
        read_count(rest, result);
        return result;
    }

    void read_character(std::string_view& rest, item& out, std::string_view special) const {
        if (rest.empty() || special.find(rest.front()) != special.npos)
            throw refused();
        if (!take(rest, "\\")) {
            const decoded next = decode_utf8(rest, 0);
            out.codes.push_back(next.code);
            rest.remove_prefix(next.bytes);
            return;
        }
        constexpr std::string_view names = "nrtfs", themselves = ".[](){}*+?^$|\\-/";
        constexpr std::string_view codes = "\n\r\t\f";
        if (rest.empty())
            throw refused();
        const char name = rest.front();
        rest.remove_prefix(1);
        if (const std::size_t place = names.find(name); place < codes.size())
            out.codes.push_back(static_cast<char32_t>(codes[place]));
        else if (name == 's')
            out.white_space = true;
        else if (themselves.find(name) != themselves.npos)
            out.codes.push_back(static_cast<char32_t>(name));
        else
            throw refused();
    }

    void read_count(std::string_view& rest, item& out) const {
        if (take(rest, "+")) {
            out.most = many;
        } else if (take(rest, "{")) {
            std::size_t number = 0, digits = 0;
            for (; !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; ++digits) {
                number = 10 * number + static_cast<std::size_t>(rest.front() - '0');
                rest.remove_prefix(1);
            }
            if (digits == 0 || digits > 3 || number == 0)
                throw refused();
            out.least = out.most = number;
            if (take(rest, ","))
                out.most = many;
            if (!take(rest, "}"))
                throw refused();
        }
        if (!rest.empty() && std::string_view("+*?{").find(rest.front()) != std::string_view::npos)
            throw refused(); // lazy, possessive, repeated again, none at all
    }

    /// Where the first alternative that matches at `at` stops, or `at`.
    [[nodiscard]] std::size_t stop_at(std::string_view text, std::size_t at,
                                      std::vector<std::size_t>& hopeless) const {
        for (std::size_t i = 0; i < alternatives_.size(); ++i)
            if (at >= hopeless[i])
                if (const std::size_t stop = stop_of(alternatives_[i], text, at, hopeless[i]);
                    stop > at)
                    return stop;
        return at;
    }

    [[nodiscard]] static std::size_t stop_of(const alternative& each, std::string_view text,
                                             std::size_t at, std::size_t& hopeless) {
        if (at > 0 &&
            (each.front == edge::text || (each.front == edge::line && text[at - 1] != '\n')))
            return at;
        std::size_t here = at;
        for (std::size_t i = 0; i < each.items.size(); ++i) {
            std::size_t count = 0;
            while (count < each.items[i].most && here < text.size()) {
                const decoded next = decode_utf8(text, here);
                if (!each.items[i].has(next.code))
                    break;
                here += next.bytes;
                ++count;
            }
            // What fails behind a run of the first item fails from anywhere in the run.
            if (i == 0 && (each.items[0].most == many || count < each.items[0].least))
                hopeless = here;
            if (count < each.items[i].least)
                return at;
        }
        if (each.back != edge::none && here < text.size() &&
            (each.back == edge::text || text[here] != '\n'))
            return at;
        return here;
    }

    std::string expression_;
    std::vector<alternative> alternatives_;
};

} // namespace text
MICE_NAMESPACE_END
