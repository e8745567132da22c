#pragma once
// wolfSSL as this layer uses it: its options first, never its OpenSSL names.
#include <wolfssl/options.h>
// The order matters: every other header reads the options.
#include <wolfssl/ssl.h>

namespace perp::net {

/// Once per process: the library, its memory pool (wolfssl_memory.hpp) and the AES device.
/// @throws core::Error if wolfSSL cannot start.
void start_wolfssl();

}  // namespace perp::net
