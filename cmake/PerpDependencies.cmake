# Every dependency is a Debian 12 package. Third-party headers are seen by one layer's sources only
# (the PRIVATE column of the layer table); installed headers include none of them.
find_package(Threads REQUIRED)
find_package(fmt 9.1 REQUIRED)
find_package(simdjson 3.0 REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(hwy 1.0.3 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing>=2.3)
pkg_check_modules(WOLFSSL REQUIRED IMPORTED_TARGET wolfssl>=5.5)
# libcrypto alone: wolfSSL's AES-GCM is computed by it (net/aes_offload); libpq brings it along anyway.
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
# TOML: Debian builds the parser as a shared library, so that it is not compiled with each of our sources.
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus>=3.3)
