// SPDX-License-Identifier: Apache-2.0
#include "serve/service.hpp"

#include <cstdio>
#include <new>
#include <random>

#include <mice/error.hpp>
#include <mice/io/checksum.hpp>

#include "common/json_output.hpp"
#include "common/output.hpp"
#include "serve/access.hpp"
#include "serve/addresses.hpp"

namespace mice::serve {
namespace {

using clock = std::chrono::steady_clock;

std::uint64_t random_number() {
    std::random_device source;
    return std::uint64_t{source()} << 32 | source();
}

answer refused(int status, request_form form, std::string_view message) {
    answer made;
    made.status = status;
    made.body = error_text(form, status, message);
    if (status == 429 || status == 503) {
        made.headers.emplace_back("Retry-After", "1");
    }
    return made;
}

/// Status of what the library refuses.
int status_of(const error& problem, request_form form) {
    switch (problem.code()) {
    case errc::encoding:
    case errc::invalid_argument:
        return form == request_form::texts ? 422 : 400;
    default:
        return 500;
    }
}

std::string milliseconds(std::chrono::duration<double> took) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", took.count() * 1000);
    return text;
}

} // namespace

service::service(const reranker& ranker, const rank_options& options,
                 const std::optional<text_options>& texts, service_options settings)
    : settings_(std::move(settings)), ranker_(ranker, options, texts, settings_.cache_bytes),
      first_id_(random_number()), queue_(settings_.waiting) {}

std::optional<answer> service::answer_head(const request_head& head) {
    if (auto refusing = refusal(head)) {
        return refusing;
    }
    answer made;
    if (!is_address(head.path)) {
        return failure(head, 404, "there is nothing at this address; docs/serve.md lists them");
    }
    if (head.method == "OPTIONS" && settings_.allow_origin) {
        made.status = 204;
        made.headers = {{"Access-Control-Allow-Methods", "GET, POST"},
                        {"Access-Control-Allow-Headers", "authorization, content-type"},
                        {"Access-Control-Max-Age", "600"}};
        return finished(head, std::move(made));
    }
    const bool ranking = ranks(head.path);
    if (ranking ? head.method != "POST" : head.method != "GET" && head.method != "HEAD") {
        made = failure(head, 405, std::string("this address takes ") + (ranking ? "POST" : "GET"));
        made.headers.emplace_back("Allow", ranking ? "POST" : "GET, HEAD");
        return made;
    }
    if (ranking) {
        return std::nullopt;
    }
    if (head.path == "/health") {
        made.body = "{\"status\":\"ok\"}\n";
    } else if (head.path == "/metrics") {
        made.type = "text/plain; version=0.0.4";
        made.body = metrics();
    } else {
        made.body = models();
    }
    return finished(head, std::move(made));
}

std::optional<answer> service::refusal(const request_head& head) const {
    if (settings_.check_host &&
        !(head.host && names_this_machine(*head.host, settings_.allowed_hosts))) {
        return failure(head, 403,
                       "the Host header does not name this machine; --allow-host adds a name");
    }
    const auto& allowed = settings_.allow_origin;
    if (head.origin && !(allowed && (*allowed == "*" || *allowed == *head.origin))) {
        return failure(head, 403, "pages of this origin may not ask; --allow-origin lets one");
    }
    const bool open = head.path == "/health" || (head.method == "OPTIONS" && allowed);
    if (!settings_.token.empty() && !open &&
        !(head.authorization && bears(*head.authorization, settings_.token))) {
        answer made = failure(head, 401, "the Authorization header must be 'Bearer TOKEN'");
        made.headers.emplace_back("WWW-Authenticate", "Bearer");
        return made;
    }
    return std::nullopt;
}

answer service::rank(const request_head& head, std::string_view body,
                     const std::function<bool()>& gone) {
    request_form form = request_form::documents;
    const auto failed = [&](int status, std::string_view message) {
        return finished(head, refused(status, form, message));
    };
    try {
        const rerank_request request = parse_request(body, settings_.limits);
        form = request.form;
        return finished(head, rank_checked(request, head.path, gone));
    } catch (const request_error& problem) {
        form = problem.form();
        return failed(problem.status(), problem.what());
    } catch (const error& problem) {
        return failed(status_of(problem, form), problem.what());
    } catch (const std::bad_alloc&) {
        return failed(503, "not enough memory; send fewer or shorter documents");
    } catch (const std::exception& problem) {
        return failed(500, problem.what());
    }
}

