// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <pugixml.hpp>

#include "find/extract/worker/results.hpp"

// XML of office documents and books. pugixml expands no entities of a document's own, and reads and
// frees without recursion.
namespace mice::find {

/// Reads a document; one that ends early keeps what is before the damage, which is noted with
/// `name`. `text` is changed and must outlive the document.
void parse_xml(std::string& text, const std::string& name, pugi::xml_document& document,
               results& out);

/// The name without its prefix.
[[nodiscard]] std::string_view local_name(const pugi::xml_node& node);
/// An attribute's value by its name without prefix; empty where there is none.
[[nodiscard]] std::string_view local_attribute(const pugi::xml_node& node, std::string_view name);
/// The first child of that name without prefix; empty where there is none.
[[nodiscard]] pugi::xml_node local_child(const pugi::xml_node& node, std::string_view name);
/// The first node below of that name without prefix; empty where there is none.
[[nodiscard]] pugi::xml_node local_descendant(const pugi::xml_node& root, std::string_view name);

/// Walks over `root` and all below, however deep. `enter(node)` says whether to go below it;
/// `leave(node)` is called after what is below, where it said so.
template <class Enter, class Leave>
void walk(const pugi::xml_node& root, Enter&& enter, Leave&& leave) {
    pugi::xml_node node = root;
    while (node) {
        if (enter(node)) {
            if (const pugi::xml_node child = node.first_child()) {
                node = child;
                continue;
            }
            leave(node);
        }
        while (node != root && !node.next_sibling()) {
            node = node.parent();
            leave(node);
        }
        node = node == root ? pugi::xml_node() : node.next_sibling();
    }
}

/// A number of an attribute, 0 where there is none.
[[nodiscard]] unsigned number_of(std::string_view text);

/// "../b/c.xml" as seen from a file in the folder "a/d/" is "a/b/c.xml". With %20 and the like
/// read.
[[nodiscard]] std::string resolved(std::string_view folder, std::string_view target);
/// The folder of a name, with "/"; empty where there is none.
[[nodiscard]] std::string folder_of(std::string_view name);

/// Puts together paragraphs, table rows, headings and sections.
class document_writer {
  public:
    explicit document_writer(results& out) : out_(out) {}

    void add(std::string_view words) { paragraph_ += words; }
    void end_paragraph();
    /// What stands since the last paragraph is a heading of that level, from 1, or the title.
    void end_heading(unsigned level);
    void end_title();
    void end_cell();
    void end_row();
    /// Begins a page, from 1, or what else has a name; 0: no page.
    void begin_section(std::uint32_t page, std::string_view heading);
    /// Writes what is there.
    void end_section();

  private:
    results& out_;
    heading_path path_;
    std::string paragraph_, text_;
    std::uint32_t page_ = 0;
};

} // namespace mice::find
