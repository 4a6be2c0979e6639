// SPDX-License-Identifier: Apache-2.0
#include "derive_masks.hpp"

#include <charconv>
#include <cstddef>
#include <optional>

#include <mice/model/config_fields.hpp>
#include <mice/model/config_json.hpp>

#include "messages.hpp"
#include "select_tensors.hpp"

namespace mice::tools {
namespace {

constexpr std::string_view opening = "masked:";

/// The masks that the words ask for.
struct masks {
    visibility_range all; ///< of every layer
    std::size_t split = 0;
    bool restart = false;
};

error bad_masks(std::string_view text, std::string_view what) {
    return messages::bad_derive(
        text, std::string(what) +
                  "; write masked: and words with commas between them: document-alone, "
                  "query-not-cls, cls-not-document, cls-not-query, query-not-document, split=N, "
                  "window=N, restart");
}

std::size_t number_in(std::string_view text, std::string_view word, std::string_view digits) {
    std::size_t value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc() || end != digits.data() + digits.size() || value == 0) {
        throw bad_masks(text, detail::errors::quoted(word) + " needs a whole number above 0");
    }
    return value;
}

void add_word(masks& result, std::string_view text, std::string_view word) {
    if (word == "document-alone") {
        result.all.document.cls = result.all.document.query = false;
    } else if (word == "query-not-cls") {
        result.all.query.cls = false;
    } else if (word == "cls-not-document") {
        result.all.cls.document = false;
    } else if (word == "cls-not-query") {
        result.all.cls.query = false;
    } else if (word == "query-not-document") {
        result.all.query.document = false;
    } else if (word == "restart") {
        result.restart = true;
    } else if (word.starts_with("split=")) {
        result.split = number_in(text, word, word.substr(6));
    } else if (word.starts_with("window=")) {
        result.all.document_window = number_in(text, word, word.substr(7));
    } else {
        throw bad_masks(text, detail::errors::quoted(word) + " is no mask");
    }
}

masks read_masks(std::string_view text) {
    masks result;
    std::string_view rest = text.starts_with(opening) ? text.substr(opening.size()) : "";
    if (rest.empty()) {
        throw bad_masks(text, "it names no mask");
    }
    while (!rest.empty()) {
        const std::size_t comma = rest.find(',');
        add_word(result, text, rest.substr(0, comma));
        rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    }
    return result;
}

json range_json(const visibility_range& range) {
    io::json written = io::json::object();
    detail::config_writer{written}("visibility", std::vector{range});
    return parse_json(io::to_text(written), "visibility")["visibility"][0];
}

} // namespace

bool is_masks(std::string_view text) {
    return text.starts_with("masked");
}

std::vector<std::string> derive_masks(const checkpoint& weights, checkpoint_config& config,
                                      std::string_view text) {
    masks asked = read_masks(text);
    if (kind_of(weights) != model_kind::cross_encoder) {
        throw messages::bad_derive(text, "masks need a cross-encoder, which this is not");
    }
    const auto layers = config.values.find("num_hidden_layers");
    if (layers == config.values.end() || !layers->is_number_unsigned()) {
        throw messages::missing_key("num_hidden_layers");
    }
    const std::size_t count = layers->get<std::size_t>();
    if (asked.split > count) {
        throw messages::bad_derive(
            text, "the cross-encoder has only " + std::to_string(count) +
                      " layers to split; give split=" + std::to_string(count) + " at most");
    }
    json ranges = json::array();
    if (asked.split > 0) {
        visibility_range apart = asked.all;
        apart.layers = asked.split;
        apart.cls.document = apart.query.document = false;
        apart.document.cls = apart.document.query = false;
        ranges.push_back(range_json(apart));
    }
    if (asked.split < count) {
        asked.all.layers = count - asked.split;
        ranges.push_back(range_json(asked.all));
    }
    config.values["visibility"] = std::move(ranges);
    config.values["positions_restart"] = asked.restart;
    return {"the masks hide what the weights were trained to see; fine-tune the model before use"};
}

} // namespace mice::tools
