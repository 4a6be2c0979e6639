// SPDX-License-Identifier: Apache-2.0
#include "common/collections.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <mice/error.hpp>

#include "common/json_records.hpp"
#include "common/text_files.hpp"
#include "common/trimmed.hpp"

namespace mice::tools {
namespace {

namespace fs = std::filesystem;

/// Runs `parse`; an error in one record becomes a bad_record.
template <class Parse> void parse_record(Parse&& parse) {
    try {
        parse();
    } catch (const error& problem) {
        if (problem.code() == errc::format || problem.code() == errc::encoding) {
            throw bad_record(problem.code(), problem.what());
        }
        throw;
    }
}

bad_record bad(std::string_view place, std::string_view what) {
    return {errc::format, std::string(place) + ": " + std::string(what)};
}

/// The lines of one file, and how much of it has been read.
class line_source : public line_reader {
  public:
    explicit line_source(const fs::path& path) : line_reader(path) {
        std::error_code problem;
        const std::uintmax_t size = path == "-" ? 0 : fs::file_size(path, problem);
        size_ = problem ? 0 : size;
    }
    [[nodiscard]] bool has_next() {
#if defined(_WIN32)
        return true; // nobody can tell; wait for the next line
#else
        return ready();
#endif
    }
    [[nodiscard]] double share() const {
        return size_ == 0
                   ? -1.0
                   : std::min(1.0, static_cast<double>(bytes()) / static_cast<double>(size_));
    }

  private:
    std::uint64_t size_ = 0;
};

/// A collection whose records begin on a line of their own.
class line_collection : public collection_reader {
  public:
    line_collection(std::unique_ptr<line_source> source, bad_text policy)
        : source_(std::move(source)), policy_(policy) {}
    [[nodiscard]] bool ready() override { return source_->has_next(); }
    [[nodiscard]] double share() const override { return source_->share(); }

  protected:
    [[nodiscard]] line_source& source() { return *source_; }
    [[nodiscard]] bad_text policy() const { return policy_; }

  private:
    std::unique_ptr<line_source> source_;
    bad_text policy_;
};

// ---- JSON ----

class json_collection : public line_collection {
  public:
    json_collection(std::unique_ptr<line_source> source, bad_text policy)
        : line_collection(std::move(source), policy), records_(this->source()) {}

    bool next(collection_document& into) override {
        std::string record;
        if (!records_.next(record)) {
            return false;
        }
        const std::string place = records_.place();
        parse_record([&] { into = read_json_document(record, place, policy()); });
        return true;
    }
    [[nodiscard]] bool ready() override { return records_.ready() || source().has_next(); }

  private:
    json_reader records_;
};

// ---- TSV ----

std::vector<std::string_view> columns(std::string_view line) {
    std::vector<std::string_view> fields;
    for (std::size_t start = 0; start <= line.size();) {
        const std::size_t end = std::min(line.find('\t', start), line.size());
        fields.push_back(line.substr(start, end - start));
        start = end + 1;
    }
    return fields;
}

/// The order of the columns: id, text; or id, title, text; or as a head line says.
class tsv_columns {
  public:
    /// Whether the line is a head line with names of columns; if so, takes their order.
    bool take_head(std::string_view line) {
        std::array<std::optional<std::size_t>, 3> found;
        const std::vector<std::string_view> fields = columns(line);
        for (std::size_t i = 0; i < fields.size(); ++i) {
            const std::optional<std::size_t> part = part_of(plain_name(fields[i]));
            if (!part || found[*part]) {
                return false;
            }
            found[*part] = i;
        }
        if (!found[0] || !found[2]) {
            return false;
        }
        named_ = true;
        id_ = *found[0];
        title_ = found[1];
        text_ = *found[2];
        return true;
    }

    [[nodiscard]] std::size_t id() const { return id_; }

    /// Throws bad_record for a line with other columns.
    [[nodiscard]] passage fill(std::string_view line, const std::string& place) const {
        const std::vector<std::string_view> fields = columns(line);
        const std::size_t least = 2;
        const std::size_t most = 3;
        const std::size_t named = title_ ? most : least;
        if (named_ ? fields.size() != named : fields.size() < least || fields.size() > most) {
            throw bad(place, std::string("expected ") +
                                 (named_ ? std::to_string(named) + " columns, as the head says"
                                         : "\"id <tab> text\" or \"id <tab> title <tab> text\"") +
                                 ", got " + std::to_string(fields.size()) +
                                 " columns; for a file that is one text give --format text");
        }
        passage entry;
        entry.id = fields[id_];
        entry.text = named_ ? fields[text_] : fields.back();
        if (named_ ? title_.has_value() : fields.size() == most) {
            entry.title = fields[title_.value_or(1)];
        }
        return entry;
    }

