// What a session does of its own accord: pongs, closes, the end; and the writer's frames.
#include "net/websocket_support.hpp"

#include <perp/net/websocket_session.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace perp::net::test {
namespace {

std::string take(StreamBuffer& buffer) {
  const std::string text(reinterpret_cast<const char*>(buffer.data().data()), buffer.data().size());
  buffer.clear();
  return text;
}

// A server's frames are not masked, so its answers can be compared as bytes.
struct Server {
  WebSocketSession session{WebSocketRole::server};
  StreamBuffer in{1 << 20};
  StreamBuffer out{1 << 20};

  std::vector<std::string> receive(std::string_view bytes) {
    append(in, bytes);
    std::vector<std::string> events;
    while (true) {
      const WebSocketMessage message = session.next(in);
      if (message.event == WebSocketEvent::need_more) break;
      events.push_back(describe(message));
      if (message.event == WebSocketEvent::failed) break;
    }
    return events;
  }
  std::string answers() {
    EXPECT_TRUE(session.take_answers(out));
    return take(out);
  }
};

TEST(WebSocketSession, AnswersPingsInOrderWithTheirPayload) {
  Server server;
  server.receive(masked_frame(0x89, "a") + masked_frame(0x89) + masked_frame(0x8a, "unasked") +
                 masked_frame(0x89, std::string(125, 'z')));
  EXPECT_EQ(server.answers(), frame(0x8a, "a") + frame(0x8a) + frame(0x8a, std::string(125, 'z')));
  EXPECT_EQ(server.answers(), "");
  EXPECT_EQ(server.session.pings_unanswered(), 0U);
}

TEST(WebSocketSession, AFloodOfPingsCostsNoMoreThanItsLimitAndTheLastIsAnswered) {
  Server server;
  for (int i = 0; i < 10'000; ++i) server.receive(masked_frame(0x89, std::to_string(i)));
  const std::string answers = server.answers();
  EXPECT_LE(answers.size(), WebSocketSession::answer_limit_bytes);
  EXPECT_TRUE(answers.ends_with(frame(0x8a, "9999")));
  std::size_t pongs = 0;
  StreamBuffer wire(1 << 16);
  append(wire, answers);
  WebSocketParser parser(WebSocketRole::client);
  while (parser.next(wire).event == WebSocketEvent::pong) ++pongs;
  EXPECT_EQ(pongs + server.session.pings_unanswered(), 10'000U);
}

TEST(WebSocketSession, AnswersACloseWithItsCodeAndWritesNothingBehindIt) {
  for (const auto& [payload, answer] : {std::pair{close_payload(1000, "bye"), close_payload(1000)},
                                        std::pair{close_payload(3999), close_payload(3999)},
                                        std::pair{std::string(), std::string()}}) {
    Server server;
    EXPECT_EQ(server
                  .receive(masked_frame(0x89, "p") + masked_frame(0x88, payload) +
                           masked_frame(0x89, "late"))
                  .size(),
              2U);
    EXPECT_EQ(server.answers(), frame(0x8a, "p") + frame(0x88, answer));
    EXPECT_TRUE(server.session.is_done());
    EXPECT_FALSE(server.session.write_text("late", server.out));
    EXPECT_FALSE(server.session.write_binary({}, server.out));
    EXPECT_FALSE(server.session.write_ping({}, server.out));
    server.session.close(1001);
    EXPECT_EQ(server.answers(), "");
  }
}

TEST(WebSocketSession, BeginsACloseOnceAndIsDoneWhenThePeerAnswers) {
  Server server;
  server.session.close(1001, "going");
  server.session.close(1000, "again");
  EXPECT_EQ(server.answers(), frame(0x88, close_payload(1001, "going")));
  EXPECT_TRUE(server.session.is_closing());
  EXPECT_FALSE(server.session.is_done());
  // What was on its way still comes, but a ping is not answered any more.
  EXPECT_EQ(server.receive(masked_frame(0x81, "x") + masked_frame(0x89, "p")),
            (std::vector<std::string>{"text:x", "ping:p"}));
  EXPECT_EQ(server.answers(), "");
  server.receive(masked_frame(0x88, close_payload(1001)));
  EXPECT_TRUE(server.session.is_done());
  EXPECT_EQ(server.answers(), "");
}

TEST(WebSocketSession, TellsAFailureToThePeerWithItsCode) {
  const std::pair<std::string, unsigned> cases[] = {
      {masked_frame(0x83), 1002},
      {masked_frame(0xc1, "x"), 1002},
      {frame(0x81, "x"), 1002},
      {masked_frame(0x80, "x"), 1002},
      {masked_frame(0x88, "x"), 1002},
      {masked_frame(0x88, close_payload(1005)), 1002},
      {masked_frame(0x81, "\xff"), 1007},
      {masked_frame(0x88, close_payload(1000, "\xff")), 1007},
      {Frame{.first = 0x82, .payload = std::string((16 << 20) + 1, 'x'), .is_masked = true}
           .bytes()
           .substr(0, 14),
       1009},
  };
  for (const auto& [stream, code] : cases) {
    Server server;
    EXPECT_EQ(server.receive(stream), std::vector<std::string>{"failed"});
    EXPECT_TRUE(server.session.is_done());
    const std::string why(to_string(server.session.error()));
    EXPECT_EQ(server.answers(), frame(0x88, close_payload(code, why)));
    EXPECT_FALSE(server.session.write_text("late", server.out));
  }
}

TEST(WebSocketSession, KeepsItsAnswersWhileThereIsNoRoom) {
  Server server;
  server.receive(masked_frame(0x89, "ping"));
  StreamBuffer small(5);
  EXPECT_FALSE(server.session.take_answers(small));
  EXPECT_TRUE(small.data().empty());
  EXPECT_EQ(server.answers(), frame(0x8a, "ping"));
}

TEST(WebSocketWriter, WritesTheShortestLengthAndMasksAsAClient) {
  for (const std::size_t size :
       std::initializer_list<std::size_t>{0, 1, 125, 126, 127, 65535, 65536, 100'000}) {
    const std::string payload(size, 'x');
    StreamBuffer out(1 << 20);
    WebSocketWriter server(WebSocketRole::server);
    ASSERT_TRUE(server.write_text(payload, out));
    EXPECT_EQ(take(out), frame(0x81, payload));
    RandomSource fixed{[](void*, std::span<std::byte> bytes) noexcept {
                         for (std::size_t i = 0; i < bytes.size(); ++i)
                           bytes[i] = static_cast<std::byte>("\x37\xfa\x21\x3d"[i % 4]);
                       },
                       nullptr};
    WebSocketWriter client(WebSocketRole::client, fixed);
    ASSERT_TRUE(client.write(WebSocketOpcode::binary, bytes_of(payload), out));
    EXPECT_TRUE(take(out) == masked_frame(0x82, payload)) << size;
  }
}

TEST(WebSocketWriter, MasksDifferFromFrameToFrame) {
  WebSocketWriter client(WebSocketRole::client);
  std::vector<std::string> masks;
  for (int i = 0; i < 200; ++i) {
    StreamBuffer out(256);
    ASSERT_TRUE(client.write_text("", out));
    masks.push_back(take(out).substr(2));
  }
  std::sort(masks.begin(), masks.end());
  EXPECT_GE(std::unique(masks.begin(), masks.end()) - masks.begin(), 199);
}

TEST(WebSocketWriter, CutsAReasonBetweenCodePointsAndRefusesWhatHasNoRoom) {
  StreamBuffer out(1 << 16);
  WebSocketWriter writer(WebSocketRole::server);
  std::string reason(122, 'a');
  ASSERT_TRUE(writer.write_close(1000, reason + "\xe2\x82\xac", out));
  EXPECT_EQ(take(out), frame(0x88, close_payload(1000, reason)));
  ASSERT_TRUE(writer.write_close(1000, reason + "b", out));
  EXPECT_EQ(take(out), frame(0x88, close_payload(1000, reason + "b")));
  ASSERT_TRUE(writer.write_close(close_code::none_given, "", out));
  EXPECT_EQ(take(out), frame(0x88));
  ASSERT_TRUE(writer.write_fragment(WebSocketOpcode::text, bytes_of("a"), false, out));
  ASSERT_TRUE(writer.write_fragment(WebSocketOpcode::continuation, bytes_of("b"), true, out));
  EXPECT_EQ(take(out), frame(0x01, "a") + frame(0x80, "b"));
  StreamBuffer small(100);
  EXPECT_FALSE(writer.write_text(std::string(100, 'x'), small));
  EXPECT_TRUE(small.data().empty());
}

}  // namespace
}  // namespace perp::net::test
