#pragma once
// Every step that makes a TLS connection safe, in one place. Debian's wolfSSL 5.5.4 verifies
// nothing by default, speaks TLS 1.1 and offers suites without encryption: each step undoes one of
// these. tests/net/mutation builds tls_safety.cpp with one step left out at a time, and proves that
// the tests of certificates and protocols notice.
#include "net/trust_store.hpp"
#include "net/wolfssl.hpp"

#include <cstdint>
#include <string>

namespace perp::net {

enum class SafetyStep : std::uint8_t {
  verify_peer,           ///< wolfSSL verifies the chain, and a peer without one is refused
  second_verifier,       ///< so does libcrypto
  check_name,            ///< both compare the name that was dialled
  minimum_version,       ///< TLS 1.2
  suites,                ///< authenticated encryption with forward secrecy, nothing else
  signature_algorithms,  ///< no SHA-1
  groups,                ///< X25519, P-256 and P-384
  server_name,           ///< the server is told the name, so that it shows the right certificate
};

/// What the verifiers of one handshake need, and what they found.
struct PeerCheck {
  const TrustStore* trust = nullptr;
  std::string host;
  CertificateVerdict verdict;
};

/// For clients and servers. @throws core::Error if wolfSSL refuses a step
void secure_context(WOLFSSL_CTX* context, bool aes_first);
/// For a client's context, besides. @throws core::Error
void secure_client_context(WOLFSSL_CTX* context);
/// For each client connection. `check` must outlive `session`. @throws core::Error
void secure_client_session(WOLFSSL* session, PeerCheck& check);

#if defined(PERP_TLS_MUTATION)
/// The step that is left out.
extern SafetyStep dropped_step;
extern bool drops_step;
#endif

}  // namespace perp::net
