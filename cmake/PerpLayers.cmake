# THE layer table: name | layers it may include | third-party targets its sources link.
# It creates the targets and is read by tests/tidy_test.cpp, which refuses an include that points up.
# A layer's target is perp_<name>, aliased perp::<name>; a layer whose folder is empty is not created yet.
set(PERP_LAYERS
  "core|-|fmt::fmt PkgConfig::LIBURING Threads::Threads"
  "rolling|core|hwy::hwy"
  "market|core|-"
  "net|core|PkgConfig::WOLFSSL OpenSSL::Crypto ZLIB::ZLIB PkgConfig::LIBURING"
  "journal|core market|-"
  "venue|core market|simdjson::simdjson"
  "state|core rolling market|-"
  "rule|core rolling market state|-"
  "warehouse|core rolling market journal state|PostgreSQL::PostgreSQL"
  "sim|core market net journal|OpenSSL::Crypto"
  "feed|core market net journal venue|ZLIB::ZLIB"
  "engine|core market journal state rule|-"
  "serve|core rolling market net journal venue state rule warehouse engine|-"
  "app|core rolling market net journal venue state rule warehouse sim feed engine serve|CLI11::CLI11 PkgConfig::TOMLPLUSPLUS")

set(PERP_LAYER_NAMES)
foreach(row IN LISTS PERP_LAYERS)
  string(REPLACE "|" ";" columns "${row}")
  list(GET columns 0 layer)
  list(GET columns 1 lower)
  list(GET columns 2 external)
  string(REPLACE " " ";" lower "${lower}")
  string(REPLACE " " ";" external "${external}")
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/${layer}/*.cpp
       ${CMAKE_CURRENT_SOURCE_DIR}/src/${layer}/*/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/app/(main\\.cpp$|config/)")  # cmake/PerpProgram.cmake
  if(NOT sources)
    continue()
  endif()
  add_library(perp_${layer} STATIC ${sources})
  add_library(perp::${layer} ALIAS perp_${layer})
  set_target_properties(perp_${layer} PROPERTIES EXPORT_NAME ${layer} POSITION_INDEPENDENT_CODE ON)
  target_compile_features(perp_${layer} PUBLIC cxx_std_20)
  target_include_directories(perp_${layer} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  perp_target_warnings(perp_${layer})
  foreach(name IN LISTS lower)
    if(TARGET perp_${name})
      target_link_libraries(perp_${layer} PUBLIC perp_${name})
    endif()
  endforeach()
  foreach(name IN LISTS external)
    if(NOT name STREQUAL "-")
      target_link_libraries(perp_${layer} PRIVATE ${name})
    endif()
  endforeach()
  # fmt is formatting for cold paths; any layer's .cpp may use it, no installed header does.
  target_link_libraries(perp_${layer} PRIVATE fmt::fmt)
  list(APPEND PERP_LAYER_NAMES ${layer})
endforeach()

# simdjson's On-Demand is chosen at compile time. Its generic fallback is several times slower than the SSE4.2 one, which
# every x86-64 server since 2010 runs; the program checks for it at start (app/main.cpp).
if(TARGET perp_venue AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(perp_venue PRIVATE -msse4.2 -mpclmul)
endif()

if(TARGET perp_warehouse)
  file(GLOB migrations CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/sql/*.sql)
  if(migrations)
    list(SORT migrations)
    perp_embed(perp_warehouse sql_files ${migrations})
  endif()
endif()

add_library(perp_perp INTERFACE)
add_library(perp::perp ALIAS perp_perp)
set_target_properties(perp_perp PROPERTIES EXPORT_NAME perp)
foreach(layer IN LISTS PERP_LAYER_NAMES)
  if(NOT layer STREQUAL "app")
    target_link_libraries(perp_perp INTERFACE perp_${layer})
  endif()
endforeach()
