// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/kinds.hpp"

#if MICE_HAVE_PUGIXML
#include <map>
#include <set>
#include <vector>

#include "find/extract/worker/decode.hpp"
#include "find/extract/worker/packed.hpp"
#include "find/extract/worker/xml.hpp"
#endif

namespace mice::find {

#if MICE_HAVE_PUGIXML
namespace {

extract_error no_book(const char* what) {
    return {extract_reason::malformed, std::string("it is no book: ") + what};
}

std::string read_one(const source& file, const std::string& wanted, results& out) {
    auto found =
        read_members(file.bytes, out, [&](const std::string& name) { return name == wanted; });
    return found.empty() ? std::string() : std::move(found.begin()->second);
}

/// The names of a book's pages in their order.
std::vector<std::string> reading_order(const pugi::xml_node& package, const std::string& folder) {
    std::map<std::string, std::string> files;
    for (const pugi::xml_node& each : local_child(package, "manifest").children()) {
        files[std::string(local_attribute(each, "id"))] =
            resolved(folder, local_attribute(each, "href"));
    }
    std::vector<std::string> order;
    std::set<std::string> seen; // a page that is named again is not read again
    for (const pugi::xml_node& each : local_child(package, "spine").children()) {
        const auto found = files.find(std::string(local_attribute(each, "idref")));
        if (found != files.end() && seen.insert(found->second).second)
            order.push_back(found->second);
    }
    return order;
}

} // namespace

void extract_epub(const source& file, results& out) {
    std::string container = read_one(file, "META-INF/container.xml", out);
    pugi::xml_document root, package;
    parse_xml(container, "container.xml", root, out);
    const std::string name =
        resolved("", local_attribute(local_descendant(root, "rootfile"), "full-path"));
    std::string text = read_one(file, name, out);
    if (text.empty())
        throw no_book("its list of pages is missing");
    parse_xml(text, name, package, out);
    out.set_title(local_descendant(package, "title").child_value());
    const auto order = reading_order(package.document_element(), folder_of(name));
    const std::set<std::string> wanted(order.begin(), order.end());
    auto pages = read_members(file.bytes, out,
                              [&](const std::string& each) { return wanted.contains(each); });
    for (const std::string& each : order) {
        const auto page = pages.find(each);
        if (page == pages.end())
            continue;
        try {
            extract_html_text(to_utf8(page->second, "", out), out, false);
        } catch (const extract_error& error) {
            out.note(each + ": " + error.what());
        }
    }
}
#else
void extract_epub(const source&, results&) {
    throw built_without("pugixml", "EPUB");
}
#endif

} // namespace mice::find
