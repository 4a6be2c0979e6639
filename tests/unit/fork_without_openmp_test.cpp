// SPDX-License-Identifier: Apache-2.0
// A file that uses std::thread in a program whose other files may use OpenMP: the inline namespace
// keeps their code apart, and another name what the tests share.
#undef MICE_COMPILED
#define MICE_COMPILED 0
#undef MICE_USE_DISPATCH
#define MICE_USE_DISPATCH 1 // its kernels are in mice::compiled
#undef MICE_USE_OPENMP
#define MICE_USE_OPENMP 0
#define fixtures fixtures_without_openmp

#if !defined(_WIN32)

#include <string_view>

#include "../support/fork_checks.hpp"

TEST_CASE("fault 22: a child made by fork ranks on where threads are not OpenMP's") {
    CHECK(std::string_view(MICE_TEXT(MICE_ABI_NAMESPACE)).find("_thr") != std::string_view::npos);
    fixtures::check_forked_children();
}

#endif
