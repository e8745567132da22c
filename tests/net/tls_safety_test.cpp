// What a client connects to and what it refuses, against OpenSSL as the server with certificates
// made by libcrypto. A refusal comes before any application byte, in either direction, and names
// the host and the reason. tests/net/mutation shows that these cases notice each missing safety
// step.
#include "net/certificate_cases.hpp"
#include "net/protocol_cases.hpp"

#include <perp/core/error.hpp>

#include <gtest/gtest.h>

namespace perp::net {
namespace {

using test::TlsCase;

void expect_all(const std::vector<TlsCase>& cases) {
  for (const TlsCase& one : cases) {
    // A context of its own: what wolfSSL learnt from one peer must not help the next.
    const TlsContext context =
        TlsContext::client({.ca_file = test::trusted_root_file(), .alpn = "http/1.1"});
    EXPECT_EQ(complaint(one, outcome_of(one, context)), "") << one.name;
  }
}

TEST(TlsSafety, GoodCertificatesConnect) { expect_all(test::good_certificate_cases()); }
TEST(TlsSafety, CertificatesForOtherNamesAreRefused) { expect_all(test::wrong_name_cases()); }
TEST(TlsSafety, BadCertificatesAreRefused) { expect_all(test::bad_certificate_cases()); }
TEST(TlsSafety, SafeProtocolsConnectAndOthersAreRefused) { expect_all(test::protocol_cases()); }

TEST(TlsSafety, VerdictsDoNotDependOnWhoCameBefore) {
  const TlsContext context =
      TlsContext::client({.ca_file = test::trusted_root_file(), .alpn = "http/1.1"});
  for (int round = 0; round < 2; ++round)
    for (const auto& cases : {test::good_certificate_cases(), test::wrong_name_cases(),
                              test::bad_certificate_cases(), test::protocol_cases()})
      for (const TlsCase& one : cases)
        EXPECT_EQ(complaint(one, outcome_of(one, context)), "") << one.name << ", round " << round;
}

}  // namespace
}  // namespace perp::net
