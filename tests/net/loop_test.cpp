// The round: waiting, waking, posted calls, and what a handler's exception leaves behind.
#include "net/support.hpp"
#include "support/malloc_counter.hpp"

#include <perp/core/error.hpp>
#include <perp/core/worker.hpp>
#include <perp/net/timer.hpp>

#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <sys/utsname.h>
#include <thread>

namespace perp::net {
namespace {

using test::bytes_of;
using test::PlainSocket;
using test::Recorder;

class LoopRound : public test::LoopTest {};
INSTANTIATE_TEST_SUITE_P(, LoopRound, testing::Values(IoEngine::uring, IoEngine::epoll),
                         test::engine_name);

TEST_P(LoopRound, SaysWhichEngineItUsesAndWhy) {
  EXPECT_EQ(loop_->io().engine, GetParam());
  EXPECT_EQ(loop_->io().reason, "asked for");
}

TEST_P(LoopRound, RefusesOptionsThatMakeNoLoop) {
  LoopOptions options;
  options.engine = GetParam();
  options.receive_buffer_bytes = 0;
  EXPECT_THROW(Loop{options}, core::Error);
  options = {};
  options.engine = GetParam();
  options.sockets_max = 0;
  EXPECT_THROW(Loop{options}, core::Error);
  if (GetParam() != IoEngine::uring) return;
  options = {};
  options.engine = GetParam();
  options.receive_buffers = 63;
  EXPECT_THROW(Loop{options}, core::Error);
}

TEST_P(LoopRound, WaitsAsLongAsItIsToldAndNotAtAllWhenItOnlyLooks) {
  EXPECT_EQ(loop_->run_once(0), 0);
  const core::MonoNs before = core::mono_now();
  // A signal may end a wait early (rings that were closed send one), a few times and not thousands.
  int waits = 0;
  while (core::mono_now() - before < 20 * core::ns_per_ms) {
    EXPECT_EQ(loop_->run_once(20 * core::ns_per_ms), 0);
    ++waits;
  }
  EXPECT_LE(waits, 5);
}

TEST_P(LoopRound, AWakeFromAnotherThreadEndsTheSleepAndIsNeverLost) {
  // Each sleep is without end: a lost wake shows as a hang.
  constexpr int turns = 2000;
  std::atomic<int> asked{0};
  std::atomic<int> answered{0};
  std::thread other([&] {
    for (int i = 1; i <= turns; ++i) {
      asked.store(i);
      loop_->wake();
      while (answered.load() != i) std::this_thread::yield();
    }
  });
  while (answered.load() != turns) {
    if (const int turn = asked.load(); turn != answered.load())
      answered.store(turn);
    else
      loop_->run_once(-1);
  }
  other.join();
}

TEST_P(LoopRound, PostedCallsRunInOrderInTheLoopsThread) {
  constexpr int count = 500;
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  std::thread other([&] {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(loop_->post([&, i] {
        order.push_back(i);
        threads.push_back(std::this_thread::get_id());
      }));
  });
  ASSERT_TRUE(run_until([&] { return order.size() == count; }));
  other.join();
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(threads[static_cast<std::size_t>(i)], std::this_thread::get_id());
  }
}

TEST_P(LoopRound, ACallPostedByACallIsTheNextRounds) {
  int rounds_of_call = 0;
  std::function<void()> again = [&] {
    if (++rounds_of_call < 3) {
      ASSERT_TRUE(loop_->post(again));
    }
  };
  ASSERT_TRUE(loop_->post(again));
  EXPECT_EQ(loop_->run_once(0), 1);
  EXPECT_EQ(rounds_of_call, 1);
  EXPECT_EQ(loop_->run_once(0), 1);
  EXPECT_EQ(loop_->run_once(0), 1);
  EXPECT_EQ(rounds_of_call, 3);
  EXPECT_EQ(loop_->run_once(0), 0);
}

TEST_P(LoopRound, RefusesCallsBeyondItsLimit) {
  LoopOptions options;
  options.posts_max = 2;
  make_loop(options);
  EXPECT_TRUE(loop_->post([] {}));
  EXPECT_TRUE(loop_->post([] {}));
  EXPECT_FALSE(loop_->post([] { FAIL() << "it was refused"; }));
  EXPECT_EQ(loop_->run_once(0), 2);
  EXPECT_TRUE(loop_->post([] {}));
}

TEST_P(LoopRound, WhatACallOrAHandlerThrowsLeavesTheRoundAndTheLoopGoesOn) {
  bool was_called = false;
  ASSERT_TRUE(loop_->post([] { throw std::runtime_error("first"); }));
  ASSERT_TRUE(loop_->post([&] { was_called = true; }));
  EXPECT_THROW(loop_->run_once(0), std::runtime_error);
  EXPECT_TRUE(run_until([&] { return was_called; }));

  Recorder recorder;
  Socket socket;
  const PlainSocket peer = connect(recorder, socket);
  bool throws = true;
  recorder.at_data = [&](auto) {
    if (std::exchange(throws, false)) throw std::runtime_error("handler");
  };
  peer.send_all("one");
  EXPECT_THROW(static_cast<void>(run_until([] { return false; })), std::runtime_error);
  peer.send_all("two");
  EXPECT_TRUE(run_until([&] { return recorder.received == "onetwo"; }));
}

TEST_P(LoopRound, RunsInAWorkerThatSleepsAndIsStopped) {
  LoopOptions options;
  options.idle = {core::IdleKind::park, 50, core::ns_per_minute};  // only events and wakes end it
  make_loop(options);
  const PlainSocket listener = PlainSocket::listen();
  Recorder recorder;
  Socket socket;
  core::WorkerOptions worker_options;
  worker_options.idle.kind = core::IdleKind::spin;
  core::Worker worker(worker_options);
  std::atomic<int> echoed{0};
  recorder.at_data = [&](std::span<const std::byte> data) {
    EXPECT_EQ(socket.send(data), SendStatus::queued);
    echoed.fetch_add(1);
  };
  // Dialled before the loop's thread exists, closed by that thread.
  socket = Socket::dial(*loop_, listener.endpoint(), recorder);
  worker.start([this] { return loop_->run_once(); });
  const PlainSocket peer = listener.accept();
  for (int i = 0; i < 50; ++i) {
    peer.send_all("ping");
    pollfd readable{peer.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&readable, 1, 20'000), 1);
    EXPECT_EQ(peer.receive_some(), "ping");
  }
  worker.request_stop();
  loop_->wake();
  worker.join();
  EXPECT_EQ(echoed.load(), 50);
  socket.close();
}

/// io_uring_enter() knows of a least wait.
bool can_gather() {
  utsname name{};
  int major = 0;
  int minor = 0;
  return ::uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         (major > 6 || (major == 6 && minor >= 12));
}

TEST_P(LoopRound, ASleepGathersArrivalsAndALoneOneIsDeliveredInTheEnd) {
  LoopOptions options;
  options.gather_us = 10'000'000;
  options.gather_events = 3;
  make_loop(options);
  if (GetParam() != IoEngine::uring || !can_gather())
    GTEST_SKIP() << "only io_uring of Linux 6.12 gathers";
  Recorder recorders[3];
  Socket sockets[3];
  std::vector<PlainSocket> peers;
  for (int i = 0; i < 3; ++i) peers.push_back(connect(recorders[i], sockets[i]));
  while (loop_->run_once(0) > 0) {
  }
  std::thread sender([&] {
    for (const PlainSocket& peer : peers) {
      peer.send_all("m");
      // Time enough for a loop that wakes with the first.
      const core::MonoNs until = core::mono_now() + core::ns_per_ms;
      while (core::mono_now() < until) std::this_thread::yield();
    }
  });
  EXPECT_EQ(loop_->run_once(-1), 3);
  sender.join();
  for (Socket& socket : sockets) socket.close();
  while (loop_->socket_count() > 0) loop_->run_once(core::ns_per_ms);

  options.gather_us = 500;
  make_loop(options);
  Recorder lone;
  Socket socket;
  const PlainSocket peer = connect(lone, socket);
  peer.send_all("alone");
  ASSERT_TRUE(run_until([&] { return lone.received == "alone"; }));
  socket.close();
}

TEST_P(LoopRound, AllocatesNothingPerMessageOnceItRuns) {
  if (!perp::test::malloc_is_counted()) GTEST_SKIP() << "a sanitizer owns malloc";
  class Echo final : public SocketHandler {
   public:
    void on_data(std::span<const std::byte> data, core::WallNs) override {
      bytes += data.size();
      status = socket.send(data);
      timer->start_in(core::ns_per_minute);
    }
    void on_closed(const CloseReason&) override {}
    Socket socket;
    std::optional<Timer> timer;
    std::size_t bytes = 0;
    SendStatus status = SendStatus::queued;
  };
  Recorder connecting;
  Socket first;
  const PlainSocket listener = PlainSocket::listen();
  Echo echo;
  echo.timer.emplace(*loop_, [] {});
  echo.socket = Socket::dial(*loop_, listener.endpoint(), echo);
  ASSERT_TRUE(run_until([&] { return echo.socket.is_connected(); }));
  const PlainSocket peer = listener.accept();
  std::string message(178, 'm');
  char back[178];
  std::uint64_t before = 0;
  for (int i = 0; i < 3000; ++i) {
    if (i == 500) before = perp::test::malloc_count();
    ASSERT_EQ(::send(peer.fd(), message.data(), message.size(), 0), 178);
    std::size_t got = 0;
    while (got < sizeof back) {
      loop_->run_once(i % 2 == 0 ? 0 : 100 * core::ns_per_us);
      const ssize_t some = ::recv(peer.fd(), back, sizeof back - got, MSG_DONTWAIT);
      if (some > 0) got += static_cast<std::size_t>(some);
    }
    ASSERT_EQ(echo.status, SendStatus::queued);
  }
  EXPECT_EQ(perp::test::malloc_count() - before, 0U);
  EXPECT_EQ(echo.bytes, 3000U * 178U);
}

}  // namespace
}  // namespace perp::net
