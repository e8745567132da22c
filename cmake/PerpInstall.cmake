include(CMakePackageConfigHelpers)
set(PERP_CONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/perp)
set(exported perp_perp)
foreach(layer IN LISTS PERP_LAYER_NAMES)
  list(APPEND exported perp_${layer})
endforeach()
install(TARGETS ${exported} EXPORT perp-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT perp-targets NAMESPACE perp:: DESTINATION ${PERP_CONFIG_DIR})
install(DIRECTORY include/perp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET perp_cli)
  install(TARGETS perp_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
configure_package_config_file(cmake/perp-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/perp-config.cmake
  INSTALL_DESTINATION ${PERP_CONFIG_DIR})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/perp-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/perp-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/perp-config-version.cmake
  DESTINATION ${PERP_CONFIG_DIR})
