# SPDX-License-Identifier: Apache-2.0
include(CMakePackageConfigHelpers)

set(mice_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/mice")

install(DIRECTORY include/mice DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS mice EXPORT miceTargets)
set(mice_of_any_architecture ARCH_INDEPENDENT)
if(TARGET mice_dispatch AND MICE_DISPATCH)
    install(TARGETS mice_dispatch EXPORT miceTargets)
    set(mice_of_any_architecture "")
endif()
# In a file of its own: what it links is looked for only where an app asks for it.
if(TARGET mice_compiled)
    install(TARGETS mice_compiled EXPORT miceCompiledTargets)
    install(EXPORT miceCompiledTargets NAMESPACE mice:: DESTINATION "${mice_package_dir}")
    set(mice_of_any_architecture "")
endif()
# The C interface needs none of the others.
if(TARGET mice_c)
    install(TARGETS mice_c EXPORT miceCTargets)
    install(EXPORT miceCTargets NAMESPACE mice:: DESTINATION "${mice_package_dir}")
    set(mice_of_any_architecture "")
endif()
install(EXPORT miceTargets NAMESPACE mice:: DESTINATION "${mice_package_dir}")

configure_package_config_file(
    cmake/miceConfig.cmake.in "${PROJECT_BINARY_DIR}/package/miceConfig.cmake"
    INSTALL_DESTINATION "${mice_package_dir}" NO_SET_AND_CHECK_MACRO
)
write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/package/miceConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion ${mice_of_any_architecture}
)
install(
    FILES "${PROJECT_BINARY_DIR}/package/miceConfig.cmake"
          "${PROJECT_BINARY_DIR}/package/miceConfigVersion.cmake" cmake/miceDependencies.cmake
          cmake/FindSentencePiece.cmake
    DESTINATION "${mice_package_dir}"
)

# The prefix in the .pc files is relative to the file, so that an installed tree can be moved.
file(RELATIVE_PATH mice_pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
set(mice_pc_files mice mice-eigen mice-sentencepiece)
if(MICE_DISPATCH)
    list(APPEND mice_pc_files mice-dispatch)
endif()
if(TARGET mice_compiled)
    list(APPEND mice_pc_files mice-compiled)
    set(mice_pc_links "")
    if(MICE_OPENMP)
        string(APPEND mice_pc_links " ${OpenMP_CXX_FLAGS}")
    endif()
    if(TARGET mice::sentencepiece)
        string(APPEND mice_pc_links " -lsentencepiece")
    endif()
endif()
if(TARGET mice_c)
    list(APPEND mice_pc_files mice-c)
endif()
foreach(name ${mice_pc_files})
    configure_file(cmake/${name}.pc.in "${PROJECT_BINARY_DIR}/package/${name}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/package/${name}.pc"
            DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()

if(TARGET mice_sqlite)
    install(TARGETS mice_sqlite LIBRARY DESTINATION lib/mice)
endif()

if(MICE_BUILD_TOOLS)
    install(TARGETS mice_cli mice_convert)
    if(TARGET mice_find)
        install(TARGETS mice_find)
    endif()
    if(TARGET mice_find_gnome)
        install(TARGETS mice_find_gnome)
        include(tools/find/gnome/install.cmake)
    endif()
    if(TARGET mice_http) # where the program looks, whatever the system calls its lib
        install(TARGETS mice_http LIBRARY DESTINATION lib/mice)
    endif()
    if(TARGET mice_find_extract)
        install(TARGETS mice_find_extract RUNTIME DESTINATION lib/mice)
    endif()
endif()
install(DIRECTORY models/ DESTINATION "${CMAKE_INSTALL_DATADIR}/mice/models")
install(DIRECTORY docs/ DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(FILES README.md CHANGELOG.md LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
