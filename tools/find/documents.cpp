// SPDX-License-Identifier: Apache-2.0
#include "find/documents.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <mice/error.hpp>

namespace mice::find {
namespace {

/// Takes ":FROM" or ":FROM:COUNT" off the end of a name.
bool take_lines(std::string& name, line_range& lines) {
    std::vector<std::int64_t> numbers;
    std::string rest = name;
    while (numbers.size() < 2) {
        const std::size_t colon = rest.rfind(':');
        std::int64_t value = 0;
        if (colon == rest.npos || colon == 0 || colon + 1 == rest.size()) {
            break;
        }
        const char* const end = rest.data() + rest.size();
        const auto [stop, problem] = std::from_chars(rest.data() + colon + 1, end, value);
        if (problem != std::errc() || stop != end || value < 0) {
            break;
        }
        numbers.insert(numbers.begin(), value);
        rest.resize(colon);
    }
    if (numbers.empty()) {
        return false;
    }
    name = rest;
    lines.from = std::max<std::int64_t>(1, numbers[0]);
    lines.count = numbers.size() > 1 ? numbers[1] : lines.count;
    return true;
}

line_range range_of(const wanted_lines& lines, const line_range& otherwise) {
    return {lines.from.value_or(otherwise.from), lines.count.value_or(otherwise.count)};
}

/// The parts between commas, without the spaces before them.
std::vector<std::string> parts_of(const std::string& list) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t comma = std::min(list.find(',', at), list.size());
        const std::string part = list.substr(at, comma - at);
        if (const std::size_t begin = part.find_first_not_of(' '); begin != part.npos) {
            parts.push_back(part.substr(begin));
        }
        at = comma + 1;
    }
    return parts;
}

bool is_pattern(const std::string& name) {
    return name.find_first_of("*?[") != name.npos;
}

/// Gives documents to whoever asked for them.
class giver {
  public:
    giver(finder& find, const documents_asked& asked,
          const std::function<bool(const document_text&)>& take,
          const std::function<void(const std::string&, const std::string&)>& left_out)
        : find_(find), asked_(asked), take_(take), left_out_(left_out) {}

    // Each returns false where `take` wants no more.
    bool give_matching(const std::string& pattern) {
        const std::vector<std::int64_t> files = find_.matching(pattern);
        if (files.empty()) {
            left_out_(pattern, "no file in the index matches it");
        }
        return std::all_of(files.begin(), files.end(), [&](std::int64_t file) {
            return give(pattern, [&] { return find_.text_of(file, range_of(asked_.lines, {})); });
        });
    }

    bool give_named(const std::string& name) {
        return give(name, [&] { return document_of(find_, name, asked_.lines); });
    }

    /// False where there is no document of that name.
    bool give_if_there(const std::string& name, bool& go_on) {
        try {
            const document_text found = document_of(find_, name, asked_.lines);
            go_on = hand_over(found);
            return true;
        } catch (const error& problem) {
            if (problem.code() != errc::invalid_argument) {
                throw;
            }
            return false;
        }
    }

  private:
    template <class Get> bool give(const std::string& name, const Get& get) {
        std::optional<document_text> found;
        try {
            found = get();
        } catch (const error& problem) {
            if (problem.code() != errc::invalid_argument) {
                throw;
            }
            left_out_(name, problem.what());
            return true;
        }
        return hand_over(*found);
    }

    bool hand_over(const document_text& found) {
        if (asked_.max_bytes > 0 &&
            static_cast<std::int64_t>(found.text.size()) > asked_.max_bytes) {
            left_out_(found.file.string(),
                      "it has " + std::to_string(found.text.size()) +
                          " bytes; 'get' shows it, and so does a higher limit of bytes");
            return true;
        }
        return take_(found);
    }

    finder& find_;
    const documents_asked& asked_;
    const std::function<bool(const document_text&)>& take_;
    const std::function<void(const std::string&, const std::string&)>& left_out_;
};

} // namespace

document_text document_of(finder& find, const std::string& given, const wanted_lines& lines) {
    std::string name = given;
    line_range of_name;
    if (!take_lines(name, of_name)) {
        return find.get(given, range_of(lines, {}));
    }
    try {
        return find.get(given, range_of(lines, {}));
    } catch (const error& problem) {
        if (problem.code() != errc::invalid_argument) {
            throw;
        }
        return find.get(name, range_of(lines, of_name));
    }
}

void documents_of(finder& find, const documents_asked& asked,
                  const std::function<bool(const document_text&)>& take,
                  const std::function<void(const std::string&, const std::string&)>& left_out) {
    giver gives(find, asked, take, left_out);
    for (const std::string& given : asked.names) {
        bool go_on = true;
        // A name may look like a pattern, or like a list.
        if (!gives.give_if_there(given, go_on)) {
            for (const std::string& name : parts_of(given)) {
                if (!is_pattern(name)) {
                    go_on = gives.give_named(name);
                } else if (name == given || !gives.give_if_there(name, go_on)) {
                    go_on = gives.give_matching(name);
                }
                if (!go_on) {
                    break;
                }
            }
        }
        if (!go_on) {
            return;
        }
    }
}

} // namespace mice::find
