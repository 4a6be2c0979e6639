# SPDX-License-Identifier: Apache-2.0
# Defines Httplib::Httplib, cpp-httplib 0.11, as Debian 12 packs it: a header and a compiled library
# without a CMake file. Looks where Httplib_ROOT, CMAKE_PREFIX_PATH and pkg-config say. Its classes
# differ with its options, so those of its pkg-config file are taken over.
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
    pkg_check_modules(PC_HTTPLIB QUIET cpp-httplib)
endif()

find_path(
    Httplib_INCLUDE_DIR httplib.h HINTS ${PC_HTTPLIB_INCLUDE_DIRS} DOC "Folder of httplib.h"
)
find_library(
    Httplib_LIBRARY cpp-httplib HINTS ${PC_HTTPLIB_LIBRARY_DIRS} DOC "The cpp-httplib library"
)
mark_as_advanced(Httplib_INCLUDE_DIR Httplib_LIBRARY)

if(Httplib_INCLUDE_DIR)
    file(STRINGS "${Httplib_INCLUDE_DIR}/httplib.h" httplib_line
         REGEX "define CPPHTTPLIB_VERSION \"")
    string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" Httplib_VERSION "${httplib_line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
    Httplib REQUIRED_VARS Httplib_LIBRARY Httplib_INCLUDE_DIR VERSION_VAR Httplib_VERSION
                          HANDLE_VERSION_RANGE
)

if(Httplib_FOUND AND NOT TARGET Httplib::Httplib)
    add_library(Httplib::Httplib UNKNOWN IMPORTED)
    if(PC_HTTPLIB_FOUND)
        set(httplib_flags ${PC_HTTPLIB_CFLAGS_OTHER})
    else() # Debian's, where pkg-config is not installed
        set(httplib_flags -DCPPHTTPLIB_OPENSSL_SUPPORT -DCPPHTTPLIB_ZLIB_SUPPORT
                          -DCPPHTTPLIB_BROTLI_SUPPORT)
    endif()
    set_target_properties(
        Httplib::Httplib
        PROPERTIES IMPORTED_LOCATION "${Httplib_LIBRARY}"
                   INTERFACE_INCLUDE_DIRECTORIES "${Httplib_INCLUDE_DIR}"
                   INTERFACE_COMPILE_OPTIONS "${httplib_flags}"
    )
endif()
