// SPDX-License-Identifier: Apache-2.0
#include "find/database.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <sqlite3.h>

#include <mice/error.hpp>

#include "common/percent_encoding.hpp"

namespace mice::find {
namespace {

/// What the system refused to SQLite, which says no more than "disk I/O error".
error refused_by_system(sqlite3* connection, const std::string& name, const std::string& said) {
    const int number = connection != nullptr ? sqlite3_system_errno(connection) : 0;
    const int code = connection != nullptr ? sqlite3_extended_errcode(connection) : SQLITE_IOERR;
    const bool shared =
        code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMOPEN || code == SQLITE_IOERR_SHMMAP;
    const std::string reason = number != 0 ? std::generic_category().message(number) : said;
    if (number == ENOSPC || number == EDQUOT || number == EFBIG || code == SQLITE_IOERR_SHMSIZE) {
        return {errc::io, "there is no room on the disk of " + name + " (" + reason + "); " +
                              (shared ? "reading needs 32 KB beside it, which it shares with "
                                        "writers: make room, and ask again"
                                      : "what was committed is safe: make room, and run it again")};
    }
    if (code == SQLITE_IOERR_READ || code == SQLITE_IOERR_SHORT_READ) {
        return {errc::io, name + " cannot be read: " + reason +
                              "; the disk may be failing: copy the folder to another one, or "
                              "remove it and add again"};
    }
    if (number == EACCES || number == EPERM || number == EROFS) {
        return {errc::io, name + " or what SQLite keeps beside it cannot be opened: " + reason +
                              "; run it as the index's owner, or name another index with --index"};
    }
    return {errc::io, name + ": " + said + (number != 0 ? " (" + reason + ")" : "")};
}

/// What SQLite refused, with what to do about it.
error failure(sqlite3* connection, int code) {
    const std::string name =
        connection != nullptr && sqlite3_db_filename(connection, "main") != nullptr
            ? detail::errors::quoted(sqlite3_db_filename(connection, "main"))
            : std::string("the catalog");
    const std::string said =
        connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
    switch (code & 0xFF) {
    case SQLITE_FULL:
        return {errc::io, "the disk of " + name +
                              " is full: what was committed is safe; make room and run it again"};
    case SQLITE_READONLY:
        return {errc::io, name + " cannot be written: " + said};
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return refused_by_system(connection, name, said);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return {errc::mismatch, name + " is being written by another program: " + said};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return {errc::format,
                name + " is damaged: " + said + "; remove the index's folder and add again"};
    case SQLITE_INTERRUPT:
        return detail::errors::stopped("the search");
    default:
        return {errc::io, name + ": " + said};
    }
}

/// The path as a URI, in which every byte may stand.
std::string uri_of(const std::filesystem::path& file, std::string_view options) {
    std::string uri = "file:" + tools::percent_encoded(std::filesystem::absolute(file).string(),
                                                       tools::slashes::kept);
    return uri.append(options);
}

/// Whether changes are in the log beside a database.
bool log_has_something(const std::filesystem::path& file) {
    std::filesystem::path log = file;
    log += "-wal";
    std::error_code problem;
    const auto size = std::filesystem::file_size(log, problem);
    return !problem && size > 0;
}

sqlite3* opened(const std::filesystem::path& file, std::string_view options, int flags, int& code) {
    sqlite3* handle = nullptr;
    code =
        sqlite3_open_v2(uri_of(file, options).c_str(), &handle, flags | SQLITE_OPEN_URI, nullptr);
    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(handle, 10'000);
        // Opening reads nothing: this does, and takes a lock.
        code =
            sqlite3_exec(handle, "SELECT count(*) FROM sqlite_schema", nullptr, nullptr, nullptr);
    }
    return handle;
}

} // namespace

// ---- statement ----

statement::statement(sqlite3* connection, std::string_view sql) : connection_(connection) {
    const int code = sqlite3_prepare_v3(connection, sql.data(), static_cast<int>(sql.size()), 0,
                                        &handle_, nullptr);
    if (code != SQLITE_OK) {
        throw failure(connection, code);
    }
}

statement::~statement() {
    sqlite3_finalize(handle_);
}

statement::statement(statement&& other) noexcept
    : connection_(other.connection_), handle_(std::exchange(other.handle_, nullptr)) {}

statement& statement::bind(int at, std::int64_t value) {
    if (const int code = sqlite3_bind_int64(handle_, at, value); code != SQLITE_OK) {
        throw failure(connection_, code);
    }
    return *this;
}

statement& statement::bind_text(int at, std::string_view value) {
    const char* const data = value.data() == nullptr ? "" : value.data();
    const int code =
        sqlite3_bind_text64(handle_, at, data, value.size(), SQLITE_STATIC, SQLITE_UTF8);
    if (code != SQLITE_OK) {
        throw failure(connection_, code);
    }
    return *this;
}

statement& statement::bind_blob(int at, std::string_view value) {
    const char* const data = value.data() == nullptr ? "" : value.data();
    const int code = sqlite3_bind_blob64(handle_, at, data, value.size(), SQLITE_STATIC);
    if (code != SQLITE_OK) {
        throw failure(connection_, code);
    }
    return *this;
}

statement& statement::bind_null(int at) {
    sqlite3_bind_null(handle_, at);
    return *this;
}

bool statement::step() {
    const int code = sqlite3_step(handle_);
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code != SQLITE_DONE) {
        const error problem = failure(connection_, code);
        sqlite3_reset(handle_);
        throw problem;
    }
    return false;
}

