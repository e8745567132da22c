#include "net/tls_error.hpp"

#include "net/wolfssl.hpp"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

namespace perp::net {

std::string_view to_text(TlsErrorKind kind) noexcept {
  switch (kind) {
    case TlsErrorKind::none: return "none";
    case TlsErrorKind::self_signed: return "self_signed";
    case TlsErrorKind::unknown_issuer: return "unknown_issuer";
    case TlsErrorKind::expired: return "expired";
    case TlsErrorKind::not_yet_valid: return "not_yet_valid";
    case TlsErrorKind::name_mismatch: return "name_mismatch";
    case TlsErrorKind::weak_certificate: return "weak_certificate";
    case TlsErrorKind::bad_certificate: return "bad_certificate";
    case TlsErrorKind::protocol_version: return "protocol_version";
    case TlsErrorKind::no_common_suite: return "no_common_suite";
    case TlsErrorKind::alpn_mismatch: return "alpn_mismatch";
    case TlsErrorKind::bad_record: return "bad_record";
    case TlsErrorKind::record_too_large: return "record_too_large";
    case TlsErrorKind::idle_records: return "idle_records";
    case TlsErrorKind::truncated: return "truncated";
    case TlsErrorKind::peer_alert: return "peer_alert";
    case TlsErrorKind::plain_full: return "plain_full";
    case TlsErrorKind::output_full: return "output_full";
    case TlsErrorKind::out_of_memory: return "out_of_memory";
    case TlsErrorKind::internal: return "internal";
  }
  return "unknown";
}

TlsErrorKind kind_of_wolfssl_error(int error) noexcept {
  switch (error) {
    case ASN_SELF_SIGNED_E: return TlsErrorKind::self_signed;
    case ASN_NO_SIGNER_E: return TlsErrorKind::unknown_issuer;
    case ASN_AFTER_DATE_E: return TlsErrorKind::expired;
    case ASN_BEFORE_DATE_E: return TlsErrorKind::not_yet_valid;
    case DOMAIN_NAME_MISMATCH: return TlsErrorKind::name_mismatch;
    case RSA_KEY_SIZE_E:
    case ECC_KEY_SIZE_E: return TlsErrorKind::weak_certificate;
    case VERIFY_CERT_ERROR:
    case NO_PEER_CERT:
    case PEER_KEY_ERROR:
    case MAX_CHAIN_ERROR:
    case ASN_SIG_CONFIRM_E:
    case ASN_NAME_INVALID_E:
    case ASN_PATHLEN_SIZE_E:
    case ASN_PATHLEN_INV_E:
    case ASN_PARSE_E:
    case EXTKEYUSAGE_E:
    case KEYUSAGE_E: return TlsErrorKind::bad_certificate;
    case VERSION_ERROR: return TlsErrorKind::protocol_version;
    case MATCH_SUITE_ERROR:
    case UNSUPPORTED_SUITE:
    case INVALID_PARAMETER:
    case NO_PEER_KEY:
    case KEY_SHARE_ERROR: return TlsErrorKind::no_common_suite;
    case UNKNOWN_ALPN_PROTOCOL_NAME_E: return TlsErrorKind::alpn_mismatch;
    case DECRYPT_ERROR:
    case VERIFY_MAC_ERROR:
    case VERIFY_FINISHED_ERROR:
    case AES_GCM_AUTH_E:
    case MAC_CMP_FAILED_E:
    case BUFFER_ERROR:
    case BUFFER_E:
    case PARSE_ERROR:
    case OUT_OF_ORDER_E:
    case UNKNOWN_RECORD_TYPE:
    case UNKNOWN_HANDSHAKE_TYPE:
    case INCOMPLETE_DATA:
    case SANITY_MSG_E:
    case SANITY_CIPHER_E:
    case DUPLICATE_MSG_E:
    case SIDE_ERROR: return TlsErrorKind::bad_record;
    case LENGTH_ERROR: return TlsErrorKind::record_too_large;
    case MEMORY_E:
    case MEMORY_ERROR: return TlsErrorKind::out_of_memory;
    case FATAL_ERROR: return TlsErrorKind::peer_alert;
    default: return TlsErrorKind::internal;
  }
}

TlsErrorKind kind_of_alert(int code) noexcept {
  switch (code) {
    case 40:  // handshake_failure: no suite, group or signature algorithm in common
    case 71:  // insufficient_security
      return TlsErrorKind::no_common_suite;
    case 70: return TlsErrorKind::protocol_version;
    case 120: return TlsErrorKind::alpn_mismatch;
    default: return TlsErrorKind::peer_alert;
  }
}

std::string_view alert_name(int code) noexcept {
  switch (code) {
    case 0: return "close_notify";
    case 10: return "unexpected_message";
    case 20: return "bad_record_mac";
    case 22: return "record_overflow";
    case 40: return "handshake_failure";
    case 42: return "bad_certificate";
    case 43: return "unsupported_certificate";
    case 44: return "certificate_revoked";
    case 45: return "certificate_expired";
    case 46: return "certificate_unknown";
    case 47: return "illegal_parameter";
    case 48: return "unknown_ca";
    case 49: return "access_denied";
    case 50: return "decode_error";
    case 51: return "decrypt_error";
    case 70: return "protocol_version";
    case 71: return "insufficient_security";
    case 80: return "internal_error";
    case 86: return "inappropriate_fallback";
    case 90: return "user_canceled";
    case 109: return "missing_extension";
    case 110: return "unsupported_extension";
    case 112: return "unrecognized_name";
    case 113: return "bad_certificate_status_response";
    case 115: return "unknown_psk_identity";
    case 116: return "certificate_required";
    case 120: return "no_application_protocol";
    default: return "";
  }
}

}  // namespace perp::net
