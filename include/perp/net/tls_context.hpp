#pragma once
// What TLS connections of one kind share: trusted authorities or an own certificate, suites,
// limits. Made once, on a cold path; any thread may make streams of it (TlsStream), which share it.
// A client context always verifies: the chain up to a trusted authority by two independent
// verifiers, the name, the dates and the strength of each certificate; TLS 1.2 or 1.3 with
// authenticated encryption and forward secrecy only. There is no switch that turns any of it off.
#include <cstdint>
#include <memory>
#include <string>

namespace perp::net {

/// Who computes AES-GCM. libcrypto uses the processor's AES instructions, Debian's wolfSSL does
/// not. Both give the same bytes; `wolfssl` is there to be measured against.
enum class AesEngine : std::uint8_t {
  automatic,  ///< libcrypto where the processor has AES instructions, else wolfssl
  libcrypto,
  wolfssl,
};

struct TlsClientOptions {
  std::string ca_file{};  ///< PEM file of the authorities to trust; empty: the system's
  std::string alpn{};     ///< the protocol to offer, such as "http/1.1"; empty: none is offered
  AesEngine aes = AesEngine::automatic;
};

/// For simulated venues and tests.
struct TlsServerOptions {
  std::string certificate_file{};  ///< PEM: the server's certificate, then its intermediates
  std::string key_file{};          ///< PEM: its private key
  std::string alpn{};              ///< the protocol that is spoken; empty: ALPN is ignored
  AesEngine aes = AesEngine::automatic;
};

class TlsContext {
 public:
  /// @throws core::Error naming the file that cannot be read or holds no authority.
  static TlsContext client(const TlsClientOptions& options = {});
  /// @throws core::Error naming the file that cannot be used.
  static TlsContext server(const TlsServerOptions& options);

  bool is_server() const noexcept;
  /// True if AES-GCM is offered first and computed by libcrypto; otherwise ChaCha20 comes first.
  bool has_fast_aes() const noexcept;

  struct Shared;  // src/net/tls_shared.hpp

 private:
  friend class TlsStream;
  explicit TlsContext(std::shared_ptr<const Shared> shared) noexcept : shared_(std::move(shared)) {}

  // Shared with every stream made of it: a stream may outlive the context's other owners.
  std::shared_ptr<const Shared> shared_;
};

}  // namespace perp::net