answer service::rank_checked(const rerank_request& request, std::string_view path,
                             const std::function<bool()>& gone) {
    std::optional<clock::time_point> deadline;
    if (settings_.timeout) {
        deadline = clock::now() + std::chrono::duration_cast<clock::duration>(*settings_.timeout);
    }
    ranked_texts found;
    const outcome became = queue_.run(
        [&](const cancellation& cancel) {
            found = ranker_.rank(request.query, request.documents, {deadline, &cancel});
        },
        deadline, gone);
    switch (became) {
    case outcome::full:
        return refused(429, request.form, "too many requests are waiting; ask again later");
    case outcome::timed_out:
        return refused(503, request.form, "the time limit passed before this request's turn");
    case outcome::stopped:
        return refused(503, request.form, "the server is stopping");
    case outcome::deserted:
        return refused(499, request.form, "the client went away");
    case outcome::done:
        break;
    }
    if (!found.complete && (!settings_.partial || found.hits.empty())) {
        return refused(503, request.form,
                       std::to_string(found.hits.size()) + " of " +
                           std::to_string(request.documents.size()) +
                           " documents were ranked before the time limit");
    }
    measured_.ranked(found.hits.size(), found.tokens);
    answer made;
    made.documents = found.hits.size();
    made.body = answer_text(request, found, settings_.scores,
                            {settings_.model, next_id(), path.starts_with("/v2/") ? "2" : "1"});
    if (!found.complete) {
        made.headers.emplace_back("X-Mice-Partial", std::to_string(found.hits.size()) + "/" +
                                                        std::to_string(request.documents.size()));
    }
    return made;
}

answer service::failure(const request_head& head, int status, std::string_view message) const {
    return finished(head, refused(status, request_form::documents, message));
}

answer service::finished(const request_head& head, answer made) const {
    made.headers.emplace_back("X-Content-Type-Options", "nosniff");
    const auto& allowed = settings_.allow_origin;
    if (allowed && head.origin && (*allowed == "*" || *allowed == *head.origin)) {
        made.headers.emplace_back("Access-Control-Allow-Origin", *allowed);
        made.headers.emplace_back("Vary", "Origin");
    }
    return made;
}

std::string service::models() const {
    const tools::ordered_json model{
        {"id", settings_.model}, {"object", "model"}, {"created", 0}, {"owned_by", "mice"}};
    return tools::json_line({{"object", "list"}, {"data", tools::ordered_json::array({model})}});
}

std::string service::metrics() const {
    const document_cache::counts cached = ranker_.cache().counted();
    return measured_.prometheus() +
           prometheus_metric("mice_waiting", "gauge", "Requests that wait for their turn.",
                             queue_.waiting()) +
           prometheus_metric("mice_running", "gauge", "Requests that are being ranked.",
                             queue_.busy() ? 1 : 0) +
           prometheus_metric("mice_cache_hits_total", "counter",
                             "Passages that were encoded already.", cached.hits) +
           prometheus_metric("mice_cache_misses_total", "counter",
                             "Passages that were looked for and not found.", cached.misses) +
           prometheus_metric("mice_cache_documents", "gauge", "Encoded passages kept.",
                             cached.documents) +
           prometheus_metric("mice_cache_bytes", "gauge", "Bytes that they take.", cached.bytes);
}

std::string service::next_id() {
    return "rerank-" + io::hex_digits(first_id_) + "-" + std::to_string(++ids_);
}

void service::note(const request_head& head, const answer& given,
                   std::chrono::duration<double> took) {
    measured_.answered(head.path, given.status, took);
    if (!settings_.log) {
        return;
    }
    constexpr std::size_t longest = 100; // of what a stranger wrote
    std::string line = "mice: " + std::to_string(given.status) + " " +
                       head.method.substr(0, longest) + " " + head.path.substr(0, longest);
    if (given.documents > 0) {
        line += ", " + std::to_string(given.documents) + " documents";
    }
    tools::print_message(line + ", " + milliseconds(took) + " ms");
}

} // namespace mice::serve
