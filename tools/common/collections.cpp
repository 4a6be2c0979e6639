// SPDX-License-Identifier: Apache-2.0
#include "common/collections.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <mice/text/utf8.hpp>

namespace mice::tools {
namespace {

namespace fs = std::filesystem;

/// A TREC document or a file of a folder is held in memory: more is a mistake of the input.
constexpr std::size_t largest_document = std::size_t{256} << 20;

/// Runs `parse`; what is wrong with one record becomes a bad_record.
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

std::uint64_t size_of_file(const fs::path& path) {
    std::error_code problem;
    const std::uintmax_t size = fs::file_size(path, problem);
    return problem ? 0 : size;
}

/// Lines of one file, and how far it has been read.
class line_source {
  public:
    explicit line_source(const fs::path& path)
        : lines_(path), size_(path == "-" ? 0 : size_of_file(path)) {}

    bool next(std::string& line) {
        if (first_) {
            line = *std::exchange(first_, std::nullopt);
            return true;
        }
        if (!lines_.next(line)) {
            return false;
        }
        bytes_ += line.size() + 1;
        return true;
    }
    bool next_filled(std::string& line) {
        while (next(line)) {
            if (line.find_first_not_of(" \t") != std::string::npos) {
                return true;
            }
        }
        return false;
    }
    /// The first filled line, which next() then gives again; nothing in an empty file.
    std::optional<std::string> peek_filled() {
        std::string line;
        if (!first_ && next_filled(line)) {
            first_ = line;
        }
        return first_;
    }
    [[nodiscard]] bool ready() {
#if defined(_WIN32)
        return true; // there is no asking; the next line is waited for
#else
        return first_.has_value() || lines_.ready();
#endif
    }
    [[nodiscard]] std::string place() const {
        return lines_.place();
    }
    [[nodiscard]] const std::string& name() const {
        return lines_.name();
    }
    [[nodiscard]] double share() const {
        return size_ == 0 ? -1.0
                          : std::min(1.0, static_cast<double>(bytes_) / static_cast<double>(size_));
    }

  private:
    line_reader lines_;
    std::optional<std::string> first_;
    std::uint64_t size_;
    std::uint64_t bytes_ = 0;
};

/// A collection whose records begin on a line of their own.
class line_collection : public collection_reader {
  public:
    line_collection(std::unique_ptr<line_source> source, bad_text policy)
        : source_(std::move(source)), policy_(policy) {}
    [[nodiscard]] bool ready() override { return source_->ready(); }
    [[nodiscard]] double share() const override { return source_->share(); }

  protected:
    [[nodiscard]] line_source& source() { return *source_; }
    [[nodiscard]] bad_text policy() const { return policy_; }

  private:
    std::unique_ptr<line_source> source_;
    bad_text policy_;
};

// ---- JSON Lines ----

class json_lines_collection : public line_collection {
  public:
    using line_collection::line_collection;

    bool next(collection_document& into) override {
        std::string line;
        if (!source().next_filled(line)) {
            return false;
        }
        const std::string place = source().place();
        parse_record([&] { into = read_json_document(std::move(line), place, policy()); });
        return true;
    }
};

// ---- TSV ----

class tsv_collection : public line_collection {
  public:
    using line_collection::line_collection;

    bool next(collection_document& into) override {
        std::string line;
        if (!source().next_filled(line)) {
            return false;
        }
        into = {};
        into.place = source().place();
        parse_record([&] { into.replaced = repair_line(line, policy(), into.place); });
        const std::vector<std::string_view> fields = columns(line);
        if (fields.size() < 2 || fields.size() > 3) {
            throw bad(into.place,
                      "expected \"id <tab> text\" or \"id <tab> title <tab> text\", got " +
                          std::to_string(fields.size()) + " columns");
        }
        passage entry;
        entry.id = fields.front();
        entry.title = fields.size() == 3 ? fields[1] : std::string_view();
        entry.text = fields.back();
        if (entry.id.empty()) {
            throw bad(into.place, "the first column, the id, is empty");
        }
        into.text = entry.joined();
        into.id = std::move(entry.id);
        return true;
    }

  private:
    static std::vector<std::string_view> columns(std::string_view line) {
        std::vector<std::string_view> fields;
        for (std::size_t start = 0; start <= line.size();) {
            const std::size_t end = std::min(line.find('\t', start), line.size());
            fields.push_back(line.substr(start, end - start));
            start = end + 1;
        }
        return fields;
    }
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
            throw bad(into.place, "expected <DOC>, got " + errors::quoted(line));
        }
        std::string document = read_document(std::move(line), into.place);
        parse_record([&] { into.replaced = repair_line(document, policy(), into.place); });
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
            if (document.size() > largest_document) {
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
            throw bad(into.place, "the document " + errors::quoted(trimmed(*id)) +
                                      " has neither <TEXT> nor <TITLE>");
        }
        passage entry;
        entry.title = title.value_or("");
        entry.text = text.value_or("");
        into.id = trimmed(*id);
        into.text = entry.joined();
    }
};

