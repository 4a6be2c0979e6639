# SPDX-License-Identifier: Apache-2.0
# How this project's own programs, tests, examples and benchmarks are compiled. Nothing here is
# exported: an app that uses the headers brings its own flags.
set(CMAKE_CXX_EXTENSIONS OFF)

add_library(mice_warnings INTERFACE)
if(MSVC)
    target_compile_options(mice_warnings INTERFACE /W4 $<$<BOOL:${MICE_WARNINGS_AS_ERRORS}>:/WX>)
else()
    target_compile_options(
        mice_warnings
        INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                  $<$<BOOL:${MICE_WARNINGS_AS_ERRORS}>:-Werror>
    )
endif()

add_library(mice_settings INTERFACE)
target_link_libraries(
    mice_settings INTERFACE mice_warnings $<IF:$<BOOL:${MICE_OPENMP}>,mice::openmp,mice::mice>
)
if(NOT MSVC)
    # -O2 is what the README tells an app to use, so it is what gets tested and measured.
    target_compile_options(mice_settings INTERFACE $<$<CONFIG:Release>:-O2>)
    if(MICE_NATIVE)
        target_compile_options(mice_settings INTERFACE -march=native)
        # g++ 12 reports its own AVX-512 intrinsics (GCC bug 105593, mended in 13).
        if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
            target_compile_options(mice_settings INTERFACE -Wno-maybe-uninitialized)
        endif()
    endif()
    if(MICE_SANITIZE)
        target_compile_options(
            # -O1: at -O2 the instrumented kernels take minutes to compile
            mice_settings INTERFACE -fsanitize=${MICE_SANITIZE} -fno-sanitize-recover=all
                                    -fno-omit-frame-pointer -g1 -O1
        )
        target_link_options(mice_settings INTERFACE -fsanitize=${MICE_SANITIZE})
    endif()
endif()

# Every program of the project lands in <build>/bin.
function(mice_add_program target)
    cmake_parse_arguments(arg "" "NAME" "SOURCES;LIBRARIES" ${ARGN})
    add_executable(${target} ${arg_SOURCES})
    target_link_libraries(${target} PRIVATE ${arg_LIBRARIES} mice_settings)
    set_target_properties(
        ${target} PROPERTIES OUTPUT_NAME ${arg_NAME} RUNTIME_OUTPUT_DIRECTORY
                                                     "${PROJECT_BINARY_DIR}/bin"
    )
endfunction()
