# SPDX-License-Identifier: Apache-2.0
# Finds what the Python package is built with: the Python that bindings/python/setup.sh brings with
# nanobind, else the one of find_package. mice_python_FOUND says whether both are there; a build
# without them leaves the package out.
set(mice_python_FOUND FALSE)
set(mice_python_venv "${PROJECT_SOURCE_DIR}/build/python/venv/bin/python")
if(NOT Python_EXECUTABLE AND EXISTS "${mice_python_venv}")
    set(Python_EXECUTABLE "${mice_python_venv}")
endif()
find_package(Python 3.10 QUIET COMPONENTS Interpreter Development.Module)
if(Python_FOUND)
    execute_process(
        COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
        OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE mice_nanobind_dir
        RESULT_VARIABLE mice_nanobind_missing ERROR_QUIET
    )
    if(mice_nanobind_missing EQUAL 0)
        set(nanobind_DIR "${mice_nanobind_dir}" CACHE PATH "Where nanobind's CMake files are" FORCE)
        set(mice_python_FOUND TRUE)
    endif()
endif()
if(NOT mice_python_FOUND)
    message(STATUS "mice: no Python package, as Python 3.10 with its headers and nanobind are not found; bindings/python/setup.sh brings nanobind")
endif()
