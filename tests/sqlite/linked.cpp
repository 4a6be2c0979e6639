// SPDX-License-Identifier: Apache-2.0
// A program that links the extension: every connection has its functions.
#include <cstdio>
#include <cstring>

#include <mice_sqlite.h>

extern "C" int one_row(void* kept, int count, char** values, char**) {
    if (count == 1 && values[0] != nullptr) {
        std::strncpy(static_cast<char*>(kept), values[0], 63);
    }
    return 0;
}

int main() {
    sqlite3* connection = nullptr;
    char found[64] = "";
    char* message = nullptr;
    sqlite3_auto_extension(reinterpret_cast<void (*)()>(sqlite3_mice_init));
    if (sqlite3_open(":memory:", &connection) != SQLITE_OK) {
        return 1;
    }
    if (sqlite3_exec(connection,
                     "SELECT text FROM mice_rank('why does dough rise', "
                     "json_array('Hone knives.', 'Yeast gives off gas, so the dough swells.'), 1)",
                     one_row, found, &message) != SQLITE_OK) {
        std::fprintf(stderr, "%s\n", message);
        return 1;
    }
    sqlite3_close(connection);
    std::printf("%s\n", found);
    return std::strncmp(found, "Yeast", 5) == 0 ? 0 : 1;
}
