// SPDX-License-Identifier: Apache-2.0
#include "find/words.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <unordered_set>
#include <utility>

#include <sqlite3.h>

#include <mice/error.hpp>
#include <mice/text/words/words.hpp>

namespace mice::find {
namespace {

/// Stands between the words of an expression's string, which the tokenizer takes as they are:
/// they are stems already, and a stem of a stem may be another word.
constexpr char between = '\x1f';

/// Gives each word of a text with its place.
template <class Sink> void each_placed_word(std::string_view text, Sink&& sink) {
    std::string last, before_last; // characters that came alone
    std::size_t place = 0;
    text::each_word(text, text::word_use::document, text::word_form::current,
                    [&](std::string word) {
                        const bool wide = static_cast<unsigned char>(word.front()) >= 0x80;
                        const bool pair = wide && !before_last.empty() &&
                                          word.size() == before_last.size() + last.size() &&
                                          word.starts_with(before_last) && word.ends_with(last);
                        if (pair) {
                            sink(word, place - 1, true);
                            return;
                        }
                        before_last = std::move(last);
                        last = word;
                        sink(word, place++, false);
                    });
}

// ---- the tokenizer ----

struct callback_stopped {
    int code;
};

using token_sink = int (*)(void*, int, const char*, int, int, int);

int give_words(void* context, int flags, const char* text, int size, token_sink give) {
    const std::string_view given(text == nullptr ? "" : text, static_cast<std::size_t>(size));
    const auto pass_on = [&](std::string_view word, bool same_place) {
        const int code = give(context, same_place ? FTS5_TOKEN_COLOCATED : 0, word.data(),
                              static_cast<int>(word.size()), 0, 0);
        if (code != SQLITE_OK) {
            throw callback_stopped{code};
        }
    };
    try {
        if ((flags & FTS5_TOKENIZE_QUERY) != 0) {
            std::string_view rest = given;
            while (!rest.empty()) {
                const std::size_t stop = std::min(rest.find(between), rest.size());
                if (stop > 0) {
                    pass_on(rest.substr(0, stop), false);
                }
                rest.remove_prefix(std::min(stop + 1, rest.size()));
            }
        } else {
            each_placed_word(given, [&](const std::string& word, std::size_t, bool same_place) {
                pass_on(word, same_place);
            });
        }
    } catch (const callback_stopped& stopped) {
        return stopped.code;
    } catch (const std::bad_alloc&) {
        return SQLITE_NOMEM;
    } catch (const std::exception&) {
        return SQLITE_ERROR;
    }
    return SQLITE_OK;
}

int create_tokenizer(void*, const char**, int, Fts5Tokenizer** made) {
    static int nothing = 0; // it keeps nothing; SQLite wants an address
    *made = reinterpret_cast<Fts5Tokenizer*>(&nothing);
    return SQLITE_OK;
}

void delete_tokenizer(Fts5Tokenizer*) {}

int tokenize(Fts5Tokenizer*, void* context, int flags, const char* text, int size,
             token_sink give) {
    return give_words(context, flags, text, size, give);
}

fts5_api* api_of(const database& in) {
    fts5_api* api = nullptr;
    sqlite3_stmt* asked = nullptr;
    if (sqlite3_prepare_v2(in.handle(), "SELECT fts5(?1)", -1, &asked, nullptr) == SQLITE_OK) {
        sqlite3_bind_pointer(asked, 1, static_cast<void*>(&api), "fts5_api_ptr", nullptr);
        sqlite3_step(asked);
    }
    sqlite3_finalize(asked);
    return api;
}

// ---- expressions ----

std::string in_quotes(std::string_view words) {
    return "\"" + std::string(words) + "\"";
}

/// The words in which a text is looked for: as of queries, so those that carry meaning.
std::vector<std::string> query_words(std::string_view text) {
    return text::analyse(text);
}

/// A phrase as a string of the words that follow one another in a document.
std::string phrase_of(std::string_view text) {
    std::string phrase;
    each_placed_word(text, [&](const std::string& word, std::size_t, bool same_place) {
        if (!same_place && phrase.size() < 4096) {
            phrase += (phrase.empty() ? "" : std::string(1, between)) + word;
        }
    });
    return phrase.empty() ? phrase : in_quotes(phrase);
}

/// The words of a text whose last one is only a beginning: of a stem, or of what is not stemmed.
/// Empty where the text does not end in a word of letters.
std::vector<std::string> with_prefix(std::string_view text) {
    // A digit behind it keeps the last word from being stemmed or left out as a stop word.
    std::vector<std::string> words = query_words(std::string(text) + "0");
    if (words.empty() || words.back().size() < 2) {
        return {};
    }
    std::vector<std::string> expressions;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        expressions.push_back(in_quotes(words[i]));
    }
    std::string begin = std::move(words.back());
    begin.pop_back();
    std::string expression = in_quotes(begin) + " *";
    if (const std::string stem = text::porter_stem(begin); stem != begin) {
        expression += " OR " + in_quotes(stem);
    }
    // The stem of the word may be shorter than what is given of it: "informat" and "inform".
    constexpr std::size_t shortest = 4, longest_suffix = 4;
    const bool ascii = std::all_of(begin.begin(), begin.end(), [](char c) { return c > 0; });
    for (std::size_t cut = 1; ascii && cut <= longest_suffix && begin.size() >= shortest + cut;
         ++cut) {
        expression += " OR " + in_quotes(std::string_view(begin).substr(0, begin.size() - cut));
    }
    expressions.push_back(std::move(expression));
    return expressions;
}

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

std::string joined(const std::vector<std::string>& parts, std::string_view by) {
    std::string all;
    for (const std::string& part : parts) {
        all += (all.empty() ? "" : std::string(by)) + "(" + part + ")";
    }
    return all;
}

/// Reads a line from the left.
class query_reader {
  public:
    /// `phrases`: whether quotes make phrases outside of fields.
    query_reader(std::string_view line, std::size_t most, bool phrases)
        : line_(line), most_(most), phrases_(phrases) {}

