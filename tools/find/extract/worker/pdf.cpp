// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/kinds.hpp"

#include <climits>
#include <memory>

#if MICE_HAVE_POPPLER
#include <poppler-document.h>
#include <poppler-global.h>
#include <poppler-page.h>
#endif

namespace mice::find {

#if MICE_HAVE_POPPLER
namespace {

std::string text_of(const poppler::ustring& text) {
    const poppler::byte_array bytes = text.to_utf8();
    return {bytes.begin(), bytes.end()};
}

bool is_small_letter(char c) {
    return (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
}

/// Joins the words that were divided at ends of lines.
std::string without_hyphens(const std::string& text) {
    std::string joined;
    joined.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool divides = text[i] == '-' && i > 0 && is_small_letter(text[i - 1]) &&
                             i + 2 < text.size() && text[i + 1] == '\n' &&
                             is_small_letter(text[i + 2]);
        if (divides)
            ++i;
        else
            joined += text[i];
    }
    return joined;
}

std::unique_ptr<poppler::document> load(std::string_view bytes) {
    if (bytes.size() > INT_MAX)
        throw extract_error(extract_reason::too_large, "a PDF file has at most 2 GiB");
    return std::unique_ptr<poppler::document>(
        poppler::document::load_from_raw_data(bytes.data(), static_cast<int>(bytes.size())));
}

/// A page with a word, for warm_up_pdf.
constexpr std::string_view tiny_pdf =
    "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>"
    ">>>>endobj\n4 0 obj<</Length 31>>stream\nBT /F 4 Tf 1 1 Td (word) Tj ET \nendstream endobj\n"
    "5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
    "trailer<</Root 1 0 R/Size 6>>\n";

} // namespace

void extract_pdf(const source& file, results& out) {
    const auto document = load(file.bytes);
    if (document == nullptr)
        throw extract_error(extract_reason::malformed, "it is no PDF file that can be read");
    if (document->is_locked())
        throw extract_error(extract_reason::unsupported, "it is encrypted");
    out.set_title(text_of(document->info_key("Title")));
    const int pages = document->pages();
    int empty = 0;
    for (int i = 0; i < pages; ++i) {
        const std::unique_ptr<poppler::page> page(document->create_page(i));
        if (page == nullptr) {
            out.note("page " + std::to_string(i + 1) + " cannot be read");
            continue;
        }
        const std::string text =
            text_of(page->text(poppler::rectf(), poppler::page::non_raw_non_physical_layout));
        empty += text.find_first_not_of(" \n\f") == std::string::npos ? 1 : 0;
        out.add({"", "", static_cast<std::uint32_t>(i + 1), 0, without_hyphens(text)});
    }
    if (empty > 0)
        out.note(std::to_string(empty) + " of " + std::to_string(pages) + " pages have no text");
}

void warm_up_pdf() {
    poppler::set_debug_error_function([](const std::string&, void*) {}, nullptr);
    // Stays, as the settings that all documents share go with the last one.
    static const std::unique_ptr<poppler::document> first = load(tiny_pdf);
    if (first == nullptr || first->pages() != 1)
        return;
    const std::unique_ptr<poppler::page> page(first->create_page(0));
    if (page != nullptr)
        static_cast<void>(text_of(page->text()));
}
#else
void extract_pdf(const source&, results&) {
    throw built_without("poppler", "PDF");
}
void warm_up_pdf() {}
#endif

} // namespace mice::find
