// SPDX-License-Identifier: Apache-2.0
#if !defined(_WIN32)

#include "../support/fork_checks.hpp"

TEST_CASE("fault 22: a child made by fork ranks on as its parent does") {
    fixtures::check_forked_children();
}

#endif
