// The parser against streams written by hand, whole and in pieces of every size: what it hands out
// is what was put in, and what the RFC forbids fails with its own error before anything of it is
// handed out.
#include "net/websocket_support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/prng.hpp>

#include <gtest/gtest.h>

namespace perp::net::test {
namespace {

using Events = std::vector<std::string>;

Outcome as_client(std::string_view stream, std::size_t piece = std::string_view::npos) {
  WebSocketParser parser(WebSocketRole::client);
  return parse(parser, stream, piece);
}

TEST(WebSocketParser, HandsOutMessagesAndControlFramesInOrderWhateverThePieces) {
  const std::string stream = frame(0x81, "hello") + frame(0x89, "p") + frame(0x01, "a") +
                             frame(0x8a, "q") + frame(0x00, "bc") + frame(0x89) +
                             frame(0x80, "def") + frame(0x82, std::string(200, 'x')) + frame(0x81) +
                             frame(0x88, close_payload(1000, "bye"));
  const Events expected{"text:hello", "ping:p",        "pong:q",
                        "ping:",      "text:abcdef",   "binary:" + std::string(200, 'x'),
                        "text:",      "close:1000:bye"};
  for (std::size_t piece = 1; piece <= stream.size(); ++piece)
    EXPECT_EQ(as_client(stream, piece).events, expected) << piece << " bytes at a time";
}

TEST(WebSocketParser, UnmasksWhatAClientSends) {
  const std::string stream = masked_frame(0x81, "hello, masked world") + masked_frame(0x02, "a") +
                             masked_frame(0x89, "ping") + masked_frame(0x80, std::string(299, 'z'));
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    WebSocketParser parser(WebSocketRole::server);
    EXPECT_EQ(parse(parser, stream, piece).events,
              (Events{"text:hello, masked world", "ping:ping", "binary:a" + std::string(299, 'z')}))
        << piece << " bytes at a time";
  }
}

struct Refusal {
  const char* name;
  std::string stream;
  WebSocketError error;
};

TEST(WebSocketParser, FailsWithTheRightErrorOnWhatTheRfcForbids) {
  const Refusal refusals[] = {
      {"RSV1", frame(0xc1, "x"), WebSocketError::reserved_bits},
      {"RSV2", frame(0xa1, "x"), WebSocketError::reserved_bits},
      {"RSV3", frame(0x91, "x"), WebSocketError::reserved_bits},
      {"RSV1 on a ping", frame(0xc9), WebSocketError::reserved_bits},
      {"opcode 3", frame(0x83), WebSocketError::unknown_opcode},
      {"opcode 7", frame(0x87), WebSocketError::unknown_opcode},
      {"opcode 11", frame(0x8b), WebSocketError::unknown_opcode},
      {"opcode 15", frame(0x8f), WebSocketError::unknown_opcode},
      {"fragmented ping", frame(0x09), WebSocketError::fragmented_control},
      {"fragmented close", frame(0x08), WebSocketError::fragmented_control},
      {"long ping", frame(0x89, std::string(126, 'x')), WebSocketError::control_too_long},
      {"masked", masked_frame(0x81, "x"), WebSocketError::masked_by_server},
      {"125 in 16 bits", Frame{0x82, std::string(125, 'x'), 16}.bytes(),
       WebSocketError::length_not_minimal},
      {"65535 in 64 bits", Frame{0x82, std::string(65535, 'x'), 64}.bytes(),
       WebSocketError::length_not_minimal},
      {"0 in 64 bits", Frame{0x81, "", 64}.bytes(), WebSocketError::length_not_minimal},
      {"top bit", std::string("\x82\x7f\x80\0\0\0\0\0\0\0", 10), WebSocketError::length_too_large},
      {"2^63 - 1", std::string("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10),
       WebSocketError::message_too_big},
      {"continuation first", frame(0x80, "x"), WebSocketError::unexpected_continuation},
      {"text in text", frame(0x01, "x") + frame(0x81, "y"), WebSocketError::unfinished_message},
      {"UTF-8", frame(0x81, "a\xff"), WebSocketError::invalid_utf8},
      {"cut UTF-8", frame(0x81, "a\xe2\x82"), WebSocketError::invalid_utf8},
      {"cut UTF-8 in fragments", frame(0x01, "a\xe2") + frame(0x80, "\x82"),
       WebSocketError::invalid_utf8},
      {"close of a byte", frame(0x88, "x"), WebSocketError::short_close},
      {"close 1005", frame(0x88, close_payload(1005)), WebSocketError::invalid_close_code},
      {"close 999", frame(0x88, close_payload(999)), WebSocketError::invalid_close_code},
      {"close 5000", frame(0x88, close_payload(5000)), WebSocketError::invalid_close_code},
      {"close reason", frame(0x88, close_payload(1000, "\xc0\x80")),
       WebSocketError::invalid_close_reason},
  };
  for (const Refusal& refusal : refusals) {
    for (const std::size_t piece : {std::string_view::npos, std::size_t{1}}) {
      const Outcome outcome = as_client(frame(0x81, "before") + refusal.stream, piece);
      EXPECT_EQ(outcome.error, refusal.error) << refusal.name << ": " << to_string(outcome.error);
      EXPECT_EQ(outcome.events, (Events{"text:before", "failed"})) << refusal.name;
    }
  }
  WebSocketParser server(WebSocketRole::server);
  EXPECT_EQ(parse(server, frame(0x81, "x"), 1).error, WebSocketError::unmasked_by_client);
  EXPECT_EQ(as_client(frame(0x01, "x") + frame(0x80) + frame(0x80)).events,
            (Events{"text:x", "failed"}));
}

TEST(WebSocketParser, ReadsAHeadThatIsCutBehindEachOfItsBytes) {
  // Heads of 2, 4 and 10 bytes and 4 more with a mask, of each kind of frame.
  struct Kind {
    unsigned first;
    const char* before;  // what has to come first, as a frame's payload
    std::size_t size_max;
  };
  for (const Kind& kind :
       {Kind{0x81, nullptr, 70'000}, Kind{0x82, nullptr, 70'000}, Kind{0x80, "begun", 70'000},
        Kind{0x89, nullptr, 125}, Kind{0x8a, nullptr, 125}}) {
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{125}, std::size_t{200}, std::size_t{70'000}}) {
      for (const bool is_masked : {false, true}) {
        if (size > kind.size_max) continue;
        const auto make = is_masked ? masked_frame : frame;
        const std::string begin = kind.before != nullptr ? make(0x01, kind.before) : std::string();
        const std::string stream = begin + make(kind.first, std::string(size, 'x'));
        const WebSocketRole reader = is_masked ? WebSocketRole::server : WebSocketRole::client;
        const std::size_t head = stream.size() - begin.size() - size;
        WebSocketParser whole_parser(reader);
        const Outcome whole = parse(whole_parser, stream, stream.size());
        ASSERT_EQ(whole.events.size(), 1U);
        for (std::size_t cut = begin.size() + 1; cut <= begin.size() + head; ++cut) {
          WebSocketParser parser(reader);
          StreamBuffer buffer(1 << 20, 64);
          append(buffer, std::string_view(stream).substr(0, cut));
          ASSERT_EQ(parser.next(buffer).event, WebSocketEvent::need_more) << cut;
          append(buffer, std::string_view(stream).substr(cut));
          EXPECT_EQ(describe(parser.next(buffer)), whole.events[0]) << cut;
          EXPECT_TRUE(buffer.data().empty());
        }
      }
    }
  }
}

TEST(WebSocketParser, FailsBeforeTheBytesThatCannotHelp) {
  // The wrong bit is in the first byte; UTF-8 is wrong in a message whose end never comes.
  EXPECT_EQ(as_client("\x83").error, WebSocketError::unknown_opcode);
  EXPECT_EQ(as_client(std::string("\x81\x7e\x10\x00"
                                  "abc\xff",
                                  8))
                .error,
            WebSocketError::invalid_utf8);
  EXPECT_EQ(as_client(frame(0x01, "a\xf4\x90")).error, WebSocketError::invalid_utf8);
}

TEST(WebSocketParser, HoldsItsLimitsAtBothEnds) {
  const WebSocketLimits limits{.message_bytes = 1000, .fragments = 10};
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::string_view::npos}) {
    WebSocketParser parser(WebSocketRole::client, limits);
    const std::string most = frame(0x82, std::string(1000, 'x')) +
                             frame(0x02, std::string(500, 'x')) +
                             frame(0x80, std::string(500, 'y'));
    EXPECT_EQ(parse(parser, most, piece, WebSocketParser::buffer_limit(limits, 2100)).events,
              (Events{"binary:1000 bytes", "binary:1000 bytes"}));
    WebSocketParser one_more(WebSocketRole::client, limits);
    EXPECT_EQ(parse(one_more, frame(0x82, std::string(1001, 'x')).substr(0, 4), piece).error,
              WebSocketError::message_too_big);
    WebSocketParser in_pieces(WebSocketRole::client, limits);
    EXPECT_EQ(parse(in_pieces,
                    frame(0x02, std::string(500, 'x')) + frame(0x80, std::string(501, 'y')), piece)
                  .error,
              WebSocketError::message_too_big);
    std::string fragments = frame(0x02, "a");
    for (int i = 0; i < 8; ++i) fragments += frame(0x00);
    WebSocketParser ten(WebSocketRole::client, limits);
    EXPECT_EQ(parse(ten, fragments + frame(0x80, "z"), piece).events, (Events{"binary:az"}));
    WebSocketParser eleven(WebSocketRole::client, limits);
    EXPECT_EQ(parse(eleven, fragments + frame(0x00) + frame(0x80, "z"), piece).error,
              WebSocketError::too_many_fragments);
  }
}

TEST(WebSocketParser, NothingComesOutAfterACloseOrAFailure) {
  for (const std::string& last : {frame(0x88), frame(0x83)}) {
    WebSocketParser parser(WebSocketRole::client);
    StreamBuffer buffer(1 << 16);
    append(buffer, last + frame(0x81, "late"));
    const WebSocketEvent end = parser.next(buffer).event;
    EXPECT_EQ(end, last == frame(0x88) ? WebSocketEvent::close : WebSocketEvent::failed);
    for (int i = 0; i < 3; ++i) {
      append(buffer, frame(0x81, "later"));
      const WebSocketEvent after = parser.next(buffer).event;
      EXPECT_EQ(after, last == frame(0x88) ? WebSocketEvent::need_more : WebSocketEvent::failed);
    }
    EXPECT_TRUE(buffer.data().empty());
  }
}

TEST(WebSocketParser, KeepsItsBufferWithinBoundsUnderControlFramesInsideAMessage) {
  // Pings for ever between two fragments: their heads must not pile up in the buffer.
  const WebSocketLimits limits{.message_bytes = 4096, .fragments = 10};
  WebSocketParser parser(WebSocketRole::client, limits);
  StreamBuffer buffer(WebSocketParser::buffer_limit(limits, 256), 256);
  append(buffer, frame(0x01, std::string(1000, 'a')));
  for (int i = 0; i < 10'000; ++i) {
    append(buffer, frame(0x89, std::to_string(i)));
    const WebSocketMessage ping = parser.next(buffer);
    ASSERT_EQ(describe(ping), "ping:" + std::to_string(i));
  }
  append(buffer, frame(0x80, "b"));
  EXPECT_EQ(parser.next(buffer).text(), std::string(1000, 'a') + "b");
  EXPECT_TRUE(buffer.data().empty());
}

// Random valid streams in random pieces: the messages that were put in come out.
TEST(WebSocketParser, GivesBackRandomMessagesInRandomPieces) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    core::Prng random(seed);
    const bool is_server = random.chance(0.5);
    Events expected;
    std::string stream;
    const auto add = [&](unsigned first, const std::string& payload) {
      std::string mask(4, '\0');
      for (char& c : mask) c = static_cast<char>(random.below(256));
      stream +=
          Frame{.first = first, .payload = payload, .is_masked = is_server, .mask = mask}.bytes();
    };
    for (int i = 0; i < 40; ++i) {
      const bool is_text = random.chance(0.5);
      const std::size_t fragments = random.chance(0.7) ? 1 : 1 + random.below(6);
      std::string whole;
      Events controls;
      for (std::size_t f = 0; f < fragments; ++f) {
        std::string payload(random.chance(0.1) ? random.below(70'000) : random.below(300), '\0');
        for (char& c : payload)
          c = static_cast<char>(is_text ? ' ' + random.below(90) : random.below(256));
        whole += payload;
        add((f + 1 == fragments ? 0x80u : 0u) | (f != 0 ? 0u : is_text ? 1u : 2u), payload);
        if (f + 1 < fragments && random.chance(0.4)) {
          add(0x89, "ping" + std::to_string(i));
          expected.push_back("ping:ping" + std::to_string(i));
        }
      }
      expected.push_back((is_text ? "text:" : "binary:") +
                         (whole.size() > 300 ? std::to_string(whole.size()) + " bytes" : whole));
    }
    WebSocketParser parser(is_server ? WebSocketRole::server : WebSocketRole::client);
    const std::size_t piece = 1 + random.below(random.chance(0.5) ? 40 : 40'000);
    EXPECT_EQ(parse(parser, stream, piece).events, expected) << "seed " << seed;
  }
}

TEST(WebSocketParser, LargeFragmentsKeepTheirBytes) {
  core::Prng random(7);
  std::string whole;
  std::string stream;
  for (int f = 0; f < 50; ++f) {
    std::string payload(random.below(20'000), '\0');
    for (char& c : payload) c = static_cast<char>(random.below(256));
    whole += payload;
    stream += masked_frame(f == 0 ? 0x02 : f == 49 ? 0x80 : 0x00, payload);
    if (f % 3 == 0) stream += masked_frame(0x89, "x");
  }
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{1000}, std::size_t{16384}, stream.size()}) {
    WebSocketParser parser(WebSocketRole::server);
    StreamBuffer buffer(4 << 20, 256);
    std::string got;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      append(buffer, std::string_view(stream).substr(at, piece));
      for (WebSocketMessage message = parser.next(buffer);
           message.event != WebSocketEvent::need_more; message = parser.next(buffer))
        if (message.event == WebSocketEvent::binary) got = message.text();
    }
    EXPECT_TRUE(got == whole) << piece;
  }
}

TEST(WebSocketParser, AllocatesNothingPerMessage) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "the sanitizer has a malloc of its own";
  WebSocketParser parser(WebSocketRole::client);
  StreamBuffer buffer(1 << 20, 1 << 16);
  const std::string stream = frame(0x81, std::string(178, 'x')) + frame(0x01, "ab") +
                             frame(0x89, "p") + frame(0x80, std::string(1000, 'y'));
  std::uint64_t messages = 0;
  std::uint64_t before = 0;
  for (int round = 0; round < 2000; ++round) {
    if (round == 1000) before = perp::test::malloc_count();
    append(buffer, stream);
    while (parser.next(buffer).event != WebSocketEvent::need_more) ++messages;
  }
  EXPECT_EQ(perp::test::malloc_count() - before, 0U);
  EXPECT_EQ(messages, 6000U);
}

}  // namespace
}  // namespace perp::net::test
