// The well-known case list (301 cases without compression, 24 with it), both roles, as an
// independent encoder writes it: websocket_conformance.py, where the expected verdicts stand and
// python3-wsproto has to agree with them. Each stream is read as the case cuts it and in other
// pieces; the verdict is the same. PERP_CONFORMANCE_FULL=1 runs section 9 at its full sizes.
#include "net/websocket_support.hpp"

#include <perp/net/websocket_session.hpp>

#include <gtest/gtest.h>

#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <sys/wait.h>

namespace perp::net::test {
namespace {

struct Case {
  std::string number;
  WebSocketRole reader = WebSocketRole::client;
  std::size_t chop = 0;
  std::optional<WebSocketDeflate> deflate;
  std::string expected;
  std::string stream;
};

struct List {
  std::vector<Case> cases;
  int exit_code = -1;
};

std::optional<WebSocketDeflate> deflate_of(const std::string& text) {
  if (text == "-") return std::nullopt;
  std::istringstream in(text);
  int numbers[4] = {};
  for (int& number : numbers) {
    in >> number;
    in.ignore(1);
  }
  return WebSocketDeflate{numbers[0] != 0, numbers[1] != 0, static_cast<std::uint8_t>(numbers[2]),
                          static_cast<std::uint8_t>(numbers[3])};
}

// Debian's interpreter, whose modules the packages are; another python3 may come first in PATH.
List run_encoder() {
  std::string command = "/usr/bin/python3 " PERP_SOURCE_DIR "/tests/net/websocket_conformance.py";
  if (std::getenv("PERP_CONFORMANCE_FULL") != nullptr) command += " FULL";
  std::FILE* const pipe = popen(command.c_str(), "r");
  List list;
  if (pipe == nullptr) return list;
  char* line = nullptr;
  std::size_t room = 0;
  while (getline(&line, &room, pipe) > 0) {
    std::istringstream in(line);
    std::string word;
    std::string role;
    std::string deflate;
    std::size_t size = 0;
    Case one;
    in >> word >> one.number >> role >> one.chop >> deflate >> one.expected >> size;
    EXPECT_EQ(word, "case");
    one.reader = role == "server" ? WebSocketRole::client : WebSocketRole::server;
    one.deflate = deflate_of(deflate);
    one.stream.resize(size);
    EXPECT_EQ(std::fread(one.stream.data(), 1, size, pipe), size) << one.number;
    list.cases.push_back(std::move(one));
  }
  std::free(line);
  const int status = pclose(pipe);
  list.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return list;
}

void add_event(std::string& verdict, const std::string& event) {
  if (!verdict.empty()) verdict += ';';
  verdict += event;
}

std::string event_of(std::string_view kind, std::span<const std::byte> payload) {
  const auto sum =
      crc32(0, reinterpret_cast<const Bytef*>(payload.data()), static_cast<uInt>(payload.size()));
  char text[80];
  std::snprintf(text, sizeof text, "%.*s:%zu:%08lx", static_cast<int>(kind.size()), kind.data(),
                payload.size(), payload.empty() ? 0UL : static_cast<unsigned long>(sum));
  return text;
}

// What our side's close frame says, read with the other role's parser.
std::string answered_close(WebSocketSession& session, WebSocketRole reader) {
  StreamBuffer out(1 << 16);
  EXPECT_TRUE(session.take_answers(out));
  WebSocketParser peer(reader == WebSocketRole::client ? WebSocketRole::server
                                                       : WebSocketRole::client);
  while (true) {
    const WebSocketMessage message = peer.next(out);
    if (message.event == WebSocketEvent::close) return std::to_string(message.close_code);
    if (message.event != WebSocketEvent::pong) return "nothing";
  }
}

std::string verdict_of(const Case& one, std::size_t chop) {
  const WebSocketLimits limits{.fragments = 100'000};
  WebSocketSession session(one.reader, limits, one.deflate);
  StreamBuffer buffer(WebSocketParser::buffer_limit(limits, one.stream.size()), 256);
  std::string verdict;
  for (std::size_t at = 0; at < one.stream.size(); at += chop) {
    append(buffer, std::string_view(one.stream).substr(at, chop));
    while (true) {
      const WebSocketMessage message = session.next(buffer);
      if (message.event == WebSocketEvent::need_more) break;
      switch (message.event) {
        case WebSocketEvent::text: add_event(verdict, event_of("text", message.payload)); break;
        case WebSocketEvent::binary: add_event(verdict, event_of("binary", message.payload)); break;
        case WebSocketEvent::ping: add_event(verdict, event_of("ping", message.payload)); break;
        case WebSocketEvent::pong: add_event(verdict, event_of("pong", message.payload)); break;
        case WebSocketEvent::close:
          add_event(verdict, "close:" + std::to_string(message.close_code));
          EXPECT_EQ(answered_close(session, one.reader), std::to_string(message.close_code));
          EXPECT_TRUE(session.is_done());
          break;
        case WebSocketEvent::failed:
          add_event(verdict, "fail:" + answered_close(session, one.reader));
          return verdict;
        case WebSocketEvent::need_more: break;
      }
    }
  }
  return verdict;
}

TEST(WebSocketConformance, EveryCaseOfTheListInBothRolesHoweverItIsCut) {
  const List list = run_encoder();
  if (list.exit_code == 77 || list.exit_code == 127)
    GTEST_SKIP() << "the independent encoder is missing: scripts/install-deps test";
  ASSERT_EQ(list.exit_code, 0) << "the encoder and wsproto disagree, see above";
  ASSERT_EQ(list.cases.size(), 2U * (301 + 24));
  for (const Case& one : list.cases) {
    SCOPED_TRACE(one.number +
                 (one.reader == WebSocketRole::client ? ", as client" : ", as server"));
    const std::size_t whole = std::max<std::size_t>(one.stream.size(), 1);
    EXPECT_EQ(verdict_of(one, one.chop != 0 ? one.chop : whole), one.expected);
    EXPECT_EQ(verdict_of(one, whole), one.expected);
    if (one.stream.size() > 4096) continue;
    for (std::size_t chop = 1; chop < one.stream.size(); chop += chop < 20 ? 1 : 37)
      EXPECT_EQ(verdict_of(one, chop), one.expected) << chop << " octets at a time";
  }
}

}  // namespace
}  // namespace perp::net::test
