// Many connections on one thread: fairness, exhausted buffers, and what a message costs in system
// calls.
#include "net/support.hpp"

#include <perp/core/prng.hpp>

#include <algorithm>
#include <memory>
#include <vector>

namespace perp::net {
namespace {

using test::bytes_of;
using test::PlainSocket;
using test::Recorder;

class LoopLoad : public test::LoopTest {
 protected:
  struct Connection {
    Recorder recorder;
    Socket socket;
    PlainSocket peer;
  };
  std::vector<std::unique_ptr<Connection>> connect_many(std::size_t count) {
    std::vector<std::unique_ptr<Connection>> made;
    for (std::size_t i = 0; i < count; ++i) {
      made.push_back(std::make_unique<Connection>());
      made.back()->peer = connect(made.back()->recorder, made.back()->socket);
    }
    return made;
  }
};
INSTANTIATE_TEST_SUITE_P(, LoopLoad, testing::Values(IoEngine::uring, IoEngine::epoll),
                         test::engine_name);

TEST_P(LoopLoad, TwoHundredSocketsEchoEverythingInOrder) {
  constexpr std::uint64_t seed = 4242;
  core::Prng random(seed);
  auto connections = connect_many(200);
  for (auto& c : connections) {
    Connection& connection = *c;
    connection.recorder.at_data = [&connection](auto data) {
      EXPECT_EQ(connection.socket.send(data), SendStatus::queued);
    };
  }
  std::vector<std::string> sent(200);
  std::vector<std::string> back(200);
  for (int turn = 0; turn < 60; ++turn) {
    for (std::size_t i = 0; i < 200; ++i) {
      std::string message(1 + random.below(400), static_cast<char>('a' + turn % 26));
      message += std::to_string(i);
      connections[i]->peer.send_all(message);
      sent[i] += message;
    }
    loop_->run_once(0);
    for (std::size_t i = 0; i < 200; ++i) back[i] += connections[i]->peer.receive_some();
  }
  ASSERT_TRUE(run_until([&] {
    bool is_done = true;
    for (std::size_t i = 0; i < 200; ++i) {
      back[i] += connections[i]->peer.receive_some();
      is_done = is_done && back[i].size() >= sent[i].size();
    }
    return is_done;
  }));
  for (std::size_t i = 0; i < 200; ++i) EXPECT_TRUE(back[i] == sent[i]) << i << ", seed " << seed;
}

TEST_P(LoopLoad, FewerBuffersThanHungrySocketsLoseNothing) {
  LoopOptions options;
  options.receive_buffers = 2;
  options.receive_buffer_bytes = 512;
  make_loop(options);
  auto connections = connect_many(20);
  for (auto& connection : connections) connection->peer.send_all(std::string(20'000, 'x'));
  ASSERT_TRUE(run_until([&] {
    return std::all_of(connections.begin(), connections.end(),
                       [](const auto& c) { return c->recorder.received.size() == 20'000; });
  }));
  if (GetParam() == IoEngine::uring) {
    EXPECT_GT(loop_->stats().buffers_exhausted, 0U);
    EXPECT_GT(loop_->stats().receives_rearmed, 0U);
  }
  for (auto& connection : connections) connection->peer.send_all("still here");
  EXPECT_TRUE(run_until([&] {
    return std::all_of(connections.begin(), connections.end(),
                       [](const auto& c) { return c->recorder.received.size() == 20'010; });
  }));
}

TEST_P(LoopLoad, ASocketThatNeverStopsDoesNotStarveTheOthers) {
  LoopOptions options;
  options.receive_buffers = 16;
  options.receive_buffer_bytes = 4096;
  make_loop(options);
  auto connections = connect_many(5);
  // The hungry one's kernel buffer is kept full from inside its own events.
  const std::string flood(64 * 1024, 'f');
  const auto feed = [&] {
    while (::send(connections[0]->peer.fd(), flood.data(), flood.size(), MSG_DONTWAIT) > 0) {
    }
  };
  connections[0]->recorder.at_data = [&](auto) { feed(); };
  feed();
  for (int i = 0; i < 20; ++i) loop_->run_once(0);
  for (int turn = 0; turn < 20; ++turn) {
    for (std::size_t i = 1; i < 5; ++i) connections[i]->peer.send_all("x");
    int rounds = 0;
    const auto has_all = [&] {
      return std::all_of(connections.begin() + 1, connections.end(), [&](const auto& c) {
        return c->recorder.received.size() == static_cast<std::size_t>(turn) + 1;
      });
    };
    while (!has_all() && rounds < 1000) {
      loop_->run_once(0);
      ++rounds;
    }
    ASSERT_LT(rounds, 50) << "turn " << turn;
  }
  EXPECT_GT(connections[0]->recorder.received.size(), 100'000U) << "it was hungry indeed";
}

TEST_P(LoopLoad, AMessageCostsFewSystemCallsOnUring) {
  // 200 connections, one message each per round, echoed.
  auto connections = connect_many(200);
  std::uint64_t received = 0;
  for (auto& c : connections) {
    Connection& connection = *c;
    connection.recorder.at_data = [&](auto data) {
      ++received;
      EXPECT_EQ(connection.socket.send(data), SendStatus::queued);
    };
  }
  const std::string message(178, 'm');
  const std::uint64_t calls_before = loop_->stats().system_calls;
  std::uint64_t sent = 0;
  for (int turn = 0; turn < 50; ++turn) {
    for (auto& connection : connections) {
      connection->peer.send_all(message);
      ++sent;
    }
    ASSERT_TRUE(run_until([&] { return received == sent; }));
    loop_->run_once(0);
    for (auto& connection : connections) static_cast<void>(connection->peer.receive_some());
  }
  const double calls_per_message =
      static_cast<double>(loop_->stats().system_calls - calls_before) / static_cast<double>(sent);
  RecordProperty("system_calls_per_message", std::to_string(calls_per_message));
  if (GetParam() == IoEngine::uring) {
    EXPECT_LT(calls_per_message, 0.1);
  } else {
    EXPECT_LT(calls_per_message, 2.2) << "one receive, one send, and the waits shared by all";
  }
}

TEST_P(LoopLoad, AStreamOfOneSocketCostsFewSystemCallsOnUring) {
  auto connections = connect_many(1);
  const std::string message(178, 'm');
  std::string burst;
  for (int i = 0; i < 100; ++i) burst += message;
  const std::uint64_t calls_before = loop_->stats().system_calls;
  std::size_t sent = 0;
  for (int turn = 0; turn < 100; ++turn) {
    connections[0]->peer.send_all(burst);
    sent += 100;
    ASSERT_TRUE(run_until(
        [&] { return connections[0]->recorder.received.size() == sent * message.size(); }));
  }
  EXPECT_LT(
      static_cast<double>(loop_->stats().system_calls - calls_before) / static_cast<double>(sent),
      0.1);
}

}  // namespace
}  // namespace perp::net
