// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <mice/parallel/executor.hpp>

struct sqlite3;
struct sqlite3_stmt;

// SQLite with errors as mice::error, and nothing left open.
namespace mice::find {

/// How a database is opened.
enum class access_mode {
    read, ///< works beside a writer, and in a folder that cannot be written
    write ///< creates the file if there is none
};

/// A prepared statement. For one thread.
class statement {
  public:
    statement(sqlite3* connection, std::string_view sql);
    ~statement();
    statement(statement&& other) noexcept;
    statement& operator=(statement&&) = delete;

    /// The value of a parameter, counted from 1; a text or blob must live until the next reset().
    statement& bind(int at, std::int64_t value);
    statement& bind_text(int at, std::string_view value);
    statement& bind_blob(int at, std::string_view value);
    statement& bind_null(int at);
    /// A text that is gone when the statement runs.
    template <class Text>
    requires std::same_as<std::remove_cv_t<Text>, std::string> statement&
    bind_text(int at, Text&& value) = delete;
    template <class Text>
    requires std::same_as<std::remove_cv_t<Text>, std::string> statement&
    bind_blob(int at, Text&& value) = delete;

    /// The next row, if there is one. Throws mice::error.
    bool step();
    /// Runs a statement without rows, and makes it ready for the next values.
    void run();
    /// Makes it ready for the next values.
    void reset();

    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] double real(int column) const;
    /// The bytes of a text or blob; valid until the next step() or reset().
    [[nodiscard]] std::string_view bytes(int column) const;
    [[nodiscard]] std::string text(int column) const { return std::string(bytes(column)); }
    [[nodiscard]] bool null(int column) const;

  private:
    sqlite3* connection_;
    sqlite3_stmt* handle_ = nullptr;
};

/// A connection. For one thread at a time.
class database {
  public:
    /// Throws mice::error (errc::io) where it cannot be opened.
    database(const std::filesystem::path& file, access_mode way);
    ~database();
    database(database&& other) noexcept;
    database& operator=(database&&) = delete;

    /// Runs statements without parameters and rows.
    void run(std::string_view sql) const;
    [[nodiscard]] statement prepare(std::string_view sql) const { return {handle_, sql}; }
    /// The first value of the first row.
    [[nodiscard]] std::int64_t integer(std::string_view sql) const;
    [[nodiscard]] std::int64_t last_row() const;
    /// Rows that the last statement changed.
    [[nodiscard]] std::int64_t changes() const;
    [[nodiscard]] sqlite3* handle() const noexcept { return handle_; }

  private:
    sqlite3* handle_ = nullptr;
};

/// Changes that become visible together, or not at all: rolled back unless commit() was called.
class transaction {
  public:
    explicit transaction(const database& in) : in_(in) { in_.run("BEGIN IMMEDIATE"); }
    ~transaction();
    transaction(const transaction&) = delete;
    transaction& operator=(const transaction&) = delete;
    void commit();

  private:
    const database& in_;
    bool open_ = true;
};

/// Lets a cancellation end a connection's statements while it lives: they throw errc::stopped.
class stoppable {
  public:
    /// Both outlive this object; no cancellation: nothing is stopped.
    stoppable(const database& in, const cancellation* cancel);
    ~stoppable();
    stoppable(const stoppable&) = delete;
    stoppable& operator=(const stoppable&) = delete;

  private:
    sqlite3* connection_;
};

} // namespace mice::find
