#pragma once
// The second verifier of a peer's certificates: libcrypto's, beside wolfSSL's. wolfSSL 5.5.4
// accepts what browsers and OpenSSL refuse (a name in the common name only, client-only purposes,
// SHA-1 signatures, certificates of earlier connections as links of the chain), and says less about
// why it refuses. Both have to accept. Shows no OpenSSL header: wolfSSL's cannot be seen beside it.
#include "net/peer_name.hpp"

#include <perp/net/tls_stream.hpp>

#include <memory>
#include <span>
#include <string>

namespace perp::net {

struct CertificateVerdict {
  TlsErrorKind kind = TlsErrorKind::none;  ///< none: accepted
  std::string reason;                      ///< of a refusal, to follow the host's name
};

class TrustStore {
 public:
  /// The authorities of a PEM file. @throws core::Error naming it
  explicit TrustStore(const std::string& pem_file);
  TrustStore(const TrustStore&) = delete;
  TrustStore& operator=(const TrustStore&) = delete;
  ~TrustStore();

  /// Verifies a server's chain in DER, the server's own certificate first: path, dates, purpose,
  /// strength, order, and one of its alternative names must be `name` (null: any). Never throws for
  /// what the peer sent. @thread any
  CertificateVerdict verify(std::span<const std::span<const std::byte>> chain,
                            const PeerName* name) const;

  /// The kind of an X509_V_ERR_ number, which wolfSSL's compatible build uses as well.
  static TlsErrorKind kind_of(int x509_error) noexcept;

 private:
  void* store_ = nullptr;  // X509_STORE; its own lock makes it shareable
};

/// Whether a PEM file's first certificate is for another PEM file's private key; wolfSSL 5.5.4
/// takes any key of the right kind.
bool is_key_of(const std::string& key_file, const std::string& certificate_file);

/// The file of the system's authorities. @throws core::Error naming the places that were looked at
std::string system_ca_file();

}  // namespace perp::net
