// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/kinds.hpp"

#if MICE_HAVE_PUGIXML
#include "find/extract/worker/xml.hpp"

#include <charconv>
#include <utility>
#include <vector>

namespace mice::find {
namespace {

std::string_view without_prefix(std::string_view name) {
    return name.substr(name.find(':') == name.npos ? 0 : name.find(':') + 1);
}

std::string unescaped(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 3, code, 16).ptr ==
                text.data() + i + 3) {
            result += static_cast<char>(code);
            i += 2;
        } else {
            result += text[i];
        }
    }
    return result;
}

} // namespace

void parse_xml(std::string& text, const std::string& name, pugi::xml_document& document,
               results& out) {
    if (text.empty())
        return;
    // Space between runs of text is text.
    const auto result = document.load_buffer_inplace(text.data(), text.size(),
                                                     pugi::parse_default | pugi::parse_ws_pcdata);
    if (result.status == pugi::status_out_of_memory)
        throw std::bad_alloc();
    if (!result)
        out.note(name + ": damaged: " + result.description());
}

std::string_view local_name(const pugi::xml_node& node) {
    return without_prefix(node.name());
}

std::string_view local_attribute(const pugi::xml_node& node, std::string_view name) {
    for (const pugi::xml_attribute& each : node.attributes()) {
        if (without_prefix(each.name()) == name)
            return each.value();
    }
    return {};
}

pugi::xml_node local_child(const pugi::xml_node& node, std::string_view name) {
    for (const pugi::xml_node& each : node.children()) {
        if (local_name(each) == name)
            return each;
    }
    return {};
}

pugi::xml_node local_descendant(const pugi::xml_node& root, std::string_view name) {
    pugi::xml_node found;
    walk(
        root,
        [&](const pugi::xml_node& node) {
            if (!found && local_name(node) == name)
                found = node;
            return !found;
        },
        [](const pugi::xml_node&) {});
    return found;
}

unsigned number_of(std::string_view text) {
    unsigned number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::string folder_of(std::string_view name) {
    const std::size_t slash = name.rfind('/');
    return slash == name.npos ? std::string() : std::string(name.substr(0, slash + 1));
}

std::string resolved(std::string_view folder, std::string_view target) {
    const std::string whole = target.starts_with('/') ? unescaped(target.substr(1))
                                                      : std::string(folder) + unescaped(target);
    std::string_view left = std::string_view(whole).substr(0, whole.find('#'));
    std::vector<std::string_view> parts;
    while (!left.empty()) {
        const std::string_view part = left.substr(0, left.find('/'));
        left.remove_prefix(std::min(left.size(), part.size() + 1));
        if (part == ".." && !parts.empty())
            parts.pop_back();
        else if (!part.empty() && part != "." && part != "..")
            parts.push_back(part);
    }
    std::string result;
    for (const std::string_view part : parts)
        result.append(result.empty() ? "" : "/").append(part);
    return result;
}

void document_writer::end_paragraph() {
    if (!paragraph_.empty())
        text_ += std::exchange(paragraph_, {}) + '\n';
}

void document_writer::end_heading(unsigned level) {
    const std::string heading = std::exchange(paragraph_, {});
    if (heading.find_first_not_of(" \t\n") == std::string::npos)
        return;
    end_section();
    path_.open(level, heading);
}

void document_writer::end_title() {
    out_.set_title(paragraph_);
    end_paragraph();
}

void document_writer::end_cell() {
    end_paragraph();
    if (text_.ends_with('\n'))
        text_.back() = '\t';
}

void document_writer::end_row() {
    end_paragraph();
    if (text_.ends_with('\t'))
        text_.back() = '\n';
}

void document_writer::begin_section(std::uint32_t page, std::string_view heading) {
    end_section();
    page_ = page;
    path_ = {};
    path_.open(1, heading);
}

void document_writer::end_section() {
    end_paragraph();
    out_.add({path_.text(), "", page_, 0, std::exchange(text_, {})});
}

} // namespace mice::find
#endif
