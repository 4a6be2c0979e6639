// SPDX-License-Identifier: Apache-2.0
#include "serve/request_form.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <mice/error.hpp>

#include "common/json.hpp"
#include "common/json_output.hpp"

namespace mice::serve {
namespace {

using tools::json;
using tools::ordered_json;

/// What a member is, for messages.
std::string kind_of(const json& value) {
    return value.is_null()    ? "null"
           : value.is_array() ? "a list"
                              : "of type " + std::string(value.type_name());
}

/// Reads the members of one request.
class reader {
  public:
    reader(json body, const request_limits& limits) : body_(std::move(body)), limits_(limits) {}

    [[nodiscard]] rerank_request read() {
        if (!body_.is_object()) {
            throw wrong("the body is " + kind_of(body_) + ", expected a JSON object");
        }
        const bool texts = given("texts") != nullptr;
        if (texts && given("documents") != nullptr) {
            throw wrong("the request has both 'documents' and 'texts'; give one of them");
        }
        made_.form = texts ? request_form::texts : request_form::documents;
        made_.query = query();
        const char* const list = texts ? "texts" : "documents";
        read_documents(list);
        if (texts) {
            made_.return_documents = flag("return_text").value_or(false);
            made_.raw_scores = flag("raw_scores");
            (void)flag("truncate"); // texts of any length are read whole
        } else {
            made_.return_documents = flag("return_documents").value_or(false);
            made_.top_n = top_n();
            check_fields();
        }
        if (const json* const model = given("model")) {
            if (!model->is_string()) {
                throw wrong("'model' is " + kind_of(*model) + ", expected a string");
            }
            made_.model = model->get<std::string>();
        }
        return std::move(made_);
    }

  private:
    [[nodiscard]] request_error wrong(const std::string& message, int status = 0) const {
        const int invalid = made_.form == request_form::texts ? 422 : 400;
        return {status == 0 ? invalid : status, made_.form, message};
    }
    /// A member; none where it is missing or null, as clients write what they leave out.
    [[nodiscard]] json* given(const char* name) {
        const auto found = body_.find(name);
        return found == body_.end() || found->is_null() ? nullptr : &*found;
    }

    [[nodiscard]] std::string query() {
        json* const found = given("query");
        if (found == nullptr || !found->is_string()) {
            throw wrong(found == nullptr ? "'query' is missing; it is a string"
                                         : "'query' is " + kind_of(*found) + ", expected a string");
        }
        return within_limit(std::move(found->get_ref<std::string&>()), "'query'");
    }

    [[nodiscard]] std::string within_limit(std::string text, const std::string& what) const {
        if (text.size() > limits_.document_bytes) {
            throw wrong(what + " has " + std::to_string(text.size()) +
                            " bytes; this server takes " + std::to_string(limits_.document_bytes),
                        413);
        }
        return text;
    }

    void read_documents(const std::string& list) {
        json* const found = given(list.c_str());
        if (found == nullptr || !found->is_array()) {
            throw wrong(found == nullptr
                            ? "'" + list + "' is missing; it is a list of strings"
                            : "'" + list + "' is " + kind_of(*found) + ", expected a list");
        }
        if (found->empty()) {
            throw wrong("'" + list + "' is empty; there is nothing to rank", 400);
        }
        if (found->size() > limits_.documents) {
            throw wrong("'" + list + "' has " + std::to_string(found->size()) +
                            " entries; this server takes " + std::to_string(limits_.documents),
                        413);
        }
        made_.documents.reserve(found->size());
        for (json& each : *found) {
            const std::string name = list + "[" + std::to_string(made_.documents.size()) + "]";
            made_.documents.push_back(within_limit(text_of(each, name), name));
        }
    }

    /// A string, or in the form of documents an object with `text`.
    [[nodiscard]] std::string text_of(json& entry, const std::string& name) const {
        const bool objects = made_.form == request_form::documents;
        json* text = &entry;
        if (objects && entry.is_object()) {
            const auto found = entry.find("text");
            if (found == entry.end()) {
                throw wrong(name + " is an object without 'text'");
            }
            text = &*found;
        }
        if (!text->is_string()) {
            throw wrong(
                name + (text == &entry ? "" : ".text") + " is " + kind_of(*text) +
                (objects ? ", expected a string or an object with 'text'" : ", expected a string"));
        }
        return std::move(text->get_ref<std::string&>());
    }

    /// True or false; some clients write them as strings.
    [[nodiscard]] std::optional<bool> flag(const char* name) {
        const json* const found = given(name);
        if (found == nullptr) {
            return std::nullopt;
        }
        if (found->is_boolean()) {
            return found->get<bool>();
        }
        if (found->is_string()) {
            const auto& text = found->get_ref<const std::string&>();
            if (text == "true" || text == "True") {
                return true;
            }
            if (text == "false" || text == "False") {
                return false;
            }
        }
        throw wrong("'" + std::string(name) + "' is " + kind_of(*found) +
                    ", expected true or false");
    }

