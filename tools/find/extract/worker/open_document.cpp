// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/kinds.hpp"

#if MICE_HAVE_PUGIXML
#include <algorithm>

#include "find/extract/worker/packed.hpp"
#include "find/extract/worker/xml.hpp"
#endif

namespace mice::find {

#if MICE_HAVE_PUGIXML
namespace {

/// content.xml of a text, sheet or presentation.
class open_document_reader {
  public:
    explicit open_document_reader(results& out) : writer_(out) {}

    void read(const pugi::xml_node& root) {
        walk(
            root, [this](const pugi::xml_node& node) { return enter(node); },
            [this](const pugi::xml_node& node) { leave(node); });
        writer_.end_section();
    }

  private:
    bool enter(const pugi::xml_node& node) {
        const std::string_view name = local_name(node);
        if (node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata) {
            if (paragraphs_ > 0)
                writer_.add(node.value());
            return false;
        }
        // What was deleted, remarks, and lists of the headings.
        if (name == "tracked-changes" || name == "annotation" || name == "table-of-content" ||
            name == "scripts" || name == "automatic-styles" || name == "note-citation")
            return false;
        if (name == "p" || name == "h") {
            writer_.end_paragraph();
            ++paragraphs_;
        } else if (name == "s") {
            const unsigned count = std::clamp(number_of(local_attribute(node, "c")), 1U, 100U);
            writer_.add(std::string(count, ' '));
        } else if (name == "tab") {
            writer_.add("\t");
        } else if (name == "line-break") {
            writer_.add("\n");
        } else if (name == "page") {
            writer_.begin_section(++pages_, "");
        } else if (name == "table" && in_sheet_) {
            writer_.begin_section(0, local_attribute(node, "name"));
        } else if (name == "spreadsheet") {
            in_sheet_ = true;
        }
        in_title_ = in_title_ || (name == "frame" && local_attribute(node, "class") == "title");
        return true;
    }

    void leave(const pugi::xml_node& node) {
        const std::string_view name = local_name(node);
        if (name == "p" || name == "h") {
            --paragraphs_;
            const unsigned level = number_of(local_attribute(node, "outline-level"));
            if (name == "h")
                writer_.end_heading(std::clamp(level, 1U, 10U));
            else if (in_title_)
                writer_.end_heading(1);
            else
                writer_.end_paragraph();
        } else if (name == "table-cell") {
            writer_.end_cell();
        } else if (name == "table-row") {
            writer_.end_row();
        } else if (name == "frame") {
            in_title_ = false;
        }
    }

    document_writer writer_;
    std::size_t paragraphs_ = 0; ///< open ones
    std::uint32_t pages_ = 0;
    bool in_sheet_ = false, in_title_ = false;
};

} // namespace

void extract_open_document(const source& file, results& out) {
    auto members = read_members(file.bytes, out, [](const std::string& name) {
        return name == "content.xml" || name == "meta.xml";
    });
    if (!members.contains("content.xml"))
        throw extract_error(extract_reason::malformed, "it has no content.xml");
    pugi::xml_document meta, content;
    parse_xml(members["meta.xml"], "meta.xml", meta, out);
    out.set_title(local_descendant(meta, "title").child_value());
    parse_xml(members["content.xml"], "content.xml", content, out);
    open_document_reader(out).read(content);
}
#else
void extract_open_document(const source&, results&) {
    throw built_without("pugixml", "office documents");
}
#endif

} // namespace mice::find
