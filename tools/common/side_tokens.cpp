// SPDX-License-Identifier: Apache-2.0
#include "common/side_tokens.hpp"

#include <unordered_set>
#include <utility>

namespace mice::tools {
namespace {

using detail::errors::bad_vocabulary;

/// Whether two added tokens of one text are matched in the same way.
bool same_search(const added_token& a, const added_token& b) {
    return a.single_word == b.single_word && a.lstrip == b.lstrip && a.rstrip == b.rstrip &&
           a.normalized == b.normalized;
}

} // namespace

void add_listed(const side_config& side, const id_index& ids, std::vector<added_token>& tokens) {
    std::unordered_map<std::string_view, const added_token*> own;
    for (const added_token& token : tokens)
        own.emplace(token.content, &token);
    std::vector<added_token> fresh;
    std::int32_t next = ids.next(tokens);
    for (const added_token& token : side.added) {
        const auto known = own.find(token.content);
        const auto in_vocabulary = ids.find(token.content);
        const std::int32_t given = known != own.end() ? known->second->id
                                   : in_vocabulary    ? *in_vocabulary
                                                      : next;
        if (token.id != given)
            throw bad_vocabulary(
                "a file beside it gives the added token " + detail::errors::quoted(token.content) +
                " the id " + std::to_string(token.id) + ", but it has or would get " +
                std::to_string(given) + "; correct the id, or save the tokenizer again");
        if (known == own.end()) {
            fresh.push_back(token);
            next = std::max(next, token.id + 1);
        } else if (token.special != known->second->special ||
                   (!token.special && !same_search(token, *known->second))) {
            throw bad_vocabulary("a file beside it describes the added token " +
                                 detail::errors::quoted(token.content) +
                                 " in another way; correct one of them");
        }
    }
    tokens.insert(tokens.end(), fresh.begin(), fresh.end());
}

void add_unlisted(const side_config& side, const id_index& ids, std::size_t rows,
                  std::vector<added_token>& tokens) {
    std::unordered_set<std::string> own;
    for (const added_token& token : tokens)
        own.insert(token.content);
    std::int32_t next = ids.next(tokens);
    for (added_token token : side.extra) {
        if (!own.insert(token.content).second)
            continue;
        token.id = ids.find(token.content).value_or(next);
        next += token.id == next ? 1 : 0;
        if (static_cast<std::size_t>(token.id) < rows)
            tokens.push_back(std::move(token));
    }
}

} // namespace mice::tools
