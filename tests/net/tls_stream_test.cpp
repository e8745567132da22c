// TlsStream's life against OpenSSL's libssl as the peer, in memory: handshake in any pieces, data
// in both directions, changes of keys, both kinds of end, the heap.
#include "net/tls_pair.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>

#include <gtest/gtest.h>

#include <ostream>
#include <random>
#include <string>
#include <thread>

namespace perp::net {
namespace {

using test::bytes_of;
using test::PeerOptions;
using test::text_of;
using test::TlsPair;

const TlsContext& context_of(AesEngine engine) {
  static const auto make = [](AesEngine aes) {
    return TlsContext::client(
        {.ca_file = test::trusted_root_file(), .alpn = "http/1.1", .aes = aes});
  };
  static const TlsContext libcrypto = make(AesEngine::libcrypto);
  static const TlsContext wolfssl = make(AesEngine::wolfssl);
  return engine == AesEngine::wolfssl ? wolfssl : libcrypto;
}

std::string noise(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

struct Speech {
  const char* name;
  int version;
  const char* suite;
  AesEngine engine = AesEngine::libcrypto;

  PeerOptions peer() const {
    const bool is_13 = version == TLS1_3_VERSION;
    return {.certificate = test::leaf(),
            .min_version = version,
            .max_version = version,
            .ciphers = is_13 ? "" : suite,
            .suites = is_13 ? suite : "",
            .alpn = "http/1.1"};
  }
};

std::ostream& operator<<(std::ostream& out, const Speech& speech) { return out << speech.name; }

/// Every suite, AES by either engine.
class TlsStreamOf : public testing::TestWithParam<Speech> {};

TEST_P(TlsStreamOf, SpeaksWithAForeignServer) {
  TlsPair pair(GetParam().peer(), context_of(GetParam().engine));
  EXPECT_EQ(pair.client.state(), TlsState::handshake);
  EXPECT_EQ(pair.client.version(), "");
  EXPECT_EQ(pair.client.suite(), "");
  EXPECT_FALSE(pair.client.write(bytes_of("too early")));
  pair.run();
  ASSERT_EQ(pair.client.state(), TlsState::open) << pair.client.error().text;
  EXPECT_EQ(pair.client.version(), GetParam().version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
  EXPECT_EQ(pair.client.alpn(), "http/1.1");
  EXPECT_EQ(pair.client.server_name(), test::host);
  EXPECT_EQ(pair.server.server_name(), test::host);
  EXPECT_EQ(pair.client.suite(),
            SSL_CIPHER_standard_name(SSL_get_current_cipher(pair.server.ssl())));
  ASSERT_TRUE(pair.client.write(bytes_of("ping")));
  ASSERT_TRUE(pair.server.write("pong"));
  pair.run();
  EXPECT_EQ(pair.server.received(), "ping");
  EXPECT_EQ(text_of(pair.plain), "pong");
}

TEST_P(TlsStreamOf, TakesTheHandshakeAndDataByteByByte) {
  TlsPair pair(GetParam().peer(), context_of(GetParam().engine));
  pair.run(1);
  ASSERT_EQ(pair.client.state(), TlsState::open) << pair.client.error().text;
  const std::string text = noise(20'000, 1);
  ASSERT_TRUE(pair.server.write(text));
  ASSERT_TRUE(pair.client.write(bytes_of("ping")));
  pair.run(1);
  EXPECT_EQ(pair.server.received(), "ping");
  EXPECT_EQ(text_of(pair.plain), text);
}

TEST_P(TlsStreamOf, CarriesWritesOfAnySizeInPiecesOfAnySize) {
  TlsPair pair(GetParam().peer(), context_of(GetParam().engine));
  pair.run();
  std::mt19937_64 random(2);
  std::string sent;
  std::string heard;
  const std::size_t edges[] = {0, 1, 16'383, 16'384, 16'385, 32'768, 100'000, 500'000};
  for (std::size_t i = 0; i < 40; ++i) {
    const std::size_t size =
        i < std::size(edges) ? edges[i] : random() % (std::size_t{1} << (random() % 17));
    const std::string up = noise(size, 100 + i);
    const std::string down = noise(size, 200 + i);
    ASSERT_TRUE(pair.client.write(bytes_of(up))) << size;
    if (size > 0) {
      ASSERT_TRUE(pair.server.write(down));
    }
    sent += up;
    heard += down;
    pair.run(1 + random() % 40'000);
    ASSERT_EQ(text_of(pair.plain), down) << pair.client.error().text;
    pair.plain.clear();
  }
  EXPECT_EQ(pair.server.received(), sent);
}

TEST_P(TlsStreamOf, EndsWithClose) {
  TlsPair pair(GetParam().peer(), context_of(GetParam().engine));
  pair.run();
  ASSERT_TRUE(pair.server.write("last words"));
  pair.server.close();
  pair.run();
  EXPECT_EQ(pair.client.state(), TlsState::closed);
  EXPECT_EQ(pair.client.error().kind, TlsErrorKind::none);
  EXPECT_EQ(text_of(pair.plain), "last words");
  EXPECT_TRUE(pair.server.has_heard_close()) << "close_notify is answered";
  EXPECT_FALSE(pair.client.write(bytes_of("too late")));
  EXPECT_EQ(pair.client.end_of_input(), TlsState::closed) << "not a truncation";
}

TEST_P(TlsStreamOf, ClosesAndThenHearsNothing) {
  TlsPair pair(GetParam().peer(), context_of(GetParam().engine));
  pair.run();
  ASSERT_TRUE(pair.client.write(bytes_of("bye")));
  pair.client.close();
  EXPECT_EQ(pair.client.state(), TlsState::closed);
  EXPECT_FALSE(pair.client.write(bytes_of("too late")));
  pair.server.write("what you will not hear");
  pair.run();
  EXPECT_EQ(pair.server.received(), "bye");
  EXPECT_TRUE(pair.server.has_heard_close());
  EXPECT_EQ(text_of(pair.plain), "");
  EXPECT_EQ(pair.client.end_of_input(), TlsState::closed);
}

TEST_P(TlsStreamOf, TellsTruncationFromClose) {
  for (const std::size_t kept : {0U, 4U, 5U, 20U}) {
    TlsPair pair(GetParam().peer(), context_of(GetParam().engine));
    pair.run();
    ASSERT_TRUE(pair.server.write("all of it"));
    pair.run();
    const std::vector<std::byte> cut = pair.server.sealed("what is cut");
    pair.client.feed(std::span(cut).first(kept), pair.plain);
    EXPECT_EQ(pair.client.state(), TlsState::open);
    EXPECT_EQ(pair.client.end_of_input(), TlsState::failed);
    EXPECT_EQ(pair.client.error().kind, TlsErrorKind::truncated);
    EXPECT_EQ(text_of(pair.plain), "all of it");
    EXPECT_NE(pair.client.error().text.find(test::host), std::string::npos);
  }
}

TEST_P(TlsStreamOf, AllocatesNothingOnceItIsOpen) {
  if (!test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer brings its own malloc";
  TlsPair pair(GetParam().peer(), context_of(GetParam().engine));
  pair.run();
  const std::string small(174, 'x');
  const std::string large(16'384, 'y');
  std::uint64_t allocated = 0;
  std::uint64_t heard = 0;
  constexpr int records = 100'000;
  for (int i = 0; i < records + 100; ++i) {
    const std::string& text = i % 100 == 0 ? large : small;
    const std::vector<std::byte> sealed = pair.server.sealed(text);
    const std::uint64_t before = test::malloc_count();
    pair.client.feed(sealed, pair.plain);
    heard += pair.plain.data().size();
    pair.plain.consume(pair.plain.data().size());
    if (i % 16 == 0 && !pair.client.write(bytes_of(text))) break;
    pair.client.consume_output(pair.client.output().size());
    if (i >= 100) allocated += test::malloc_count() - before;  // the pool has what it needs
  }
  ASSERT_EQ(pair.client.state(), TlsState::open) << pair.client.error().text;
  EXPECT_EQ(heard, 1001 * large.size() + (records + 100 - 1001) * small.size());
  EXPECT_EQ(allocated, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    EachSuite, TlsStreamOf,
    testing::Values(Speech{"tls13_aes128", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
                    Speech{"tls13_aes256", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
                    Speech{"tls13_aes128_wolfssl", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256",
                           AesEngine::wolfssl},
                    Speech{"tls13_aes256_wolfssl", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384",
                           AesEngine::wolfssl},
                    Speech{"tls13_chacha20", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"},
                    Speech{"tls12_aes128", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"},
                    Speech{"tls12_aes256", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"},
                    Speech{"tls12_aes128_wolfssl", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256",
                           AesEngine::wolfssl},
                    Speech{"tls12_chacha20", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"}),
    [](const auto& speech) { return std::string(speech.param.name); });

TEST(TlsStream, OffersFirstWhatIsFastHere) {
  for (const AesEngine engine : {AesEngine::libcrypto, AesEngine::wolfssl}) {
    // OpenSSL's server takes the client's first choice.
    TlsPair pair({.certificate = test::leaf()}, context_of(engine));
    pair.run();
    ASSERT_EQ(pair.client.state(), TlsState::open) << pair.client.error().text;
    EXPECT_EQ(pair.client.suite(), engine == AesEngine::libcrypto ? "TLS_AES_128_GCM_SHA256"
                                                                  : "TLS_CHACHA20_POLY1305_SHA256");
  }
}

TEST(TlsStream, FollowsKeyUpdatesAndAnswersThem) {
  for (const char* const suite :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    TlsPair pair({.certificate = test::leaf(), .suites = suite});
    pair.run();
    std::string wanted;
    for (int i = 0; i < 200; ++i) {
      pair.server.update_keys();
      const std::string text = "after update " + std::to_string(i) + ";";
      ASSERT_TRUE(pair.server.write(text));
      ASSERT_TRUE(pair.client.write(bytes_of(text)));
      pair.run(1 + static_cast<std::size_t>(i));
      ASSERT_EQ(pair.client.state(), TlsState::open) << pair.client.error().text;
      wanted += text;
      ASSERT_EQ(text_of(pair.plain), wanted);
      ASSERT_EQ(pair.server.received(), wanted);
      ASSERT_EQ(pair.server.error(), "");
    }
  }
}

TEST(TlsStream, TakesTicketsBeforeTheFirstData) {
  TlsPair pair({.certificate = test::leaf(), .tickets = 20});
  ASSERT_NO_FATAL_FAILURE(pair.run());
  ASSERT_TRUE(pair.server.write("hello"));
  pair.run();
  EXPECT_EQ(pair.client.state(), TlsState::open) << pair.client.error().text;
  EXPECT_EQ(text_of(pair.plain), "hello");
}

TEST(TlsStream, DoesNotRenegotiate) {
  TlsPair pair({.certificate = test::leaf(), .max_version = TLS1_2_VERSION});
  pair.run();
  ASSERT_EQ(SSL_renegotiate(pair.server.ssl()), 1);
  SSL_do_handshake(pair.server.ssl());  // says HelloRequest
  const std::vector<std::byte> request = pair.server.take_output();
  ASSERT_FALSE(request.empty());
  EXPECT_EQ(pair.client.feed(request, pair.plain), TlsState::open) << pair.client.error().text;
  // What it answers is no ClientHello but an alert: a record of type 21.
  ASSERT_FALSE(pair.client.output().empty());
  EXPECT_EQ(pair.client.output()[0], std::byte{21});
  EXPECT_EQ(pair.client.output().size(), 5U + 8 + 2 + 16) << "and nothing else";
}

TEST(TlsStream, BringsAKeyForX25519AndTriesAgainWithTheGroupThatTheServerWants) {
  // A HelloRetryRequest's random, RFC 8446, section 4.1.3.
  const std::string retry("\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91", 16);
  for (const char* const group : {"X25519", "P-256", "P-384"}) {
    TlsPair pair({.certificate = test::leaf(), .min_version = TLS1_3_VERSION, .groups = group});
    pair.server.feed(pair.client.output());
    pair.client.consume_output(pair.client.output().size());
    pair.server.advance();
    const std::vector<std::byte> answer = pair.server.take_output();
    const std::string_view text(reinterpret_cast<const char*>(answer.data()), answer.size());
    EXPECT_EQ(text.find(retry) != std::string_view::npos, group != std::string_view("X25519"))
        << group;
    pair.client.feed(answer, pair.plain);
    pair.run();
    EXPECT_EQ(pair.client.state(), TlsState::open) << group << ": " << pair.client.error().text;
  }
}

TEST(TlsStream, RefusesToWriteBeyondItsOutputsLimitAndTakesNothing) {
  const TlsContext& context = test::client_context();
  TlsPair pair({.certificate = test::leaf()}, context);
  pair.client = TlsStream(context, test::host, 10'000);
  pair.run();
  ASSERT_EQ(pair.client.state(), TlsState::open) << pair.client.error().text;
  EXPECT_FALSE(pair.client.write(bytes_of(std::string(10'001, 'x'))));
  EXPECT_TRUE(pair.client.output().empty());
  ASSERT_TRUE(pair.client.write(bytes_of(std::string(6'000, 'x'))));
  const std::size_t pending = pair.client.output().size();
  EXPECT_FALSE(pair.client.write(bytes_of(std::string(6'000, 'y'))));
  EXPECT_EQ(pair.client.output().size(), pending);
  EXPECT_EQ(pair.client.state(), TlsState::open);
  pair.run();
  EXPECT_TRUE(pair.client.write(bytes_of(std::string(6'000, 'y')))) << "room again";
  pair.run();
  EXPECT_EQ(pair.server.received(), std::string(6'000, 'x') + std::string(6'000, 'y'));
}

TEST(TlsStream, FailsWhenThePlainTextHasNoRoom) {
  TlsPair pair({.certificate = test::leaf()});
  pair.run();
  StreamBuffer small(1000);
  const std::vector<std::byte> sealed = pair.server.sealed(std::string(2000, 'x'));
  EXPECT_EQ(pair.client.feed(sealed, small), TlsState::failed);
  EXPECT_EQ(pair.client.error().kind, TlsErrorKind::plain_full);
  EXPECT_TRUE(small.data().empty());
}

TEST(TlsStream, GoesOnWhereItIsMovedTo) {
  TlsPair pair({.certificate = test::leaf()});
  pair.server.feed(pair.client.output());
  pair.client.consume_output(pair.client.output().size());
  TlsStream moved = std::move(pair.client);  // in the handshake
  pair.client = std::move(moved);
  pair.run();
  ASSERT_TRUE(pair.server.write("one"));
  pair.run();
  TlsStream again = std::move(pair.client);
  pair.client = std::move(again);
  ASSERT_TRUE(pair.server.write("two"));
  pair.run();
  EXPECT_EQ(text_of(pair.plain), "onetwo") << pair.client.error().text;
}

TEST(TlsStream, SharesAContextBetweenThreads) {
  const TlsContext context =
      TlsContext::client({.ca_file = test::trusted_root_file(), .alpn = "http/1.1"});
  const PeerOptions options{.certificate = test::leaf(), .alpn = "http/1.1"};
  const auto speak = [&](std::string& complaint) {
    for (int i = 0; i < 25; ++i) {
      TlsPair pair(options, context);
      pair.run();
      for (int j = 0; j < 20; ++j) {
        pair.server.write("pong");
        static_cast<void>(pair.client.write(bytes_of("ping")));
        pair.run();
      }
      if (pair.client.state() != TlsState::open) complaint = pair.client.error().text;
      if (pair.plain.data().size() != 80 || pair.server.received().size() != 80)
        complaint += " lost data";
    }
  };
  std::string one;
  std::string two;
  std::thread first([&] { speak(one); });
  std::thread second([&] { speak(two); });
  first.join();
  second.join();
  EXPECT_EQ(one, "");
  EXPECT_EQ(two, "");
}

TEST(TlsStream, OutlivesItsContext) {
  auto context = std::make_unique<TlsContext>(
      TlsContext::client({.ca_file = test::trusted_root_file(), .alpn = "http/1.1"}));
  TlsPair pair({.certificate = test::leaf()}, *context);
  context.reset();
  pair.run();
  ASSERT_TRUE(pair.server.write("pong"));
  pair.run();
  EXPECT_EQ(text_of(pair.plain), "pong") << pair.client.error().text;
}

TEST(TlsStream, RefusesToDialWhatIsNoName) {
  for (const std::string& name : {std::string(),
                                  std::string("."),
                                  std::string("a..example"),
                                  std::string(".example"),
                                  std::string("api.perp.example:443"),
                                  std::string("https://api.perp.example"),
                                  std::string("api.perp.example/"),
                                  std::string("api perp.example"),
                                  std::string("1.2.3"),
                                  std::string("256.1.1.1"),
                                  std::string("1.2.3.4.5"),
                                  std::string("[::1]"),
                                  std::string("::1%eth0"),
                                  std::string("b\xC3\xBC"
                                              "cher.example"),
                                  std::string("a\0b", 3),
                                  std::string("127.0.0.1\0", 10),
                                  std::string("::1\0", 4),
                                  std::string(64, 'a') + ".example",
                                  std::string(250, 'a') + ".example",
                                  std::string("*.example")})
    EXPECT_THROW(TlsStream(test::client_context(), name), core::Error) << name;
  EXPECT_EQ(TlsStream(test::client_context(), "API.Perp.Example.").host(), "api.perp.example");
  EXPECT_EQ(TlsStream(test::client_context(), "localhost").host(), "localhost");
  EXPECT_EQ(TlsStream(test::client_context(), "2001:DB8:0::7").host(), "2001:db8::7");
}

}  // namespace
}  // namespace perp::net
