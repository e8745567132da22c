find_package(nlohmann_json 3.11 REQUIRED)
if(TARGET perp_app)
  # The configuration alone, so that what reads hostile files can be built without databases and feeds. The names of the
  # warehouse's tables (fact_table_names) it takes from whatever else is linked: perp_warehouse, or that source alone.
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/app/config/*.cpp)
  add_library(perp_app_config STATIC ${sources})
  target_compile_features(perp_app_config PUBLIC cxx_std_20)
  target_include_directories(perp_app_config PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_link_libraries(perp_app_config PUBLIC perp_net perp_venue
    PRIVATE fmt::fmt $<BUILD_INTERFACE:nlohmann_json::nlohmann_json> PkgConfig::TOMLPLUSPLUS)
  set_target_properties(perp_app_config PROPERTIES EXPORT_NAME app_config)
  perp_target_warnings(perp_app_config)
  target_link_libraries(perp_app PUBLIC perp_app_config)
  # JSON that commands print; a header-only dependency of this layer's sources alone.
  target_link_libraries(perp_app PRIVATE $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
  target_compile_definitions(perp_app PRIVATE PERP_VERSION="${PROJECT_VERSION}" PERP_BUILD_TYPE="${CMAKE_BUILD_TYPE}")
endif()
if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/src/app/main.cpp)
  add_executable(perp_cli src/app/main.cpp)
  set_target_properties(perp_cli PROPERTIES OUTPUT_NAME perp)
  target_compile_definitions(perp_cli PRIVATE PERP_VERSION="${PROJECT_VERSION}")
  target_include_directories(perp_cli PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_link_libraries(perp_cli PRIVATE perp_app CLI11::CLI11)
  # Only libraries that something is called in are loaded: libhwy alone would take 4 ms of every command.
  target_link_options(perp_cli PRIVATE LINKER:--as-needed)
  perp_target_warnings(perp_cli)
endif()
