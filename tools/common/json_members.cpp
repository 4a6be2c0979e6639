// SPDX-License-Identifier: Apache-2.0
#include "common/json_members.hpp"

#include <algorithm>

namespace mice::tools {

using detail::errors::bad_vocabulary;

using text::token_table;

const json& member(const json& object, const char* key, std::string_view where) {
    if (!object.is_object())
        throw bad_vocabulary(std::string(where) + " must be a JSON object");
    const auto found = object.find(key);
    if (found == object.end())
        throw bad_vocabulary(std::string(where) + " lacks " + detail::errors::quoted(key));
    return *found;
}

error wrong_type(const char* key, std::string_view where, std::string_view expected) {
    return bad_vocabulary(std::string(where) + ": " + detail::errors::quoted(key) + " must be " +
                          std::string(expected));
}

bool flag(const json& object, const char* key, std::string_view where) {
    const json& value = member(object, key, where);
    if (!value.is_boolean())
        throw wrong_type(key, where, "true or false");
    return value.get<bool>();
}

std::string string(const json& object, const char* key, std::string_view where) {
    const json& value = member(object, key, where);
    if (!value.is_string())
        throw wrong_type(key, where, "a string");
    return value.get<std::string>();
}

std::int32_t token_id(const json& value, std::string_view token) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= token_table::max_tokens)
        throw bad_vocabulary("the id of " + detail::errors::quoted(token) +
                             " must be a whole number below " +
                             std::to_string(token_table::max_tokens));
    return static_cast<std::int32_t>(value.get<std::uint64_t>());
}

added_token read_added(const json& object, std::int32_t id) {
    constexpr std::string_view where = "an added token";
    added_token token;
    token.id = id;
    token.content = string(object, "content", where);
    token.special = flag(object, "special", where);
    token.single_word = flag(object, "single_word", where);
    token.lstrip = flag(object, "lstrip", where);
    token.rstrip = flag(object, "rstrip", where);
    token.normalized = flag(object, "normalized", where);
    return token;
}

std::int32_t known_id(const std::vector<std::string>& vocabulary,
                      const std::vector<added_token>& added, const std::string& token) {
    const auto found = std::find(vocabulary.begin(), vocabulary.end(), token);
    if (found != vocabulary.end())
        return static_cast<std::int32_t>(found - vocabulary.begin());
    for (const added_token& each : added)
        if (each.content == token)
            return each.id;
    throw bad_vocabulary("the special token " + detail::errors::quoted(token) +
                         " is not in the vocabulary");
}

} // namespace mice::tools
