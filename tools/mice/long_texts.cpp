// SPDX-License-Identifier: Apache-2.0
#include "mice/long_texts.hpp"

#include <algorithm>

namespace mice::cli {

std::string_view best_passage::in(std::string_view text) const {
    if (of <= 1) {
        return text;
    }
    const auto first = static_cast<std::size_t>(std::min<std::uint64_t>(begin, text.size()));
    const auto last = static_cast<std::size_t>(std::min<std::uint64_t>(end, text.size()));
    return text.substr(first, last - first);
}

std::string best_passage::remark() const {
    return of <= 1 ? std::string()
                   : "passage " + std::to_string(index + 1) + " of " + std::to_string(of);
}

tools::ordered_json best_passage::to_json() const {
    return {{"begin", begin}, {"end", end}, {"line", line}, {"index", index}, {"of", of}};
}

void long_texts::add_to(CLI::App& app) {
    app.add_flag("--first-passage", first_passage,
                 "Read only the beginning of texts that are longer than the model's limit, instead "
                 "of all their passages");
}

std::optional<text_options> long_texts::for_library() const {
    return first_passage ? std::nullopt : std::optional(text_options{});
}

} // namespace mice::cli
