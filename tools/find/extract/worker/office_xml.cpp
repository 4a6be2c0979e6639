// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/kinds.hpp"

#if MICE_HAVE_PUGIXML
#include <algorithm>
#include <map>
#include <vector>

#include "find/extract/worker/packed.hpp"
#include "find/extract/worker/xml.hpp"
#endif

namespace mice::find {

#if MICE_HAVE_PUGIXML
namespace {

using members = std::map<std::string, std::string>;

/// The parts that a part names by ids, and their types.
struct relation {
    std::string type, target;
};

std::map<std::string, relation> relations_of(const std::string& part, members& all, results& out) {
    const std::string folder = folder_of(part);
    const std::string name = folder + "_rels/" + part.substr(folder.size()) + ".rels";
    std::map<std::string, relation> found;
    if (!all.contains(name))
        return found;
    pugi::xml_document document;
    std::string text = all[name];
    parse_xml(text, name, document, out);
    for (const pugi::xml_node& each : document.first_child().children()) {
        const std::string type(local_attribute(each, "Type"));
        found[std::string(local_attribute(each, "Id"))] = {
            type.substr(type.rfind('/') + 1), resolved(folder, local_attribute(each, "Target"))};
    }
    return found;
}

// ---- Word ----

/// How deep a heading of a style is; 0: none. 100: a title.
constexpr unsigned title_level = 100;

class word_styles {
  public:
    void read(const pugi::xml_node& styles) {
        for (const pugi::xml_node& each : styles.children()) {
            if (local_name(each) != "style")
                continue;
            style& made = styles_[std::string(local_attribute(each, "styleId"))];
            made.base = local_attribute(local_child(each, "basedOn"), "val");
            made.level = level_of(each);
        }
    }

    [[nodiscard]] unsigned level(std::string id) const {
        for (int steps = 0; steps < 10; ++steps) { // a style may be based on itself
            const auto found = styles_.find(id);
            if (found == styles_.end() || found->second.level != 0)
                return found == styles_.end() ? 0 : found->second.level;
            id = found->second.base;
        }
        return 0;
    }

  private:
    struct style {
        std::string base;
        unsigned level = 0;
    };

    static unsigned level_of(const pugi::xml_node& style) {
        std::string name(local_attribute(local_child(style, "name"), "val"));
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
        if (name == "title")
            return title_level;
        if (name.starts_with("heading "))
            return number_of(name.substr(8));
        const pugi::xml_node outline = local_child(local_child(style, "pPr"), "outlineLvl");
        const unsigned level = number_of(local_attribute(outline, "val"));
        return outline && level < 9 ? level + 1 : 0;
    }

    std::map<std::string, style> styles_;
};

/// Paragraphs, runs and tables, which Word and PowerPoint have alike.
class paragraph_reader {
  public:
    paragraph_reader(document_writer& writer, const word_styles& styles)
        : writer_(writer), styles_(styles) {}

    void read(const pugi::xml_node& root) {
        walk(
            root, [this](const pugi::xml_node& node) { return enter(node); },
            [this](const pugi::xml_node& node) { leave(node); });
    }

  private:
    bool enter(const pugi::xml_node& node) {
        const std::string_view name = local_name(node);
        if (name == "t") {
            for (const pugi::xml_node& each : node.children())
                writer_.add(each.value());
            return false;
        }
        // What is shown only where what stands beside it is not understood; what was deleted.
        if (name == "Fallback" || name == "del" || name == "moveFrom")
            return false;
        if (name == "p")
            writer_.end_paragraph();
        else if (name == "tab" && local_name(node.parent()) == "r")
            writer_.add("\t");
        else if (name == "br" || name == "cr")
            writer_.add("\n");
        else if (name == "noBreakHyphen")
            writer_.add("-");
        return true;
    }

    void leave(const pugi::xml_node& node) {
        const std::string_view name = local_name(node);
        if (name == "p")
            end_paragraph(node);
        else if (name == "tc")
            writer_.end_cell();
        else if (name == "tr")
            writer_.end_row();
    }

    void end_paragraph(const pugi::xml_node& paragraph) {
        const pugi::xml_node properties = local_child(paragraph, "pPr");
        const pugi::xml_node outline = local_child(properties, "outlineLvl");
        unsigned level =
            styles_.level(std::string(local_attribute(local_child(properties, "pStyle"), "val")));
        if (outline && number_of(local_attribute(outline, "val")) < 9)
            level = number_of(local_attribute(outline, "val")) + 1;
        if (level == title_level)
            writer_.end_title();
        else if (level != 0)
            writer_.end_heading(level);
        else
            writer_.end_paragraph();
    }

