// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include <array>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include <dlfcn.h>

#include <mice/error.hpp>

#include "common/model_path.hpp"

namespace mice::sqlite {
namespace {

namespace fs = std::filesystem;

/// The file that this code was loaded from: the extension, or a program that links it.
fs::path own_file() {
    Dl_info found{};
    if (dladdr(reinterpret_cast<const void*>(&own_file), &found) == 0 ||
        found.dli_fname == nullptr) {
        return {};
    }
    std::error_code problem;
    const fs::path whole = fs::canonical(found.dli_fname, problem);
    return problem ? fs::path() : whole;
}

/// Of the folder where the extension is installed (lib/mice, or lib/TRIPLET/mice), or a program
/// that links it (bin).
fs::path default_model() {
    std::array<fs::path, 3> prefixes;
    fs::path above = own_file().parent_path();
    for (fs::path& each : prefixes) {
        each = above = above.parent_path();
    }
    const std::optional<fs::path> found = tools::default_model_path(prefixes);
    if (!found) {
        throw error(errc::io, "there is no default model beside this extension; name one: SELECT "
                              "mice_model('FILE'), or set the variable MICE_MODEL");
    }
    return *found;
}

/// Models that are loaded, for all connections of the process.
std::shared_ptr<const reranker> shared_model(const std::string& file, precision computed) {
    static std::mutex guard;
    static std::map<std::pair<std::string, precision>, std::weak_ptr<const reranker>> loaded;
    std::error_code problem;
    const fs::path whole = fs::canonical(file, problem);
    const std::string name = problem ? file : whole.string();
    const std::lock_guard lock(guard);
    std::weak_ptr<const reranker>& kept = loaded[{name, computed}];
    std::shared_ptr<const reranker> model = kept.lock();
    if (model == nullptr) {
        model = std::make_shared<const reranker>(tools::load_model(file, computed));
        kept = model;
    }
    return model;
}

} // namespace

const reranker& connection::model() {
    if (model_ == nullptr) {
        use_model(default_model().string(), precision::automatic);
    }
    return *model_;
}

void connection::use_model(const std::string& file, precision computed) {
    std::shared_ptr<const reranker> loaded = shared_model(file, computed);
    query_.reset();
    model_ = std::move(loaded);
    file_ = file;
}

const mice::query& connection::query(std::string_view text) {
    const reranker& ranker = model();
    if (!query_ || query_text_ != text) {
        query_.reset();
        query_text_ = text;
        query_ = ranker.encode_query(text);
    }
    return *query_;
}

std::string_view text_of(sqlite3_value* value) {
    // The pointer first: it may convert the value, and so change its size.
    const unsigned char* const bytes = sqlite3_value_text(value);
    const int size = sqlite3_value_bytes(value);
    if (bytes == nullptr) {
        throw std::bad_alloc();
    }
    return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

std::span<const std::byte> blob_of(sqlite3_value* value) {
    const void* const bytes = sqlite3_value_blob(value);
    const int size = sqlite3_value_bytes(value);
    return {static_cast<const std::byte*>(bytes), static_cast<std::size_t>(size)};
}

document stored_document(const reranker& model, std::span<const std::byte> bytes) {
    document read = [&] {
        try {
            return document::deserialize(bytes);
        } catch (const error& problem) {
            throw error(problem.code(),
                        std::string("these bytes are no document of mice_encode(): ") +
                            problem.what());
        }
    }();
    if (read.fingerprint() != model.fingerprint()) {
        throw error(errc::mismatch, "this document was encoded with another model; encode it again "
                                    "with mice_encode(), or name its model with mice_model()");
    }
    return read;
}

document document_of(const reranker& model, sqlite3_value* value) {
    switch (sqlite3_value_type(value)) {
    case SQLITE_BLOB:
        return stored_document(model, blob_of(value));
    case SQLITE_TEXT:
        return model.encode(text_of(value));
    default:
        throw error(errc::invalid_argument,
                    "a document is a BLOB of mice_encode(), or a TEXT; this is a number");
    }
}

std::size_t count_of(sqlite3_value* value, const char* what) {
    const sqlite3_int64 count = sqlite3_value_int64(value);
    if (sqlite3_value_numeric_type(value) != SQLITE_INTEGER || count < 0) {
        throw error(errc::invalid_argument, std::string(what) + " has to be a number, 0 or more");
    }
    return static_cast<std::size_t>(count);
}

std::string current_message() noexcept {
    try {
        try {
            throw;
        } catch (const std::bad_alloc&) {
            return {};
        } catch (const std::exception& problem) {
            return std::string("mice: ") + problem.what();
        } catch (...) {
            return "mice: an unknown error";
        }
    } catch (...) {
        return {};
    }
}

} // namespace mice::sqlite
