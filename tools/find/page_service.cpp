// SPDX-License-Identifier: Apache-2.0
#include "find/page_service.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include <sys/random.h>

#include <mice/error.hpp>
#include <mice/text/unicode/utf8.hpp>

#include "common/whole_characters.hpp"
#include "find/found_words.hpp"
#include "find/page_files.hpp"
#include "find/results.hpp"
#include "serve/access.hpp"

namespace mice::find {
namespace {

using serve::request_head;
using tools::ordered_json;
using reply = serve::answer;

/// A request that is wrong in itself.
class bad_request : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Nothing from elsewhere, nothing inline, nothing that makes elements of text.
constexpr const char* content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

reply with_headers(reply made) {
    for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
             {"Content-Security-Policy", content_policy},
             {"X-Content-Type-Options", "nosniff"},
             {"Cache-Control", "no-store"},
             {"Referrer-Policy", "no-referrer"},
             {"Cross-Origin-Opener-Policy", "same-origin"},
             {"Cross-Origin-Resource-Policy", "same-origin"}}) {
        made.headers.emplace_back(name, value);
    }
    return made;
}

reply refused(int status, std::string_view why) {
    reply made;
    made.status = status;
    made.body = tools::json_line({{"error", why}});
    return made;
}

reply json(const ordered_json& value) {
    reply made;
    made.body = tools::json_line(value);
    return made;
}

// ---- requests ----

/// What a parameter says, the first of its name; empty where there is none.
std::string_view parameter(const request_head& head, std::string_view name) {
    for (const auto& [each, value] : head.parameters) {
        if (each == name) {
            return value;
        }
    }
    return {};
}

std::vector<std::string> parameters(const request_head& head, std::string_view name) {
    std::vector<std::string> found;
    for (const auto& [each, value] : head.parameters) {
        if (each == name && !value.empty()) {
            found.push_back(value);
        }
    }
    return found;
}

std::uint64_t number(const request_head& head, std::string_view name, std::uint64_t usual,
                     std::uint64_t least, std::uint64_t most) {
    const std::string_view text = parameter(head, name);
    if (text.empty()) {
        return usual;
    }
    std::uint64_t value = 0;
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || stop != text.data() + text.size() || value < least ||
        value > most) {
        throw bad_request(std::string(name) + " has to be a number from " + std::to_string(least) +
                          " to " + std::to_string(most));
    }
    return value;
}

/// A document's name: its id alone, so that no file can be asked for by its path.
std::string document_name(const request_head& head) {
    std::string_view id = parameter(head, "id");
    if (id.starts_with('#')) { // in an address %23
        id.remove_prefix(1);
    }
    if (id.size() < 8 || id.size() > 32 || id.find_first_not_of("0123456789abcdef") != id.npos) {
        throw bad_request("id has to be a document's, such as %230123abcd or 0123abcd");
    }
    return "#" + std::string(id);
}

question question_of(const request_head& head) {
    question asked;
    asked.text = parameter(head, "q");
    asked.results = number(head, "n", 20, 1, 100);
    asked.candidates = number(head, "candidates", 100, 1, 1000);
    asked.collections = parameters(head, "c");
    asked.kinds = parameters(head, "kind");
    asked.folder = parameter(head, "folder");
    asked.rerank = number(head, "words", 0, 0, 1) == 0;
    return asked;
}

// ---- who may ask ----

/// Why a request is not answered, whatever it asks for.
const char* stranger(const request_head& head) {
    if (!head.host || !serve::names_this_machine(*head.host, {})) {
        return "the Host header does not name this machine";
    }
    if (head.origin && *head.origin != "http://" + *head.host) {
        return "pages of other origins may not ask";
    }
    // A link on another page may lead here, and nothing else of it.
    const bool visit = head.path == "/" && head.fetch_mode == "navigate" && head.method == "GET";
    if (head.fetch_site && *head.fetch_site != "same-origin" && *head.fetch_site != "none" &&
        !visit) {
        return "pages of other origins may not ask";
    }
    return nullptr;
}

// ---- files of the page ----

struct page_file {
    const char *path, *name, *type;
};
constexpr std::array<page_file, 4> page_files{
    {{"/", "index.html", "text/html; charset=utf-8"},
     {"/page.js", "page.js", "text/javascript; charset=utf-8"},
     {"/page.css", "page.css", "text/css; charset=utf-8"},
     {"/icon.svg", "icon.svg", "image/svg+xml"}}};

/// Lets a browser search here from its address line. The Host header was checked: it is a name of
/// this machine and a port.
std::string open_search(const std::string& host) {
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
           "<OpenSearchDescription xmlns=\"http://a9.com/-/spec/opensearch/1.1/\">\n"
           "<ShortName>mice-find</ShortName>\n"
           "<Description>Your files, on this machine</Description>\n"
           "<InputEncoding>UTF-8</InputEncoding>\n"
           "<Url type=\"text/html\" template=\"http://" +
           host + "/?q={searchTerms}\"/>\n</OpenSearchDescription>\n";
}

