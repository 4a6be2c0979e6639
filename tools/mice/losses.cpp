// SPDX-License-Identifier: Apache-2.0
#include "mice/losses.hpp"

#include "common/output.hpp"

namespace mice::cli {

void text_losses::cut(std::string_view place, std::size_t tokens) {
    if (tokens == 0) {
        return;
    }
    if (texts_++ == 0) {
        first_ = place;
    }
    tokens_ += tokens;
}

void text_losses::cut_in_all(std::size_t texts, std::size_t tokens) {
    texts_ += texts;
    tokens_ += tokens;
}

void text_losses::report(std::string_view advice) const {
    if (texts_ > 0) {
        tools::print_message("mice: note: " + std::to_string(texts_) + " " + what_ +
                             " were too long to be read to their end; " + std::to_string(tokens_) +
                             " tokens in all were cut" +
                             (first_.empty() ? "" : ", the first at " + first_) +
                             std::string(advice));
    }
}

void report_empty_query(std::string_view query) {
    if (query.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        tools::print_message("mice: note: the query is empty; the order means nothing");
    }
}

void report_query(std::size_t tokens_cut, std::size_t replaced) {
    if (tokens_cut > 0) {
        tools::print_message("mice: note: the query is too long for this model; its last " +
                             std::to_string(tokens_cut) + " tokens were cut");
    }
    if (replaced > 0) {
        tools::print_message(
            "mice: note: the query is not valid UTF-8: " + std::to_string(replaced) +
            " invalid sequences were replaced by U+FFFD; --strict-utf8 refuses it");
    }
}

} // namespace mice::cli
