// Goal: a loop that only looks receives its one connection by plain calls (io_uring), and no
// byte is lost, doubled or moved however often it begins and ceases to. Method: a plain socket of
// the kernel's on the other side; the loop's own count of system calls tells which way it goes.
#include "net/support.hpp"

#include <perp/core/prng.hpp>

#include <cstdint>
#include <string>

namespace perp::net {
namespace {

using test::PlainSocket;
using test::Recorder;

/// More than an engine looks before it thinks of the loop as one that spins.
constexpr int many_looks = 11'000;

class SpinningLoop : public test::LoopTest {
 protected:
  void look(int rounds) {
    for (int i = 0; i < rounds; ++i) loop_->run_once(0);
  }
  /// Looks until it holds, at most 20 s.
  template <class Condition>
  [[nodiscard]] bool look_until(Condition is_true) {
    const core::MonoNs deadline = core::mono_now() + 20 * core::ns_per_second;
    while (!is_true()) {
      if (core::mono_now() > deadline) return false;
      loop_->run_once(0);
    }
    return true;
  }
  /// A call in each round, as epoll always has; not one now and then.
  bool receives_directly() {
    const std::uint64_t before = loop_->stats().system_calls;
    look(100);
    return loop_->stats().system_calls - before >= 100;
  }
  bool is_uring() const { return GetParam() == IoEngine::uring; }
};
INSTANTIATE_TEST_SUITE_P(, SpinningLoop, testing::Values(IoEngine::uring, IoEngine::epoll),
                         test::engine_name);

TEST_P(SpinningLoop, ReceivesItsOnlyConnectionByPlainCallsUntilItSleepsOrThereIsAnother) {
  Recorder recorder;
  Socket socket;
  PlainSocket peer = connect(recorder, socket);
  peer.send_all("one ");
  ASSERT_TRUE(look_until([&] { return recorder.received == "one "; }));
  EXPECT_EQ(receives_directly(), !is_uring());
  look(many_looks);
  EXPECT_TRUE(receives_directly());
  peer.send_all("two ");
  ASSERT_TRUE(look_until([&] { return recorder.received == "one two "; }));

  loop_->run_once(core::ns_per_ms);
  EXPECT_EQ(receives_directly(), !is_uring()) << "it has slept";
  peer.send_all("three ");
  ASSERT_TRUE(look_until([&] { return recorder.received == "one two three "; }));

  look(many_looks);
  EXPECT_TRUE(receives_directly());
  Recorder other_recorder;
  Socket other;
  const PlainSocket other_peer = connect(other_recorder, other);
  look(many_looks);
  EXPECT_EQ(receives_directly(), !is_uring()) << "there are two";
  other_peer.send_all("other");
  peer.send_all("four ");
  ASSERT_TRUE(look_until([&] {
    return other_recorder.received == "other" && recorder.received == "one two three four ";
  }));

  other.close();
  peer.send_all("five ");
  ASSERT_TRUE(look_until([&] { return recorder.received == "one two three four five "; }));
  look(many_looks);
  EXPECT_TRUE(receives_directly()) << "alone again";
  peer.send_all("six");
  peer.finish();
  ASSERT_TRUE(look_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.received, "one two three four five six");
  EXPECT_EQ(recorder.peer_finished_count, 1);
}

TEST_P(SpinningLoop, APausedOrBrokenConnectionIsToldAsEver) {
  Recorder recorder;
  Socket socket;
  PlainSocket peer = connect(recorder, socket);
  peer.send_all("a");
  ASSERT_TRUE(look_until([&] { return recorder.received == "a"; }));
  look(many_looks);
  socket.pause_receiving();
  peer.send_all("b");
  look(1000);
  EXPECT_EQ(recorder.received, "a");
  socket.resume_receiving();
  ASSERT_TRUE(look_until([&] { return recorder.received == "ab"; }));
  look(many_looks);
  peer.break_off();
  ASSERT_TRUE(look_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, CloseReason::Kind::reset);
  EXPECT_TRUE(look_until([&] { return loop_->socket_count() == 0; }));
}

TEST_P(SpinningLoop, NothingIsLostOrMovedHoweverItChanges) {
  constexpr std::uint64_t seed = 20'261'126;
  core::Prng random(seed);
  Recorder recorder;
  Socket socket;
  const PlainSocket peer = connect(recorder, socket);
  std::string sent;
  bool is_paused = false;
  for (int step = 0; step < 300; ++step) {
    switch (random.below(6)) {
      case 0: look(many_looks); break;
      case 1: loop_->run_once(core::ns_per_us); break;
      case 2:
        if (is_paused)
          socket.resume_receiving();
        else
          socket.pause_receiving();
        is_paused = !is_paused;
        break;
      case 3: look(static_cast<int>(random.below(50))); break;
      default: {
        std::string text(1 + random.below(20'000), '\0');
        for (char& c : text) c = static_cast<char>(random.below(256));
        // What does not fit into the kernel's buffers while nobody reads would block the test.
        if (sent.size() + text.size() - recorder.received.size() > 100'000) break;
        peer.send_all(text);
        sent += text;
      }
    }
    ASSERT_EQ(recorder.received, sent.substr(0, recorder.received.size()))
        << "seed " << seed << ", step " << step;
  }
  if (is_paused) socket.resume_receiving();
  EXPECT_TRUE(look_until([&] { return recorder.received.size() == sent.size(); }));
  EXPECT_EQ(recorder.received, sent) << "seed " << seed;
}

}  // namespace
}  // namespace perp::net
