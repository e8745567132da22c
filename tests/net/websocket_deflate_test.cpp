// Compression both ways, the limits on what a peer may make us inflate, and a session's duties. The
// peer is zlib itself, driven here as RFC 7692 section 7.2 says.
#include "net/http_support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/prng.hpp>
#include <perp/net/websocket_session.hpp>

#include <gtest/gtest.h>

namespace perp::net::test {
namespace {

// The payload of a compressed message: a raw stream up to a sync flush, its last four bytes cut.
class PeerDeflater {
 public:
  explicit PeerDeflater(int window_bits = 15, bool keeps_context = true) : keeps_(keeps_context) {
    EXPECT_EQ(deflateInit2(&stream_, 6, Z_DEFLATED, -window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  }
  ~PeerDeflater() { deflateEnd(&stream_); }
  PeerDeflater(const PeerDeflater&) = delete;
  PeerDeflater& operator=(const PeerDeflater&) = delete;

  std::string operator()(std::string_view text) {
    if (!keeps_) deflateReset(&stream_);
    std::string out(text.size() + text.size() / 8 + 256, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream_, Z_SYNC_FLUSH), Z_OK);
    out.resize(out.size() - stream_.avail_out);
    EXPECT_TRUE(out.ends_with(std::string_view("\0\0\xff\xff", 4)));
    return out.substr(0, out.size() - 4);
  }

 private:
  z_stream stream_{};
  bool keeps_;
};

std::string market_text(core::Prng& random, std::size_t size) {
  static constexpr std::string_view words[] = {
      "\"BTCUSDT\"", "\"price\":", "67123.4", "{\"e\":", "\"trade\"", ",", "\xe2\x82\xac", "0.001"};
  std::string text;
  while (text.size() < size) text += words[random.below(std::size(words))];
  return text;
}

TEST(WebSocketDeflate, ReadsWhatZlibWritesAtEveryWindowWithAndWithoutContext) {
  for (int bits = 9; bits <= 15; ++bits) {
    for (const bool keeps : {true, false}) {
      core::Prng random(static_cast<std::uint64_t>(bits));
      PeerDeflater peer(bits, keeps);
      WebSocketDeflate agreed;
      agreed.server_max_window_bits = static_cast<std::uint8_t>(bits);
      agreed.server_no_context_takeover = !keeps;
      std::string stream;
      std::vector<std::string> expected;
      for (int i = 0; i < 40; ++i) {
        const std::string text = market_text(random, random.below(i % 10 == 0 ? 60'000 : 300) + 1);
        const std::string payload = peer(text);
        const std::size_t cut = random.below(payload.size() + 1);
        stream += i % 3 == 0 ? frame(0xc1, payload)
                             : frame(0x41, payload.substr(0, cut)) + frame(0x89, "p") +
                                   frame(0x80, payload.substr(cut));
        if (i % 3 != 0) expected.push_back("ping:p");
        expected.push_back("text:" +
                           (text.size() > 300 ? std::to_string(text.size()) + " bytes" : text));
        if (i % 5 == 0) {
          stream += frame(0x81, "plain");
          expected.push_back("text:plain");
        }
      }
      for (const std::size_t piece : {std::size_t{1}, std::size_t{77}, stream.size()}) {
        WebSocketParser parser(WebSocketRole::client, {}, agreed);
        EXPECT_EQ(parse(parser, stream, piece).events, expected)
            << bits << " bits, piece " << piece;
      }
    }
  }
}

TEST(WebSocketDeflate, ReadsTheRfcsExamples) {
  // RFC 7692 sections 7.2.3.1 to 7.2.3.6.
  const std::string hello = "\xf2\x48\xcd\xc9\xc9\x07";
  const std::string cases[] = {
      frame(0xc1, hello + std::string(1, '\0')),
      frame(0x41, hello.substr(0, 3)) + frame(0x80, hello.substr(3) + std::string(1, '\0')),
      frame(0xc1, std::string("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11)),
      frame(0xc1, std::string("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8)),
      frame(0xc1, std::string("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13)),
  };
  for (const std::string& stream : cases) {
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
      WebSocketParser parser(WebSocketRole::client, {}, WebSocketDeflate{});
      EXPECT_EQ(parse(parser, stream, piece).events, std::vector<std::string>{"text:Hello"});
    }
  }
  // Section 7.2.3.2: the second message refers to the first one's window.
  WebSocketParser parser(WebSocketRole::client, {}, WebSocketDeflate{});
  const std::string twice = frame(0xc1, hello + std::string(1, '\0')) +
                            frame(0xc1, std::string("\xf2\x00\x11\x00\x00", 5)) +
                            frame(0xc1, std::string(1, '\0'));
  EXPECT_EQ(parse(parser, twice, 1).events,
            (std::vector<std::string>{"text:Hello", "text:Hello", "text:"}));
  WebSocketParser forgets(WebSocketRole::client, {},
                          WebSocketDeflate{.server_no_context_takeover = true});
  EXPECT_EQ(parse(forgets, twice, 1).error, WebSocketError::corrupt_deflate);
}

TEST(WebSocketDeflate, RefusesWhatDoesNotInflate) {
  const std::string hello = "\xf2\x48\xcd\xc9\xc9\x07";
  const std::pair<const char*, std::string> cases[] = {
      {"a reserved block type", frame(0xc1, "\x06")},
      {"a stored block of a wrong length", frame(0xc1, std::string("\x00\x05\x00\xfb\xff", 5))},
      {"cut inside a block", frame(0xc1, hello.substr(0, 4))},
      {"a distance before the beginning", frame(0xc1, std::string("\xf2\x00\x11\x00\x00", 5))},
      {"no payload", frame(0xc1)},
      {"text as it is", frame(0xc1, "hello, world")},
  };
  for (const auto& [name, stream] : cases) {
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
      WebSocketParser parser(WebSocketRole::client, {}, WebSocketDeflate{});
      const Outcome outcome = parse(parser, stream, piece);
      EXPECT_EQ(outcome.error, WebSocketError::corrupt_deflate) << name << ", piece " << piece;
      EXPECT_EQ(outcome.events, std::vector<std::string>{"failed"}) << name;
    }
  }
  const auto error_of = [](const std::string& stream) {
    WebSocketParser parser(WebSocketRole::client, {}, WebSocketDeflate{});
    return parse(parser, stream, 1).error;
  };
  EXPECT_EQ(error_of(frame(0x41, hello) + frame(0xc0, std::string(1, '\0'))),
            WebSocketError::reserved_bits);
  EXPECT_EQ(error_of(frame(0xc9, hello)), WebSocketError::reserved_bits);
  EXPECT_EQ(error_of(frame(0xe1, hello)), WebSocketError::reserved_bits);
  PeerDeflater peer;
  EXPECT_EQ(error_of(frame(0xc1, peer("a\xff"))), WebSocketError::invalid_utf8);
  PeerDeflater other;
  EXPECT_EQ(error_of(frame(0xc1, other("a\xe2\x82"))), WebSocketError::invalid_utf8);
}

TEST(WebSocketDeflate, ABombCostsNoMoreThanTheLimit) {
  const WebSocketLimits limits{.message_bytes = 100'000};
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, std::string_view::npos}) {
    for (const std::size_t size :
         std::initializer_list<std::size_t>{100'000, 100'001, 100'000'000}) {
      PeerDeflater peer;
      const std::string payload = peer(std::string(size, 'x'));
      EXPECT_LT(payload.size(), size / 300 + 1000);
      WebSocketParser parser(WebSocketRole::client, limits, WebSocketDeflate{});
      const Outcome outcome = parse(parser, frame(0xc2, payload), piece);
      EXPECT_EQ(outcome.error,
                size > 100'000 ? WebSocketError::message_too_big : WebSocketError::none)
          << size << " in pieces of " << piece;
    }
  }
  // Blocks that give nothing, for ever.
  WebSocketParser parser(WebSocketRole::client, {.message_bytes = 1000}, WebSocketDeflate{});
  std::string nothing;
  for (int i = 0; i < 5000; ++i) nothing += std::string("\x00\x00\x00\xff\xff", 5);
  EXPECT_EQ(parse(parser, frame(0x42, nothing), 100).error, WebSocketError::message_too_big);
}

TEST(WebSocketDeflate, ReadsBackWhatTheWriterWrites) {
  for (const int bits : {8, 9, 12, 15}) {
    for (const bool keeps : {true, false}) {
      core::Prng random(static_cast<std::uint64_t>(bits));
      WebSocketDeflate agreed;
      agreed.client_max_window_bits = static_cast<std::uint8_t>(bits);
      agreed.client_no_context_takeover = !keeps;
      WebSocketWriter writer(WebSocketRole::client, system_random(), agreed);
      WebSocketParser parser(WebSocketRole::server, {}, agreed);
      StreamBuffer wire(1 << 20);
      std::size_t text_bytes = 0;
      std::size_t wire_bytes = 0;
      for (int i = 0; i < 100; ++i) {
        const std::string text = market_text(random, random.below(2000));
        ASSERT_TRUE(writer.write_text(text, wire));
        text_bytes += text.size();
        wire_bytes += wire.data().size();
        ASSERT_EQ(parser.next(wire).text(), text);
      }
      if (bits == 8) {
        EXPECT_GT(wire_bytes, text_bytes);  // zlib has no such window: sent as it is
      } else {
        EXPECT_LT(wire_bytes, text_bytes / 2) << bits;
      }
    }
  }
}

TEST(WebSocketDeflate, AllocatesNothingPerMessage) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  WebSocketWriter writer(WebSocketRole::server, system_random(), WebSocketDeflate{});
  WebSocketParser parser(WebSocketRole::client, {}, WebSocketDeflate{});
  StreamBuffer wire(1 << 20, 1 << 16);
  core::Prng random(3);
  const std::string text = market_text(random, 3000);
  std::uint64_t before = 0;
  for (int i = 0; i < 200; ++i) {
    if (i == 100) before = perp::test::malloc_count();
    ASSERT_TRUE(writer.write_text(text, wire));
    ASSERT_EQ(parser.next(wire).text(), text);
  }
  EXPECT_EQ(perp::test::malloc_count() - before, 0U);
}

}  // namespace
}  // namespace perp::net::test
