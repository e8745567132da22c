#include "net/wolfssl.hpp"

#include "net/aes_offload.hpp"
#include "net/wolfssl_memory.hpp"

#include <perp/core/error.hpp>

#include <wolfssl/wolfcrypt/ecc.h>

namespace perp::net {

void start_wolfssl() {
  // A failure throws, and the next caller tries again.
  static const bool started = [] {
    // The pool first: every block that wolfSSL ever frees may then be its own.
    if (!pool_wolfssl_memory() || wolfSSL_Init() != WOLFSSL_SUCCESS ||
        !AesOffload::register_device())
      throw core::Error("cannot start TLS", "wolfSSL", "its initialisation failed");
    return true;
  }();
  static_cast<void>(started);
}

void free_wolfssl_tables_with_thread() noexcept {
  struct Tables {
    bool in_use = false;
    ~Tables() {
      if (in_use) wc_ecc_fp_free();
    }
  };
  thread_local Tables tables;
  tables.in_use = true;
}

}  // namespace perp::net
