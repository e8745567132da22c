#include <perp/net/endpoint.hpp>

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <cstring>

namespace perp::net {
namespace {

TEST(Endpoint, ReadsWhatInetPtonReads) {
  Endpoint endpoint;
  ASSERT_TRUE(Endpoint::parse("192.0.2.7", 443, endpoint));
  EXPECT_EQ(endpoint.family, Endpoint::Family::ipv4);
  EXPECT_EQ(endpoint.text(), "192.0.2.7:443");
  in_addr four{};
  ASSERT_EQ(::inet_pton(AF_INET, "192.0.2.7", &four), 1);
  EXPECT_EQ(std::memcmp(endpoint.address.data(), &four, sizeof four), 0);

  for (const char* text : {"2001:db8::42", "[2001:db8::42]"}) {
    ASSERT_TRUE(Endpoint::parse(text, 8443, endpoint));
    EXPECT_EQ(endpoint.family, Endpoint::Family::ipv6);
    EXPECT_EQ(endpoint.text(), "[2001:db8::42]:8443");
    in6_addr six{};
    ASSERT_EQ(::inet_pton(AF_INET6, "2001:db8::42", &six), 1);
    EXPECT_EQ(std::memcmp(endpoint.address.data(), &six, sizeof six), 0);
  }
  ASSERT_TRUE(Endpoint::parse("fe80::1%lo", 1, endpoint));
  EXPECT_NE(endpoint.scope, 0U);
  EXPECT_EQ(endpoint.text(), "[fe80::1%lo]:1");
}

TEST(Endpoint, RefusesEverythingElseAndLeavesItsArgumentAlone) {
  Endpoint endpoint = Endpoint::loopback(Endpoint::Family::ipv4, 7);
  const Endpoint before = endpoint;
  for (const char* text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "[1.2.3.4]", "[]", "[::1", "::1]",
        ":::", "1.2.3.4:80", "fe80::1%no-such-interface", " 1.2.3.4", "1.2.3.4 "})
    EXPECT_FALSE(Endpoint::parse(text, 80, endpoint)) << text;
  EXPECT_EQ(endpoint, before);
}

TEST(Endpoint, LoopbackIsTheLoopback) {
  Endpoint parsed;
  ASSERT_TRUE(Endpoint::parse("127.0.0.1", 5, parsed));
  EXPECT_EQ(Endpoint::loopback(Endpoint::Family::ipv4, 5), parsed);
  ASSERT_TRUE(Endpoint::parse("::1", 5, parsed));
  EXPECT_EQ(Endpoint::loopback(Endpoint::Family::ipv6, 5), parsed);
}

}  // namespace
}  // namespace perp::net
