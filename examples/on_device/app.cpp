// SPDX-License-Identifier: Apache-2.0
// An app that knows nothing of mice but on_device.h, and could as well be C.
#include <cstdio>

#include "on_device.h"

int main() {
    const char* const notes[] = {
        "A circuit breaker that trips at once points to a short circuit.",
        "Yeast feeds on sugars in the flour and gives off carbon dioxide, so the dough swells.",
        "Sunlight that enters a raindrop is bent and reflected.",
    };
    float scores[3];
    on_device_ranker* ranker = nullptr;
    int status = on_device_open(&ranker);
    if (status == ON_DEVICE_OK) {
        status = on_device_score(ranker, "why does bread rise", notes, 3, scores);
    }
    on_device_close(ranker);
    if (status != ON_DEVICE_OK) {
        std::fprintf(stderr, "on_device: failed with %d\n", status);
        return 1;
    }
    int best = 0;
    for (int i = 1; i < 3; ++i) {
        best = scores[i] > scores[best] ? i : best;
    }
    std::printf("%.3f  %s\n", static_cast<double>(scores[best]), notes[best]);
}
