#include "net/tls_safety.hpp"

#include "net/safety_step.hpp"

#include <perp/core/error.hpp>

#include <array>
#include <new>
#include <span>

namespace perp::net {

#if defined(PERP_TLS_MUTATION)
bool takes(SafetyStep step) noexcept;  // of the test program that leaves steps out
#else
namespace {
constexpr bool takes(SafetyStep /*step*/) noexcept { return true; }
}  // namespace
#endif

namespace {

constexpr const char* aes_first_suites =
    "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* chacha_first_suites =
    "TLS13-CHACHA20-POLY1305-SHA256:TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr const char* signature_algorithms =
    "ECDSA+SHA256:RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA384:RSA+SHA384:"
    "ECDSA+SHA512:RSA-PSS+SHA512:RSA+SHA512";

void require(bool done, const char* step) {
  if (!done)
    throw core::Error("cannot make TLS safe", "wolfSSL", std::string("it refuses ") + step);
}

/// libcrypto's verdict about the whole chain.
CertificateVerdict second_verdict(const PeerCheck& check, const WOLFSSL_X509_STORE_CTX& store) {
  if (!takes(SafetyStep::second_verifier)) return {};
  constexpr std::size_t longest = 16;
  std::array<std::span<const std::byte>, longest> chain;
  if (store.totalCerts < 1 || static_cast<std::size_t>(store.totalCerts) > longest)
    return {TlsErrorKind::bad_certificate, "its chain of certificates is too long"};
  const auto count = static_cast<std::size_t>(store.totalCerts);
  for (std::size_t i = 0; i < count; ++i)
    chain[i] = {reinterpret_cast<const std::byte*>(store.certs[i].buffer), store.certs[i].length};
  return check.trust->verify(std::span(chain.data(), count),
                             takes(SafetyStep::check_name) ? &check.name : nullptr);
}

/// wolfSSL calls this for each certificate of the chain, the peer's own last, whatever it thinks of
/// it; a 0 refuses the certificate. A 1 may overrule wolfSSL, so it is given only where wolfSSL
/// agrees.
int on_certificate(int wolfssl_accepts, WOLFSSL_X509_STORE_CTX* store) {
  auto* const check = static_cast<PeerCheck*>(store->userCtx);
  if (check == nullptr) return 0;
  const bool is_last = store->error_depth == 0;
  if (wolfssl_accepts != 0 && !is_last) return 1;
  if (check->verdict.kind != TlsErrorKind::none) return 0;
  try {
    check->verdict = second_verdict(*check, *store);
    // A link that wolfSSL cannot place may be one too many, such as an authority signed once more
    // by one that is no longer trusted. wolfSSL then goes on, if the rest holds without it.
    if (check->verdict.kind == TlsErrorKind::none && wolfssl_accepts == 0 && is_last) {
      // Refused by wolfSSL alone; in its compatible build the numbers are OpenSSL's.
      const char* const text = wolfSSL_X509_verify_cert_error_string(store->error);
      check->verdict = {TrustStore::kind_of(store->error),
                        std::string("wolfSSL refuses its certificate: ") +
                            (text != nullptr ? text : "no reason given")};
    }
  } catch (const std::bad_alloc&) {
    check->verdict.kind = TlsErrorKind::out_of_memory;
  }
  return wolfssl_accepts != 0 && check->verdict.kind == TlsErrorKind::none ? 1 : 0;
}

}  // namespace

void secure_context(WOLFSSL_CTX* context, bool aes_first) {
  if (takes(SafetyStep::minimum_version))
    require(wolfSSL_CTX_SetMinVersion(context, WOLFSSL_TLSV1_2) == WOLFSSL_SUCCESS,
            "TLS 1.2 as the oldest version");
  if (takes(SafetyStep::suites))
    require(wolfSSL_CTX_set_cipher_list(
                context, aes_first ? aes_first_suites : chacha_first_suites) == WOLFSSL_SUCCESS,
            "the list of suites");
  if (takes(SafetyStep::signature_algorithms))
    require(wolfSSL_CTX_set1_sigalgs_list(context, signature_algorithms) == WOLFSSL_SUCCESS,
            "the list of signature algorithms");
  if (takes(SafetyStep::groups)) {
    for (const int group : {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1})
      require(wolfSSL_CTX_UseSupportedCurve(context, static_cast<word16>(group)) == WOLFSSL_SUCCESS,
              "a key exchange group");
  }
  // No state outlives a connection: every handshake verifies.
  static_cast<void>(
      wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF));  // returns the old mode
}

void secure_client_context(WOLFSSL_CTX* context) {
  if (takes(SafetyStep::verify_peer))
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           on_certificate);
  else
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_NONE, nullptr);
  require(wolfSSL_CTX_SetMinRsaKey_Sz(context, 2048) == WOLFSSL_SUCCESS, "2048 bits for RSA");
  require(wolfSSL_CTX_SetMinEccKey_Sz(context, 256) == WOLFSSL_SUCCESS, "256 bits for curves");
}

void secure_client_session(WOLFSSL* session, PeerCheck& check) {
  wolfSSL_SetCertCbCtx(session, &check);
  const PeerName& name = check.name;
  if (takes(SafetyStep::check_name)) {
    const int done = name.is_address
                         ? wolfSSL_X509_VERIFY_PARAM_set1_ip_asc(wolfSSL_get0_param(session),
                                                                 name.wolfssl_address().c_str())
                         : wolfSSL_check_domain_name(session, name.text.c_str());
    require(done == WOLFSSL_SUCCESS, "to check the peer's name");
  }
  // An address is no server name (RFC 6066, section 3).
  if (takes(SafetyStep::server_name) && !name.is_address)
    require(wolfSSL_UseSNI(session, WOLFSSL_SNI_HOST_NAME, name.text.data(),
                           static_cast<word16>(name.text.size())) == WOLFSSL_SUCCESS,
            "to tell the server its name");
}

}  // namespace perp::net