    [[nodiscard]] std::optional<std::size_t> top_n() {
        const json* const found = given("top_n");
        if (found == nullptr) {
            return std::nullopt;
        }
        double value = 0; // whole numbers up to 2^53, which is more than any list
        if (found->is_number()) {
            value = found->get<double>();
        }
        if (!(value >= 1) || value != std::floor(value)) {
            throw wrong("'top_n' is " +
                        (found->is_number() ? tools::to_text(*found) : kind_of(*found)) +
                        ", expected a whole number from 1 up");
        }
        return static_cast<std::size_t>(
            std::min(value, static_cast<double>(made_.documents.size())));
    }

    /// Cohere's `rank_fields`: other fields than the text are not read, and that is said.
    void check_fields() {
        const json* const fields = given("rank_fields");
        if (fields != nullptr && *fields != json::array({"text"})) {
            throw wrong("'rank_fields' other than [\"text\"] are not supported; join what is to be "
                        "read into 'text'");
        }
    }

    json body_;
    const request_limits& limits_;
    rerank_request made_;
};

/// TEI's name for a kind of error.
const char* error_type(int status) {
    switch (status) {
    case 400:
        return "Empty";
    case 429:
        return "Overloaded";
    case 500:
        return "Backend";
    case 503:
        return "Unhealthy";
    default:
        return "Validation";
    }
}

/// The name for a kind of error that llama.cpp and vLLM took over from OpenAI.
const char* openai_type(int status) {
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    case 500:
        return "server_error";
    case 503:
        return "unavailable_error";
    default:
        return "invalid_request_error";
    }
}

/// Sigmoids are doubles, as those of `mice rerank`: floats above 16.6 would all be 1.
ordered_json shown(float logit, activation scores) {
    return scores == activation::sigmoid
               ? ordered_json(1 / (1 + std::exp(-static_cast<double>(logit))))
               : tools::json_number(logit);
}

ordered_json results_of(const rerank_request& request, const ranked_texts& found,
                        activation scores) {
    const bool texts = request.form == request_form::texts;
    ordered_json results = ordered_json::array();
    const std::size_t count =
        std::min(request.top_n.value_or(found.hits.size()), found.hits.size());
    for (std::size_t i = 0; i < count; ++i) {
        const ranked_text& hit = found.hits[i];
        ordered_json one{{"index", hit.index}};
        one[texts ? "score" : "relevance_score"] = shown(hit.logit, scores);
        if (request.return_documents) {
            const std::string& text = request.documents[hit.index];
            if (texts) {
                one["text"] = text;
            } else {
                one["document"] = ordered_json{{"text", text}};
            }
        }
        results.push_back(std::move(one));
    }
    return results;
}

} // namespace

rerank_request parse_request(std::string_view body, const request_limits& limits) {
    if (body.size() > limits.body_bytes) {
        throw request_error(413, request_form::documents,
                            "the body has " + std::to_string(body.size()) +
                                " bytes; this server takes " + std::to_string(limits.body_bytes));
    }
    json parsed;
    try {
        parsed = tools::parse_json(body, "the body", {.max_bytes = limits.body_bytes});
    } catch (const error& problem) {
        throw request_error(400, request_form::documents, problem.what());
    }
    return reader(std::move(parsed), limits).read();
}

std::string answer_text(const rerank_request& request, const ranked_texts& found, activation scores,
                        const answer_names& names) {
    if (request.raw_scores) {
        scores = *request.raw_scores ? activation::logit : activation::sigmoid;
    }
    ordered_json results = results_of(request, found, scores);
    if (request.form == request_form::texts) {
        return tools::json_line(results);
    }
    const std::size_t units = (request.documents.size() + 99) / 100; // as Cohere counts
    ordered_json answer{
        {"id", names.id},
        {"object", "list"},
        {"model", request.model.empty() ? names.model : request.model},
        {"results", std::move(results)},
        {"usage", {{"prompt_tokens", found.tokens}, {"total_tokens", found.tokens}}},
        {"meta",
         {{"api_version", {{"version", names.api}}}, {"billed_units", {{"search_units", units}}}}}};
    if (!found.complete) {
        answer["partial"] = true;
    }
    return tools::json_line(answer);
}

std::string error_text(request_form form, int status, std::string_view message) {
    if (form == request_form::texts) {
        return tools::json_line({{"error", message}, {"error_type", error_type(status)}});
    }
    return tools::json_line(
        {{"message", message},
         {"error", {{"code", status}, {"message", message}, {"type", openai_type(status)}}}});
}

} // namespace mice::serve