std::optional<reply> page_answer(const request_head& head) {
    reply made;
    if (head.path == "/opensearch.xml") {
        made.type = "application/opensearchdescription+xml";
        made.body = open_search(*head.host);
        return made;
    }
    const auto* const found =
        std::find_if(page_files.begin(), page_files.end(),
                     [&](const page_file& each) { return head.path == each.path; });
    if (found == page_files.end()) {
        return std::nullopt;
    }
    made.type = found->type;
    made.body = embedded_file(found->name);
    return made;
}

// ---- answers ----

double milliseconds(double seconds) {
    return static_cast<double>(static_cast<std::int64_t>(seconds * 1e4 + 0.5)) / 10;
}

ordered_json json_of(const answer& found, const question& asked) {
    shown_parts how;
    how.explain = true;
    how.reranked = asked.rerank;
    ordered_json results = ordered_json::array();
    for (const found_passage& each : found.found) {
        ordered_json one = to_json({each, {}}, how);
        one["address"] = link_of(each);
        if (!asked.rerank) {
            ordered_json words = ordered_json::array();
            for (const text_part& part : found_words(each.passage, asked.text)) {
                words.push_back({part.begin, part.end});
            }
            one["words"] = std::move(words);
        }
        results.push_back(std::move(one));
    }
    return {{"results", std::move(results)},
            {"reranked", asked.rerank},
            {"no_words", found.no_words},
            {"candidates", found.candidates},
            {"milliseconds",
             {{"words", milliseconds(found.words_seconds)},
              {"load", milliseconds(found.load_seconds)},
              {"rank", milliseconds(found.rank_seconds)},
              {"highlights", milliseconds(found.highlight_seconds)}}}};
}

/// Folders right below the collections, and kinds of files: what a page lets choose from.
void add_choices(ordered_json& status, const catalog& held) {
    constexpr std::int64_t most_folders = 500;
    ordered_json kinds = ordered_json::array();
    statement kind = held.base().prepare(
        "SELECT t.kind, count(*) FROM files f JOIN contents t ON t.id = f.content GROUP BY t.kind "
        "ORDER BY count(*) DESC, t.kind");
    while (kind.step()) {
        kinds.push_back({{"kind", kind.text(0)}, {"files", kind.integer(1)}});
    }
    ordered_json folders = ordered_json::array();
    statement folder = held.base().prepare(
        "SELECT c.name, substr(f.path, 1, instr(f.path, X'2F') - 1) AS folder, count(*) FROM files "
        "f JOIN collections c ON c.id = f.collection WHERE f.content IS NOT NULL AND "
        "instr(f.path, X'2F') > 0 GROUP BY c.name, folder ORDER BY c.name, folder LIMIT ?1");
    folder.bind(1, most_folders);
    while (folder.step()) {
        if (text::first_invalid_utf8(folder.bytes(1)) ==
            std::string_view::npos) { // another could not be asked for
            folders.push_back({{"collection", folder.text(0)},
                               {"folder", folder.text(1)},
                               {"files", folder.integer(2)}});
        }
    }
    status["kinds"] = std::move(kinds);
    status["folders"] = std::move(folders);
}

/// A text that a page can show: not more than so many bytes.
bool cut(std::string& text) {
    constexpr std::size_t most = std::size_t{1} << 20;
    if (text.size() <= most) {
        return false;
    }
    text.resize(tools::whole_characters(text, most));
    return true;
}

} // namespace

std::string new_token() {
    std::array<unsigned char, 16> bytes{};
    if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        throw error(errc::io, "the system gives no random numbers: " +
                                  std::generic_category().message(errno));
    }
    return hex_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// ---- searches that replace one another ----

std::shared_ptr<cancellation> newest_searches::begin(std::string_view page, std::uint64_t turn) {
    constexpr std::size_t most_pages = 64;
    auto mine = std::make_shared<cancellation>();
    if (page.empty()) {
        return mine;
    }
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(known_.begin(), known_.end(),
                                    [page](const search& each) { return each.page == page; });
    if (known != known_.end()) {
        if (known->turn > turn) {
            return nullptr;
        }
        known->cancel->request();
        known_.erase(known);
    } else if (known_.size() == most_pages) {
        known_.erase(known_.begin());
    }
    known_.push_back({std::string(page), turn, mine});
    return mine;
}

void newest_searches::stop() {
    const std::lock_guard lock(mutex_);
    for (const search& each : known_) {
        each.cancel->request();
    }
}

// ---- the service ----

page_service::page_service(open_index& index, page_options options)
    : index_(index), options_(std::move(options)), queue_(options_.waiting),
      asked_last_(std::chrono::steady_clock::now()) {}

