// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "find/mcp/json_rpc.hpp"

namespace mice::find::mcp {

/// The members of an object that a client sent. Those that are null count as left out. All
/// functions throw rpc_error (invalid_params) for a value of another type or range.
class arguments {
  public:
    /// `given` must outlive this object.
    explicit arguments(const json& given);

    [[nodiscard]] std::optional<std::string> text(const char* name);
    [[nodiscard]] std::string needed_text(const char* name);
    [[nodiscard]] std::optional<std::int64_t> whole(const char* name, std::int64_t least,
                                                    std::int64_t most);
    [[nodiscard]] std::optional<double> number(const char* name);
    [[nodiscard]] bool flag(const char* name, bool otherwise);
    [[nodiscard]] std::vector<std::string> texts(const char* name);
    /// The value itself, or null; of an object or array.
    [[nodiscard]] const json* value(const char* name);
    /// Throws where there is a member that nobody asked for: a name that is misspelt.
    void refuse_others() const;

  private:
    const json& given_;
    std::set<std::string> asked_;
};

} // namespace mice::find::mcp
