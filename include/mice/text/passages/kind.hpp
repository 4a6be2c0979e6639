// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <mice/config.hpp>
#include <mice/text/passages/lines.hpp>

MICE_NAMESPACE_BEGIN

/// What a text is, which says where it may be cut.
enum class text_kind : std::uint8_t {
    automatic, ///< by the file's name, or else by what the text looks like
    plain,     ///< paragraphs between blank lines
    markdown,  ///< CommonMark, with tables and front matter
    code,      ///< source code of any language, and data such as JSON
    log        ///< an entry a line
};

namespace text {

/// How much of a text is looked at to tell its kind, bytes.
inline constexpr std::size_t kind_sample = std::size_t{1} << 15;

namespace detail {

template <std::size_t Count>
[[nodiscard]] constexpr bool any_of(const std::array<std::string_view, Count>& names,
                                    std::string_view name) noexcept {
    return std::find(names.begin(), names.end(), name) != names.end();
}

inline constexpr std::array<std::string_view, 5> markdown_endings{"md", "markdown", "mdown", "mkd",
                                                                  "mdx"};
inline constexpr std::array<std::string_view, 4> plain_endings{"txt", "text", "rst", "tex"};
inline constexpr std::array<std::string_view, 62> code_endings{
    "c",     "cc",   "cpp",  "cxx",   "h",     "hh",  "hpp",  "hxx",  "ipp", "cu",  "py",
    "pyi",   "js",   "mjs",  "ts",    "tsx",   "jsx", "java", "go",   "rs",  "rb",  "php",
    "cs",    "kt",   "kts",  "swift", "scala", "sh",  "bash", "zsh",  "pl",  "pm",  "lua",
    "r",     "sql",  "m",    "mm",    "hs",    "ml",  "ex",   "exs",  "erl", "clj", "dart",
    "cmake", "json", "yaml", "yml",   "toml",  "ini", "xml",  "html", "htm", "css", "scss",
    "proto", "tf",   "nix",  "zig",   "vue",   "jl",  "asm"};

/// Counts of what lines look like.
struct line_census {
    std::size_t lines = 0, entries = 0, headings = 0, markdown = 0, code = 0;
};

[[nodiscard]] inline bool looks_like_code(std::string_view line) {
    static constexpr std::array<std::string_view, 15> starts{
        "#include", "#define", "import ", "from ",   "def ",  "class ", "return ", "const ",
        "static ",  "public ", "private", "package", "func ", "//",     "/*"};
    const char last = line.back();
    if (last == ';' || last == '{' || last == '}' || line.ends_with("):") || line.ends_with("},"))
        return true;
    const bool begins = std::any_of(starts.begin(), starts.end(), [line](std::string_view start) {
        return line.starts_with(start);
    });
    return begins && last != '.';
}

[[nodiscard]] inline line_census census(std::string_view text) {
    line_census seen;
    bool fenced = false;
    while (!text.empty()) {
        const std::size_t stop = std::min(text.find_first_of("\n\r"), text.size());
        const std::string_view line = trimmed(text.substr(0, stop));
        text.remove_prefix(std::min(stop + 1, text.size()));
        if (line.empty())
            continue;
        if (fence_of(line) > 0) {
            fenced = !fenced;
            ++seen.markdown;
        } else if (!fenced) {
            ++seen.lines;
            seen.entries += is_log_entry(line) ? 1U : 0U;
            seen.headings += line[0] == '#' && line.size() > 2 && heading_level(line) > 0 ? 1U : 0U;
            seen.markdown += line.find("](") != line.npos || line.starts_with("**") ||
                                     line.starts_with("- ") || line.starts_with("| ")
                                 ? 1U
                                 : 0U;
            seen.code += looks_like_code(line) ? 1U : 0U;
        }
    }
    return seen;
}

} // namespace detail

/// The kind that a file's name says; automatic where it says none.
[[nodiscard]] inline text_kind kind_of_name(std::string_view file) {
    const std::size_t folder = file.find_last_of("/\\");
    file = folder == file.npos ? file : file.substr(folder + 1);
    if (file == "CMakeLists.txt" || file == "Makefile" || file == "Dockerfile")
        return text_kind::code;
    const std::size_t dot = file.rfind('.');
    if (dot == file.npos)
        return text_kind::automatic;
    std::string ending(file.substr(dot + 1));
    std::transform(ending.begin(), ending.end(), ending.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (detail::any_of(detail::markdown_endings, ending))
        return text_kind::markdown;
    if (detail::any_of(detail::code_endings, ending))
        return text_kind::code;
    if (detail::any_of(detail::plain_endings, ending))
        return text_kind::plain;
    return ending == "log" ? text_kind::log : text_kind::automatic;
}

/// The kind that the beginning of a text looks like; never automatic.
[[nodiscard]] inline text_kind kind_of_text(std::string_view text) {
    const detail::line_census seen = detail::census(text.substr(0, kind_sample));
    if (seen.lines == 0)
        return text_kind::plain;
    if (seen.lines >= 2 && seen.entries * 2 >= seen.lines)
        return text_kind::log;
    // A comment of a script looks like a heading.
    if (seen.code * 5 < seen.lines * 2 &&
        (seen.headings > 0 || seen.markdown * 8 > seen.lines || text.starts_with("---\n")))
        return text_kind::markdown;
    return seen.code * 3 >= seen.lines ? text_kind::code : text_kind::plain;
}

} // namespace text
MICE_NAMESPACE_END
