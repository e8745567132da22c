#include "net/trust_store.hpp"

#include <perp/core/error.hpp>

#include <arpa/inet.h>
#include <array>
#include <climits>
#include <ctime>
#include <filesystem>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace perp::net {
namespace {

struct Free {
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(STACK_OF(X509) * p) const noexcept { sk_X509_pop_free(p, X509_free); }
  void operator()(X509_STORE_CTX* p) const noexcept { X509_STORE_CTX_free(p); }
  void operator()(BIO* p) const noexcept { BIO_free(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(GENERAL_NAMES* p) const noexcept { GENERAL_NAMES_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

X509_STORE* store_of(void* store) noexcept { return static_cast<X509_STORE*>(store); }

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string text_of(const ASN1_TIME* time) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  return bio != nullptr && ASN1_TIME_print(bio.get(), time) == 1 ? text_of(bio.get())
                                                                 : "an unreadable date";
}

std::string text_of(const X509_NAME* name) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  // Escapes what is not printable: the peer chose these bytes.
  return bio != nullptr && X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) >= 0
             ? text_of(bio.get())
             : "an unreadable name";
}

/// An alternative name for people; empty if it is of a kind that names no host.
std::string text_of(const GENERAL_NAME* name) {
  std::string text;
  if (name->type == GEN_DNS) {
    const ASN1_IA5STRING* const dns = name->d.dNSName;
    for (int at = 0; at < ASN1_STRING_length(dns) && at < 253; ++at) {
      const unsigned char c = ASN1_STRING_get0_data(dns)[at];
      text += c > ' ' && c < 127 ? static_cast<char>(c) : '?';
    }
  } else if (name->type == GEN_IPADD) {
    const ASN1_OCTET_STRING* const address = name->d.iPAddress;
    std::array<char, INET6_ADDRSTRLEN> spelled{};
    const int size = ASN1_STRING_length(address);
    if ((size == 4 || size == 16) &&
        ::inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), spelled.data(),
                    spelled.size()) != nullptr)
      text = spelled.data();
  }
  return text;
}

/// What a certificate is for, a few of its names.
std::string names_of(X509* certificate) {
  const Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  constexpr int shown = 4;
  std::string text;
  int count = 0;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string name = text_of(sk_GENERAL_NAME_value(names.get(), i));
    if (name.empty() || ++count > shown) continue;
    text += (text.empty() ? "" : ", ") + name;
  }
  if (count == 0) return "it is for no DNS name or address at all";
  if (count > shown) text += " and " + std::to_string(count - shown) + " more";
  return "it is for " + text;
}

std::string clock_says() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  std::array<char, 64> text{};
  if (::gmtime_r(&now, &utc) == nullptr ||
      std::strftime(text.data(), text.size(), "%b %e %H:%M:%S %Y GMT", &utc) == 0)
    return "check the clock of this machine";
  return std::string("check the clock of this machine, which says ") + text.data();
}

/// What is wrong, to follow the host's name.
std::string reason_of(X509_STORE_CTX* context, int error) {
  X509* const certificate = X509_STORE_CTX_get_current_cert(context);
  const int depth = X509_STORE_CTX_get_error_depth(context);
  const std::string whose =
      depth <= 0 || certificate == nullptr
          ? "its certificate"
          : "the authority '" + text_of(X509_get_subject_name(certificate)) + "' in its chain";
  switch (TrustStore::kind_of(error)) {
    case TlsErrorKind::expired:
      if (certificate == nullptr) break;
      return whose + " has expired on " + text_of(X509_get0_notAfter(certificate)) + "; " +
             clock_says();
    case TlsErrorKind::not_yet_valid:
      if (certificate == nullptr) break;
      return whose + " is not valid before " + text_of(X509_get0_notBefore(certificate)) + "; " +
             clock_says();
    case TlsErrorKind::name_mismatch: {
      X509* const leaf = X509_STORE_CTX_get0_cert(context);
      return "its certificate is not for this name: " + names_of(leaf);
    }
    case TlsErrorKind::self_signed:
      return "its certificate is self-signed and not among the trusted authorities";
    case TlsErrorKind::unknown_issuer:
      if (certificate == nullptr) break;
      return whose + " is issued by '" + text_of(X509_get_issuer_name(certificate)) +
             "', which is neither trusted nor sent along";
    default: break;
  }
  return whose + " is refused: " + X509_verify_cert_error_string(error);
}

