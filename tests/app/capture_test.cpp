// perp capture against python3-websockets: what it writes is what was sent, and what it tells is
// what happened.
#include "app/process.hpp"
#include "app/program.hpp"
#include "net/certificates.hpp"
#include "net/foreign_peer.hpp"

#include <perp/feed/recording.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace perp::app::testing {
namespace {

using net::test::ForeignPeer;

class CaptureTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!ForeignPeer::has_module("websockets"))
      GTEST_SKIP() << "python3-websockets is not installed";
    std::vector<std::string> files;
    if (GetParam()) {
      const test::Certificate leaf =
          test::Certificate::make({.alternative_names = "IP:127.0.0.1"}, &test::trusted_root());
      files = {test::file_of(leaf.pem()), test::file_of(leaf.key_pem())};
    }
    peer_.emplace("websocket_server.py", files);
    port_ = peer_->port();
  }
  Outcome capture(const std::string& path, const std::string& arguments) const {
    return run("capture " + std::string(GetParam() ? "wss" : "ws") +
               "://127.0.0.1:" + std::to_string(port_) + path + " --tls-ca " +
               test::trusted_root_file() + " " + arguments);
  }
  static std::vector<std::string> messages_of(const std::string& path) {
    std::vector<feed::SkippedFile> skipped;
    const auto files = feed::find_recordings({path}, {.venue = market::VenueId::binance}, skipped);
    EXPECT_EQ(files.size(), 1U);
    std::vector<std::string> messages;
    feed::RecordingReader reader(files.at(0));
    feed::RecordedMessage message;
    std::int64_t before = 1'600'000'000 * core::ns_per_second;
    while (reader.next(message)) {
      EXPECT_GE(message.receive_ns, before);
      before = message.receive_ns;
      messages.emplace_back(message.payload);
    }
    EXPECT_EQ(reader.bad_lines(), 0U) << reader.first_bad_line();
    return messages;
  }
  static std::vector<std::string> numbers(int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) out.push_back(std::to_string(i));
    return out;
  }

  Folder folder_;
  std::optional<ForeignPeer> peer_;
  std::uint16_t port_ = 0;
};

TEST_P(CaptureTest, WritesEachMessageWithItsTime) {
  for (const char* const name : {"a.txt", "a.txt.gz"}) {
    const Outcome outcome = capture("/burst/3000", "--messages 3000 --out " + (folder_ / name));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(messages_of(folder_ / name), numbers(3000));
    EXPECT_NE(outcome.err.find("3000 messages"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(GetParam() ? "TLSv1.3" : "plain"), std::string::npos) << outcome.err;
  }
  const Outcome again = capture("/burst/1", "--messages 1 --out " + (folder_ / "a.txt"));
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.err.find("File exists"), std::string::npos) << again.err;
  EXPECT_EQ(messages_of(folder_ / "a.txt"), numbers(3000));
}

TEST_P(CaptureTest, SendsWhatItIsTold) {
  const Outcome outcome = capture(
      "/echo", R"x(--messages 2 --deflate --send '{"op":"subscribe"}' --send "$(printf 'a\nb')")x");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find(R"( {"op":"subscribe"})"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find(" a b\n"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.err.find("compressed"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("1 line breaks"), std::string::npos) << outcome.err;
}

TEST_P(CaptureTest, DialsAgainAndTellsTheHole) {
  const Outcome outcome = capture("/burst/10", "--messages 15 --out " + (folder_ / "b.txt"));
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  std::vector<std::string> wanted = numbers(10);
  for (const std::string& more : numbers(5)) wanted.push_back(more);
  EXPECT_EQ(messages_of(folder_ / "b.txt"), wanted);
  EXPECT_NE(outcome.err.find("4001: done; again in"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("hole from"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("2 connections, 1 holes"), std::string::npos) << outcome.err;
}

TEST_P(CaptureTest, TellsTheHoleThatIsOpenAtItsEnd) {
  const std::string scheme = GetParam() ? "wss" : "ws";
  Process capture({"capture", scheme + "://127.0.0.1:" + std::to_string(port_) + "/once/10",
                   "--tls-ca", test::trusted_root_file(), "--out", folder_ / "c.txt"});
  ASSERT_TRUE(capture.await_err("again in 600.0 s")) << capture.err();
  EXPECT_EQ(capture.err().find("hole from"), std::string::npos) << capture.err();
  capture.signal(SIGTERM);
  EXPECT_EQ(capture.wait(), 3) << capture.err();
  EXPECT_EQ(messages_of(folder_ / "c.txt"), numbers(10));
  const std::string told = capture.err();
  const std::size_t hole = told.find("hole from ");
  ASSERT_NE(hole, std::string::npos) << told;
  EXPECT_EQ(told.substr(told.find(" to ", hole), 12), " to the end\n") << told;
  EXPECT_NE(told.find("10 messages"), std::string::npos) << told;
  EXPECT_NE(told.find("1 connections, 1 holes"), std::string::npos) << told;
}

TEST_P(CaptureTest, ARefusalAndAStallEndItWhereItIsToDialOnce) {
  const Outcome refused = capture("/refuse", "--once");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("429"), std::string::npos) << refused.err;
  const Outcome stalled = capture("/echo", "--once --stall 0.2");
  EXPECT_EQ(stalled.exit_code, 1);
  EXPECT_NE(stalled.err.find("nothing came for"), std::string::npos) << stalled.err;
}

INSTANTIATE_TEST_SUITE_P(Ways, CaptureTest, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "tls" : "plain"; });

TEST(Capture, WhatCannotBeIsRefusedWithItsReason) {
  const Outcome scheme = run("capture https://venue.test/");
  EXPECT_EQ(scheme.exit_code, 1);
  EXPECT_NE(scheme.err.find("ws:// or wss://"), std::string::npos) << scheme.err;
  const Outcome name = run("capture wss://venue.test/ --out capture.json");
  EXPECT_EQ(name.exit_code, 1);
  EXPECT_NE(name.err.find(".txt"), std::string::npos) << name.err;
  const Outcome header = run("capture wss://venue.test/ --header nonsense");
  EXPECT_EQ(header.exit_code, 1);
  EXPECT_NE(header.err.find("'Name: value'"), std::string::npos) << header.err;
  const Outcome unreachable = run("capture wss://no-such-host.invalid/ --once");
  EXPECT_EQ(unreachable.exit_code, 1);
  EXPECT_NE(unreachable.err.find("no-such-host.invalid"), std::string::npos) << unreachable.err;
}

}  // namespace
}  // namespace perp::app::testing
