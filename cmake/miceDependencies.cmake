# SPDX-License-Identifier: Apache-2.0
# What mice::mice needs. Read by this project and by its installed miceConfig.cmake.
include(CMakeFindDependencyMacro)

# GLOBAL: a parent project that adds mice as a subdirectory has to see these targets as well.
find_dependency(Threads GLOBAL)
find_dependency(nlohmann_json 3.9 GLOBAL)

# xsimd 8.1's target links a target xtl that its package does not bring; the headers need none.
if(NOT TARGET xtl)
    add_library(xtl INTERFACE IMPORTED GLOBAL)
endif()
find_dependency(xsimd GLOBAL)

# xxHash is used as a header. Not every package of it brings a CMake file, so it is looked for here.
if(NOT TARGET mice_xxhash)
    find_path(MICE_XXHASH_INCLUDE_DIR xxhash.h REQUIRED DOC "Folder of xxhash.h, version 0.8 or newer")
    mark_as_advanced(MICE_XXHASH_INCLUDE_DIR)
    add_library(mice_xxhash INTERFACE IMPORTED GLOBAL)
    set_target_properties(
        mice_xxhash PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${MICE_XXHASH_INCLUDE_DIR}"
    )
endif()

# Defines mice::openmp: BASE with parallel loops on OpenMP.
function(mice_define_openmp_target base)
    find_package(OpenMP REQUIRED COMPONENTS CXX GLOBAL)
    add_library(mice_openmp INTERFACE IMPORTED GLOBAL)
    target_link_libraries(mice_openmp INTERFACE ${base} OpenMP::OpenMP_CXX)
    add_library(mice::openmp ALIAS mice_openmp)
endfunction()

# Defines mice::sentencepiece: what a program links beside mice::mice to read models with
# sentencepiece tokenizers. The definition has to be the same in all of its files.
set(mice_cmake_dir "${CMAKE_CURRENT_LIST_DIR}")
function(mice_define_sentencepiece_target base)
    list(APPEND CMAKE_MODULE_PATH "${mice_cmake_dir}")
    find_package(SentencePiece REQUIRED)
    add_library(mice_sentencepiece INTERFACE IMPORTED GLOBAL)
    target_link_libraries(mice_sentencepiece INTERFACE ${base} SentencePiece::SentencePiece)
    target_compile_definitions(mice_sentencepiece INTERFACE MICE_USE_SENTENCEPIECE=1)
    add_library(mice::sentencepiece ALIAS mice_sentencepiece)
endfunction()
