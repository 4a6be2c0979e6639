# SPDX-License-Identifier: Apache-2.0
# Defines SentencePiece::SentencePiece; its packages bring no CMake file. Looks where
# SentencePiece_ROOT, CMAKE_PREFIX_PATH and pkg-config say.
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
    pkg_check_modules(PC_SENTENCEPIECE QUIET sentencepiece)
endif()

find_path(
    SentencePiece_INCLUDE_DIR sentencepiece_processor.h HINTS ${PC_SENTENCEPIECE_INCLUDE_DIRS}
    DOC "Folder of sentencepiece_processor.h"
)
find_library(
    SentencePiece_LIBRARY sentencepiece HINTS ${PC_SENTENCEPIECE_LIBRARY_DIRS}
    DOC "The sentencepiece library"
)
mark_as_advanced(SentencePiece_INCLUDE_DIR SentencePiece_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    SentencePiece REQUIRED_VARS SentencePiece_LIBRARY SentencePiece_INCLUDE_DIR
    VERSION_VAR PC_SENTENCEPIECE_VERSION
)

if(SentencePiece_FOUND AND NOT TARGET SentencePiece::SentencePiece)
    add_library(SentencePiece::SentencePiece UNKNOWN IMPORTED GLOBAL)
    set_target_properties(
        SentencePiece::SentencePiece
        PROPERTIES IMPORTED_LOCATION "${SentencePiece_LIBRARY}"
                   INTERFACE_INCLUDE_DIRECTORIES "${SentencePiece_INCLUDE_DIR}"
    )
endif()