  private:
    /// 0: id, 1: title, 2: text.
    static std::optional<std::size_t> part_of(const std::string& name) {
        static const std::map<std::string, std::size_t> parts{
            {"id", 0},         {"docid", 0},     {"docno", 0},    {"did", 0},
            {"pid", 0},        {"passageid", 0}, {"corpusid", 0}, {"documentid", 0},
            {"title", 1},      {"headline", 1},  {"text", 2},     {"passage", 2},
            {"document", 2},   {"contents", 2},  {"content", 2},  {"body", 2},
            {"passagetext", 2}};
        const auto found = parts.find(name);
        return found == parts.end() ? std::nullopt : std::optional(found->second);
    }

    bool named_ = false;
    std::size_t id_ = 0, text_ = 1;
    std::optional<std::size_t> title_;
};

class tsv_collection : public line_collection {
  public:
    using line_collection::line_collection;

    bool next(collection_document& into) override {
        std::string line;
        bool more = source().next_filled(line);
        if (more && std::exchange(first_, false) && columns_.take_head(line)) {
            more = source().next_filled(line);
        }
        if (!more) {
            return false;
        }
        into = {};
        into.place = source().place();
        parse_record([&] {
            const std::vector<std::string_view> raw = columns(line);
            require_sound_id(raw[std::min(columns_.id(), raw.size() - 1)], into.place);
            into.replaced = repair_line(line, policy(), into.place);
        });
        passage entry = columns_.fill(line, into.place);
        if (entry.id.empty()) {
            throw bad(into.place, "the column of the id is empty");
        }
        into.text = entry.joined();
        into.id = std::move(entry.id);
        return true;
    }

  private:
    tsv_columns columns_;
    bool first_ = true;
};

// ---- TREC ----

bool equal_without_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) ==
               std::tolower(static_cast<unsigned char>(y));
    });
}

/// Position of a tag such as "<text>" at or after `from`, in any case.
std::size_t find_tag(std::string_view text, std::string_view tag, std::size_t from) {
    for (std::size_t at = from; (at = text.find('<', at)) != std::string_view::npos; ++at) {
        if (equal_without_case(text.substr(at, tag.size()), tag)) {
            return at;
        }
    }
    return std::string_view::npos;
}

/// Position of "<name>" or "<name attribute...>", and where its content begins.
std::optional<std::pair<std::size_t, std::size_t>>
find_element(std::string_view text, const std::string& name, std::size_t from) {
    for (std::size_t at = from; (at = find_tag(text, "<" + name, at)) != std::string_view::npos;
         ++at) {
        const std::size_t behind = at + 1 + name.size();
        const std::size_t end = text.find('>', behind);
        if (end == std::string_view::npos) {
            return std::nullopt;
        }
        if (end == behind || text[behind] == ' ' || text[behind] == '\t' || text[behind] == '\n') {
            return std::pair(at, end + 1);
        }
    }
    return std::nullopt;
}

bool starts_tag(std::string_view text, std::size_t at) {
    if (at + 1 >= text.size()) {
        return false;
    }
    const char next = text[at + 1];
    return next == '/' || next == '!' || std::isalpha(static_cast<unsigned char>(next)) != 0;
}

