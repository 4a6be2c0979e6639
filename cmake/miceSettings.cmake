# SPDX-License-Identifier: Apache-2.0
# How this project's own programs, tests, examples and benchmarks are compiled. Nothing here is
# exported: an app that uses the headers brings its own flags.
set(CMAKE_CXX_EXTENSIONS OFF)

# Where a float becomes a double by itself a warning says so, in targets made while this is on.
define_property(TARGET PROPERTY MICE_WARN_OF_DOUBLES INITIALIZE_FROM_VARIABLE MICE_WARN_OF_DOUBLES)
set(MICE_WARN_OF_DOUBLES ON)

add_library(mice_warnings INTERFACE)
if(MSVC)
    target_compile_options(mice_warnings INTERFACE /W4 $<$<BOOL:${MICE_WARNINGS_AS_ERRORS}>:/WX>)
else()
    target_compile_options(
        mice_warnings
        INTERFACE
            -Wall
            -Wextra
            -Wpedantic
            -Wconversion
            $<$<BOOL:$<TARGET_PROPERTY:MICE_WARN_OF_DOUBLES>>:-Wdouble-promotion>
            # In a unity build one file's names lie around another's.
            $<$<NOT:$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>>:-Wshadow>
            $<$<BOOL:${MICE_WARNINGS_AS_ERRORS}>:-Werror>
    )
endif()

# Flags of every file.
add_library(mice_flags INTERFACE)
target_link_libraries(mice_flags INTERFACE mice_warnings)
if(NOT MSVC)
    # -O2 is what the README tells an app to use, so it is what gets tested and measured.
    target_compile_options(mice_flags INTERFACE $<$<CONFIG:Release>:-O2>)
    # g++ 12 reports its own AVX-512 intrinsics (GCC bug 105593, mended in 13).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        target_compile_options(mice_flags INTERFACE -Wno-maybe-uninitialized)
    endif()
    if(MICE_SANITIZE)
        target_compile_options(
            # -O1: at -O2 the instrumented kernels take minutes to compile
            mice_flags INTERFACE -fsanitize=${MICE_SANITIZE} -fno-sanitize-recover=all
                                 -fno-omit-frame-pointer -g1 -O1
        )
        target_link_options(mice_flags INTERFACE -fsanitize=${MICE_SANITIZE})
    endif()
endif()

# Programs that compile the headers alone, as an app does.
add_library(mice_settings INTERFACE)
target_link_libraries(
    mice_settings INTERFACE mice_flags $<IF:$<BOOL:${MICE_OPENMP}>,mice::openmp,mice::mice>
)
if(MICE_NATIVE AND NOT MSVC)
    target_compile_options(mice_settings INTERFACE -march=native)
endif()

# Programs with the kernels of mice::dispatch where it is built.
add_library(mice_dispatched INTERFACE)
target_link_libraries(mice_dispatched INTERFACE mice_settings $<TARGET_NAME_IF_EXISTS:mice::dispatch>)

# The same with sentencepiece tokenizers where their library is found: mice, mice-convert, tests.
add_library(mice_complete INTERFACE)
target_link_libraries(
    mice_complete INTERFACE mice_dispatched $<TARGET_NAME_IF_EXISTS:mice::sentencepiece>
)

# Every program of the project lands in <build>/bin. HEADERS_ONLY: without mice::dispatch.
function(mice_add_program target)
    cmake_parse_arguments(arg "HEADERS_ONLY" "NAME" "SOURCES;LIBRARIES" ${ARGN})
    add_executable(${target} ${arg_SOURCES})
    target_link_libraries(
        ${target} PRIVATE ${arg_LIBRARIES}
                          $<IF:$<BOOL:${arg_HEADERS_ONLY}>,mice_settings,mice_dispatched>
    )
    set_target_properties(
        ${target} PROPERTIES OUTPUT_NAME ${arg_NAME} RUNTIME_OUTPUT_DIRECTORY
                                                     "${PROJECT_BINARY_DIR}/bin"
    )
endfunction()
