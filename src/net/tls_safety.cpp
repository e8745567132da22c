#include "net/tls_safety.hpp"

#include <perp/core/error.hpp>

#include <array>
#include <new>
#include <span>

namespace perp::net {

#if defined(PERP_TLS_MUTATION)
// Only in the test program that shows what each step is for.
SafetyStep dropped_step{};
bool drops_step = false;
#endif

namespace {

#if defined(PERP_TLS_MUTATION)
bool takes(SafetyStep step) noexcept { return !drops_step || dropped_step != step; }
#else
constexpr bool takes(SafetyStep /*step*/) noexcept { return true; }
#endif

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

/// wolfSSL calls this for each certificate of the chain, the peer's own last, whatever it thinks of
/// it; a 0 refuses the peer. A 1 may overrule wolfSSL, so it is given only where wolfSSL agrees.
int on_certificate(int wolfssl_accepts, WOLFSSL_X509_STORE_CTX* store) {
  auto* const check = static_cast<PeerCheck*>(store->userCtx);
  if (check == nullptr) return 0;
  const bool is_last = store->error_depth == 0;
  if (wolfssl_accepts != 0 && !is_last) return 1;
  if (check->verdict.kind != TlsErrorKind::none) return 0;
  try {
    constexpr std::size_t longest = 16;
    std::array<std::span<const std::byte>, longest> chain;
    if (store->totalCerts < 1 || static_cast<std::size_t>(store->totalCerts) > longest) {
      check->verdict = {TlsErrorKind::bad_certificate, "its chain of certificates is too long"};
      return 0;
    }
    const auto count = static_cast<std::size_t>(store->totalCerts);
    for (std::size_t i = 0; i < count; ++i)
      chain[i] = {reinterpret_cast<const std::byte*>(store->certs[i].buffer),
                  store->certs[i].length};
    if (takes(SafetyStep::second_verifier)) {
      const std::string host = takes(SafetyStep::check_name) ? check->host : std::string();
      check->verdict = check->trust->verify(std::span(chain.data(), count), host);
    }
    if (check->verdict.kind == TlsErrorKind::none && wolfssl_accepts == 0) {
      // Refused by wolfSSL alone; in its compatible build the numbers are OpenSSL's.
      const char* const text = wolfSSL_X509_verify_cert_error_string(store->error);
      check->verdict = {TrustStore::kind_of(store->error),
                        std::string("wolfSSL refuses its certificate: ") +
                            (text != nullptr ? text : "no reason given")};
    }
  } catch (const std::bad_alloc&) {
    check->verdict.kind = TlsErrorKind::out_of_memory;
  }
  return check->verdict.kind == TlsErrorKind::none ? 1 : 0;
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
  if (takes(SafetyStep::check_name))
    require(wolfSSL_check_domain_name(session, check.host.c_str()) == WOLFSSL_SUCCESS,
            "to check the peer's name");
  if (takes(SafetyStep::server_name))
    require(wolfSSL_UseSNI(session, WOLFSSL_SNI_HOST_NAME, check.host.data(),
                           static_cast<word16>(check.host.size())) == WOLFSSL_SUCCESS,
            "to tell the server its name");
}

}  // namespace perp::net
