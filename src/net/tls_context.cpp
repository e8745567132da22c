#include "net/aes_offload.hpp"
#include "net/tls_safety.hpp"
#include "net/tls_shared.hpp"

#include <perp/core/error.hpp>

namespace perp::net {
namespace {

bool uses_libcrypto(AesEngine engine) noexcept {
  if (engine == AesEngine::automatic) return AesOffload::is_fast();
  return engine == AesEngine::libcrypto;
}

std::shared_ptr<TlsContext::Shared> make_shared(WOLFSSL_METHOD* method, AesEngine engine,
                                                const std::string& alpn) {
  auto shared = std::make_shared<TlsContext::Shared>();
  shared->context.reset(wolfSSL_CTX_new(method));
  WOLFSSL_CTX* const context = shared->context.get();
  if (context == nullptr) throw core::Error("cannot make a TLS context", "wolfSSL", "no memory");
  shared->alpn = alpn;
  shared->has_fast_aes = uses_libcrypto(engine);
  secure_context(context, shared->has_fast_aes);
  if (shared->has_fast_aes &&
      wolfSSL_CTX_SetDevId(context, AesOffload::device_id) != WOLFSSL_SUCCESS)
    throw core::Error("cannot make a TLS context", "wolfSSL", "it refuses the AES device");
  return shared;
}

}  // namespace

TlsContext TlsContext::client(const TlsClientOptions& options) {
  start_wolfssl();
  std::shared_ptr<Shared> shared =
      make_shared(wolfSSLv23_client_method(), options.aes, options.alpn);
  secure_client_context(shared->context.get());
  const std::string file = options.ca_file.empty() ? system_ca_file() : options.ca_file;
  shared->trust = std::make_unique<TrustStore>(file);
  // Of the system's authorities some may be expired or of a kind that wolfSSL does not know.
  const unsigned flags =
      options.ca_file.empty() ? WOLFSSL_LOAD_FLAG_IGNORE_ERR : WOLFSSL_LOAD_FLAG_NONE;
  const int loaded =
      wolfSSL_CTX_load_verify_locations_ex(shared->context.get(), file.c_str(), nullptr, flags);
  if (loaded != WOLFSSL_SUCCESS)
    throw core::Error("cannot load the trusted authorities", file,
                      wolfSSL_ERR_reason_error_string(static_cast<unsigned long>(loaded)));
  return TlsContext(std::move(shared));
}

TlsContext TlsContext::server(const TlsServerOptions& options) {
  start_wolfssl();
  std::shared_ptr<Shared> shared =
      make_shared(wolfSSLv23_server_method(), options.aes, options.alpn);
  shared->is_server = true;
  WOLFSSL_CTX* const context = shared->context.get();
  if (wolfSSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) !=
      WOLFSSL_SUCCESS)
    throw core::Error("cannot use the server's certificate", options.certificate_file,
                      "not a readable PEM file with a certificate");
  if (wolfSSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), WOLFSSL_FILETYPE_PEM) !=
          WOLFSSL_SUCCESS ||
      !is_key_of(options.key_file, options.certificate_file))
    throw core::Error("cannot use the server's key", options.key_file,
                      "not a readable PEM file with the certificate's key");
  // Clients here never resume; a ticket would be a record for nothing.
  wolfSSL_CTX_no_ticket_TLSv13(context);
  return TlsContext(std::move(shared));
}

bool TlsContext::is_server() const noexcept { return shared_->is_server; }
bool TlsContext::has_fast_aes() const noexcept { return shared_->has_fast_aes; }

}  // namespace perp::net