    /// Nothing where quotes would make phrases and there are too many words around them.
    std::optional<parsed_query> read() {
        std::size_t words = 0;
        while (skip_spaces()) {
            const std::string_view field = read_field();
            const bool phrase = phrases_ || !field.empty();
            if (phrase && at_ < line_.size() && line_[at_] == '"' && read_phrase(field)) {
                continue;
            }
            read_word(field);
            if (phrases_ && ++words > most_with_phrases) {
                return std::nullopt;
            }
        }
        return finish();
    }

  private:
    /// Who writes or pastes more around a quote tells what was said, not what has to be there.
    static constexpr std::size_t most_with_phrases = 16;

    bool skip_spaces() {
        while (at_ < line_.size() && is_space(line_[at_])) {
            ++at_;
        }
        return at_ < line_.size();
    }

    std::string_view read_field() {
        for (const std::string_view field : {"title", "path"}) {
            const std::string_view rest = line_.substr(at_);
            if (!rest.starts_with(field) || rest.substr(field.size(), 1) != ":") {
                continue;
            }
            const std::string_view behind = rest.substr(field.size() + 1);
            if (behind.empty() || is_space(behind[0]) || behind.starts_with("\"\"")) {
                empty_field_ = std::string(field) + ":";
                continue; // looked for like any other word
            }
            at_ += field.size() + 1;
            return field;
        }
        return {};
    }

    /// A quote without an end is text.
    bool read_phrase(std::string_view field) {
        const std::size_t end = line_.find('"', at_ + 1);
        if (end == line_.npos) {
            return false;
        }
        const std::string_view inside = line_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        add_text(field, inside);
        if (const std::string phrase = phrase_of(inside); !phrase.empty() && room()) {
            require(field, phrase);
        }
        return true;
    }

    void read_word(std::string_view field) {
        std::size_t end = at_;
        while (end < line_.size() && !is_space(line_[end])) {
            ++end;
        }
        std::string_view word = line_.substr(at_, end - at_);
        at_ = end;
        const bool prefix = word.size() > 1 && word.ends_with('*');
        if (prefix) {
            word.remove_suffix(1);
        }
        add_text(field, word);
        std::vector<std::string> expressions;
        if (prefix) {
            expressions = with_prefix(word);
        }
        if (expressions.empty()) {
            for (const std::string& each : query_words(word)) {
                if (expressions.size() == most_) {
                    break;
                }
                if (std::string made = in_quotes(each);
                    std::find(expressions.begin(), expressions.end(), made) == expressions.end()) {
                    expressions.push_back(std::move(made));
                }
            }
        }
        if (field.empty()) {
            for (const std::string& each : expressions) {
                add_word(each);
            }
        } else if (!expressions.empty() && room()) {
            require(field, joined(expressions, " AND "));
        }
    }

    /// What is in fields says where to look, not what for: the model reads only a title.
    void add_text(std::string_view field, std::string_view text) {
        if (field != "path") {
            text_ += (text_.empty() ? "" : " ") + std::string(text);
        }
    }

    [[nodiscard]] bool room() const { return seen_.size() < most_; }

    void add_word(const std::string& expression) {
        if (room() && seen_.insert(expression).second) {
            any_.push_back(expression);
        }
    }

    void require(std::string_view field, const std::string& expression) {
        if (!seen_.insert(std::string(field) + ":" + expression).second) {
            return;
        }
        if (field == "path") {
            paths_.push_back(expression);
        } else if (field == "title") {
            required_.push_back("title : (" + expression + ")");
        } else {
            required_.push_back(expression);
        }
    }

    parsed_query finish() {
        parsed_query made;
        made.text = std::move(text_);
        made.empty_field = std::move(empty_field_);
        made.paths = joined(paths_, " AND ");
        made.only_paths = !paths_.empty() && any_.empty() && required_.empty();
        std::vector<std::string> wanted = any_;
        wanted.insert(wanted.end(), required_.begin(), required_.end());
        made.words = required_.empty()
                         ? joined(any_, " OR ")
                         : joined(required_, " AND ") + " AND (" + joined(wanted, " OR ") + ")";
        // A name alone never has what is required of a text.
        made.names = required_.empty() ? joined(any_, " OR ") : std::string();
        return made;
    }

    std::string_view line_;
    std::size_t most_;
    bool phrases_;
    std::size_t at_ = 0;
    std::string text_, empty_field_;
    std::vector<std::string> any_, required_, paths_;
    std::unordered_set<std::string> seen_;
};

} // namespace

void register_tokenizer(const database& in) {
    fts5_api* const api = api_of(in);
    fts5_tokenizer functions{create_tokenizer, delete_tokenizer, tokenize};
    if (api == nullptr ||
        api->xCreateTokenizer(api, tokenizer_name, nullptr, &functions, nullptr) != SQLITE_OK) {
        throw error(errc::unsupported, "this SQLite was built without FTS5, its full-text search");
    }
}

std::vector<placed_word> words_of_text(std::string_view text) {
    std::vector<placed_word> words;
    each_placed_word(text, [&](const std::string& word, std::size_t place, bool) {
        words.push_back({word, place});
    });
    return words;
}

parsed_query parse_query(std::string_view line, std::size_t most) {
    std::optional<parsed_query> read = query_reader(line, most, true).read();
    return read ? std::move(*read) : *query_reader(line, most, false).read();
}

} // namespace mice::find
