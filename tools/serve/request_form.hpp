// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "serve/text_ranker.hpp"

// The forms of a re-ranking request, and of what it is answered.
namespace mice::serve {

/// What a request may hold.
struct request_limits {
    std::size_t body_bytes = std::size_t{32} << 20; ///< below 2^31
    std::size_t documents = 1000;
    std::size_t document_bytes = std::size_t{1} << 20; ///< of the query, too
};

/// Whose form a request has, and so its answer.
enum class request_form {
    documents, ///< Cohere's, Jina's, llama.cpp's and vLLM's: `documents`
    texts      ///< that of text-embeddings-inference (TEI): `texts`
};

/// One request, checked.
struct rerank_request {
    request_form form = request_form::documents;
    std::string query;
    std::vector<std::string> documents;
    std::optional<std::size_t> top_n; ///< 1 at least; none: all
    bool return_documents = false;
    std::optional<bool> raw_scores; ///< TEI's alone
    std::string model;              ///< as the request names it; may be empty
};

/// A request that is not answered, and why.
class request_error : public std::runtime_error {
  public:
    request_error(int status, request_form form, const std::string& message)
        : std::runtime_error(message), status_(status), form_(form) {}
    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] request_form form() const noexcept { return form_; }

  private:
    int status_;
    request_form form_;
};

/// Reads the body of a request; nothing is believed of it. Throws request_error: 400 (of TEI's form
/// 422) for what is wrong, 413 for what is too much.
[[nodiscard]] rerank_request parse_request(std::string_view body, const request_limits& limits);

/// How an answer names things.
struct answer_names {
    std::string model;    ///< where the request names none
    std::string id;       ///< of this answer
    std::string_view api; ///< "1" or "2": the version in the address
};

/// The body of the answer: the best top_n texts, with scores of that kind.
[[nodiscard]] std::string answer_text(const rerank_request& request, const ranked_texts& found,
                                      activation scores, const answer_names& names);

/// The body of an answer that says what went wrong, in the form's own shape.
[[nodiscard]] std::string error_text(request_form form, int status, std::string_view message);

} // namespace mice::serve