/// Sets the rules. False if out of memory.
bool set_rules(X509_STORE_CTX* context, const PeerName* name) {
  X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_trust(rules, X509_TRUST_SSL_SERVER);
  X509_VERIFY_PARAM_set_auth_level(rules, 2);  // 112 bits: no RSA below 2048, no SHA-1
  X509_VERIFY_PARAM_set_depth(rules, 8);
  // A DNS name counts only where RFC 6125 wants it, in the alternative names.
  X509_VERIFY_PARAM_set_hostflags(
      rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (name == nullptr) return true;
  return name->is_address
             ? X509_VERIFY_PARAM_set1_ip_asc(rules, name->text.c_str()) == 1
             : X509_VERIFY_PARAM_set1_host(rules, name->text.data(), name->text.size()) == 1;
}

/// Whether the path goes through what was sent from front to back. libcrypto sorts, wolfSSL does
/// not, but remembers authorities of earlier connections: without this rule the same chain would be
/// refused at first and accepted later.
bool is_in_order(X509_STORE_CTX* context, const STACK_OF(X509) * sent) {
  const STACK_OF(X509)* const path = X509_STORE_CTX_get0_chain(context);
  int reached = -1;
  for (int i = 0; i < sk_X509_num(path); ++i)
    for (int at = 0; at < sk_X509_num(sent); ++at) {
      if (X509_cmp(sk_X509_value(path, i), sk_X509_value(sent, at)) != 0) continue;
      if (at < reached) return false;
      reached = at;
      break;
    }
  return true;
}

}  // namespace

TrustStore::TrustStore(const std::string& pem_file) : store_(X509_STORE_new()) {
  if (store_ == nullptr) throw std::bad_alloc();
  if (X509_STORE_load_file(store_of(store_), pem_file.c_str()) != 1) {
    ERR_clear_error();
    X509_STORE_free(store_of(store_));
    throw core::Error("cannot load the trusted authorities", pem_file,
                      "not a readable PEM file with certificates");
  }
}

TrustStore::~TrustStore() { X509_STORE_free(store_of(store_)); }

CertificateVerdict TrustStore::verify(std::span<const std::span<const std::byte>> chain,
                                      const PeerName* name) const {
  const auto no_memory = [] {
    return CertificateVerdict{TlsErrorKind::out_of_memory, "out of memory"};
  };
  const Owned<STACK_OF(X509)> certificates(sk_X509_new_null());
  if (certificates == nullptr) return no_memory();
  for (const std::span<const std::byte> der : chain) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const auto* const end = at + der.size();
    Owned<X509> certificate(
        der.size() <= LONG_MAX ? d2i_X509(nullptr, &at, static_cast<long>(der.size())) : nullptr);
    if (certificate == nullptr || at != end) {
      ERR_clear_error();
      return {TlsErrorKind::bad_certificate, "a certificate that it sent cannot be read"};
    }
    if (sk_X509_push(certificates.get(), certificate.get()) <= 0) return no_memory();
    static_cast<void>(certificate.release());  // the stack's now
  }
  if (sk_X509_num(certificates.get()) == 0)
    return {TlsErrorKind::bad_certificate, "it sent no certificate"};

  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (context == nullptr ||
      X509_STORE_CTX_init(context.get(), store_of(store_), sk_X509_value(certificates.get(), 0),
                          certificates.get()) != 1 ||
      !set_rules(context.get(), name))
    return no_memory();
  const bool accepted = X509_verify_cert(context.get()) == 1;
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  if (accepted && error == X509_V_OK) {
    if (is_in_order(context.get(), certificates.get())) return {};
    return {TlsErrorKind::bad_certificate, "its chain of certificates is not in order"};
  }
  return {kind_of(error), reason_of(context.get(), error)};
}

TlsErrorKind TrustStore::kind_of(int x509_error) noexcept {
  switch (x509_error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return TlsErrorKind::self_signed;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return TlsErrorKind::unknown_issuer;
    case X509_V_ERR_CERT_NOT_YET_VALID: return TlsErrorKind::not_yet_valid;
    case X509_V_ERR_CERT_HAS_EXPIRED: return TlsErrorKind::expired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return TlsErrorKind::name_mismatch;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK: return TlsErrorKind::weak_certificate;
    case X509_V_ERR_OUT_OF_MEM: return TlsErrorKind::out_of_memory;
    default: return TlsErrorKind::bad_certificate;
  }
}

bool is_key_of(const std::string& key_file, const std::string& certificate_file) {
  const Owned<BIO> certificate_bio(BIO_new_file(certificate_file.c_str(), "r"));
  const Owned<BIO> key_bio(BIO_new_file(key_file.c_str(), "r"));
  const Owned<X509> certificate(
      certificate_bio != nullptr
          ? PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr)
          : nullptr);
  // A key behind a password is not asked for one: the program has no terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  const Owned<EVP_PKEY> key(
      key_bio != nullptr ? PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_password, nullptr)
                         : nullptr);
  const bool fits = certificate != nullptr && key != nullptr &&
                    X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  return fits;
}

std::string system_ca_file() {
  // Debian and Ubuntu; Fedora; openSUSE; Alpine.
  constexpr std::array places{"/etc/ssl/certs/ca-certificates.crt",
                              "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                              "/etc/ssl/cert.pem"};
  std::string tried;
  for (const char* const place : places) {
    std::error_code error;
    if (std::filesystem::is_regular_file(place, error)) return place;
    tried += std::string(tried.empty() ? "" : ", ") + place;
  }
  throw core::Error("no trusted authorities on this system", tried,
                    "none of these files exists; install ca-certificates or name a CA file");
}

}  // namespace perp::net
