// SPDX-License-Identifier: Apache-2.0
#include "find/extract/worker/kinds.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "find/extract/worker/decode.hpp"
#include "find/extract/worker/packed.hpp"

namespace mice::find {
namespace {

using namespace std::string_view_literals;

struct magic {
    std::size_t at;
    std::string_view bytes;
    file_kind kind;
};

constexpr std::array magics{
    magic{0, "\x1F\x8B"sv, file_kind::archive},
    magic{0, "BZh"sv, file_kind::archive},
    magic{0,
          "\xFD"
          "7zXZ\0"sv,
          file_kind::archive},
    magic{0, "\x28\xB5\x2F\xFD"sv, file_kind::archive},
    magic{0, "7z\xBC\xAF\x27\x1C"sv, file_kind::archive},
    magic{257, "ustar"sv, file_kind::archive},
    magic{0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, file_kind::encrypted_office},
    magic{0,
          "\x7F"
          "ELF"sv,
          file_kind::other},
    magic{0, "\x89PNG"sv, file_kind::other},
    magic{0, "\xFF\xD8\xFF"sv, file_kind::other},
    magic{0, "GIF8"sv, file_kind::other},
    magic{0, "RIFF"sv, file_kind::other},
    magic{0, "OggS"sv, file_kind::other},
    magic{0, "ID3\x03"sv, file_kind::other},
    magic{0, "ID3\x04"sv, file_kind::other},
    magic{0, "fLaC"sv, file_kind::other},
    magic{4, "ftyp"sv, file_kind::other},
    magic{0, "\x1A\x45\xDF\xA3"sv, file_kind::other},
    magic{0, "MZ\x90\0"sv, file_kind::other},
    magic{0, "\xCA\xFE\xBA\xBE"sv, file_kind::other},
    magic{0, "SQLite format 3\0"sv, file_kind::other},
    magic{0, "Rar!\x1A\x07"sv, file_kind::other},
    magic{0, "wOF"sv, file_kind::other},
};

constexpr std::array markdown_endings{"md"sv, "markdown"sv, "mdown"sv, "mkd"sv, "mdx"sv};
constexpr std::array html_endings{"html"sv, "htm"sv, "xhtml"sv, "xht"sv};
constexpr std::array mail_endings{"eml"sv, "mbox"sv, "mbx"sv, "mail"sv};
constexpr std::array text_endings{"txt"sv, "text"sv, "log"sv, "csv"sv, "tsv"sv,
                                  "rst"sv, "org"sv,  "tex"sv, "adoc"sv};
constexpr std::array code_endings{
    "c"sv,    "h"sv,    "cc"sv,    "cpp"sv,   "cxx"sv,    "hh"sv,     "hpp"sv,    "hxx"sv,
    "ipp"sv,  "inl"sv,  "m"sv,     "mm"sv,    "cu"sv,     "cuh"sv,    "py"sv,     "pyi"sv,
    "pyx"sv,  "rb"sv,   "pl"sv,    "pm"sv,    "php"sv,    "js"sv,     "mjs"sv,    "cjs"sv,
    "jsx"sv,  "ts"sv,   "tsx"sv,   "vue"sv,   "svelte"sv, "css"sv,    "scss"sv,   "less"sv,
    "java"sv, "kt"sv,   "kts"sv,   "scala"sv, "groovy"sv, "gradle"sv, "cs"sv,     "fs"sv,
    "vb"sv,   "go"sv,   "rs"sv,    "swift"sv, "zig"sv,    "nim"sv,    "d"sv,      "hs"sv,
    "ml"sv,   "mli"sv,  "elm"sv,   "erl"sv,   "ex"sv,     "exs"sv,    "clj"sv,    "lisp"sv,
    "el"sv,   "scm"sv,  "rkt"sv,   "lua"sv,   "r"sv,      "jl"sv,     "f"sv,      "f90"sv,
    "for"sv,  "pas"sv,  "ada"sv,   "adb"sv,   "ads"sv,    "asm"sv,    "s"sv,      "sh"sv,
    "bash"sv, "zsh"sv,  "fish"sv,  "ps1"sv,   "bat"sv,    "cmd"sv,    "sql"sv,    "cmake"sv,
    "mk"sv,   "make"sv, "ninja"sv, "json"sv,  "jsonl"sv,  "yaml"sv,   "yml"sv,    "toml"sv,
    "ini"sv,  "cfg"sv,  "conf"sv,  "xml"sv,   "xsl"sv,    "proto"sv,  "thrift"sv, "graphql"sv,
    "tf"sv,   "nix"sv,  "dart"sv,  "vhd"sv,   "vhdl"sv,   "v"sv,      "sv"sv,     "awk"sv,
    "sed"sv,  "tcl"sv,  "vim"sv,   "patch"sv, "diff"sv,   "glsl"sv,   "wgsl"sv,   "bib"sv};
constexpr std::array code_names{"makefile"sv, "dockerfile"sv, "cmakelists.txt"sv,
                                "rakefile"sv, "gemfile"sv,    "meson.build"sv};

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return result;
}

std::string ending_of(const std::string& name) {
    const std::size_t dot = name.rfind('.');
    return dot == std::string::npos || dot == 0 ? std::string() : name.substr(dot + 1);
}

bool is_in(const auto& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

/// A mailbox begins "From someone Mon Jan  1 00:00:00 2024"; what matters is the header behind it.
std::string_view after_mailbox_line(std::string_view text) {
    if (!text.starts_with("From ") && !text.starts_with(">From "))
        return text;
    const std::size_t end = text.find('\n');
    return end == std::string_view::npos ? text : text.substr(end + 1);
}

/// Whether a text begins like the header of a message: lines "Name: value", three of which only
/// mail has.
bool begins_like_mail(std::string_view text) {
    constexpr std::array names{"from"sv,         "to"sv,          "date"sv,       "subject"sv,
                               "received"sv,     "return-path"sv, "message-id"sv, "delivered-to"sv,
                               "mime-version"sv, "content-type"sv};
    text = after_mailbox_line(text.substr(0, 16384));
    std::size_t found = 0;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (line.empty())
            break;
        if (line.front() == ' ' || line.front() == '\t')
            continue;
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || line.substr(0, colon).find(' ') != line.npos)
            return false;
        found += is_in(names, lower(line.substr(0, colon))) ? 1 : 0;
    }
    return found >= 3;
}

