# SPDX-License-Identifier: Apache-2.0
# What mice::mice needs. Read by this project and by its installed miceConfig.cmake.
include(CMakeFindDependencyMacro)

# GLOBAL: a parent project that adds mice as a subdirectory has to see these targets as well.
find_dependency(Threads GLOBAL)

# xsimd 8.1's target links a target xtl that its package does not bring; the headers need none.
if(NOT TARGET xtl)
    add_library(xtl INTERFACE IMPORTED GLOBAL)
endif()
if("${MICE_KERNELS}" STREQUAL "eigen")
    find_package(xsimd QUIET GLOBAL)
    if(NOT TARGET xsimd) # the kernels in Eigen need none
        add_library(xsimd INTERFACE IMPORTED GLOBAL)
    endif()
else()
    find_dependency(xsimd GLOBAL)
endif()

# xxHash and RapidJSON are used as headers. Not every package of them brings a CMake file, and those
# of RapidJSON differ, so they are looked for here.
if(NOT TARGET mice_xxhash)
    find_path(MICE_XXHASH_INCLUDE_DIR xxhash.h REQUIRED DOC "Folder of xxhash.h, version 0.8 or newer")
    mark_as_advanced(MICE_XXHASH_INCLUDE_DIR)
    add_library(mice_xxhash INTERFACE IMPORTED GLOBAL)
    set_target_properties(
        mice_xxhash PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${MICE_XXHASH_INCLUDE_DIR}"
    )
endif()
if(NOT TARGET mice_rapidjson)
    find_path(
        MICE_RAPIDJSON_INCLUDE_DIR rapidjson/reader.h REQUIRED
        DOC "Folder of rapidjson/reader.h, version 1.1 or newer"
    )
    mark_as_advanced(MICE_RAPIDJSON_INCLUDE_DIR)
    add_library(mice_rapidjson INTERFACE IMPORTED GLOBAL)
    set_target_properties(
        mice_rapidjson PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${MICE_RAPIDJSON_INCLUDE_DIR}"
    )
endif()

# Only <mice/index.hpp> needs Eigen, so an app without an index need not have it. The headers find it
# where Linux packages put it, too, and say so where there is none.
if(NOT TARGET mice_eigen)
    add_library(mice_eigen INTERFACE IMPORTED GLOBAL)
    find_package(Eigen3 3.4 QUIET NO_MODULE GLOBAL)
    if(TARGET Eigen3::Eigen)
        target_link_libraries(mice_eigen INTERFACE Eigen3::Eigen)
    endif()
endif()

# The kernels of what links TARGET: xsimd, eigen, or auto, which is what config.hpp decides. What is
# said here is not exported: an app that finds an installed mice sets MICE_KERNELS itself.
function(mice_choose_kernels target kernels)
    set(eigen FALSE)
    if(kernels STREQUAL "eigen")
        set(eigen TRUE)
        set(defined MICE_USE_EIGEN_KERNELS=1)
    elseif(kernels STREQUAL "xsimd")
        set(defined MICE_USE_EIGEN_KERNELS=0)
    elseif(kernels STREQUAL "auto")
        set(defined "")
        if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64|i.86|x86|aarch64|arm64|ARM64)$")
            set(eigen TRUE) # config.hpp may ask for it
        endif()
    else()
        message(FATAL_ERROR "mice: MICE_KERNELS is '${kernels}'; it is auto, xsimd or eigen")
    endif()
    if(defined)
        set_property(
            TARGET ${target} APPEND PROPERTY INTERFACE_COMPILE_DEFINITIONS
                                             "$<BUILD_INTERFACE:${defined}>"
        )
    endif()
    if(eigen)
        find_package(Eigen3 3.4 REQUIRED NO_MODULE)
        set_property(
            TARGET ${target} APPEND PROPERTY INTERFACE_LINK_LIBRARIES
                                             "$<BUILD_INTERFACE:Eigen3::Eigen>"
        )
    endif()
endfunction()

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
