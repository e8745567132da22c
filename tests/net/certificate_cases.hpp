#pragma once
// Certificates that a client must accept or refuse.
#include "net/tls_cases.hpp"

#include <string>
#include <utility>
#include <vector>

namespace perp::test {

inline std::vector<TlsCase> good_certificate_cases() {
  const Certificate& root = trusted_root();
  const std::string dns = std::string("DNS:") + host;
  const auto authority = [&](int number, const Certificate& by) {
    return Certificate::make({.common_name = "authority " + std::to_string(number),
                              .is_authority = true,
                              .key_number = 100 + number},
                             &by);
  };
  const Certificate one = authority(1, root);
  const Certificate two = authority(2, one);
  const Certificate named = Certificate::make({.common_name = "constrained",
                                               .is_authority = true,
                                               .key_number = 103,
                                               .name_constraints = "permitted;DNS:perp.example"},
                                              &root);
  std::vector<TlsCase> cases;
  const auto good = [&](const std::string& name, const Certificate& certificate,
                        std::vector<Certificate> chain = {}) {
    cases.push_back({name, {.certificate = certificate, .chain = std::move(chain)}, true});
  };
  good("exact name", leaf());
  good("one of many names", leaf({.alternative_names = "DNS:a.example," + dns + ",IP:10.0.0.1"}));
  good("name in upper case", leaf({.alternative_names = "DNS:API.Perp.Example"}));
  good("wildcard, one level", leaf({.alternative_names = "DNS:*.perp.example"}));
  good("RSA 2048", leaf({.key = "RSA-2048"}));
  good("P-384", leaf({.key = "P-384", .digest = "SHA384"}));
  good("purpose: server", leaf({.extended_key_usage = "serverAuth"}));
  good("one intermediate", Certificate::make({.alternative_names = dns}, &one), {one});
  good("two intermediates", Certificate::make({.alternative_names = dns}, &two), {two, one});
  good("root sent along", leaf(), {root});
  const Certificate stranger =
      Certificate::make({.common_name = "a root of old", .is_authority = true, .key_number = 104});
  const Certificate crossed = Certificate::make(
      {.common_name = "perp test root", .is_authority = true, .key_number = 1}, &stranger);
  good("root signed once more by one that is not trusted", leaf(), {crossed});
  good("that behind an intermediate", Certificate::make({.alternative_names = dns}, &one),
       {one, crossed});
  good("that with its issuer", Certificate::make({.alternative_names = dns}, &one),
       {one, crossed, stranger});
  const auto dialled = [&](const std::string& name, const std::string& address,
                           const std::string& names) {
    cases.push_back({"dialled " + name,
                     {.certificate = leaf({.alternative_names = names})},
                     true,
                     {},
                     {},
                     address});
  };
  dialled("by IPv4 address", "192.0.2.7", "DNS:a.example,IP:192.0.2.7");
  dialled("by IPv6 address", "2001:db8::7", "IP:2001:db8::7");
  dialled("by IPv6 address of one group", "::1", "IP:::1,IP:127.0.0.1");
  good("name constraints kept", Certificate::make({.alternative_names = dns}, &named), {named});
  return cases;
}

/// The certificate is for another name, in each of the ways there are.
inline std::vector<TlsCase> wrong_name_cases() {
  using net::TlsErrorKind;
  std::vector<TlsCase> cases;
  const auto bad = [&](const std::string& name, const Certificate& certificate) {
    cases.push_back({name,
                     {.certificate = certificate},
                     false,
                     {TlsErrorKind::name_mismatch},
                     "not for this name"});
  };
  bad("wrong host", leaf({.alternative_names = "DNS:www.perp.example"}));
  bad("right common name, wrong alternative name",
      leaf({.common_name = host, .alternative_names = "DNS:www.perp.example"}));
  bad("common name only", Certificate::make({.common_name = host}, &trusted_root()));
  bad("wildcard, two levels", leaf({.alternative_names = "DNS:*.example"}));
  bad("wildcard in the middle", leaf({.alternative_names = "DNS:api.*.example"}));
  bad("wildcard, part of a label", leaf({.alternative_names = "DNS:a*.perp.example"}));
  bad("wildcard for a child", leaf({.alternative_names = "DNS:*.api.perp.example"}));
  bad("wildcard for everything", leaf({.alternative_names = "DNS:*"}));
  bad("the parent domain", leaf({.alternative_names = "DNS:perp.example"}));
  bad("our name as a prefix", leaf({.alternative_names = "DNS:api.perp.example.evil.example"}));
  bad("our name as a suffix", leaf({.alternative_names = "DNS:evilapi.perp.example"}));
  bad("an address", leaf({.alternative_names = "IP:127.0.0.1"}));
  bad("a mail address", leaf({.alternative_names = "email:api@api.perp.example"}));
  bad("an URI", leaf({.alternative_names = "URI:https://api.perp.example"}));
  const auto dialled = [&](const std::string& name, const std::string& address,
                           const std::string& names, const std::string& common_name = "test") {
    cases.push_back(
        {"dialled by address: " + name,
         {.certificate = leaf({.common_name = common_name, .alternative_names = names})},
         false,
         {TlsErrorKind::name_mismatch},
         "not for this name",
         address});
  };
  dialled("another one", "192.0.2.7", "IP:192.0.2.8");
  dialled("the address as a DNS name", "192.0.2.7", "DNS:192.0.2.7");
  dialled("the address as a common name", "192.0.2.7", "DNS:a.example", "192.0.2.7");
  dialled("a wildcard", "192.0.2.7", "DNS:*,DNS:192.0.2.*");
  dialled("another IPv6 address", "2001:db8::7", "IP:2001:db8::8");
  // Some refuse it as a name, some as a certificate; libcrypto does the former.
  bad("a zero byte in the name",
      leaf().with_raw_dns_name(std::string("api.perp.example\0.evil.example", 30), trusted_root()));
  return cases;
}

inline std::vector<TlsCase> bad_certificate_cases() {
  using net::TlsErrorKind;
  const Certificate& root = trusted_root();
  const std::string dns = std::string("DNS:") + host;
  const CertificateSpec plain{.alternative_names = dns};
  std::vector<TlsCase> cases;
  const auto bad = [&](const std::string& name, const Certificate& certificate,
                       std::vector<Certificate> chain, std::vector<TlsErrorKind> kinds,
                       const std::string& text = {}) {
    cases.push_back({name,
                     {.certificate = certificate, .chain = std::move(chain)},
                     false,
                     std::move(kinds),
                     text});
  };
  int number = 200;
  const auto authority = [&](CertificateSpec spec, const Certificate& by) {
    spec.is_authority = true;
    spec.common_name = "authority " + std::to_string(++number);
    spec.key_number = number;
    return Certificate::make(spec, &by);
  };
  const auto issued = [&](const Certificate& by) { return Certificate::make(plain, &by); };

  bad("self-signed", Certificate::make(plain), {}, {TlsErrorKind::self_signed}, "self-signed");
  const Certificate stranger =
      Certificate::make({.common_name = "a stranger", .is_authority = true, .key_number = 2});
  bad("unknown authority", issued(stranger), {}, {TlsErrorKind::unknown_issuer}, "a stranger");
  bad("unknown authority, sent along", issued(stranger), {stranger},
      {TlsErrorKind::unknown_issuer});
  const Certificate impostor =
      Certificate::make({.common_name = "perp test root", .is_authority = true, .key_number = 3});
  bad("an authority of the trusted one's name", issued(impostor), {impostor},
      {TlsErrorKind::unknown_issuer, TlsErrorKind::bad_certificate});
  bad("expired", leaf({.valid_from_days = -30, .valid_to_days = -1}), {}, {TlsErrorKind::expired},
      "check the clock");
  bad("not yet valid", leaf({.valid_from_days = 2, .valid_to_days = 30}), {},
      {TlsErrorKind::not_yet_valid}, "check the clock");
  const Certificate old = authority({.valid_from_days = -30, .valid_to_days = -1}, root);
  bad("expired intermediate", issued(old), {old}, {TlsErrorKind::expired}, "authority '");
  const Certificate early = authority({.valid_from_days = 2}, root);
  bad("intermediate not yet valid", issued(early), {early}, {TlsErrorKind::not_yet_valid});
  bad("damaged signature", leaf().with_broken_signature(), {}, {TlsErrorKind::bad_certificate});

  const Certificate one = authority({}, root);
  const Certificate two = authority({}, one);
  bad("missing intermediate", issued(one), {}, {TlsErrorKind::unknown_issuer}, "nor sent along");
  bad("first of two intermediates missing", issued(two), {two}, {TlsErrorKind::unknown_issuer});
  bad("intermediates in the wrong order", issued(two), {one, two},
      {TlsErrorKind::unknown_issuer, TlsErrorKind::bad_certificate});
  const Certificate no_bit = Certificate::make(
      {.common_name = "no authority", .key_number = 4, .key_usage = "keyCertSign,digitalSignature"},
      &root);
  bad("intermediate that is no authority", issued(no_bit), {no_bit},
      {TlsErrorKind::bad_certificate, TlsErrorKind::unknown_issuer});
  const Certificate no_basics = Certificate::make(
      {.common_name = "no basic constraints", .says_whether_authority = false, .key_number = 5},
      &root);
  bad("intermediate without basic constraints", issued(no_basics), {no_basics},
      {TlsErrorKind::bad_certificate, TlsErrorKind::unknown_issuer});
  const Certificate no_sign = authority({.key_usage = "critical,digitalSignature"}, root);
  bad("intermediate that may not sign certificates", issued(no_sign), {no_sign},
      {TlsErrorKind::bad_certificate, TlsErrorKind::unknown_issuer});
  const Certificate site = leaf({.alternative_names = "DNS:other.example", .key_number = 6});
  bad("issued by another site's certificate", issued(site), {site},
      {TlsErrorKind::bad_certificate, TlsErrorKind::unknown_issuer});
  const Certificate last = authority({.path_length = 0}, root);
  const Certificate beyond = authority({}, last);
  bad("path length exceeded", issued(beyond), {beyond, last}, {TlsErrorKind::bad_certificate});
  const Certificate elsewhere =
      authority({.name_constraints = "permitted;DNS:other.example"}, root);
  bad("name not permitted to its authority", issued(elsewhere), {elsewhere},
      {TlsErrorKind::bad_certificate});
  const Certificate except = authority({.name_constraints = "excluded;DNS:perp.example"}, root);
  bad("name excluded for its authority", issued(except), {except}, {TlsErrorKind::bad_certificate});
  bad("purpose: client only", leaf({.extended_key_usage = "clientAuth"}), {},
      {TlsErrorKind::bad_certificate}, "purpose");
  bad("purpose: code signing only", leaf({.extended_key_usage = "codeSigning"}), {},
      {TlsErrorKind::bad_certificate}, "purpose");
  const Certificate mail = authority({.extended_key_usage = "emailProtection"}, root);
  bad("intermediate for mail only", issued(mail), {mail}, {TlsErrorKind::bad_certificate});
  bad("SHA-1 signature", leaf({.digest = "SHA1"}), {},
      {TlsErrorKind::weak_certificate, TlsErrorKind::no_common_suite});
  const Certificate rsa = authority({.key = "RSA-2048"}, root);
  bad("MD5 signature", Certificate::make({.alternative_names = dns, .digest = "MD5"}, &rsa), {rsa},
      {TlsErrorKind::weak_certificate, TlsErrorKind::no_common_suite});
  const Certificate sha1 = authority({.digest = "SHA1"}, root);
  bad("SHA-1 signature of an intermediate", issued(sha1), {sha1},
      {TlsErrorKind::weak_certificate, TlsErrorKind::no_common_suite});
  bad("RSA 1024", leaf({.key = "RSA-1024"}), {}, {TlsErrorKind::weak_certificate});
  const Certificate small = authority({.key = "RSA-1024"}, root);
  bad("RSA 1024 of an intermediate", issued(small), {small}, {TlsErrorKind::weak_certificate});
  bad("weak curve", leaf({.key = "P-192"}), {},
      {TlsErrorKind::weak_certificate, TlsErrorKind::no_common_suite});
  return cases;
}

}  // namespace perp::test
