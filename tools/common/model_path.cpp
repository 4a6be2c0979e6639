// SPDX-License-Identifier: Apache-2.0
#include "common/model_path.hpp"

#include <cstdlib>
#include <system_error>

#include <mice/error.hpp>

#include "common/file_kind.hpp"
#include "common/program_file.hpp"

namespace mice::tools {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
}

} // namespace

std::optional<fs::path> default_model_path(std::span<const fs::path> prefixes) {
    if (const char* chosen = std::getenv("MICE_MODEL"); chosen != nullptr && *chosen != '\0') {
        return fs::path(chosen);
    }
    for (const fs::path& prefix : prefixes) {
        const fs::path installed = prefix / "share" / "mice" / "models" / default_model_name;
        if (!prefix.empty() && is_file(installed)) {
            return installed;
        }
    }
    return std::nullopt;
}

std::optional<fs::path> default_model_path() {
    const fs::path prefix = program_file().parent_path().parent_path();
    return default_model_path(std::span(&prefix, 1));
}

fs::path model_path(const std::string& named) {
    if (!named.empty()) {
        return named;
    }
    const std::optional<fs::path> found = default_model_path();
    if (!found) {
        throw detail::errors::cannot_open(default_model_name,
                                          "the default model is not installed beside "
                                          "this program; name a model with --model FILE "
                                          "or in the variable MICE_MODEL");
    }
    if (!is_file(*found)) {
        const std::string kind = kind_of_other(*found);
        throw detail::errors::cannot_open(found->string(),
                                          "the variable MICE_MODEL names it, but " +
                                              (kind.empty() ? "it is not a file" : kind));
    }
    return *found;
}

reranker load_model(const fs::path& path, precision computed, const parallel_options& loading) {
    try {
        return reranker(path, computed, loading);
    } catch (const error& problem) {
        if (problem.code() == errc::io || problem.code() == errc::format) {
            if (const std::string kind = kind_of_other(path); !kind.empty()) {
                throw error(problem.code(),
                            detail::errors::quoted(path.string()) + " is no model file: " + kind);
            }
        }
        if (problem.code() == errc::io) {
            throw; // the message names the file already
        }
        throw error(problem.code(), detail::errors::quoted(path.string()) + ": " + problem.what());
    }
}

} // namespace mice::tools
