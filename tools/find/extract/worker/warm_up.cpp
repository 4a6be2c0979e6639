// SPDX-License-Identifier: Apache-2.0
#include <clocale>

#include "find/extract/worker/decode.hpp"
#include "find/extract/worker/kinds.hpp"
#include "find/extract/worker/packed.hpp"

namespace mice::find {

std::vector<std::string> known_kinds() {
    std::vector<std::string> kinds{"text", "code"};
    const auto add = [&kinds](bool has, const char* kind) {
        if (has)
            kinds.emplace_back(kind);
    };
    add(MICE_HAVE_MD4C, "markdown");
    add(MICE_HAVE_GUMBO, "html");
    add(MICE_HAVE_GMIME, "mail");
    add(MICE_HAVE_POPPLER, "pdf");
    add(MICE_HAVE_ARCHIVE && MICE_HAVE_PUGIXML, "office");
    add(MICE_HAVE_ARCHIVE && MICE_HAVE_PUGIXML && MICE_HAVE_GUMBO, "epub");
    add(MICE_HAVE_ARCHIVE, "archive");
    return kinds;
}

void warm_up() {
    // Names in archives are UTF-8 or told to be otherwise, whatever the system speaks.
    std::setlocale(LC_CTYPE, "C.UTF-8");
    load_encodings();
    warm_up_mail();
    warm_up_pdf();
}

} // namespace mice::find
