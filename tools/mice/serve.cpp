// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/choice_option.hpp"
#include "common/interrupt.hpp"
#include "common/model_path.hpp"
#include "common/number_option.hpp"
#include "common/output.hpp"
#include "http/server.hpp"
#include "mice/commands.hpp"
#include "mice/long_texts.hpp"
#include "serve/access.hpp"
#include "serve/server_module.hpp"
#include "serve/service.hpp"

namespace mice::cli {
namespace {

struct serve_options {
    scoring_options scoring;
    long_texts texts;
    std::string host = "127.0.0.1";
    std::size_t port = 8080;
    std::string name, token_file, allow_origin;
    std::vector<std::string> allow_hosts;
    activation scores = activation::sigmoid;
    std::size_t waiting = 64, connections = 256, cache_mb = 256;
    std::size_t documents = 1000, document_kb = 1024, body_mb = 32;
    double timeout = 0, client = 30, grace = 10;
    bool partial = false, no_token = false, log = false;
};

std::string token_of(const serve_options& options) {
    if (!options.token_file.empty()) {
        return serve::read_token(options.token_file);
    }
    const char* const named = std::getenv("MICE_SERVE_TOKEN");
    return named == nullptr ? std::string()
                            : serve::checked_token(named, "the variable MICE_SERVE_TOKEN");
}

serve::service_options service_of(const serve_options& options) {
    const bool loopback = serve::is_loopback(options.host);
    serve::service_options made;
    made.model = options.name.empty() ? tools::model_path(options.scoring.model).stem().string()
                                      : options.name;
    made.scores = options.scores;
    made.limits = {options.body_mb << 20, options.documents, options.document_kb << 10};
    made.waiting = options.waiting;
    if (options.timeout > 0) {
        made.timeout = std::chrono::duration<double>(std::min(options.timeout, 1e9));
    }
    made.partial = options.partial;
    made.cache_bytes = options.cache_mb << 20;
    made.token = token_of(options);
    made.check_host = loopback;
    made.allowed_hosts = options.allow_hosts;
    if (!options.allow_origin.empty()) {
        made.allow_origin = options.allow_origin;
    }
    made.log = options.log;
    if (!loopback && made.token.empty() && !options.no_token) {
        throw usage_error("--host " + options.host +
                          " may be reached from other machines: give a token (--token-file FILE, "
                          "or the variable MICE_SERVE_TOKEN), or --no-token to serve everybody");
    }
    return made;
}

std::chrono::milliseconds milliseconds(double seconds) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(seconds, 1e6) * 1000));
}

exit_code run_serve(const serve_options& options) {
    const tools::interrupt_guard signals;
    serve::make_server& make = serve::load_server_module();
    serve::service_options settings = service_of(options);
    const reranker ranker = options.scoring.load();
    (void)ranker.text_tokenizer(); // fails here if there is none
    if (ranker.config().kind == model_kind::late_interaction &&
        options.scores == activation::sigmoid) {
        tools::print_message("mice: note: scores of late interaction are sums, whose sigmoids are "
                             "nearly all 1; --scores logit gives them as they are");
    }
    serve::service answers(ranker, options.scoring.for_library(), options.texts.for_library(),
                           std::move(settings));
    const std::unique_ptr<serve::server> listener(
        make(answers, {options.host, static_cast<int>(options.port), options.connections,
                       milliseconds(options.client), milliseconds(options.grace)}));
    const int port = listener->bind();
    const bool v6 = options.host.find(':') != std::string::npos;
    tools::output out;
    out.write("http://" + (v6 ? "[" + options.host + "]" : options.host) + ":" +
              std::to_string(port) + "\n");
    out.flush();
    listener->run([&signals] { return signals.requested(); });
    return exit_code::ok;
}

