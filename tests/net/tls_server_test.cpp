// TlsStream as a server, for simulated venues, against OpenSSL as a client that verifies and
// against our own client; and what a TlsContext refuses to be made of.
#include "net/tls_pair.hpp"

#include <perp/core/error.hpp>

#include <gtest/gtest.h>

#include <string>

namespace perp::net {
namespace {

using test::bytes_of;
using test::Certificate;
using test::OpenSslPeer;
using test::PeerOptions;
using test::text_of;

TlsServerOptions server_options(const Certificate& certificate, const std::string& chain = {}) {
  return {.certificate_file = test::file_of(certificate.pem() + chain),
          .key_file = test::file_of(certificate.key_pem())};
}

/// Carries until both are silent.
void run(TlsStream& server, StreamBuffer& plain, OpenSslPeer& client) {
  for (bool moved = true; moved;) {
    client.advance();
    const std::vector<std::byte> up = client.take_output();
    if (!up.empty()) server.feed(up, plain);
    const auto down = server.output();
    moved = !up.empty() || !down.empty();
    client.feed(down);
    server.consume_output(down.size());
  }
}

TEST(TlsServer, ServesAForeignClientInEverySuite) {
  struct Suite {
    int version;
    const char* key;
    const char* name;
  };
  for (const Suite& suite : {Suite{TLS1_3_VERSION, "P-256", "TLS_AES_128_GCM_SHA256"},
                             Suite{TLS1_3_VERSION, "RSA-2048", "TLS_AES_256_GCM_SHA384"},
                             Suite{TLS1_3_VERSION, "P-256", "TLS_CHACHA20_POLY1305_SHA256"},
                             Suite{TLS1_2_VERSION, "P-256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
                             Suite{TLS1_2_VERSION, "P-256", "ECDHE-ECDSA-AES256-GCM-SHA384"},
                             Suite{TLS1_2_VERSION, "P-256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
                             Suite{TLS1_2_VERSION, "RSA-2048", "ECDHE-RSA-AES128-GCM-SHA256"},
                             Suite{TLS1_2_VERSION, "RSA-2048", "ECDHE-RSA-CHACHA20-POLY1305"}}) {
    const TlsContext context = TlsContext::server(server_options(test::leaf({.key = suite.key})));
    const bool is_13 = suite.version == TLS1_3_VERSION;
    TlsStream server(context);
    OpenSslPeer client({.min_version = suite.version,
                        .max_version = suite.version,
                        .ciphers = is_13 ? "" : suite.name,
                        .suites = is_13 ? suite.name : "",
                        .trusted_file = test::trusted_root_file()},
                       OpenSslPeer::Role::client, test::host);
    StreamBuffer plain(1 << 20);
    run(server, plain, client);
    ASSERT_TRUE(client.is_open()) << suite.name << ": " << client.error();
    ASSERT_EQ(server.state(), TlsState::open) << suite.name << ": " << server.error().text;
    EXPECT_EQ(server.server_name(), test::host);
    EXPECT_EQ(SSL_get_verify_result(client.ssl()), X509_V_OK);
    client.write("ping");
    ASSERT_TRUE(server.write(bytes_of(std::string(100'000, 'p'))));
    run(server, plain, client);
    EXPECT_EQ(text_of(plain), "ping");
    EXPECT_EQ(client.received(), std::string(100'000, 'p'));
    client.close();
    run(server, plain, client);
    EXPECT_EQ(server.state(), TlsState::closed);
  }
}

TEST(TlsServer, SendsItsIntermediates) {
  const Certificate one = Certificate::make(
      {.common_name = "authority", .is_authority = true, .key_number = 301}, &test::trusted_root());
  const Certificate certificate =
      Certificate::make({.alternative_names = std::string("DNS:") + test::host}, &one);
  const TlsContext context = TlsContext::server(server_options(certificate, one.pem()));
  TlsStream server(context);
  OpenSslPeer client({.trusted_file = test::trusted_root_file()}, OpenSslPeer::Role::client,
                     test::host);
  StreamBuffer plain(1 << 16);
  run(server, plain, client);
  EXPECT_TRUE(client.is_open()) << client.error();
}

TEST(TlsServer, RefusesOldClients) {
  const TlsContext context = TlsContext::server(server_options(test::leaf({.key = "RSA-2048"})));
  for (const PeerOptions& options :
       {PeerOptions{.min_version = TLS1_VERSION, .max_version = TLS1_VERSION},
        PeerOptions{.min_version = TLS1_1_VERSION, .max_version = TLS1_1_VERSION},
        PeerOptions{.max_version = TLS1_2_VERSION, .ciphers = "AES128-SHA"},
        PeerOptions{.max_version = TLS1_2_VERSION, .ciphers = "NULL-SHA256"},
        PeerOptions{.max_version = TLS1_2_VERSION, .ciphers = "ADH-AES128-GCM-SHA256"}}) {
    TlsStream server(context);
    OpenSslPeer client(options, OpenSslPeer::Role::client);
    StreamBuffer plain(1 << 16);
    run(server, plain, client);
    EXPECT_EQ(server.state(), TlsState::failed);
    EXPECT_FALSE(client.is_open());
    EXPECT_NE(server.error().text, "");
  }
}

TEST(TlsServer, SpeaksWithOurOwnClient) {
  TlsServerOptions options = server_options(test::leaf());
  options.alpn = "http/1.1";
  const TlsContext context = TlsContext::server(options);
  EXPECT_TRUE(context.is_server());
  TlsStream server(context);
  TlsStream client(test::client_context(), test::host);
  StreamBuffer up(1 << 16);
  StreamBuffer down(1 << 16);
  const auto carry = [&] {
    while (!client.output().empty() || !server.output().empty()) {
      const std::size_t out = client.output().size();
      server.feed(client.output(), up);
      client.consume_output(out);
      const std::size_t in = server.output().size();
      client.feed(server.output(), down);
      server.consume_output(in);
    }
  };
  carry();
  ASSERT_EQ(client.state(), TlsState::open) << client.error().text;
  ASSERT_EQ(server.state(), TlsState::open) << server.error().text;
  EXPECT_EQ(client.alpn(), "http/1.1");
  EXPECT_EQ(server.alpn(), "http/1.1");
  EXPECT_EQ(server.server_name(), test::host);
  ASSERT_TRUE(client.write(bytes_of("ping")));
  ASSERT_TRUE(server.write(bytes_of("pong")));
  carry();
  EXPECT_EQ(text_of(up), "ping");
  EXPECT_EQ(text_of(down), "pong");
  server.close();
  carry();
  EXPECT_EQ(client.state(), TlsState::closed);
}

/// The sentence of what `make` throws.
template <class Make>
std::string refusal_of(Make make) {
  try {
    make();
  } catch (const core::Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(TlsContext, NamesTheFileThatItCannotUse) {
  const std::string missing = (test::temporary_folder() / "missing.pem").string();
  const std::string empty = test::file_of("");
  const std::string nonsense = test::file_of("-----BEGIN CERTIFICATE-----\nnonsense\n");
  const TlsServerOptions good = server_options(test::leaf());
  for (const std::string& file : {missing, empty, nonsense, good.key_file}) {
    EXPECT_NE(refusal_of([&] { TlsContext::client({.ca_file = file}); }).find(file),
              std::string::npos)
        << file;
    EXPECT_NE(refusal_of([&] {
                TlsContext::server({.certificate_file = file, .key_file = good.key_file});
              }).find(file),
              std::string::npos)
        << file;
  }
  const std::string other = test::file_of(test::leaf({.key_number = 77}).key_pem());
  for (const std::string& file : {missing, empty, other, good.certificate_file})
    EXPECT_NE(refusal_of([&] {
                TlsContext::server({.certificate_file = good.certificate_file, .key_file = file});
              }).find(file),
              std::string::npos)
        << file;
}

TEST(TlsContext, TrustsTheSystemsAuthoritiesWithoutAFile) {
  if (!std::filesystem::exists("/etc/ssl/certs/ca-certificates.crt"))
    GTEST_SKIP() << "ca-certificates is not installed";
  const TlsContext context = TlsContext::client();
  test::TlsPair pair({.certificate = test::leaf()}, context);
  pair.run();
  EXPECT_EQ(pair.client.error().kind, TlsErrorKind::unknown_issuer) << pair.client.error().text;
}

TEST(TlsContext, IsForOneSideOnly) {
  const TlsContext server = TlsContext::server(server_options(test::leaf()));
  EXPECT_THROW(TlsStream(server, test::host), core::Error);
  EXPECT_THROW(TlsStream{test::client_context()}, core::Error);
}

TEST(TlsContext, UsesFastAesWhereTheProcessorHasIt) {
  const TlsContext context =
      TlsContext::client({.ca_file = test::trusted_root_file(), .aes = AesEngine::wolfssl});
  EXPECT_FALSE(context.has_fast_aes());
  EXPECT_TRUE(
      TlsContext::client({.ca_file = test::trusted_root_file(), .aes = AesEngine::libcrypto})
          .has_fast_aes());
}

}  // namespace
}  // namespace perp::net
