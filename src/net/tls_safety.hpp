#pragma once
// Every step that makes a TLS connection safe, in one place. Debian's wolfSSL 5.5.4 verifies
// nothing by default, speaks TLS 1.1 and offers suites without encryption: each step undoes one of
// these. tests/net/mutation builds a tls_safety.cpp of its own that leaves one step out at a time,
// and proves that the tests of certificates and protocols notice.
#include "net/trust_store.hpp"
#include "net/wolfssl.hpp"

namespace perp::net {

/// What the verifiers of one handshake need, and what they found.
struct PeerCheck {
  const TrustStore* trust = nullptr;
  PeerName name;
  CertificateVerdict verdict;
};

/// For clients and servers. @throws core::Error if wolfSSL refuses a step
void secure_context(WOLFSSL_CTX* context, bool aes_first);
/// For a client's context, besides. @throws core::Error
void secure_client_context(WOLFSSL_CTX* context);
/// For each client connection. `check` must outlive `session`. @throws core::Error
void secure_client_session(WOLFSSL* session, PeerCheck& check);

}  // namespace perp::net
