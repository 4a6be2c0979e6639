// SPDX-License-Identifier: Apache-2.0
// The module mice._core: what mice/*.py shows to people.
#include <nanobind/nanobind.h>

#include <mice/version.hpp>

#include "results.hpp"

NB_MODULE(_core, m) {
    m.doc() = "The engine behind the package mice.";
    m.attr("version") = MICE_VERSION_STRING;
    mice_python::bind_errors(m);
    mice_python::bind_results(m);
    mice_python::bind_reranker(m);
    mice_python::bind_index(m);
}