// ---- a folder of text files ----

class folder_collection : public collection_reader {
  public:
    folder_collection(fs::path folder, bad_text policy)
        : folder_(std::move(folder)), policy_(policy) {
        list();
    }

    bool next(collection_document& into) override {
        if (next_ == files_.size()) {
            return false;
        }
        const fs::path relative = files_[next_++];
        into = {};
        into.id = relative.generic_string();
        into.place = (folder_ / relative).string();
        if (fs::is_symlink(folder_ / relative)) {
            throw bad(into.place, "a link is not followed; add what it points to");
        }
        into.text = content(folder_ / relative, into.place);
        parse_record([&] { into.replaced = repair_line(into.text, policy_, into.place); });
        if (text::first_invalid_utf8(into.id) != std::string::npos) {
            throw bad(into.place, "the file's name is not UTF-8; rename it");
        }
        return true;
    }
    [[nodiscard]] double share() const override {
        return files_.empty() ? 1.0
                              : static_cast<double>(next_) / static_cast<double>(files_.size());
    }

  private:
    static bool hidden(const fs::path& path) {
        return path.filename().native().starts_with(fs::path::value_type('.'));
    }

    /// All files in the order of their names, so that every run sees them alike.
    void list() {
        std::error_code problem;
        fs::recursive_directory_iterator each(folder_, problem);
        for (; !problem && each != fs::recursive_directory_iterator(); each.increment(problem)) {
            std::error_code ignored; // a file that goes away is noticed when it is read
            if (hidden(each->path())) {
                each.disable_recursion_pending();
            } else if (!each->is_directory(ignored) || each->is_symlink(ignored)) {
                files_.push_back(each->path().lexically_relative(folder_));
            }
        }
        if (problem) {
            throw errors::cannot_open(folder_.string(), problem.message());
        }
        std::sort(files_.begin(), files_.end());
    }

    static std::string content(const fs::path& file, const std::string& place) {
        std::error_code problem;
        if (!fs::is_regular_file(file, problem)) {
            throw bad(place, problem ? problem.message() : "not a regular file");
        }
        const std::uintmax_t size = fs::file_size(file, problem);
        if (problem || size > largest_document) {
            throw bad(place, problem ? problem.message() : "larger than 256 MiB; split it");
        }
        std::ifstream stream(file, std::ios::binary);
        std::string text(std::istreambuf_iterator<char>(stream), {});
        if (!stream || stream.bad()) {
            throw bad(place, "cannot be read");
        }
        if (text.find('\0') != std::string::npos) {
            throw bad(place, "not a text file: it holds NUL bytes");
        }
        if (text.starts_with("\xEF\xBB\xBF")) {
            text.erase(0, 3);
        }
        return text;
    }

    fs::path folder_;
    bad_text policy_;
    std::vector<fs::path> files_;
    std::size_t next_ = 0;
};

/// An input without a filled line.
class empty_collection : public collection_reader {
  public:
    bool next(collection_document& /*into*/) override { return false; }
    [[nodiscard]] double share() const override { return 1; }
};

collection_format detect(const std::string& line, const std::string& name) {
    const std::string_view start = trimmed(line);
    if (start.starts_with('{')) {
        return collection_format::json_lines;
    }
    if (equal_without_case(start.substr(0, 5), "<DOC>")) {
        return collection_format::trec;
    }
    if (line.find('\t') != std::string::npos) {
        return collection_format::tsv;
    }
    throw error(errc::format, name +
                                  ": its first line is neither a JSON object, nor id <tab> text, "
                                  "nor <DOC>; say with --format what it holds");
}

} // namespace

std::unique_ptr<collection_reader> open_collection(const fs::path& path, collection_format format,
                                                   bad_text policy) {
    std::error_code ignored;
    const bool is_folder = path != "-" && fs::is_directory(path, ignored);
    if (is_folder && (format == collection_format::detect || format == collection_format::folder)) {
        return std::make_unique<folder_collection>(path, policy);
    }
    if (format == collection_format::folder) {
        throw errors::cannot_open(path.string(), "it is not a folder; leave out --format folder");
    }
    auto source = std::make_unique<line_source>(path);
    if (format == collection_format::detect) {
        const std::optional<std::string> first = source->peek_filled();
        if (!first) {
            return std::make_unique<empty_collection>();
        }
        format = detect(*first, source->name());
    }
    switch (format) {
    case collection_format::tsv:
        return std::make_unique<tsv_collection>(std::move(source), policy);
    case collection_format::trec:
        return std::make_unique<trec_collection>(std::move(source), policy);
    default:
        return std::make_unique<json_lines_collection>(std::move(source), policy);
    }
}

} // namespace mice::tools
