/* SPDX-License-Identifier: Apache-2.0 */
/* For programs that link the extension (CMake target mice_sqlite_static) instead of loading it:
 *
 *     sqlite3_auto_extension((void (*)(void))sqlite3_mice_init);
 *
 * before connections are opened, or sqlite3_mice_init(connection, NULL, NULL) for one. */
#ifndef MICE_SQLITE_H
#define MICE_SQLITE_H

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Registers mice's functions in a connection. Returns SQLITE_OK, or an SQLite error code and,
 * where `message` is not NULL, a text for sqlite3_free(). The last argument is ignored. */
int sqlite3_mice_init(sqlite3* connection, char** message, const struct sqlite3_api_routines* api);

#ifdef __cplusplus
}
#endif

#endif
