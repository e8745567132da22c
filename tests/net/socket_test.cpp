// Connections of the loop against plain blocking sockets of the kernel, which are the truth about
// what went over the wire; both engines.
#include "net/support.hpp"

#include <perp/core/error.hpp>
#include <perp/core/prng.hpp>
#include <perp/net/timer.hpp>

#include <algorithm>
#include <sys/resource.h>

namespace perp::net {
namespace {

using test::Acceptor;
using test::bytes_of;
using test::PlainSocket;
using test::Recorder;
using Kind = CloseReason::Kind;

class LoopSocket : public test::LoopTest {
 protected:
  /// What comes out of `peer` while the loop runs, until there are `size` bytes.
  std::string receive(const PlainSocket& peer, std::size_t size) {
    std::string got;
    EXPECT_TRUE(run_until([&] {
      got += peer.receive_some();
      return got.size() >= size;
    }));
    return got;
  }
};
INSTANTIATE_TEST_SUITE_P(, LoopSocket, testing::Values(IoEngine::uring, IoEngine::epoll),
                         test::engine_name);

std::string random_text(core::Prng& random, std::size_t size) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random.below(256));
  return text;
}

TEST_P(LoopSocket, DialsSendsReceivesAndIsStamped) {
  Recorder recorder;
  Socket socket;
  const PlainSocket listener = PlainSocket::listen();
  socket = Socket::dial(*loop_, listener.endpoint(), recorder);
  EXPECT_TRUE(socket.exists());
  EXPECT_FALSE(socket.is_connected());
  EXPECT_EQ(recorder.connected_count, 0) << "no event inside dial()";
  EXPECT_EQ(socket.send(bytes_of("early")), SendStatus::closed);
  ASSERT_TRUE(run_until([&] { return recorder.connected_count == 1; }));
  const PlainSocket peer = listener.accept();
  EXPECT_EQ(socket.peer(), listener.endpoint());
  EXPECT_EQ(socket.send(bytes_of("to the peer")), SendStatus::queued);
  EXPECT_EQ(socket.send_queued_bytes(), 11U);
  EXPECT_EQ(receive(peer, 11), "to the peer");
  EXPECT_EQ(socket.send_queued_bytes(), 0U);
  const core::WallNs before = core::wall_now();
  peer.send_all("to us");
  ASSERT_TRUE(run_until([&] { return recorder.received == "to us"; }));
  const core::WallNs after = core::wall_now();
  // 100 us: the loop's clock is the processor's counter, calibrated once a second.
  EXPECT_GE(recorder.last_receive_ns.ns, before.ns - 100 * core::ns_per_us);
  EXPECT_LE(recorder.last_receive_ns.ns, after.ns + 100 * core::ns_per_us);
}

TEST_P(LoopSocket, SetsTheOptionsOfTheConnection) {
  SocketOptions options;
  options.keep_alive_idle_s = 33;
  options.keep_alive_interval_s = 7;
  options.keep_alive_count = 4;
  const PlainSocket listener = PlainSocket::listen();
  Recorder recorder;
  Acceptor acceptor;
  acceptor.options = options;
  Listener ours(*loop_, Endpoint::loopback(Endpoint::Family::ipv4, 0), acceptor);
  Socket socket = Socket::dial(*loop_, ours.endpoint(), recorder, options);
  ASSERT_TRUE(run_until([&] { return !acceptor.connections.empty(); }));
  int checked = 0;
  // The loop's descriptors, found by the connection's two ends.
  for (int fd = 0; fd < 256; ++fd) {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) != 0 || value != 0) continue;
    sockaddr_in local{};
    sockaddr_in remote{};
    socklen_t local_size = sizeof local;
    socklen_t remote_size = sizeof remote;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_size) != 0 ||
        ::getpeername(fd, reinterpret_cast<sockaddr*>(&remote), &remote_size) != 0)
      continue;
    if (ntohs(local.sin_port) != ours.endpoint().port &&
        ntohs(remote.sin_port) != ours.endpoint().port)
      continue;
    const auto option = [&](int level, int name) {
      ::getsockopt(fd, level, name, &value, &size);
      return value;
    };
    EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 33);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 7);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 4);
    ++checked;
  }
  EXPECT_EQ(checked, 2);
}