bool begins_like_html(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
    if (first == std::string_view::npos)
        return false;
    const std::string start = lower(text.substr(first, 14));
    return start.starts_with("<!doctype html") || start.starts_with("<html");
}

file_kind kind_of_text(const source& file) {
    const std::string name = lower(file.name);
    const std::string ending = ending_of(name);
    if (is_in(markdown_endings, ending))
        return file_kind::markdown;
    if (is_in(html_endings, ending))
        return file_kind::html;
    if (is_in(mail_endings, ending))
        return file_kind::mail;
    if (is_in(code_endings, ending) || is_in(code_names, name) || file.bytes.starts_with("#!"))
        return file_kind::code;
    if (is_in(text_endings, ending))
        return file_kind::text;
    if (begins_like_mail(file.bytes))
        return file_kind::mail;
    return begins_like_html(file.bytes) ? file_kind::html : file_kind::text;
}

extract_error not_readable(file_kind kind) {
    if (kind == file_kind::encrypted_office) {
        return {extract_reason::unsupported,
                "it is an encrypted office document, or one from before 2007"};
    }
    return {extract_reason::not_text, "it is not text"};
}

const char* name_of(file_kind kind) {
    switch (kind) {
    case file_kind::markdown:
        return "markdown";
    case file_kind::html:
        return "html";
    case file_kind::code:
        return "code";
    case file_kind::mail:
        return "mail";
    case file_kind::pdf:
        return "pdf";
    case file_kind::open_document:
    case file_kind::office_xml:
        return "office";
    case file_kind::epub:
        return "epub";
    case file_kind::archive:
        return "archive";
    default:
        return "text";
    }
}

} // namespace

file_kind kind_of(const source& file) {
    const std::string_view bytes = file.bytes;
    if (bytes.substr(0, 1024).find("%PDF-") != std::string_view::npos)
        return file_kind::pdf;
    if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06"))
        return kind_of_zip(bytes);
    for (const magic& each : magics) {
        if (bytes.size() > each.at && bytes.substr(each.at).starts_with(each.bytes))
            return each.kind;
    }
    return looks_like_text(bytes) ? kind_of_text(file) : file_kind::other;
}

void extract_source(const source& file, results& out) {
    const file_kind kind = kind_of(file);
    if (file.depth == 0)
        out.set_kind(name_of(kind));
    switch (kind) {
    case file_kind::text:
        return extract_text(file, out);
    case file_kind::markdown:
        return extract_markdown(file, out);
    case file_kind::html:
        return extract_html(file, out);
    case file_kind::code:
        return extract_code(file, out);
    case file_kind::mail:
        return extract_mail(file, out);
    case file_kind::pdf:
        return extract_pdf(file, out);
    case file_kind::open_document:
        return extract_open_document(file, out);
    case file_kind::office_xml:
        return extract_office_xml(file, out);
    case file_kind::epub:
        return extract_epub(file, out);
    case file_kind::archive:
        return extract_archive(file, out);
    default:
        throw not_readable(kind);
    }
}

extract_error built_without(const char* library, const char* kind) {
    return {extract_reason::unsupported,
            std::string("this program was built without ") + library + ", which reads " + kind};
}

} // namespace mice::find