void statement::run() {
    step();
    reset();
}

void statement::reset() {
    sqlite3_reset(handle_);
}

std::int64_t statement::integer(int column) const {
    return sqlite3_column_int64(handle_, column);
}

double statement::real(int column) const {
    return sqlite3_column_double(handle_, column);
}

std::string_view statement::bytes(int column) const {
    const void* const data = sqlite3_column_blob(handle_, column);
    const int size = sqlite3_column_bytes(handle_, column);
    return data == nullptr
               ? std::string_view()
               : std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

bool statement::null(int column) const {
    return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

// ---- database ----

database::database(const std::filesystem::path& file, access_mode way) {
    int code = SQLITE_OK;
    bool log_unread = false;
    if (way == access_mode::write) {
        handle_ = opened(file, "", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, code);
    } else {
        // A reader beside a writer shares memory with it in a file, which a folder that cannot be
        // written, or a full disk, has no place for. There the file is read as it lies, unless
        // some of what was committed lies beside it.
        handle_ = opened(file, "?mode=rw", SQLITE_OPEN_READWRITE, code);
        for (const char* const options : {"?mode=ro", "?mode=ro&immutable=1"}) {
            const int kind = code & 0xFF;
            if (kind != SQLITE_CANTOPEN && kind != SQLITE_READONLY && kind != SQLITE_PERM &&
                kind != SQLITE_IOERR && kind != SQLITE_FULL) {
                break;
            }
            if (std::string_view(options).ends_with("immutable=1") && log_has_something(file)) {
                log_unread = kind != SQLITE_IOERR && kind != SQLITE_FULL;
                break;
            }
            sqlite3_close(handle_);
            handle_ = opened(file, options, SQLITE_OPEN_READONLY, code);
        }
    }
    if (code != SQLITE_OK) {
        const error problem =
            log_unread ? error(errc::io, detail::errors::quoted(file.string()) +
                                             " has changes in a log beside it, which can be read "
                                             "only where its folder can be written: run "
                                             "'mice-find status' once where it can")
                       : failure(handle_, code);
        sqlite3_close(handle_);
        throw problem;
    }
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
}

database::~database() {
    sqlite3_close_v2(handle_);
}

database::database(database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

void database::run(std::string_view sql) const {
    const int code = sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        throw failure(handle_, code);
    }
}

std::int64_t database::integer(std::string_view sql) const {
    statement asked = prepare(sql);
    return asked.step() ? asked.integer(0) : 0;
}

std::int64_t database::last_row() const {
    return sqlite3_last_insert_rowid(handle_);
}

std::int64_t database::changes() const {
    return sqlite3_changes64(handle_);
}

// ---- transaction ----

transaction::~transaction() {
    if (open_) {
        sqlite3_exec(in_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

void transaction::commit() {
    in_.run("COMMIT");
    open_ = false;
}

// ---- stoppable ----

stoppable::stoppable(const database& in, const cancellation* cancel)
    : connection_(cancel == nullptr ? nullptr : in.handle()) {
    constexpr int steps = 10000; // of SQLite's machine, far less than a millisecond
    if (connection_ != nullptr) {
        sqlite3_progress_handler(
            connection_, steps,
            [](void* given) {
                return static_cast<const cancellation*>(given)->requested() ? 1 : 0;
            },
            const_cast<cancellation*>(cancel)); // SQLite hands it back alone
    }
}

stoppable::~stoppable() {
    if (connection_ != nullptr) {
        sqlite3_progress_handler(connection_, 0, nullptr, nullptr);
    }
}

} // namespace mice::find
