# SPDX-License-Identifier: Apache-2.0
# How this project's own programs, tests, examples and benchmarks are compiled. Nothing here is
# exported: an app that uses the headers brings its own flags.
set(CMAKE_CXX_EXTENSIONS OFF)

# Where a float becomes a double by itself a warning says so, in targets made while this is on.
define_property(TARGET PROPERTY MICE_WARN_OF_DOUBLES INITIALIZE_FROM_VARIABLE MICE_WARN_OF_DOUBLES)
set(MICE_WARN_OF_DOUBLES ON)

# Targets whose own code computes: the library, the oracle, the tests of kernels.
define_property(TARGET PROPERTY MICE_COMPUTES)
# Targets whose own code only calls what computes: commands, most tests. They compile in two thirds
# of the time.
define_property(TARGET PROPERTY MICE_ONLY_CALLS)

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
            # As g++, whose -Wconversion leaves signs alone.
            $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>
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
    target_compile_options(
        mice_flags
        INTERFACE $<$<CONFIG:Release>:$<IF:$<BOOL:$<TARGET_PROPERTY:MICE_ONLY_CALLS>>,-O1,-O2>>
    )
    # g++ 12 reports its own AVX-512 intrinsics (GCC bug 105593, mended in 13).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        target_compile_options(mice_flags INTERFACE -Wno-maybe-uninitialized)
    endif()
    if(MICE_SANITIZE)
        # Instrumented code takes minutes to compile at -O2; what computes is worth -O1.
        target_compile_options(
            mice_flags
            INTERFACE -fsanitize=${MICE_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -g1
                      $<IF:$<BOOL:$<TARGET_PROPERTY:MICE_COMPUTES>>,-O1,-O0>
        )
        if(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND MICE_SANITIZE MATCHES "undefined")
            target_compile_options(
                mice_flags INTERFACE
                           "-fsanitize-ignorelist=${CMAKE_CURRENT_LIST_DIR}/sanitizer-ignored.txt"
            )
        endif()
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

# Programs that link the library in its compiled form where it is built, and may include any header.
add_library(mice_linked INTERFACE)
target_link_libraries(mice_linked INTERFACE mice_settings $<TARGET_NAME_IF_EXISTS:mice::compiled>)

# The same with sentencepiece tokenizers where their library is found: mice, mice-convert, tests.
add_library(mice_complete INTERFACE)
target_link_libraries(
    mice_complete INTERFACE mice_linked $<TARGET_NAME_IF_EXISTS:mice::sentencepiece>
)

# mice_precompile(TARGET HEADER... | REUSE_FROM TARGET): reads big headers once for all files. A
# build of file by file does without, so that it notices a header that a file forgot.
function(mice_precompile target)
    if(NOT CMAKE_UNITY_BUILD)
        return()
    endif()
    if("${ARGV1}" STREQUAL "REUSE_FROM")
        target_precompile_headers(${target} ${ARGN})
    else()
        target_precompile_headers(${target} PRIVATE ${ARGN})
    endif()
endfunction()

# Every program of the project lands in <build>/bin. HEADERS_ONLY: compiles the headers.
function(mice_add_program target)
    cmake_parse_arguments(arg "HEADERS_ONLY" "NAME" "SOURCES;LIBRARIES" ${ARGN})
    add_executable(${target} ${arg_SOURCES})
    target_link_libraries(
        ${target} PRIVATE ${arg_LIBRARIES}
                          $<IF:$<BOOL:${arg_HEADERS_ONLY}>,mice_settings,mice_linked>
    )
    set_target_properties(
        ${target} PROPERTIES OUTPUT_NAME ${arg_NAME} RUNTIME_OUTPUT_DIRECTORY
                                                     "${PROJECT_BINARY_DIR}/bin"
    )
endfunction()
