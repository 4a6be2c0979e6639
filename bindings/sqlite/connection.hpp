// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sqlite3ext.h>

#include <mice/mice.hpp>

SQLITE_EXTENSION_INIT3

// What the functions of one SQLite connection share: the model, and the last query.
namespace mice::sqlite {

/// Kept by a connection until it is closed; SQLite calls a connection's functions one at a time.
class connection {
  public:
    /// The model of this connection; loads the default one where none was named. Throws
    /// mice::error.
    const reranker& model();
    /// Loads another model, or shares it with a connection that has it. Throws mice::error, and
    /// keeps the one before.
    void use_model(const std::string& file, precision computed);
    /// The model's file; empty: none was loaded.
    [[nodiscard]] const std::string& model_file() const noexcept { return file_; }

    /// The encoded query: a statement asks for the same one with every row. Throws mice::error.
    const mice::query& query(std::string_view text);

  private:
    std::shared_ptr<const reranker> model_;
    std::string file_;
    std::string query_text_;
    std::optional<mice::query> query_;
};

/// Register the functions and the table, which keep `of`; they return an SQLite code.
int add_functions(sqlite3* to, const std::shared_ptr<connection>& of);
int add_rank_table(sqlite3* to, const std::shared_ptr<connection>& of);

/// The bytes of a TEXT, or of a number as text; valid until the value changes. Throws
/// std::bad_alloc.
std::string_view text_of(sqlite3_value* value);
/// The bytes of a BLOB.
std::span<const std::byte> blob_of(sqlite3_value* value);
/// A stored document. Throws mice::error where the bytes are none, or another model's.
document stored_document(const reranker& model, std::span<const std::byte> bytes);
/// A stored document (BLOB), or a text that is encoded now. Throws mice::error.
document document_of(const reranker& model, sqlite3_value* value);
/// A count, 0 or more. Throws mice::error that names `what`.
std::size_t count_of(sqlite3_value* value, const char* what);

/// What the exception that is being handled says, with "mice: " in front; empty: out of memory.
std::string current_message() noexcept;

/// Calls `work`; an exception becomes the error of the SQL function.
template <class Work> void guarded(sqlite3_context* context, const Work& work) noexcept {
    try {
        work();
    } catch (...) {
        const std::string message = current_message();
        if (message.empty()) {
            sqlite3_result_error_nomem(context);
        } else {
            sqlite3_result_error(context, message.c_str(), -1);
        }
    }
}

} // namespace mice::sqlite
