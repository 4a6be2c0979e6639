# SPDX-License-Identifier: Apache-2.0
# Emscripten's toolchain file, where the em++ of the PATH belongs: Debian's, or emsdk's.
find_program(MICE_EMXX em++ DOC "Emscripten's compiler")
if(NOT MICE_EMXX)
    message(FATAL_ERROR "mice: no em++. Debian: scripts/packages.sh wasm; elsewhere, emsdk")
endif()
get_filename_component(mice_em_folder "${MICE_EMXX}" REALPATH)
get_filename_component(mice_em_folder "${mice_em_folder}" DIRECTORY)
include("${mice_em_folder}/cmake/Modules/Platform/Emscripten.cmake")