void add_limits(CLI::App& serve, serve_options& options) {
    serve
        .add_option("--queue", options.waiting,
                    "Requests that wait while one is ranked, at most (64); more get 429")
        ->check(CLI::Range(0, 1000000))
        ->type_name("N");
    serve
        .add_option("--timeout", options.timeout,
                    "Seconds for a request, waiting included; then it gets 503")
        ->check(tools::finite_number(tools::zero::refused))
        ->type_name("SECONDS");
    serve.add_flag("--partial", options.partial,
                   "After --timeout answer with what is ranked by then");
    serve
        .add_option("--max-documents", options.documents, "Documents of a request, at most (1000)")
        ->check(CLI::Range(1, 1000000))
        ->type_name("N");
    serve
        .add_option("--max-document-kb", options.document_kb,
                    "KiB of a document or query, at most (1024)")
        ->check(CLI::Range(1, 1 << 20))
        ->type_name("N");
    serve.add_option("--max-body-mb", options.body_mb, "MiB of a request, at most (32)")
        ->check(CLI::Range(1, 1024))
        ->type_name("N");
    serve
        .add_option("--connections", options.connections,
                    "Open connections, at most (256); then the one that is waited for longest goes")
        ->check(CLI::Range(1, 10000))
        ->type_name("N");
    serve
        .add_option("--client-timeout", options.client,
                    "Seconds that a client has to send a request, or to read its answer (30)")
        ->check(tools::finite_number(tools::zero::refused))
        ->type_name("SECONDS");
    serve
        .add_option("--grace", options.grace,
                    "Seconds to finish what runs when the server is told to stop (10)")
        ->check(tools::finite_number(tools::zero::allowed))
        ->type_name("SECONDS");
}

void add_access(CLI::App& serve, serve_options& options) {
    serve
        .add_option("--token-file", options.token_file,
                    "A file with the token that requests must bear; else that in MICE_SERVE_TOKEN")
        ->check(not_empty())
        ->type_name("FILE");
    serve.add_flag("--no-token", options.no_token, "Serve other machines without a token");
    serve
        .add_option("--allow-host", options.allow_hosts,
                    "Another name that a Host header may have where this machine alone is served")
        ->check(not_empty())
        ->expected(1)
        ->type_name("NAME");
    serve
        .add_option("--allow-origin", options.allow_origin,
                    "The origin of web pages that may ask, such as https://example.org, or *")
        ->check(not_empty())
        ->type_name("ORIGIN");
}

} // namespace

void add_serve_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<serve_options>();
    CLI::App* const serve =
        app.add_subcommand("serve", "Answer the re-ranking requests of other programs over HTTP");
    serve->add_option("--host", options->host, "Address to listen at (127.0.0.1)")
        ->check(not_empty())
        ->type_name("ADDRESS");
    serve->add_option("--port", options->port, "Port (8080); 0 takes one that is free")
        ->check(CLI::Range(0, 65535))
        ->type_name("N");
    options->scoring.add_to(*serve);
    options->texts.add_to(*serve);
    serve->add_option("--name", options->name, "Name of the model; its file's if not given")
        ->check(not_empty())
        ->type_name("NAME");
    serve
        ->add_option("--scores", options->scores,
                     "Where a request does not say: sigmoid (default, 0 to 1) or logit")
        ->transform(tools::one_of(std::map<std::string, activation>{
            {"sigmoid", activation::sigmoid}, {"logit", activation::logit}}))
        ->type_name("FORM");
    serve
        ->add_option("--cache-mb", options->cache_mb,
                     "MiB of encoded passages to keep for later requests (256); 0: none")
        ->check(CLI::Range(0, 1 << 20))
        ->type_name("N");
    add_limits(*serve, *options);
    add_access(*serve, *options);
    serve->add_flag("--log", options->log, "A line for each request on standard error");
    serve->callback([options, &chosen] {
        for (std::string& host : options->allow_hosts) {
            std::transform(host.begin(), host.end(), host.begin(), [](char c) {
                return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
            });
        }
        chosen = [options] { return run_serve(*options); };
    });
}

} // namespace mice::cli
