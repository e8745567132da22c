#pragma once
// Versions, suites, groups, signatures and application protocols that a client must speak or
// refuse.
#include "net/tls_cases.hpp"

#include <string>
#include <utility>
#include <vector>

namespace perp::test {

inline std::vector<TlsCase> protocol_cases() {
  using net::TlsErrorKind;
  std::vector<TlsCase> cases;
  const Certificate ec = leaf();
  const Certificate rsa = leaf({.key = "RSA-2048"});
  const std::vector<TlsErrorKind> suite{TlsErrorKind::no_common_suite};
  for (const auto& [name, version] :
       {std::pair{"TLS 1.0", TLS1_VERSION}, std::pair{"TLS 1.1", TLS1_1_VERSION}})
    for (const char* const ciphers :
         {"AES128-SHA", "AES256-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA",
          "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "DHE-RSA-AES128-SHA",
          "DHE-RSA-AES256-SHA", "CAMELLIA128-SHA", "ECDHE-RSA-NULL-SHA"})
      cases.push_back(
          {std::string(name) + " only, " + ciphers,
           {.certificate = std::string(ciphers).find("ECDSA") == std::string::npos ? rsa : ec,
            .min_version = version,
            .max_version = version,
            .ciphers = ciphers},
           false,
           {TlsErrorKind::protocol_version}});
  for (const char* const ciphers :
       {"ECDHE-ECDSA-NULL-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES128-CCM8"})
    cases.push_back({std::string("suite ") + ciphers,
                     {.certificate = ec, .max_version = TLS1_2_VERSION, .ciphers = ciphers},
                     false,
                     suite});
  for (const char* const ciphers :
       {"NULL-SHA256", "AES128-GCM-SHA256", "AES128-SHA", "ECDHE-RSA-NULL-SHA",
        "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384",
        "DHE-RSA-AES128-GCM-SHA256", "CAMELLIA128-SHA"})
    cases.push_back({std::string("suite ") + ciphers,
                     {.certificate = rsa, .max_version = TLS1_2_VERSION, .ciphers = ciphers},
                     false,
                     suite});
  for (const char* const ciphers : {"ADH-AES128-GCM-SHA256", "AECDH-AES128-SHA", "AECDH-NULL-SHA"})
    cases.push_back({std::string("anonymous suite ") + ciphers,
                     {.max_version = TLS1_2_VERSION, .ciphers = ciphers},
                     false,
                     suite});
  for (const char* const suites : {"TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"})
    cases.push_back({std::string("suite ") + suites,
                     {.certificate = ec, .min_version = TLS1_3_VERSION, .suites = suites},
                     false,
                     suite});
  for (const char* const group : {"P-521", "X448", "P-224", "P-192", "secp256k1", "brainpoolP256r1",
                                  "brainpoolP384r1", "brainpoolP512r1", "ffdhe2048", "ffdhe3072"})
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
      cases.push_back(
          {std::string("group ") + group + (version == TLS1_2_VERSION ? ", 1.2" : ", 1.3"),
           {.certificate = ec, .min_version = version, .max_version = version, .groups = group},
           false,
           suite});
  const Certificate p384 = leaf({.key = "P-384", .digest = "SHA384"});
  cases.push_back({"signature ECDSA+SHA1 with P-384",
                   {.certificate = p384, .max_version = TLS1_2_VERSION, .signatures = "ECDSA+SHA1"},
                   false,
                   suite});
  for (const char* const signature : {"RSA+SHA1", "RSA+SHA224", "ECDSA+SHA1", "ECDSA+SHA224"})
    for (const char* const cipher :
         {"AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"}) {
      const bool is_rsa = std::string(signature).starts_with("RSA");
      cases.push_back({std::string("signature ") + signature + " with " + cipher,
                       {.certificate = is_rsa ? rsa : ec,
                        .max_version = TLS1_2_VERSION,
                        .ciphers = std::string(is_rsa ? "ECDHE-RSA-" : "ECDHE-ECDSA-") + cipher,
                        .signatures = signature},
                       false,
                       suite});
    }
  cases.push_back({"another protocol by ALPN",
                   {.certificate = ec, .alpn = "h2"},
                   false,
                   {TlsErrorKind::alpn_mismatch}});

  for (const char* const suites :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    cases.push_back({std::string("TLS 1.3 ") + suites,
                     {.certificate = ec, .min_version = TLS1_3_VERSION, .suites = suites},
                     true});
    cases.push_back({std::string("TLS 1.3, RSA, ") + suites,
                     {.certificate = rsa, .min_version = TLS1_3_VERSION, .suites = suites},
                     true});
  }
  for (const char* const key : {"ECDSA", "RSA"})
    for (const char* const cipher :
         {"AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"}) {
      const std::string ciphers = std::string("ECDHE-") + key + "-" + cipher;
      cases.push_back({"TLS 1.2 " + ciphers,
                       {.certificate = std::string(key) == "RSA" ? rsa : ec,
                        .max_version = TLS1_2_VERSION,
                        .ciphers = ciphers},
                       true});
    }
  for (const char* const group : {"X25519", "P-256", "P-384"}) {
    // TLS 1.3 with a group that the client did not guess is a HelloRetryRequest.
    cases.push_back({std::string("TLS 1.3, group ") + group,
                     {.certificate = ec, .min_version = TLS1_3_VERSION, .groups = group},
                     true});
    cases.push_back({std::string("TLS 1.2, group ") + group,
                     {.certificate = ec, .max_version = TLS1_2_VERSION, .groups = group},
                     true});
  }
  cases.push_back({"the protocol that was offered", {.certificate = ec, .alpn = "http/1.1"}, true});
  return cases;
}

}  // namespace perp::test
