/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ON_DEVICE_H
#define ON_DEVICE_H

#include <stddef.h>

/* Ranks passages with a model that lies in the program: no files, no threads, no network, and no
 * exception leaves a function. One object may be used by one thread at a time. */

#ifdef __cplusplus
extern "C" {
#endif

/* Heap bytes that all of this takes at most at once, loading included, whatever is ranked. The
 * model's own 10 MB are read-only pages of the program, which the system may drop and read again.
 * tests/on_device holds it to that. */
#define ON_DEVICE_MOST_BYTES ((size_t)8 << 20)
/* Longer texts are cut: the model reads far less of them. */
#define ON_DEVICE_MOST_TEXT ((size_t)16 << 10)

enum on_device_status {
    ON_DEVICE_OK = 0,
    ON_DEVICE_NO_MEMORY = 1,   /* free some, and try again */
    ON_DEVICE_WRONG_INPUT = 2, /* a null pointer */
    ON_DEVICE_FAILED = 3       /* the model in the program is damaged */
};

typedef struct on_device_ranker on_device_ranker;

/* Prepares the model: once, it takes some milliseconds. `made` becomes null on failure. */
int on_device_open(on_device_ranker** made);
/* Gives its memory back; null is fine. */
void on_device_close(on_device_ranker* ranker);
/* Writes a score for each of `count` passages, higher is better; texts are UTF-8, and bytes that
 * are not are read as U+FFFD. After a failure the scores are not to be used. */
int on_device_score(const on_device_ranker* ranker, const char* query, const char* const* passages,
                    size_t count, float* scores);

#ifdef __cplusplus
}
#endif

#endif
