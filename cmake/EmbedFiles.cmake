# SPDX-License-Identifier: Apache-2.0
# Writes a C++ source that holds files: cmake -DOUTPUT=a.cpp -DHEADER=b.hpp -DNAMESPACE=c
# "-DFILES=x/page.js;y/page.css" -P EmbedFiles.cmake
#
# HEADER declares, in NAMESPACE, `std::string_view embedded_file(std::string_view name)`: the bytes
# of the file of that name, without its folder, or nothing.
set(arrays "")
set(cases "")
set(number 0)
foreach(file IN LISTS FILES)
    get_filename_component(name "${file}" NAME)
    file(READ "${file}" bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND arrays "constexpr unsigned char file_${number}[] = {\n${bytes}};\n")
    string(APPEND cases "    if (name == \"${name}\") {\n        return text_of(file_${number});\n    }\n")
    math(EXPR number "${number} + 1")
endforeach()
file(
    WRITE "${OUTPUT}"
    "// Made by cmake/EmbedFiles.cmake.
#include \"${HEADER}\"

#include <cstddef>

namespace ${NAMESPACE} {
namespace {

${arrays}
template <std::size_t Size> std::string_view text_of(const unsigned char (&bytes)[Size]) {
    return {reinterpret_cast<const char*>(bytes), Size};
}

} // namespace

std::string_view embedded_file(std::string_view name) {
${cases}    return {};
}

} // namespace ${NAMESPACE}
"
)
