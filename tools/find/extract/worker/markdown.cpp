// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/kinds.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "find/extract/worker/decode.hpp"
#include "find/extract/worker/lines.hpp"

#if MICE_HAVE_MD4C
#include <md4c.h>
#endif

namespace mice::find {

#if MICE_HAVE_MD4C
namespace {

/// The head of a page between lines "---" (YAML) or "+++" (TOML): its title, and its bytes and
/// lines.
struct front_matter {
    std::string title;
    std::size_t bytes = 0;
};

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\"'");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t\"'") - first + 1);
}

front_matter front_matter_of(std::string_view text) {
    line_walker lines(text);
    if (!lines.next() || (lines.line() != "---" && lines.line() != "+++"))
        return {};
    const std::string_view border = lines.line();
    const char sign = border == "---" ? ':' : '=';
    front_matter found;
    while (lines.next() && lines.number() < 1000) {
        const std::string_view line = lines.line();
        if (line == border || (sign == ':' && line == "...")) {
            found.bytes = lines.behind();
            return found;
        }
        const std::size_t at = line.find(sign);
        if (at != std::string_view::npos && trim(line.substr(0, at)) == "title")
            found.title = trim(line.substr(at + 1));
    }
    return {};
}

/// Finds the headings with md4c, which gives pieces of their text as pointers into the source, and
/// cuts the source before their lines.
class markdown_reader {
  public:
    markdown_reader(std::string_view source, std::size_t begin, results& out)
        : source_(source), begin_(begin), out_(out) {}

    void read() {
        MD_PARSER parser{};
        parser.flags = MD_FLAG_TABLES; // a heading ends there, too
        parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* self) {
            return guarded(self, [&](markdown_reader& r) { r.enter(type, detail); });
        };
        parser.leave_block = [](MD_BLOCKTYPE type, void*, void* self) {
            return guarded(self, [&](markdown_reader& r) { r.leave(type); });
        };
        parser.enter_span = [](MD_SPANTYPE, void*, void*) { return 0; };
        parser.leave_span = [](MD_SPANTYPE, void*, void*) { return 0; };
        parser.text = [](MD_TEXTTYPE type, const MD_CHAR* text, MD_SIZE size, void* self) {
            return guarded(self, [&](markdown_reader& r) { r.text(type, {text, size}); });
        };
        const std::string_view page = source_.substr(begin_);
        const int result = md_parse(page.data(), static_cast<MD_SIZE>(page.size()), &parser, this);
        if (full_)
            throw output_full{};
        if (result != 0)
            throw std::bad_alloc(); // nothing else makes it fail
        add_section(source_.size());
    }

  private:
    /// No exception may pass through md4c.
    template <class Work> static int guarded(void* self, Work&& work) {
        auto& reader = *static_cast<markdown_reader*>(self);
        try {
            work(reader);
            return 0;
        } catch (const output_full&) {
            reader.full_ = true;
        } catch (const std::bad_alloc&) { // md_parse says so
        }
        return 1;
    }

    void enter(MD_BLOCKTYPE type, void* detail) {
        if (type == MD_BLOCK_H) {
            level_ = static_cast<const MD_BLOCK_H_DETAIL*>(detail)->level;
            heading_.clear();
            heading_begin_ = nullptr;
        }
    }

    void leave(MD_BLOCKTYPE type) {
        if (type != MD_BLOCK_H)
            return;
        if (heading_begin_ != nullptr) {
            const auto place = static_cast<std::size_t>(heading_begin_ - source_.data());
            const std::size_t before = source_.find_last_of("\r\n", place);
            add_section(before == source_.npos || before < begin_ ? begin_ : before + 1);
            if (level_ == 1)
                out_.set_title(heading_);
            path_.open(level_, heading_);
        }
        level_ = 0;
    }

    void text(MD_TEXTTYPE type, std::string_view piece) {
        if (level_ == 0)
            return;
        const char* const begin = source_.data();
        const bool breaks = type == MD_TEXT_BR || type == MD_TEXT_SOFTBR;
        if (heading_begin_ == nullptr && piece.data() >= begin &&
            piece.data() < begin + source_.size())
            heading_begin_ = piece.data();
        if (type != MD_TEXT_HTML && type != MD_TEXT_NULLCHAR)
            heading_ += breaks ? std::string_view(" ") : decoded(type, piece);
    }

    /// The few entities that people write; others stay as they are.
    static std::string_view decoded(MD_TEXTTYPE type, std::string_view piece) {
        if (type == MD_TEXT_ENTITY) {
            for (const auto& [entity, meant] : {std::pair{"&amp;", "&"},
                                                {"&lt;", "<"},
                                                {"&gt;", ">"},
                                                {"&quot;", "\""},
                                                {"&nbsp;", " "}}) {
                if (piece == entity)
                    return meant;
            }
        }
        return piece;
    }

    /// Adds what stands before `end`, from its first line that is not blank.
    void add_section(std::size_t end) {
        for (; counted_ < begin_; ++counted_)
            line_ += ends_line(counted_) ? 1 : 0;
        const std::size_t first = source_.find_first_not_of(" \t\r\n", begin_);
        if (end > begin_ && first < end) {
            for (; counted_ < first; ++counted_) {
                line_ += ends_line(counted_) ? 1 : 0;
                begin_ = ends_line(counted_) ? counted_ + 1 : begin_;
            }
            out_.add(
                {path_.text(), "", 0, line_, std::string(source_.substr(begin_, end - begin_))});
        }
        begin_ = std::max(begin_, end);
    }

    /// As clean() has it: "\r\n" ends one line.
    [[nodiscard]] bool ends_line(std::size_t at) const {
        return source_[at] == '\n' ||
               (source_[at] == '\r' && (at + 1 == source_.size() || source_[at + 1] != '\n'));
    }

    std::string_view source_;
    std::size_t begin_; ///< of the section
    std::size_t counted_ = 0;
    std::uint64_t line_ = 1; ///< at counted_
    results& out_;
    heading_path path_;
    std::string heading_;
    const char* heading_begin_ = nullptr;
    unsigned level_ = 0; ///< of the heading that is being read; 0: none
    bool full_ = false;
};

} // namespace

void extract_markdown(const source& file, results& out) {
    const std::string text = to_utf8(file.bytes, "", out);
    const front_matter head = front_matter_of(text);
    out.set_title(head.title);
    markdown_reader(text, head.bytes, out).read();
}
#else
void extract_markdown(const source& file, results& out) {
    out.note("read as text: this program was built without md4c, which reads Markdown");
    extract_text(file, out);
}
#endif

} // namespace mice::find
