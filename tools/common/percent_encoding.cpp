// SPDX-License-Identifier: Apache-2.0
#include "common/percent_encoding.hpp"

namespace mice::tools {

std::string percent_encoded(std::string_view bytes, slashes treated) {
    std::string text;
    text.reserve(bytes.size());
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                           (c == '/' && treated == slashes::kept);
        if (plain) {
            text += c;
        } else {
            text += '%';
            text += "0123456789ABCDEF"[byte >> 4];
            text += "0123456789ABCDEF"[byte & 15U];
        }
    }
    return text;
}

} // namespace mice::tools
