// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "find/extract/worker/results.hpp"

// The extractors, and the choice among them.
namespace mice::find {

/// What a file is, by its bytes and, where these leave it open, by its name.
enum class file_kind {
    text,
    markdown,
    html,
    code,
    mail,
    pdf,
    open_document, ///< odt, ods, odp
    office_xml,    ///< docx, xlsx, pptx
    epub,
    archive,
    encrypted_office, ///< and Word, Excel and PowerPoint before 2007, which look alike
    other             ///< known, and without text
};

/// Looks at the bytes; a zip file's list of members is read.
[[nodiscard]] file_kind kind_of(const source& file);

/// Extracts by kind. Throws extract_error, output_full, std::bad_alloc.
void extract_source(const source& file, results& out);

/// The same of an attachment or a member, by its name. What is wrong with it is noted; what is not
/// text is passed over. Throws output_full.
void extract_member(const source& member, results& out);

void extract_text(const source& file, results& out);
void extract_markdown(const source& file, results& out);
void extract_html(const source& file, results& out);
void extract_code(const source& file, results& out);
void extract_mail(const source& file, results& out);
void extract_pdf(const source& file, results& out);
void extract_open_document(const source& file, results& out);
void extract_office_xml(const source& file, results& out);
void extract_epub(const source& file, results& out);
void extract_archive(const source& file, results& out);

/// The same of a text in UTF-8, as HTML is in mail and EPUB. `lines`: those of the text are those
/// of the file.
void extract_html_text(std::string_view html, results& out, bool lines);

/// The names of kinds that this build reads, as extraction::kind has them.
[[nodiscard]] std::vector<std::string> known_kinds();

/// The one folder that the sandbox leaves readable: the tables of poppler for Chinese, Japanese and
/// Korean.
inline constexpr const char* readable_folder = "/usr/share/poppler";

/// Makes the libraries load what they need, before the sandbox is entered.
void warm_up();

/// The libraries' parts of that.
void warm_up_mail();
void warm_up_pdf();

/// A thing that this build was made without.
[[nodiscard]] extract_error built_without(const char* library, const char* kind);

} // namespace mice::find
