#pragma once
// wolfSSL as this layer uses it: its options first, never its OpenSSL names.
#include <wolfssl/options.h>
// The order matters: every other header reads the options.
#include <wolfssl/ssl.h>

namespace perp::net {

/// Once per process: the library, its memory pool (wolfssl_memory.hpp) and the AES device.
/// @throws core::Error if wolfSSL cannot start.
void start_wolfssl();

/// Before a handshake: wolfSSL keeps tables of its curves' points for each thread, up to 12 MB, and
/// forgets them when a thread ends. From here on they are freed when the calling thread does.
void free_wolfssl_tables_with_thread() noexcept;

}  // namespace perp::net