    document_writer& writer_;
    const word_styles& styles_;
};

void read_word(members& all, results& out) {
    pugi::xml_document style_document;
    word_styles styles;
    parse_xml(all["word/styles.xml"], "styles.xml", style_document, out);
    styles.read(style_document.document_element());
    document_writer writer(out);
    for (const char* const name :
         {"word/document.xml", "word/footnotes.xml", "word/endnotes.xml", "word/comments.xml"}) {
        if (!all.contains(name))
            continue;
        pugi::xml_document document;
        parse_xml(all[name], name, document, out);
        paragraph_reader(writer, styles).read(document);
        writer.begin_section(0, "");
    }
}

// ---- PowerPoint ----

/// A placeholder's type: "title", "sldNum", ...; empty where the shape is none.
std::string_view placeholder_of(const pugi::xml_node& shape) {
    const pugi::xml_node properties = local_child(local_child(shape, "nvSpPr"), "nvPr");
    return local_attribute(local_child(properties, "ph"), "type");
}

std::string title_of_slide(const pugi::xml_node& slide) {
    std::string title;
    walk(
        slide,
        [&title](const pugi::xml_node& node) {
            if (local_name(node) == "sp") {
                const std::string_view type = placeholder_of(node);
                return title.empty() && (type == "title" || type == "ctrTitle");
            }
            if (local_name(node) == "t")
                title += node.child_value();
            return true;
        },
        [](const pugi::xml_node&) {});
    return title;
}

void read_slide(const pugi::xml_node& slide, document_writer& writer) {
    const word_styles none;
    const pugi::xml_node tree = local_descendant(slide, "spTree");
    for (const pugi::xml_node& shape : tree.children()) {
        const std::string_view type = placeholder_of(shape);
        if (type != "sldNum" && type != "dt" && type != "ftr" && type != "hdr" && type != "title" &&
            type != "ctrTitle")
            paragraph_reader(writer, none).read(shape);
    }
}

void read_slides(members& all, results& out) {
    const std::string whole = "ppt/presentation.xml";
    auto relations = relations_of(whole, all, out);
    pugi::xml_document presentation;
    parse_xml(all[whole], whole, presentation, out);
    document_writer writer(out);
    std::uint32_t page = 0;
    for (const pugi::xml_node& each : local_descendant(presentation, "sldIdLst").children()) {
        const std::string name = relations[each.attribute("r:id").value()].target;
        if (!all.contains(name))
            continue;
        pugi::xml_document slide;
        parse_xml(all[name], name, slide, out);
        const std::string title = title_of_slide(slide);
        writer.begin_section(++page, title);
        if (page == 1)
            out.set_title(title);
        writer.add(title); // also where a slide has nothing else
        writer.end_paragraph();
        read_slide(slide, writer);
        for (const auto& [id, relation] : relations_of(name, all, out)) {
            if (relation.type == "notesSlide" && all.contains(relation.target)) {
                pugi::xml_document notes;
                std::string text = all[relation.target];
                parse_xml(text, relation.target, notes, out);
                read_slide(notes, writer);
            }
        }
    }
    writer.end_section();
}

// ---- Excel ----

/// The texts of a shared string or a cell, without the readings of Japanese.
std::string texts_of(const pugi::xml_node& node) {
    std::string text;
    walk(
        node,
        [&text](const pugi::xml_node& each) {
            if (local_name(each) == "t")
                text += each.child_value();
            return local_name(each) != "rPh";
        },
        [](const pugi::xml_node&) {});
    return text;
}

void read_sheet(const pugi::xml_node& sheet, const std::vector<std::string>& shared,
                document_writer& writer) {
    for (const pugi::xml_node& row : local_descendant(sheet, "sheetData").children()) {
        for (const pugi::xml_node& cell : row.children()) {
            const std::string_view type = local_attribute(cell, "t");
            const std::string value = local_child(cell, "v").child_value();
            if (type == "inlineStr") {
                writer.add(texts_of(cell));
            } else if (type == "s") {
                const std::size_t at = value.empty() ? shared.size() : number_of(value);
                writer.add(at < shared.size() ? std::string_view(shared[at]) : "");
            } else {
                writer.add(value);
            }
            writer.end_cell();
        }
        writer.end_row();
    }
}

void read_sheets(members& all, results& out) {
    const std::string whole = "xl/workbook.xml";
    auto relations = relations_of(whole, all, out);
    std::vector<std::string> shared;
    {
        pugi::xml_document strings;
        parse_xml(all["xl/sharedStrings.xml"], "sharedStrings.xml", strings, out);
        for (const pugi::xml_node& each : strings.document_element().children())
            shared.push_back(texts_of(each));
    }
    pugi::xml_document workbook;
    parse_xml(all[whole], whole, workbook, out);
    document_writer writer(out);
    for (const pugi::xml_node& each : local_descendant(workbook, "sheets").children()) {
        const std::string name = relations[each.attribute("r:id").value()].target;
        if (!all.contains(name))
            continue;
        pugi::xml_document sheet;
        parse_xml(all[name], name, sheet, out);
        writer.begin_section(0, local_attribute(each, "name"));
        read_sheet(sheet, shared, writer);
    }
    writer.end_section();
}

} // namespace

void extract_office_xml(const source& file, results& out) {
    members all = read_members(file.bytes, out, [](const std::string& name) {
        return name.ends_with(".xml") || name.ends_with(".rels");
    });
    if (all.contains("docProps/core.xml")) {
        pugi::xml_document core;
        parse_xml(all["docProps/core.xml"], "core.xml", core, out);
        out.set_title(local_descendant(core, "title").child_value());
    }
    if (all.contains("word/document.xml"))
        read_word(all, out);
    else if (all.contains("ppt/presentation.xml"))
        read_slides(all, out);
    else if (all.contains("xl/workbook.xml"))
        read_sheets(all, out);
    else
        throw extract_error(extract_reason::malformed, "its main part is missing");
}
#else
void extract_office_xml(const source&, results&) {
    throw built_without("pugixml", "office documents");
}
#endif

} // namespace mice::find
