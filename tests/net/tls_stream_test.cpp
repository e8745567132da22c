// TlsStream against OpenSSL's libssl as the peer, in memory.
#include "net/tls_pair.hpp"

#include <gtest/gtest.h>

namespace perp::net {
namespace {

using test::bytes_of;
using test::text_of;
using test::TlsPair;

TEST(TlsStream, SpeaksWithAForeignServer) {
  TlsPair pair({.certificate = test::leaf()});
  pair.run();
  ASSERT_EQ(pair.client.state(), TlsState::open) << pair.client.error().text;
  EXPECT_EQ(pair.client.version(), "TLSv1.3");
  EXPECT_EQ(pair.server.server_name(), test::host);
  ASSERT_TRUE(pair.client.write(bytes_of("ping")));
  ASSERT_TRUE(pair.server.write("pong"));
  pair.run();
  EXPECT_EQ(pair.server.received(), "ping");
  EXPECT_EQ(text_of(pair.plain), "pong");
}

}  // namespace
}  // namespace perp::net
