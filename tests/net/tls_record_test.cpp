// What a hostile or broken server may send: damaged, forged, endless and foreign records. OpenSSL
// is the honest part of it; RecordForge seals with its keys what it would not send.
#include "net/record_forge.hpp"
#include "net/tls_pair.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace perp::net {
namespace {

using test::bytes_of;
using test::PeerOptions;
using test::RecordForge;
using test::text_of;
using test::TlsPair;

PeerOptions forgeable() {
  return {.certificate = test::leaf(),
          .min_version = TLS1_3_VERSION,
          .suites = "TLS_AES_128_GCM_SHA256",
          .tickets = 0};
}

struct ForgedPair {
  ForgedPair() : pair(forgeable()), forge((pair.run(), pair.server)) {}

  TlsState feed(const std::vector<std::byte>& record) {
    return pair.client.feed(record, pair.plain);
  }

  TlsPair pair;
  RecordForge forge;
};

TEST(TlsRecords, ForgedLikeTheServersOwnAreTaken) {
  // Whatever the other tests forge is refused for what it says, not for how it is sealed.
  ForgedPair it;
  EXPECT_EQ(it.feed(it.forge.seal("one")), TlsState::open);
  EXPECT_EQ(it.feed(it.forge.seal("two", RecordForge::application_data, 100)), TlsState::open);
  EXPECT_EQ(it.feed(it.forge.seal(std::string(16'384, 'x'))), TlsState::open);
  EXPECT_EQ(text_of(it.pair.plain), "onetwo" + std::string(16'384, 'x'));
}

TEST(TlsRecords, OfMoreThanSixteenKibibytesAreRefused) {
  for (const std::size_t size : {16'385U, 16'386U, 16'600U}) {
    ForgedPair it;
    EXPECT_EQ(it.feed(it.forge.seal(std::string(size, 'x'))), TlsState::failed) << size;
    const TlsErrorKind kind = it.pair.client.error().kind;
    EXPECT_TRUE(kind == TlsErrorKind::record_too_large || kind == TlsErrorKind::bad_record)
        << size << ": " << it.pair.client.error().text;
    EXPECT_TRUE(it.pair.plain.data().empty());
  }
}

TEST(TlsRecords, AreRefusedByTheirHeaderBeforeTheirBodyIsThere) {
  ForgedPair it;
  const std::byte header[] = {std::byte{23}, std::byte{3}, std::byte{3}, std::byte{0x41},
                              std::byte{1}};
  EXPECT_EQ(it.pair.client.feed(header, it.pair.plain), TlsState::failed);
  EXPECT_EQ(it.pair.client.error().kind, TlsErrorKind::record_too_large);
}

TEST(TlsRecords, WithoutContentMayNotGoOnForEver) {
  ForgedPair it;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 32; ++i) ASSERT_EQ(it.feed(it.forge.seal("")), TlsState::open) << i;
    ASSERT_EQ(it.feed(it.forge.seal("x")), TlsState::open) << "content begins a new count";
  }
  int taken = 0;
  while (it.feed(it.forge.seal("")) == TlsState::open && taken < 1000) ++taken;
  EXPECT_EQ(taken, 32);
  EXPECT_EQ(it.pair.client.error().kind, TlsErrorKind::idle_records);
}

TEST(TlsRecords, OfKeyUpdatesMayNotGoOnForEver) {
  TlsPair pair({.certificate = test::leaf()});
  pair.run();
  int taken = 0;
  for (; taken < 1000; ++taken) {
    pair.server.update_keys();
    pair.run();
    if (pair.client.state() != TlsState::open) break;
  }
  EXPECT_LE(taken, 32);
  EXPECT_EQ(pair.client.error().kind, TlsErrorKind::idle_records);
}

TEST(TlsRecords, ThatMakeUsAnswerMayNotFillTheOutput) {
  const TlsContext& context = test::client_context();
  TlsPair pair({.certificate = test::leaf()}, context);
  pair.client = TlsStream(context, test::host, 4096);
  pair.run();
  std::size_t most = 0;
  for (int i = 0; i < 10'000 && pair.client.state() == TlsState::open; ++i) {
    pair.server.update_keys();
    pair.server.write("content, so that it does not count as idle");
    pair.client.feed(pair.server.take_output(), pair.plain);  // and the answers stay here
    pair.plain.clear();
    most = std::max(most, pair.client.output().size());
  }
  EXPECT_EQ(pair.client.state(), TlsState::failed);
  EXPECT_EQ(pair.client.error().kind, TlsErrorKind::output_full) << pair.client.error().text;
  EXPECT_LE(most, 4096U + 16 * 1024U);
}

TEST(TlsRecords, OfOtherKindsAreRefused) {
  struct Forged {
    const char* name;
    std::string content;
    unsigned type;
  };
  for (const Forged& forged :
       {Forged{"padding alone", std::string(50, '\0'), 0},
        Forged{"one byte of padding", std::string(1, '\0'), 0}, Forged{"no content at all", "", 0},
        Forged{"an unknown type", "x", 99}, Forged{"change_cipher_spec, sealed", "\1", 20},
        Forged{"an empty handshake record", "", RecordForge::handshake},
        Forged{"an alert of one byte", "\1", RecordForge::alert},
        Forged{"a handshake message of no kind", std::string("\x63\0\0\0", 4),
               RecordForge::handshake},
        Forged{"another ServerHello", std::string("\x02\0\0\x01\0", 5), RecordForge::handshake},
        Forged{"another Finished", std::string("\x14\0\0\x20", 4) + std::string(32, 'f'),
               RecordForge::handshake},
        Forged{"a KeyUpdate of a third kind", std::string("\x18\0\0\x01\x02", 5),
               RecordForge::handshake}}) {
    ForgedPair it;
    TlsState state = it.feed(it.forge.seal(forged.content, forged.type));
    // A message without end is refused at the latest when something else follows.
    if (state == TlsState::open) state = it.feed(it.forge.seal("x"));
    EXPECT_EQ(state, TlsState::failed) << forged.name;
    EXPECT_NE(it.pair.client.error().kind, TlsErrorKind::none) << forged.name;
    EXPECT_TRUE(it.pair.plain.data().empty()) << forged.name;
  }
}

TEST(TlsRecords, WithAFatalAlertSayWhich) {
  ForgedPair it;
  EXPECT_EQ(it.feed(it.forge.seal("\x02\x50", RecordForge::alert)), TlsState::failed);
  EXPECT_EQ(it.pair.client.error().kind, TlsErrorKind::peer_alert);
  EXPECT_NE(it.pair.client.error().text.find("80 internal_error"), std::string::npos)
      << it.pair.client.error().text;
}

/// A session of one suite and a record of it that is changed on its way.
void expect_refused(const PeerOptions& options,
                    const std::function<void(std::vector<std::byte>&)>& change,
                    const std::string& what) {
  TlsPair pair(options);
  pair.run();
  ASSERT_EQ(pair.client.state(), TlsState::open) << pair.client.error().text;
  pair.server.write("before");
  pair.run();
  std::vector<std::byte> record = pair.server.sealed("the record that is changed");
  change(record);
  EXPECT_EQ(pair.client.feed(record, pair.plain), TlsState::failed) << what;
  EXPECT_TRUE(pair.client.error().kind == TlsErrorKind::bad_record ||
              pair.client.error().kind == TlsErrorKind::record_too_large)
      << what << ": " << to_text(pair.client.error().kind) << ": " << pair.client.error().text;
  EXPECT_EQ(text_of(pair.plain), "before") << what;
  // What wolfSSL refuses, it answers.
  EXPECT_EQ(pair.client.output().empty(),
            pair.client.error().text.find("wolfSSL") == std::string::npos)
      << what << ": the peer is told";
  EXPECT_FALSE(pair.client.write(bytes_of("x")));
}

std::vector<PeerOptions> each_suite() {
  std::vector<PeerOptions> all;
  for (const char* const suite :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
    all.push_back({.certificate = test::leaf(), .min_version = TLS1_3_VERSION, .suites = suite});
  for (const char* const suite : {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                  "ECDHE-ECDSA-CHACHA20-POLY1305"})
    all.push_back({.certificate = test::leaf(), .max_version = TLS1_2_VERSION, .ciphers = suite});
  return all;
}

TEST(TlsRecords, WithAnyFlippedBitAreRefused) {
  std::mt19937_64 random(3);
  for (const PeerOptions& options : each_suite())
    for (int i = 0; i < 40; ++i) {
      const std::size_t bit = random();
      expect_refused(
          options,
          [&](std::vector<std::byte>& record) {
            // Behind the header, whose length decides how much is waited for.
            const std::size_t at = 5 + bit / 8 % (record.size() - 5);
            record[at] ^= static_cast<std::byte>(1U << (bit % 8));
          },
          "bit " + std::to_string(bit) + ", " + options.suites + options.ciphers);
    }
}

TEST(TlsRecords, CutShortAreRefused) {
  for (const PeerOptions& options : each_suite())
    for (const std::size_t left : {0U, 1U, 8U, 15U, 16U, 17U, 24U, 30U})
      expect_refused(
          options,
          [&](std::vector<std::byte>& record) {
            record.resize(5 + left);
            record[3] = std::byte{0};
            record[4] = static_cast<std::byte>(left);
          },
          "cut to " + std::to_string(left) + ", " + options.suites + options.ciphers);
}

TEST(TlsRecords, OutOfOrderAndTwiceAreRefused) {
  for (const PeerOptions& options : each_suite()) {
    TlsPair pair(options);
    pair.run();
    const std::vector<std::byte> first = pair.server.sealed("first");
    const std::vector<std::byte> second = pair.server.sealed("second");
    EXPECT_EQ(pair.client.feed(second, pair.plain), TlsState::failed);
    EXPECT_EQ(pair.client.error().kind, TlsErrorKind::bad_record) << pair.client.error().text;
    EXPECT_TRUE(pair.plain.data().empty());

    TlsPair again(options);
    again.run();
    const std::vector<std::byte> record = again.server.sealed("once");
    EXPECT_EQ(again.client.feed(record, again.plain), TlsState::open);
    EXPECT_EQ(again.client.feed(record, again.plain), TlsState::failed);
    EXPECT_EQ(text_of(again.plain), "once");
  }
}

TEST(TlsRecords, InPlainTextAreRefusedOnceKeysAreThere) {
  for (const PeerOptions& options : each_suite()) {
    TlsPair pair(options);
    pair.run();
    EXPECT_EQ(pair.client.feed(bytes_of(std::string("\x17\x03\x03\0\x04oops", 9)), pair.plain),
              TlsState::failed);
    EXPECT_TRUE(pair.plain.data().empty());
    // Nor may an unsealed close_notify end it: anybody could send that.
    TlsPair again(options);
    again.run();
    again.client.feed(bytes_of(std::string("\x15\x03\x03\0\x02\x01\0", 7)), again.plain);
    EXPECT_EQ(again.client.state(), TlsState::failed);
  }
}

TEST(TlsRecords, OfAnotherProtocolAreNamedAsSuch) {
  for (const std::string& text :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("SSH-2.0-OpenSSH_9.2\r\n"),
        std::string("220 mail.example ESMTP\r\n"), std::string("\x80\x2e\x01\x03\x01 SSL 2")}) {
    TlsStream client(test::client_context(), test::host);
    StreamBuffer plain(1 << 16);
    EXPECT_EQ(client.feed(bytes_of(text), plain), TlsState::failed);
    EXPECT_EQ(client.error().kind, TlsErrorKind::bad_record);
    EXPECT_NE(client.error().text.find("port"), std::string::npos) << client.error().text;
  }
}

TEST(TlsRecords, OfAHandshakeWithoutEndAreRefused) {
  for (const std::string& record :
       {std::string("\x16\x03\x03\0\0", 5), std::string("\x14\x03\x03\0\x01\x01", 6),
        std::string("\x15\x03\x03\0\x02\x01\x5a", 7)}) {
    TlsStream client(test::client_context(), test::host);
    StreamBuffer plain(1 << 16);
    int taken = 0;
    while (client.feed(bytes_of(record), plain) == TlsState::handshake && taken < 100'000) ++taken;
    EXPECT_EQ(client.state(), TlsState::failed) << "first byte " << int{record[0]};
    EXPECT_LE(taken, 30'000);
  }
}

TEST(TlsHandshake, EndedByTheServerIsATruncation) {
  // It stops after our ClientHello, and after each byte of its own flight.
  TlsPair whole({.certificate = test::leaf()});
  whole.server.feed(whole.client.output());
  whole.server.advance();
  const std::size_t size = whole.server.take_output().size();
  for (std::size_t kept = 0; kept + 1 < size; kept += 1 + kept / 16) {
    TlsPair pair({.certificate = test::leaf()});
    pair.server.feed(pair.client.output());
    pair.server.advance();
    const std::vector<std::byte> flight = pair.server.take_output();
    pair.client.feed(std::span(flight).first(std::min(kept, flight.size() - 1)), pair.plain);
    ASSERT_EQ(pair.client.state(), TlsState::handshake) << kept;
    EXPECT_EQ(pair.client.end_of_input(), TlsState::failed);
    EXPECT_EQ(pair.client.error().kind, TlsErrorKind::truncated);
    EXPECT_NE(pair.client.error().text.find(test::host), std::string::npos);
  }
}

TEST(TlsHandshake, WithAServerThatDoesNotKnowTheNameSaysSo) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsPair pair({.certificate = test::leaf(), .max_version = version, .knows_name = false});
    pair.run();
    EXPECT_EQ(pair.client.state(), TlsState::failed);
    EXPECT_EQ(pair.client.error().kind, TlsErrorKind::peer_alert);
    EXPECT_NE(pair.client.error().text.find("112 unrecognized_name"), std::string::npos)
        << pair.client.error().text;
  }
}

TEST(TlsHandshake, WithAnyFlippedBitOfTheServersFlightNeverOpens) {
  std::mt19937_64 random(4);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
    for (int i = 0; i < 150; ++i) {
      TlsPair pair({.certificate = test::leaf(), .max_version = version});
      pair.server.feed(pair.client.output());
      pair.client.consume_output(pair.client.output().size());
      pair.server.advance();
      std::vector<std::byte> flight = pair.server.take_output();
      // Not the version in a record's header, which TLS 1.3 has everybody ignore.
      const std::size_t bit = 5 * 8 + random() % ((flight.size() - 5) * 8);
      flight[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      pair.client.feed(flight, pair.plain);
      pair.run();
      if (pair.client.state() == TlsState::open) {
        // It changed nothing that counts: then both sides agree and data goes through.
        ASSERT_TRUE(bit / 8 > 5 && pair.server.is_open())
            << "version " << version << " bit " << bit;
        pair.server.write("pong");
        pair.run();
        EXPECT_EQ(text_of(pair.plain), "pong") << "version " << version << " bit " << bit;
      }
    }
}

/// The suites that a ClientHello offers, by their numbers.
std::vector<unsigned> offered_suites(std::span<const std::byte> hello) {
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(hello[i]); };
  // Record header 5, handshake header 4, version 2, random 32, then the session id.
  std::size_t i = 5 + 4 + 2 + 32;
  i += 1 + at(i);
  const std::size_t end = i + 2 + (at(i) << 8 | at(i + 1));
  std::vector<unsigned> suites;
  for (i += 2; i + 1 < end; i += 2) suites.push_back(at(i) << 8 | at(i + 1));
  return suites;
}

TEST(TlsHandshake, OffersNineSuitesAndNoOther) {
  const TlsStream client(test::client_context(), test::host);
  std::vector<unsigned> suites = offered_suites(client.output());
  std::erase(suites, 0x00FFU);  // "no renegotiation", not a suite
  // https://www.iana.org/assignments/tls-parameters
  const std::vector<unsigned> wanted{0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F,
                                     0xC02C, 0xC030, 0xCCA9, 0xCCA8};
  EXPECT_EQ(suites, wanted);
}

TEST(TlsHandshake, RefusesASuiteThatItDidNotOffer) {
  // A server that picks it all the same: none, NULL, export, RC4, DES, 3DES, CBC, RSA, anonymous.
  for (const unsigned suite : {0x0000U, 0x0001U, 0x0002U, 0x003BU, 0x0003U, 0x0008U, 0x0004U,
                               0x0005U, 0xC011U, 0xC007U, 0x0009U, 0x000AU, 0x002FU, 0x009CU,
                               0x0034U, 0x00A6U, 0xC018U, 0xC013U, 0x1304U, 0x1305U, 0xFFFFU}) {
    TlsStream client(test::client_context(), test::host);
    StreamBuffer plain(1 << 16);
    std::string hello("\x03\x03", 2);
    hello += std::string(32, 'r');  // random
    hello += '\0';                  // no session
    hello += static_cast<char>(suite >> 8);
    hello += static_cast<char>(suite & 255);
    hello += '\0';  // no compression
    std::string record("\x16\x03\x03\0", 4);
    record += static_cast<char>(hello.size() + 4);
    record += std::string("\x02\0\0", 3);
    record += static_cast<char>(hello.size());
    record += hello;
    EXPECT_EQ(client.feed(bytes_of(record), plain), TlsState::failed) << std::hex << suite;
    EXPECT_NE(client.error().kind, TlsErrorKind::none);
  }
}

}  // namespace
}  // namespace perp::net
