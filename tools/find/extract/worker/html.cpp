// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/kinds.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "find/extract/clean_text.hpp"
#include "find/extract/worker/decode.hpp"

#if MICE_HAVE_GUMBO
#include <gumbo.h>
#endif

namespace mice::find {

#if MICE_HAVE_GUMBO
namespace {

/// Elements without text for people. GUMBO_TAG_UNKNOWN is none of them.
constexpr std::array hidden_tags{
    GUMBO_TAG_SCRIPT, GUMBO_TAG_STYLE,  GUMBO_TAG_TEMPLATE, GUMBO_TAG_NOSCRIPT, GUMBO_TAG_SVG,
    GUMBO_TAG_IFRAME, GUMBO_TAG_OBJECT, GUMBO_TAG_EMBED,    GUMBO_TAG_SELECT,   GUMBO_TAG_DATALIST,
    GUMBO_TAG_AUDIO,  GUMBO_TAG_VIDEO,  GUMBO_TAG_CANVAS,   GUMBO_TAG_MAP,      GUMBO_TAG_NOFRAMES};
/// Elements that do not end a line.
constexpr std::array inline_tags{
    GUMBO_TAG_A,      GUMBO_TAG_ABBR,   GUMBO_TAG_B,     GUMBO_TAG_BDI,   GUMBO_TAG_BDO,
    GUMBO_TAG_BIG,    GUMBO_TAG_CITE,   GUMBO_TAG_CODE,  GUMBO_TAG_DATA,  GUMBO_TAG_DEL,
    GUMBO_TAG_DFN,    GUMBO_TAG_EM,     GUMBO_TAG_FONT,  GUMBO_TAG_I,     GUMBO_TAG_IMG,
    GUMBO_TAG_INS,    GUMBO_TAG_KBD,    GUMBO_TAG_LABEL, GUMBO_TAG_MARK,  GUMBO_TAG_Q,
    GUMBO_TAG_RUBY,   GUMBO_TAG_S,      GUMBO_TAG_SAMP,  GUMBO_TAG_SMALL, GUMBO_TAG_SPAN,
    GUMBO_TAG_STRIKE, GUMBO_TAG_STRONG, GUMBO_TAG_SUB,   GUMBO_TAG_SUP,   GUMBO_TAG_TIME,
    GUMBO_TAG_TT,     GUMBO_TAG_U,      GUMBO_TAG_VAR,   GUMBO_TAG_WBR,   GUMBO_TAG_UNKNOWN};

bool is_in(const auto& list, GumboTag tag) {
    return std::find(list.begin(), list.end(), tag) != list.end();
}

std::string_view attribute(const GumboElement& element, const char* name) {
    const GumboAttribute* const found = gumbo_get_attribute(&element.attributes, name);
    return found == nullptr ? std::string_view() : std::string_view(found->value);
}

bool is_hidden(const GumboElement& element) {
    if (is_in(hidden_tags, element.tag) ||
        gumbo_get_attribute(&element.attributes, "hidden") != nullptr ||
        attribute(element, "aria-hidden") == "true")
        return true;
    std::string style;
    for (const char c : attribute(element, "style").substr(0, 4096)) {
        if (c != ' ')
            style += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return style.find("display:none") != std::string::npos ||
           style.find("visibility:hidden") != std::string::npos;
}

unsigned heading_level(GumboTag tag) {
    return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6
               ? static_cast<unsigned>(tag - GUMBO_TAG_H1) + 1
               : 0;
}

/// Walks over the tree without recursion: it is as deep as whoever wrote the page liked.
class html_reader {
  public:
    html_reader(results& out, bool lines) : out_(out), lines_(lines) {}

    void read(const GumboNode& root) {
        struct place {
            const GumboNode* node;
            const GumboVector* children;
            unsigned next;
        };
        std::vector<place> open{{&root, enter(root), 0}};
        while (!open.empty()) {
            place& here = open.back();
            if (here.children != nullptr && here.next < here.children->length) {
                const auto* const child =
                    static_cast<const GumboNode*>(here.children->data[here.next++]);
                open.push_back({child, enter(*child), 0});
            } else {
                if (here.children != nullptr)
                    leave(*here.node);
                open.pop_back();
            }
        }
        add_section();
    }

  private:
    /// The children to walk over; null: none.
    const GumboVector* enter(const GumboNode& node) {
        switch (node.type) {
        case GUMBO_NODE_DOCUMENT:
            return &node.v.document.children;
        case GUMBO_NODE_TEXT:
        case GUMBO_NODE_CDATA:
        case GUMBO_NODE_WHITESPACE:
            add_text(node.v.text);
            return nullptr;
        case GUMBO_NODE_ELEMENT:
            return enter_element(node.v.element);
        default:
            return nullptr;
        }
    }

    const GumboVector* enter_element(const GumboElement& element) {
        if (is_hidden(element))
            return nullptr;
        if (heading_level(element.tag) != 0 && level_ == 0) {
            add_section();
            level_ = heading_level(element.tag);
        } else if (element.tag == GUMBO_TAG_IMG) {
            add_word_text(attribute(element, "alt"), element.start_pos.line);
        } else if (element.tag == GUMBO_TAG_BR) {
            line_ended_ = true;
        } else if (element.tag == GUMBO_TAG_TITLE) {
            in_title_ = true;
        } else if (element.tag == GUMBO_TAG_PRE) {
            ++pre_;
        }
        if (!is_cell(element.tag))
            end_line(element.tag);
        return &element.children;
    }

    /// Not called for what has no children to walk over.
    void leave(const GumboNode& node) {
        if (node.type != GUMBO_NODE_ELEMENT)
            return;
        const GumboTag tag = node.v.element.tag;
        if (tag == GUMBO_TAG_TITLE) {
            out_.set_title(title_);
            in_title_ = false;
        } else if (tag == GUMBO_TAG_PRE) {
            --pre_;
        } else if (level_ != 0 && heading_level(tag) == level_) {
            if (level_ == 1)
                first_heading_ = first_heading_.empty() ? heading_ : first_heading_;
            path_.open(level_, heading_);
            heading_.clear();
            level_ = 0;
        }
        if (is_cell(tag)) {
            cell_ended_ = true;
            line_ended_ = false;
        } else {
            end_line(tag);
        }
    }

    static bool is_cell(GumboTag tag) { return tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH; }

    /// At both borders of a block.
    void end_line(GumboTag tag) {
        line_ended_ = line_ended_ || !is_in(inline_tags, tag);
        cell_ended_ = cell_ended_ && tag != GUMBO_TAG_TR;
    }

    void add_text(const GumboText& piece) {
        const std::string_view text(piece.text);
        if (in_title_)
            title_ += text;
        else if (level_ != 0)
            heading_ += text;
        else if (pre_ > 0)
            add_lines(text, piece.start_pos.line);
        else
            add_word_text(text, piece.start_pos.line);
    }

    /// White space between words is one space; at borders of blocks it is a newline.
    void add_word_text(std::string_view text, unsigned line) {
        if (level_ != 0) {
            heading_ += text;
            return;
        }
        for (const char c : text) {
            if (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f') {
                space_ = true;
                continue;
            }
            separate(line);
            text_ += c;
        }
    }

    void add_lines(std::string_view text, unsigned line) {
        if (text.empty())
            return;
        separate(line);
        text_ += text;
        line_ended_ = text.ends_with('\n') ? false : line_ended_;
    }

    void separate(unsigned line) {
        if (text_.empty())
            line_ = line;
        else if (cell_ended_)
            text_ += '\t';
        else if (line_ended_)
            text_ += '\n';
        else if (space_)
            text_ += ' ';
        line_ended_ = cell_ended_ = space_ = false;
    }

    void add_section() {
        if (!text_.empty())
            out_.add({path_.text(), "", 0, lines_ ? line_ : 0, text_});
        text_.clear();
        if (!first_heading_.empty())
            out_.set_title(first_heading_);
    }

    results& out_;
    bool lines_;
    heading_path path_;
    std::string text_, heading_, title_, first_heading_;
    std::uint64_t line_ = 0;
    unsigned level_ = 0; ///< of the heading that is being read; 0: none
    std::size_t pre_ = 0;
    bool in_title_ = false, line_ended_ = false, cell_ended_ = false, space_ = false;
};

/// The encoding that a page names in its first bytes: <meta charset=x>, or in a content attribute
/// or an XML declaration.
std::string named_encoding(std::string_view bytes) {
    const std::string_view start = bytes.substr(0, 4096);
    std::string lower(start);
    for (char& c : lower)
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    for (const std::string_view word : {"charset", "encoding"}) {
        std::size_t at = lower.find(word);
        if (at == std::string::npos)
            continue;
        at = lower.find_first_not_of(" \t\r\n", at + word.size());
        if (at == std::string::npos || lower[at] != '=')
            continue;
        at = lower.find_first_not_of(" \t\r\n\"'", at + 1);
        if (at != std::string::npos)
            return lower.substr(at, lower.find_first_of(" \t\r\n\"';/>?", at) - at);
    }
    return {};
}

} // namespace

void extract_html_text(std::string_view html, results& out, bool lines) {
    GumboOptions options = kGumboDefaultOptions;
    options.max_errors = 0;
    // Is not freed: freeing recurses, and the process ends with its file.
    const GumboOutput* const tree = gumbo_parse_with_options(&options, html.data(), html.size());
    if (tree == nullptr)
        throw extract_error(extract_reason::malformed, "it is no HTML that can be read");
    html_reader(out, lines).read(*tree->document);
}

void extract_html(const source& file, results& out) {
    const std::string named = named_encoding(file.bytes);
    // A page that one can read so far is not in UTF-16, whatever it says.
    extract_html_text(to_utf8(file.bytes, named.starts_with("utf-16") ? "" : named, out), out,
                      file.depth == 0);
}
#else
void extract_html_text(std::string_view, results&, bool) {
    throw built_without("gumbo", "HTML");
}
void extract_html(const source&, results&) {
    throw built_without("gumbo", "HTML");
}
#endif

} // namespace mice::find