/// The text of an element: tags become spaces, the five entities of XML characters.
std::string plain_text(std::string_view content) {
    static constexpr std::array<std::pair<std::string_view, char>, 5> entities{
        {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
    std::string text;
    for (std::size_t i = 0; i < content.size();) {
        if (content[i] == '<' && starts_tag(content, i)) {
            const std::size_t end = content.find_first_of("<>", i + 1);
            if (end != std::string_view::npos && content[end] == '>') {
                text += ' ';
                i = end + 1;
                continue;
            }
        }
        const auto* const entity =
            content[i] == '&' ? std::find_if(entities.begin(), entities.end(),
                                             [&](const auto& each) {
                                                 return content.substr(i).starts_with(each.first);
                                             })
                              : entities.end();
        if (entity != entities.end()) {
            text += entity->second;
            i += entity->first.size();
        } else {
            text += content[i++];
        }
    }
    return text;
}

/// The contents of all elements of these names, joined by line feeds; nothing where there is none.
std::optional<std::string> elements(std::string_view document,
                                    std::initializer_list<const char*> names) {
    std::optional<std::string> all;
    for (const char* name : names) {
        std::size_t from = 0;
        while (const auto open = find_element(document, name, from)) {
            const std::size_t close =
                find_tag(document, "</" + std::string(name) + ">", open->second);
            const std::size_t end = std::min(close, document.size());
            all = all.value_or("") + (all && !all->empty() ? "\n" : "") +
                  plain_text(document.substr(open->second, end - open->second));
            from = end;
        }
    }
    return all;
}

class trec_collection : public line_collection {
  public:
    using line_collection::line_collection;

    bool next(collection_document& into) override {
        std::string line;
        if (!source().next_filled(line)) {
            return false;
        }
        into = {};
        into.place = source().place();
        if (find_tag(line, "<DOC>", 0) == std::string::npos) {
            throw bad(into.place, "expected <DOC>, got " + detail::errors::quoted(line));
        }
        std::string document = read_document(std::move(line), into.place);
        parse_record([&] {
            require_sound_id(elements(document, {"DOCNO"}).value_or(""), into.place);
            into.replaced = repair_line(document, policy(), into.place);
        });
        fill(into, document);
        return true;
    }

  private:
    /// Reads to the line of </DOC>.
    std::string read_document(std::string line, const std::string& place) {
        std::string document;
        while (true) {
            document += line;
            document += '\n';
            if (find_tag(line, "</DOC>", 0) != std::string::npos) {
                return document;
            }
            if (document.size() > longest_record) {
                throw error(errc::format, place + ": no </DOC> within 256 MiB; close the document");
            }
            if (!source().next(line)) {
                throw bad(place, "the document has no </DOC>: the file was cut off");
            }
        }
    }

    static void fill(collection_document& into, std::string_view document) {
        const auto id = elements(document, {"DOCNO"});
        if (!id || trimmed(*id).empty()) {
            throw bad(into.place, "the document has no <DOCNO> with an id");
        }
        const auto text = elements(document, {"TEXT", "BODY"});
        const auto title = elements(document, {"TITLE", "HEADLINE", "HEAD"});
        if (!text && !title) {
            throw bad(into.place, "the document " + detail::errors::quoted(trimmed(*id)) +
                                      " has neither <TEXT> nor <TITLE>");
        }
        passage entry;
        entry.title = title.value_or("");
        entry.text = text.value_or("");
        into.id = trimmed(*id);
        into.text = entry.joined();
    }
};

/// An input in which every line is blank.
class empty_collection : public collection_reader {
  public:
    bool next(collection_document& /*into*/) override { return false; }
    [[nodiscard]] double share() const override { return 1; }
};

/// The format of the first filled line; nothing where it is none of ours.
std::optional<collection_format> recognised(const std::string& line) {
    if (starts_json(line)) {
        return collection_format::json_lines;
    }
    if (equal_without_case(trimmed(line).substr(0, 5), "<DOC>")) {
        return collection_format::trec;
    }
    if (line.find('\t') != std::string::npos) {
        return collection_format::tsv;
    }
    return std::nullopt;
}

/// Names of files that are one text, whatever their first line looks like.
bool is_named_as_text(const fs::path& path) {
    static constexpr std::array<std::string_view, 7> ends{".md",  ".markdown", ".rst", ".adoc",
                                                          ".org", ".tex",      ".html"};
    const std::string end = path.extension().string();
    return std::any_of(ends.begin(), ends.end(),
                       [&end](std::string_view each) { return equal_without_case(each, end); });
}

} // namespace

collection_format format_of(const fs::path& path, collection_format wanted) {
    std::error_code ignored;
    const bool is_folder = path != "-" && fs::is_directory(path, ignored);
    if (wanted == collection_format::folder && !is_folder) {
        throw detail::errors::cannot_open(path.string(),
                                          "it is not a folder; leave out --format folder");
    }
    if (wanted == collection_format::text && path == "-") {
        throw detail::errors::cannot_open("standard input",
                                          "a text is a file, whose name is its id");
    }
    if (is_folder) {
        return wanted == collection_format::detect || wanted == collection_format::text
                   ? collection_format::folder
                   : wanted;
    }
    if (wanted != collection_format::detect || path == "-" || !fs::is_regular_file(path, ignored)) {
        return wanted; // only a file can be read twice
    }
    if (is_named_as_text(path)) {
        return collection_format::text;
    }
    try {
        line_reader input(path);
        const std::string* const first = input.peek_filled();
        return first == nullptr ? collection_format::detect
                                : recognised(*first).value_or(collection_format::text);
    } catch (const error& problem) {
        if (problem.code() != errc::format) {
            throw;
        }
        return collection_format::text; // whose reader says what is wrong with it
    }
}

std::unique_ptr<collection_reader> open_collection(const fs::path& path, collection_format format,
                                                   bad_text policy) {
    format = format_of(path, format);
    std::error_code ignored;
    if (format == collection_format::folder && fs::is_directory(path, ignored)) {
        return open_folder(path, policy);
    }
    if (format == collection_format::text) {
        return open_text(path, policy);
    }
    auto source = std::make_unique<line_source>(path);
    if (format == collection_format::detect) {
        const std::string* const first = source->peek_filled();
        if (first == nullptr) {
            return std::make_unique<empty_collection>();
        }
        const auto found = recognised(*first);
        if (!found) {
            throw error(errc::format,
                        source->name() + ": its first line is neither JSON, nor id <tab> text, nor "
                                         "<DOC>; say with --format what it holds");
        }
        format = *found;
    }
    switch (format) {
    case collection_format::tsv:
        return std::make_unique<tsv_collection>(std::move(source), policy);
    case collection_format::trec:
        return std::make_unique<trec_collection>(std::move(source), policy);
    default:
        return std::make_unique<json_collection>(std::move(source), policy);
    }
}

} // namespace mice::tools
