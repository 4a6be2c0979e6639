# SPDX-License-Identifier: Apache-2.0
# What tells the desktop of mice-find. The bus wants a whole path, which is known only when it is
# installed.
set(gnome_files "${PROJECT_SOURCE_DIR}/tools/find/gnome")
install(FILES "${gnome_files}/mice-find.desktop"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/applications"
)
install(FILES "${gnome_files}/mice-find-search-provider.ini"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/gnome-shell/search-providers"
)
install(
    FILES "${PROJECT_SOURCE_DIR}/tools/find/page/icon.svg"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/icons/hicolor/scalable/apps"
    RENAME mice-find.svg
)
install(
    CODE "set(MICE_PROGRAMS \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
    set(data \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}\")
    configure_file(\"${gnome_files}/org.mice.Find.service.in\"
        \"\${data}/dbus-1/services/org.mice.Find.service\" @ONLY)"
)