std::optional<reply> page_service::answer_head(const request_head& head) {
    asked_last_ = std::chrono::steady_clock::now();
    if (const char* const why = stranger(head)) {
        return failure(head, 403, why);
    }
    const bool opens = head.path == "/api/open";
    if (opens ? head.method != "POST" : head.method != "GET" && head.method != "HEAD") {
        reply made = failure(head, 405, std::string("this takes ") + (opens ? "POST" : "GET"));
        made.headers.emplace_back("Allow", opens ? "POST" : "GET, HEAD");
        return made;
    }
    if (auto page = page_answer(head)) {
        return with_headers(std::move(*page));
    }
    if (!(head.authorization && serve::bears(*head.authorization, options_.token))) {
        return failure(head, 403,
                       "the token is missing or wrong: it stands behind #token= in the address "
                       "that mice-find printed");
    }
    return with_headers(answered(head));
}

reply page_service::answered(const request_head& head) {
    try {
        if (head.path == "/api/search") {
            return search(head);
        }
        if (head.path == "/api/document") {
            return document(head);
        }
        if (head.path == "/api/status") {
            return status(head);
        }
        if (head.path == "/api/open") {
            return open(head);
        }
        return refused(404, "there is nothing at this address");
    } catch (const bad_request& problem) {
        return refused(400, problem.what());
    } catch (const error& problem) {
        return refused(problem.code() == errc::invalid_argument ? 404 : 500, problem.what());
    } catch (const std::bad_alloc&) {
        return refused(503, "not enough memory");
    } catch (const std::exception& problem) {
        return refused(500, problem.what());
    }
}

std::optional<reply> page_service::run(const request_head& head,
                                       const std::shared_ptr<cancellation>& cancel,
                                       const std::function<void()>& task) {
    reply superseded;
    superseded.status = 204;
    const auto gone = [&] {
        const bool left = head.gone && head.gone();
        if (left) {
            cancel->request();
        }
        return left;
    };
    try {
        const serve::outcome became = queue_.run(
            [&](const cancellation&) {
                if (!cancel->requested()) {
                    task();
                }
            },
            std::nullopt, gone);
        switch (became) {
        case serve::outcome::full:
            return refused(429, "too many requests are waiting; ask again later");
        case serve::outcome::stopped:
        case serve::outcome::timed_out:
            return refused(503, "mice-find is stopping");
        case serve::outcome::deserted:
        case serve::outcome::done:
            break;
        }
    } catch (const error& problem) {
        if (problem.code() != errc::stopped) {
            throw;
        }
        return superseded;
    }
    return cancel->requested() ? std::optional(superseded) : std::nullopt;
}

reply page_service::search(const request_head& head) {
    constexpr std::size_t longest_name = 64;
    question asked = question_of(head);
    const std::string_view page = parameter(head, "page");
    if (page.size() > longest_name) {
        throw bad_request("page has to be a short name");
    }
    const std::shared_ptr<cancellation> cancel =
        searches_.begin(page, number(head, "turn", 0, 0, UINT64_MAX));
    if (!cancel) {
        reply made;
        made.status = 204;
        return made;
    }
    asked.cancel = cancel.get();
    answer found;
    auto early = run(head, cancel, [&] { found = index_.get().query(asked); });
    return early ? std::move(*early) : json(json_of(found, asked));
}

reply page_service::document(const request_head& head) {
    const std::string name = document_name(head);
    constexpr std::uint64_t most_lines = 2000;
    const line_range lines{
        static_cast<std::int64_t>(number(head, "from", 1, 1, INT64_MAX / 4)),
        static_cast<std::int64_t>(number(head, "lines", most_lines, 1, most_lines))};
    document_text found;
    if (auto early = run(head, std::make_shared<cancellation>(),
                         [&] { found = index_.get().get(name, lines); })) {
        return std::move(*early);
    }
    const bool shortened = cut(found.text);
    ordered_json made = to_json(found);
    made["cut"] = shortened;
    return json(made);
}

reply page_service::status(const request_head& head) {
    ordered_json made;
    if (auto early = run(head, std::make_shared<cancellation>(), [&] {
            finder& find = index_.get();
            made = to_json(find.status());
            add_choices(made, find.held());
        })) {
        return std::move(*early);
    }
    made["open_files"] = options_.open_files;
    return json(made);
}

reply page_service::open(const request_head& head) {
    if (!options_.open_files) {
        return refused(403, "mice-find was started without --open-files");
    }
    const std::string name = document_name(head);
    document_text found;
    if (auto early = run(head, std::make_shared<cancellation>(), [&] {
            found = index_.get().get(name, {1, 1});
        })) {
        return std::move(*early);
    }
    opener_.open(found.file);
    return json({{"opened", found.file.string()}});
}

reply page_service::rank(const request_head& head, std::string_view, const std::function<bool()>&) {
    return failure(head, 404, "there is nothing at this address");
}

reply page_service::failure(const request_head&, int status, std::string_view message) const {
    return with_headers(refused(status, message));
}

void page_service::note(const request_head&, const reply&, std::chrono::duration<double>) {}

void page_service::stop() {
    searches_.stop();
    queue_.stop();
}

} // namespace mice::find
