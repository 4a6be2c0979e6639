// SPDX-License-Identifier: Apache-2.0
// Where SQLite enters: .load lib/mice/mice_sqlite, or sqlite3_mice_init in a program that links it.
#include "connection.hpp"

SQLITE_EXTENSION_INIT1

#if defined(_WIN32)
#define MICE_SQLITE_ENTRY extern "C" __declspec(dllexport)
#else
#define MICE_SQLITE_ENTRY extern "C" __attribute__((visibility("default")))
#endif

MICE_SQLITE_ENTRY int sqlite3_mice_init(sqlite3* to, char** message,
                                        const sqlite3_api_routines* api) {
    SQLITE_EXTENSION_INIT2(api);
    try {
        const auto shared = std::make_shared<mice::sqlite::connection>();
        int code = mice::sqlite::add_functions(to, shared);
        if (code == SQLITE_OK) {
            code = mice::sqlite::add_rank_table(to, shared);
        }
#ifdef SQLITE_CORE
        return code;
#else
        // Threads of OpenMP may still be in this code when the connection is closed.
        return code == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : code;
#endif
    } catch (...) {
        if (message != nullptr) {
            *message = sqlite3_mprintf("%s", mice::sqlite::current_message().c_str());
        }
        return SQLITE_NOMEM;
    }
}

/// The name that SQLite derives from the file's.
MICE_SQLITE_ENTRY int sqlite3_micesqlite_init(sqlite3* to, char** message,
                                              const sqlite3_api_routines* api) {
    return sqlite3_mice_init(to, message, api);
}
