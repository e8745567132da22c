#pragma once
// Inside of TlsContext, seen by the sources that speak to wolfSSL.
#include "net/trust_store.hpp"
#include "net/wolfssl.hpp"

#include <perp/net/tls_context.hpp>

#include <memory>
#include <string>

namespace perp::net {

struct FreeContext {
  void operator()(WOLFSSL_CTX* context) const noexcept { wolfSSL_CTX_free(context); }
};

/// Never changed once made, so that threads may share it.
struct TlsContext::Shared {
  std::unique_ptr<WOLFSSL_CTX, FreeContext> context;
  std::unique_ptr<TrustStore> trust;  // null for a server
  std::string alpn;
  bool is_server = false;
  bool has_fast_aes = false;
};

}  // namespace perp::net
