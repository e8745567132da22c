// The event loop beside the system calls alone and beside Boost.Beast's stream (Asio's reactor):
// round trips of a 178-byte message over loopback TCP, both sides of the same kind, spinning and
// sleeping; 200 connections received by one thread at a given load: system calls and processor time
// per message; and a stream. Every echoed byte is compared.
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "net/echo_peers.hpp"

#include <perp/net/loop.hpp>
#include <perp/net/socket.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

using net::IoEngine;

const bool goals = [] {
  // A loop that spins costs little over the system calls that move the bytes; one that sleeps
  // costs nothing over them.
  at_most("net/loop/*/echo_spin/178B", {"recv"}, 1.15, "p50_ns");
  at_most("net/loop/*/echo_block/178B", {"recv"}, 1.05, "p50_ns");
  at_most("net/loop/*/echo_spin/178B", {"beast"}, 1, "p50_ns");
  at_most("net/loop/*/echo_block/178B", {"beast"}, 1, "p50_ns");
  // Many sockets per system call is what io_uring is for.
  at_most("net/loop/*/receive_200/100k", {}, 0.1, "system_calls_per_message");
  at_most("net/loop/*/receive_200/100k", {"perp_epoll"}, 0.1, "system_calls_per_message");
  at_most("net/loop/*/receive_200/100k", {"perp_epoll"}, 1, "cpu_ns_per_message");
  at_most("net/loop/*/receive_200/100k", {"beast"}, 1, "cpu_ns_per_message");
  return true;
}();

// --- round trips -------------------------------------------------------------------------------

/// One side of a round trip, ours.
class LoopEcho final : public net::SocketHandler, public net::AcceptHandler {
 public:
  explicit LoopEcho(IoEngine engine, bool spins)
      : loop_(options(engine)), max_wait_ns_(spins ? 0 : core::ns_per_second) {}

  std::uint16_t listen() {
    listener_ = std::make_unique<net::Listener>(
        loop_, net::Endpoint::loopback(net::Endpoint::Family::ipv4, 0), *this);
    return listener_->endpoint().port;
  }
  void dial(std::uint16_t port) {
    socket_ =
        net::Socket::dial(loop_, net::Endpoint::loopback(net::Endpoint::Family::ipv4, port), *this);
    while (!socket_.is_connected()) loop_.run_once(max_wait_ns_);
  }
  /// Sends `message` and returns when all of it has come back.
  void round_trip(const Message& message) {
    expected_ = &message;
    received_ = 0;
    require(socket_.send(message) == net::SendStatus::queued, "echo: not sent");
    while (received_ < message.size()) loop_.run_once(max_wait_ns_);
  }
  /// Sends back whatever comes until the peer finishes.
  void serve() {
    is_server_ = true;
    while (!is_over_) loop_.run_once(max_wait_ns_);
  }
  void finish() {
    socket_.finish();
    while (!is_over_) loop_.run_once(max_wait_ns_);
  }

 private:
  static net::LoopOptions options(IoEngine engine) {
    net::LoopOptions options;
    options.engine = engine;
    return options;
  }
  void on_accepted(net::Socket socket) override {
    socket_ = std::move(socket);
    socket_.start(*this);
  }
  void on_data(std::span<const std::byte> data, core::WallNs) override {
    if (is_server_) {
      require(socket_.send(data) == net::SendStatus::queued, "echo: not sent back");
      return;
    }
    require(expected_->matches(received_, data), "echo: wrong bytes");
    received_ += data.size();
  }
  void on_closed(const net::CloseReason&) override { is_over_ = true; }

  net::Loop loop_;
  net::Socket socket_;
  std::unique_ptr<net::Listener> listener_;
  std::int64_t max_wait_ns_;
  const Message* expected_ = nullptr;
  std::size_t received_ = 0;
  bool is_server_ = false;
  bool is_over_ = false;
};

template <class Side, class... Arguments>
void echo(benchmark::State& state, Arguments... arguments) {
  constexpr int warm_up = 500;
  constexpr int round_trips = 6000;
  const Message message;
  std::vector<std::uint64_t> samples;
  for (auto _ : state) {
    Side server(arguments...);
    const std::uint16_t port = server.listen();
    run_two_threads(
        [&] {
          Side client(arguments...);
          client.dial(port);
          for (int i = 0; i < warm_up; ++i) client.round_trip(message);
          samples.reserve(samples.size() + round_trips);
          for (int i = 0; i < round_trips; ++i) {
            const std::uint64_t before = now_ns();
            client.round_trip(message);
            samples.push_back(now_ns() - before);
          }
          client.finish();
        },
        [&] { server.serve(); });
  }
  report_percentiles(state, samples);
  state.SetItemsProcessed(state.iterations() * (warm_up + round_trips));
}

// --- many sockets at a given load --------------------------------------------------------------

constexpr int connection_count = 200;
constexpr int rounds_of_load = 60;
constexpr std::uint64_t round_ns = 2'000'000;  // 200 messages in 2 ms: 100,000 a second

/// Sends one message on each connection every 2 ms, from the benchmark's first thread.
void generate_load(const std::vector<PlainPeer>& peers, const Message& message) {
  const std::uint64_t begin = now_ns();
  for (int round = 0; round < rounds_of_load; ++round) {
    while (now_ns() < begin + static_cast<std::uint64_t>(round) * round_ns) {
    }
    for (const PlainPeer& peer : peers) peer.send_all(message);
  }
}