TEST_P(LoopSocket, SpeaksIpv6) {
  Acceptor acceptor;
  Endpoint any = Endpoint::loopback(Endpoint::Family::ipv6, 0);
  std::optional<Listener> listener;
  try {
    listener.emplace(*loop_, any, acceptor);
  } catch (const core::Error& error) {
    GTEST_SKIP() << error.what();
  }
  Recorder recorder;
  Socket socket = Socket::dial(*loop_, listener->endpoint(), recorder);
  ASSERT_TRUE(
      run_until([&] { return recorder.connected_count == 1 && acceptor.connections.size() == 1; }));
  EXPECT_EQ(acceptor.connections[0]->socket.peer().family, Endpoint::Family::ipv6);
  EXPECT_EQ(socket.send(bytes_of("six")), SendStatus::queued);
  EXPECT_TRUE(run_until([&] { return acceptor.connections[0]->recorder.received == "six"; }));
}

TEST_P(LoopSocket, ManyMessagesOfAllSizesArriveWholeAndInOrderBothWays) {
  constexpr std::uint64_t seed = 20261125;
  core::Prng random(seed);
  Recorder recorder;
  Socket socket;
  SocketOptions options;
  options.send_limit_bytes = 16 << 20;
  const PlainSocket peer = connect(recorder, socket, options);
  std::string ours;
  std::string theirs;
  std::string got;
  for (int i = 0; i < 400; ++i) {
    const std::size_t size = i % 40 == 0 ? random.below(600'000) : random.below(2000);
    const std::string outgoing = random_text(random, size);
    ASSERT_EQ(socket.send(bytes_of(outgoing)), SendStatus::queued) << "seed " << seed;
    ours += outgoing;
    const std::string incoming = random_text(random, random.below(20'000));
    theirs += incoming;
    for (std::string_view rest = incoming; !rest.empty();) {
      const ssize_t sent = ::send(peer.fd(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) rest.remove_prefix(static_cast<std::size_t>(sent));
      loop_->run_once(0);
      got += peer.receive_some();
    }
  }
  ASSERT_TRUE(run_until([&] {
    got += peer.receive_some();
    return got.size() >= ours.size() && recorder.received.size() >= theirs.size();
  }));
  EXPECT_TRUE(got == ours) << "seed " << seed;
  EXPECT_TRUE(recorder.received == theirs) << "seed " << seed;
}

TEST_P(LoopSocket, OneBytePiecesArriveInOrder) {
  Recorder recorder;
  Socket socket;
  const PlainSocket peer = connect(recorder, socket);
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const char c = static_cast<char>('a' + i % 26);
    expected += c;
    peer.send_all({&c, 1});
    if (i % 3 == 0) loop_->run_once(0);
  }
  EXPECT_TRUE(run_until([&] { return recorder.received == expected; }));
}

TEST_P(LoopSocket, DeliversNoMoreThanABufferAtATime) {
  LoopOptions loop_options;
  loop_options.receive_buffer_bytes = 1000;
  loop_options.receive_buffers = 8;
  make_loop(loop_options);
  Recorder recorder;
  Socket socket;
  const PlainSocket peer = connect(recorder, socket);
  std::size_t largest = 0;
  recorder.at_data = [&](auto data) { largest = std::max(largest, data.size()); };
  peer.send_all(std::string(100'000, 'x'));
  ASSERT_TRUE(run_until([&] { return recorder.received.size() == 100'000; }));
  EXPECT_LE(largest, 1000U);
}

TEST_P(LoopSocket, AFullSendQueueIsToldTakesNothingAndTellsWhenItIsEmpty) {
  Recorder recorder;
  Socket socket;
  SocketOptions options;
  options.send_limit_bytes = 64 * 1024;
  options.kernel_send_bytes = 8 * 1024;
  const PlainSocket peer = connect(recorder, socket, options);
  EXPECT_EQ(socket.send_room_bytes(), options.send_limit_bytes);
  EXPECT_EQ(socket.send(bytes_of(std::string(64 * 1024 + 1, 'x'))), SendStatus::full);
  EXPECT_EQ(socket.send_queued_bytes(), 0U) << "all or nothing";
  EXPECT_EQ(socket.send(bytes_of(std::string(64 * 1024, 'a'))), SendStatus::queued);
  EXPECT_EQ(socket.send(bytes_of("b")), SendStatus::full);
  std::string expected(64 * 1024, 'a');
  // The peer reads nothing: sooner or later the kernel takes nothing more.
  const std::string piece(16 * 1024, 'c');
  int full_rounds = 0;
  while (full_rounds < 50) {
    if (socket.send(bytes_of(piece)) == SendStatus::queued) {
      expected += piece;
      full_rounds = 0;
    } else {
      ++full_rounds;
    }
    loop_->run_once(core::ns_per_ms);
  }
  EXPECT_LE(socket.send_queued_bytes(), options.send_limit_bytes);
  EXPECT_GT(loop_->stats().sends_refused, 0U);
  const int drained_before = recorder.drained_count;
  EXPECT_TRUE(receive(peer, expected.size()) == expected);
  EXPECT_TRUE(run_until([&] { return recorder.drained_count == drained_before + 1; }));
  EXPECT_EQ(socket.send_queued_bytes(), 0U);
  EXPECT_EQ(socket.send(bytes_of("again")), SendStatus::queued);
  EXPECT_EQ(receive(peer, 5), "again");
  EXPECT_EQ(recorder.drained_count, drained_before + 1) << "only after a refusal";
}

TEST_P(LoopSocket, TheLongestMessageGoesThroughASmallKernelBuffer) {
  Recorder recorder;
  Socket socket;
  SocketOptions options;
  options.send_limit_bytes = 8 << 20;
  options.kernel_send_bytes = 4 * 1024;
  const PlainSocket peer = connect(recorder, socket, options);
  core::Prng random(7);
  const std::string sent = random_text(random, 1'000'000);
  EXPECT_EQ(socket.send(bytes_of(sent)), SendStatus::queued);
  socket.finish();
  EXPECT_TRUE(receive(peer, sent.size()) == sent);
  EXPECT_TRUE(run_until([&] { return peer.is_at_end(); }));
}

TEST_P(LoopSocket, FinishTellsThePeerBehindWhatIsQueuedAndReceivingGoesOn) {
  Recorder recorder;
  Socket socket;
  PlainSocket peer = connect(recorder, socket);
  EXPECT_EQ(socket.send(bytes_of("last words")), SendStatus::queued);
  socket.finish();
  EXPECT_EQ(socket.send(bytes_of("more")), SendStatus::closed);
  EXPECT_EQ(receive(peer, 10), "last words");
  EXPECT_TRUE(run_until([&] { return peer.is_at_end(); }));
  EXPECT_FALSE(recorder.reason);
  peer.send_all("answer");
  EXPECT_TRUE(run_until([&] { return recorder.received == "answer"; }));
  peer.finish();
  ASSERT_TRUE(run_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, Kind::finished);
  EXPECT_EQ(recorder.reason->error, 0);
  EXPECT_TRUE(recorder.reason->was_connected);
  EXPECT_FALSE(socket.exists());
}

TEST_P(LoopSocket, APeerThatFinishesMayStillBeSentTo) {
  Recorder recorder;
  recorder.goes_on_when_peer_finished = true;
  Socket socket;
  PlainSocket peer = connect(recorder, socket);
  peer.send_all("request");
  peer.finish();
  ASSERT_TRUE(run_until([&] { return recorder.peer_finished_count == 1; }));
  EXPECT_EQ(recorder.received, "request");
  for (int i = 0; i < 20; ++i) loop_->run_once(core::ns_per_ms);
  EXPECT_EQ(recorder.peer_finished_count, 1);
  EXPECT_FALSE(recorder.reason);
  EXPECT_EQ(socket.send(bytes_of("answer")), SendStatus::queued);
  EXPECT_EQ(receive(peer, 6), "answer");
  EXPECT_FALSE(peer.is_at_end());
  socket.finish();
  ASSERT_TRUE(run_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, Kind::finished);
  EXPECT_TRUE(peer.is_at_end());
}

TEST_P(LoopSocket, APeerThatFinishesEndsTheConnectionOnceTheQueueIsSent) {
  Recorder recorder;
  Socket socket;
  SocketOptions options;
  options.kernel_send_bytes = 4 * 1024;
  PlainSocket peer = connect(recorder, socket, options);
  EXPECT_EQ(socket.send(bytes_of(std::string(900'000, 'q'))), SendStatus::queued);
  peer.finish();
  EXPECT_EQ(receive(peer, 900'000), std::string(900'000, 'q'));
  ASSERT_TRUE(run_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, Kind::finished);
  EXPECT_TRUE(peer.is_at_end());
}

TEST_P(LoopSocket, AResetIsToldAfterWhatCameBeforeIt) {
  Recorder recorder;
  Socket socket;
  PlainSocket peer = connect(recorder, socket);
  peer.send_all("before");
  ASSERT_TRUE(run_until([&] { return recorder.received == "before"; }));
  peer.break_off();
  ASSERT_TRUE(run_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, Kind::reset);
  EXPECT_EQ(recorder.reason->error, ECONNRESET);
  EXPECT_NE(recorder.reason->text().find("Connection reset by peer"), std::string::npos)
      << recorder.reason->text();
  EXPECT_FALSE(socket.exists());
  EXPECT_EQ(socket.send(bytes_of("x")), SendStatus::closed);
}

TEST_P(LoopSocket, AResetWhileMuchIsQueuedEndsIt) {
  Recorder recorder;
  Socket socket;
  PlainSocket peer = connect(recorder, socket);
  ASSERT_EQ(socket.send(bytes_of(std::string(1'000'000, 'q'))), SendStatus::queued);
  for (int i = 0; i < 5; ++i) loop_->run_once(core::ns_per_ms);
  peer.break_off();
  ASSERT_TRUE(run_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, Kind::reset);
  EXPECT_TRUE(run_until([&] { return loop_->socket_count() == 0; }));
}

TEST_P(LoopSocket, AResetIsFoundBySendingWhenThePeerHadFinished) {
  Recorder recorder;
  recorder.goes_on_when_peer_finished = true;
  Socket socket;
  PlainSocket peer = connect(recorder, socket);
  peer.finish();
  ASSERT_TRUE(run_until([&] { return recorder.peer_finished_count == 1; }));
  peer.close();  // nobody reads any more: what is sent is answered by a reset
  ASSERT_TRUE(run_until([&] {
    static_cast<void>(socket.send(bytes_of("x")));
    return recorder.reason.has_value();
  }));
  EXPECT_EQ(recorder.reason->kind, Kind::reset);
}

TEST_P(LoopSocket, ARefusedDialIsToldFromARound) {
  Endpoint nobody;
  {
    const PlainSocket listener = PlainSocket::listen();
    nobody = listener.endpoint();
  }
  Recorder recorder;
  Socket socket = Socket::dial(*loop_, nobody, recorder);
  EXPECT_FALSE(recorder.reason);
  ASSERT_TRUE(run_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, Kind::refused);
  EXPECT_FALSE(recorder.reason->was_connected);
  EXPECT_EQ(recorder.connected_count, 0);
  EXPECT_EQ(recorder.reason->text(), "connecting to " + nobody.text() + ": Connection refused");
  EXPECT_FALSE(socket.exists());
}

TEST_P(LoopSocket, ADialThatNobodyAnswersEndsAtItsDeadline) {
  // A listener whose backlog is full lets further SYNs go unanswered.
  const PlainSocket listener = PlainSocket::listen(AF_INET, 0);
  std::vector<PlainSocket> fillers;
  for (int i = 0; i < 3; ++i) {
    fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(listener.endpoint().port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(fillers.back().fd(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  Recorder recorder;
  SocketOptions options;
  options.connect_timeout_ns = 50 * core::ns_per_ms;
  const core::MonoNs begin = core::mono_now();
  Socket socket = Socket::dial(*loop_, listener.endpoint(), recorder, options);
  ASSERT_TRUE(run_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, Kind::connect_timeout);
  EXPECT_GE(core::mono_now() - begin, options.connect_timeout_ns - 100 * core::ns_per_us);
  EXPECT_NE(recorder.reason->text().find("no answer in time"), std::string::npos);
}

TEST_P(LoopSocket, ADialThatCannotBeginIsToldFromARound) {
  Recorder recorder;
  Endpoint multicast;
  ASSERT_TRUE(Endpoint::parse("255.255.255.255", 9, multicast));
  Socket socket = Socket::dial(*loop_, multicast, recorder);
  EXPECT_FALSE(recorder.reason) << "no event inside dial()";
  ASSERT_TRUE(run_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, Kind::failed);
  EXPECT_NE(recorder.reason->error, 0);
}

TEST_P(LoopSocket, RefusesToDialBeyondItsLimitOfSockets) {
  LoopOptions options;
  options.sockets_max = 2;
  make_loop(options);
  const PlainSocket listener = PlainSocket::listen();
  std::vector<Recorder> recorders(3);
  std::vector<Socket> sockets;
  for (Recorder& recorder : recorders)
    sockets.push_back(Socket::dial(*loop_, listener.endpoint(), recorder));
  ASSERT_TRUE(run_until([&] {
    return recorders[0].connected_count + recorders[1].connected_count == 2 &&
           recorders[2].reason.has_value();
  }));
  EXPECT_EQ(recorders[2].reason->error, EMFILE);
  // Room again once one is gone.
  sockets[0].close();
  ASSERT_TRUE(run_until([&] { return loop_->socket_count() == 1; }));
  Recorder fourth;
  sockets[0] = Socket::dial(*loop_, listener.endpoint(), fourth);
  EXPECT_TRUE(run_until([&] { return fourth.connected_count == 1; }));
}

TEST_P(LoopSocket, RedialsFromInsideOnClosed) {
  Recorder first;
  Recorder second;
  Socket socket;
  const PlainSocket listener = PlainSocket::listen();
  first.at_closed = [&] { socket = Socket::dial(*loop_, listener.endpoint(), second); };
  socket = Socket::dial(*loop_, listener.endpoint(), first);
  ASSERT_TRUE(run_until([&] { return first.connected_count == 1; }));
  listener.accept().break_off();
  ASSERT_TRUE(run_until([&] { return second.connected_count == 1; }));
  const PlainSocket peer = listener.accept();
  peer.send_all("anew");
  EXPECT_TRUE(run_until([&] { return second.received == "anew"; }));
  EXPECT_EQ(first.received, "");
}

TEST_P(LoopSocket, ClosingIsSilentAtEveryEventAndTheDescriptorIsClosed) {
  for (const char* when : {"dialled", "connected", "data", "drained", "destroyed"}) {
    SCOPED_TRACE(when);
    const std::string_view at = when;
    Recorder recorder;
    const PlainSocket listener = PlainSocket::listen();
    auto socket = std::make_unique<Socket>(Socket::dial(*loop_, listener.endpoint(), recorder));
    bool is_closed = false;
    const auto close = [&] {
      socket->close();
      is_closed = true;
    };
    if (at == "connected") recorder.at_connected = close;
    if (at == "data") recorder.at_data = [&](auto) { close(); };
    if (at == "drained") recorder.at_drained = close;
    if (at == "destroyed")
      recorder.at_data = [&](auto) {
        socket.reset();
        is_closed = true;
      };
    if (at == "dialled") close();
    const PlainSocket peer = listener.accept();
    if (at != "dialled") {
      peer.send_all("some");
      if (at == "drained") {
        ASSERT_TRUE(run_until([&] { return recorder.connected_count == 1; }));
        EXPECT_EQ(socket->send(bytes_of(std::string(2 << 20, 'x'))), SendStatus::full);
        EXPECT_EQ(socket->send(bytes_of("x")), SendStatus::queued);
      }
    }
    ASSERT_TRUE(run_until([&] { return is_closed && loop_->socket_count() == 0; }));
    ASSERT_TRUE(run_until([&] {
      static_cast<void>(peer.receive_some());
      return peer.is_at_end();
    }));
    EXPECT_FALSE(recorder.reason);
  }
}

TEST_P(LoopSocket, AHandlerMayCloseAnotherSocketOfTheSameRound) {
  // Both are readable when the round begins; whichever is first closes the other.
  for (int turn = 0; turn < 50; ++turn) {
    Recorder recorders[2];
    Socket sockets[2];
    PlainSocket peers[2];
    for (int i = 0; i < 2; ++i) {
      peers[i] = connect(recorders[i], sockets[i]);
      recorders[i].at_data = [&, i](auto) { sockets[1 - i].close(); };
    }
    peers[0].send_all("x");
    peers[1].send_all("x");
    ASSERT_TRUE(run_until([&] {
      return recorders[0].data_count + recorders[1].data_count == 1 && loop_->socket_count() == 1;
    }));
    for (int i = 0; i < 3; ++i) loop_->run_once(0);
    EXPECT_EQ(recorders[0].data_count + recorders[1].data_count, 1);
    sockets[0].close();
    sockets[1].close();
  }
}

TEST_P(LoopSocket, StatesAreReusedWithoutMixingConnectionsUp) {
  // Closing and dialling at once gives the kernel's late events every chance to meet the next
  // connection of the same state or descriptor.
  const PlainSocket listener = PlainSocket::listen();
  core::Prng random(99);
  for (int turn = 0; turn < 300; ++turn) {
    Recorder recorder;
    Socket socket = Socket::dial(*loop_, listener.endpoint(), recorder);
    ASSERT_TRUE(run_until([&] { return recorder.connected_count == 1; }));
    const PlainSocket peer = listener.accept();
    const std::string text = "turn " + std::to_string(turn);
    peer.send_all(text);
    ASSERT_TRUE(run_until([&] { return !recorder.received.empty(); }));
    EXPECT_EQ(recorder.received, text);
    if (random.below(2) == 0) peer.send_all("unread");
    if (random.below(2) == 0) {
      EXPECT_EQ(socket.send(bytes_of("left behind")), SendStatus::queued);
    }
  }
  EXPECT_TRUE(run_until([&] { return loop_->socket_count() == 0; }));
}

TEST_P(LoopSocket, APausedSocketReceivesNothingUntilItIsResumed) {
  Recorder recorder;
  Socket socket;
  const PlainSocket peer = connect(recorder, socket);
  socket.pause_receiving();
  for (int i = 0; i < 3; ++i) loop_->run_once(core::ns_per_ms);
  peer.send_all("held back");
  for (int i = 0; i < 10; ++i) loop_->run_once(core::ns_per_ms);
  EXPECT_EQ(recorder.received, "");
  socket.resume_receiving();
  EXPECT_TRUE(run_until([&] { return recorder.received == "held back"; }));
  // Paused and resumed before the kernel hears of it.
  socket.pause_receiving();
  socket.resume_receiving();
  peer.send_all(" and on");
  EXPECT_TRUE(run_until([&] { return recorder.received == "held back and on"; }));
}

TEST_P(LoopSocket, APausedSocketOfABrokenConnectionCostsNoRoundsAndIsToldOnResume) {
  Recorder recorder;
  Socket socket;
  PlainSocket peer = connect(recorder, socket);
  socket.pause_receiving();
  loop_->run_once(0);
  loop_->run_once(0);
  peer.break_off();
  for (int i = 0; i < 3; ++i) loop_->run_once(core::ns_per_ms);
  int done = 0;
  for (int i = 0; i < 5; ++i) done += loop_->run_once(core::ns_per_ms);
  EXPECT_EQ(done, 0);
  EXPECT_FALSE(recorder.reason);
  socket.resume_receiving();
  ASSERT_TRUE(run_until([&] { return recorder.reason.has_value(); }));
  EXPECT_EQ(recorder.reason->kind, Kind::reset);
}

TEST_P(LoopSocket, AListenerServesManyPeersAndMayBeClosedByItsHandler) {
  Acceptor acceptor;
  std::optional<Listener> listener;
  listener.emplace(*loop_, Endpoint::loopback(Endpoint::Family::ipv4, 0), acceptor);
  std::vector<PlainSocket> peers;
  for (int i = 0; i < 40; ++i) peers.push_back(PlainSocket::connect(listener->endpoint()));
  ASSERT_TRUE(run_until([&] { return acceptor.connections.size() == 40; }));
  for (std::size_t i = 0; i < peers.size(); ++i) peers[i].send_all(std::to_string(i));
  ASSERT_TRUE(run_until([&] {
    return std::all_of(acceptor.connections.begin(), acceptor.connections.end(),
                       [](const auto& c) { return !c->recorder.received.empty(); });
  }));
  const Endpoint at = listener->endpoint();
  acceptor.prepare = [&](auto&) { listener.reset(); };
  const PlainSocket last = PlainSocket::connect(at);
  ASSERT_TRUE(run_until([&] { return !listener.has_value(); }));
  EXPECT_TRUE(run_until([&] { return loop_->socket_count() == 41; }));
}

TEST_P(LoopSocket, AnAcceptedSocketThatIsDroppedIsClosed) {
  class Dropper final : public AcceptHandler {
   public:
    void on_accepted(Socket) override { ++count; }
    int count = 0;
  } dropper;
  Listener listener(*loop_, Endpoint::loopback(Endpoint::Family::ipv4, 0), dropper);
  const PlainSocket peer = PlainSocket::connect(listener.endpoint());
  ASSERT_TRUE(run_until([&] { return dropper.count == 1 && peer.is_at_end(); }));
}

TEST_P(LoopSocket, AListenerWithoutRoomAcceptsLater) {
  LoopOptions options;
  options.sockets_max = 2;  // the listener and one connection
  make_loop(options);
  Acceptor acceptor;
  Listener listener(*loop_, Endpoint::loopback(Endpoint::Family::ipv4, 0), acceptor);
  const PlainSocket first = PlainSocket::connect(listener.endpoint());
  const PlainSocket second = PlainSocket::connect(listener.endpoint());
  ASSERT_TRUE(run_until([&] { return loop_->stats().accepts_failed > 0; }));
  EXPECT_EQ(acceptor.connections.size(), 1U);
  int done = 0;
  for (int i = 0; i < 10; ++i) done += loop_->run_once(core::ns_per_ms);
  EXPECT_LE(done, 2) << "it must not spin on the peer that waits";
  acceptor.connections[0]->socket.close();
  ASSERT_TRUE(run_until([&] { return acceptor.connections.size() == 2; }));
  second.send_all("late");
  EXPECT_TRUE(run_until([&] { return acceptor.connections[1]->recorder.received == "late"; }));
}

TEST_P(LoopSocket, AListenerSaysWhyItCannotBe) {
  const PlainSocket taken = PlainSocket::listen();
  Acceptor acceptor;
  try {
    const Listener listener(*loop_, taken.endpoint(), acceptor);
    FAIL() << "two listeners on one port";
  } catch (const core::Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "listening on " + taken.endpoint().text() + ": bind: Address already in use");
  }
  EXPECT_EQ(loop_->socket_count(), 0U);
}

TEST_P(LoopSocket, TheLoopMayEndWithOperationsOutstanding) {
  Recorder recorder;
  Socket socket;
  const PlainSocket peer = connect(recorder, socket);
  EXPECT_EQ(socket.send(bytes_of(std::string(900'000, 'x'))), SendStatus::queued);
  loop_->run_once(0);
  socket.close();
  loop_.reset();
  ASSERT_TRUE([&] {
    const core::MonoNs deadline = core::mono_now() + 20 * core::ns_per_second;
    while (!peer.is_at_end() && core::mono_now() < deadline) static_cast<void>(peer.receive_some());
    return peer.is_at_end();
  }());
}

}  // namespace
}  // namespace perp::net