class LoopReceiver final : public net::AcceptHandler {
 public:
  LoopReceiver(IoEngine engine, unsigned gather_us) : loop_(options(engine, gather_us)) {}

  std::uint16_t listen() {
    listener_ = std::make_unique<net::Listener>(
        loop_, net::Endpoint::loopback(net::Endpoint::Family::ipv4, 0), *this);
    return listener_->endpoint().port;
  }
  void accept_all() {
    while (connections_.size() < connection_count) loop_.run_once(core::ns_per_second);
    calls_before_ = loop_.stats().system_calls;
  }
  void receive(std::uint64_t bytes) {
    while (bytes_ < bytes) loop_.run_once(core::ns_per_second);
  }
  std::uint64_t system_calls() const { return loop_.stats().system_calls - calls_before_; }

 private:
  class Connection final : public net::SocketHandler {
   public:
    Connection(LoopReceiver& receiver, net::Socket accepted)
        : receiver_(receiver), socket_(std::move(accepted)) {
      socket_.start(*this);
    }
    void on_data(std::span<const std::byte> data, core::WallNs) override {
      require(Message().matches(offset_, data), "load: wrong bytes");
      offset_ = (offset_ + data.size()) % Message::size_bytes;
      receiver_.bytes_ += data.size();
    }
    void on_closed(const net::CloseReason&) override {}

   private:
    LoopReceiver& receiver_;
    net::Socket socket_;
    std::size_t offset_ = 0;
  };
  static net::LoopOptions options(IoEngine engine, unsigned gather_us) {
    net::LoopOptions options;
    options.engine = engine;
    options.gather_us = gather_us;
    options.receive_buffers = 256;
    options.receive_buffer_bytes = 8 * 1024;
    return options;
  }
  void on_accepted(net::Socket socket) override {
    connections_.push_back(std::make_unique<Connection>(*this, std::move(socket)));
  }

  net::Loop loop_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::unique_ptr<net::Listener> listener_;
  std::uint64_t bytes_ = 0;
  std::uint64_t calls_before_ = 0;
};

template <class Receiver, class... Arguments>
void receive_200(benchmark::State& state, Arguments... arguments) {
  const Message message;
  constexpr std::uint64_t messages = std::uint64_t{connection_count} * rounds_of_load;
  double cpu_ns = 0;
  double calls = 0;
  for (auto _ : state) {
    Receiver receiver(arguments...);
    const std::uint16_t port = receiver.listen();
    std::atomic<bool> is_ready{false};
    run_two_threads(
        [&] {
          std::vector<PlainPeer> peers;
          for (int i = 0; i < connection_count; ++i) peers.emplace_back(port);
          until([&] { return is_ready.load(); });
          generate_load(peers, message);
        },
        [&] {
          receiver.accept_all();
          is_ready.store(true);
          const std::uint64_t before = thread_cpu_ns();
          receiver.receive(messages * Message::size_bytes);
          cpu_ns += static_cast<double>(thread_cpu_ns() - before);
        });
    calls += static_cast<double>(receiver.system_calls());
  }
  const double count = static_cast<double>(state.iterations()) * static_cast<double>(messages);
  state.counters["cpu_ns_per_message"] = cpu_ns / count;
  state.counters["system_calls_per_message"] = calls / count;
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
}

// --- registration ------------------------------------------------------------------------------

template <class Body>
void add(const std::string& name, Body body) {
  benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime()->Iterations(1);
}

const bool registered = [] {
  for (const bool spins : {true, false}) {
    const std::string unit = spins ? "/echo_spin/178B" : "/echo_block/178B";
    add("net/loop/perp" + unit,
        [spins](benchmark::State& s) { echo<LoopEcho>(s, IoEngine::automatic, spins); });
    add("net/loop/perp_epoll" + unit,
        [spins](benchmark::State& s) { echo<LoopEcho>(s, IoEngine::epoll, spins); });
    add("net/loop/recv" + unit, [spins](benchmark::State& s) { echo<PlainEcho>(s, spins, false); });
    add("net/loop/recv_kernel_stamp" + unit,
        [spins](benchmark::State& s) { echo<PlainEcho>(s, spins, true); });
    add("net/loop/beast" + unit, [spins](benchmark::State& s) { echo<BeastEcho>(s, spins); });
  }
  // Arrivals are gathered for up to 250 us; beside it, the first one wakes.
  add("net/loop/perp/receive_200/100k",
      [](benchmark::State& s) { receive_200<LoopReceiver>(s, IoEngine::automatic, 250U); });
  add("net/loop/perp_first/receive_200/100k",
      [](benchmark::State& s) { receive_200<LoopReceiver>(s, IoEngine::automatic, 0U); });
  add("net/loop/perp_epoll/receive_200/100k",
      [](benchmark::State& s) { receive_200<LoopReceiver>(s, IoEngine::epoll, 0U); });
  add("net/loop/beast/receive_200/100k",
      [](benchmark::State& s) { receive_200<BeastReceiver>(s, connection_count); });
  return true;
}();

}  // namespace
}  // namespace perp::bench
