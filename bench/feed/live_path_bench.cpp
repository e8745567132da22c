// What a live message costs in user space, from its TLS record in memory to a record in a ring: TLS
// 1.3 AES-128-GCM, one WebSocket frame a TLS record, recorded Binance messages. The records were
// sealed by another OpenSSL session before the clock ran; one item is one message.
//
//   feed/live_path/<who>/quote   best bids and offers, 180 bytes
//   feed/live_path/<who>/mix     quotes, trades and books in recorded order
//
// perp is the feed's own path: TlsStream, WebSocketSession, classify, RingWriter. The peers are
// what one would build today: OpenSSL's SSL_read under Boost.Beast's WebSocket stream, simdjson
// On-Demand or nlohmann, fields into a Boost queue; `wolfssl_beast_nlohmann` has Debian's wolfSSL
// with its own AES below. `tls`, `frames`, `classified` are our path cut short, to show where the
// time goes.
#include "feed/recorded_mix.hpp"
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "net/beast_stream.hpp"
#include "net/tls_pair.hpp"

#include <perp/core/record_ring.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/net/websocket_session.hpp>
#include <perp/venue/connect.hpp>
#include <perp/venue/registry.hpp>
#include <perp/venue/subscription_table.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perp::bench {
namespace {

constexpr const char* suite = "TLS_AES_128_GCM_SHA256";

const Traffic* traffic_of(bool is_mix) {
  constexpr std::size_t batch = 4096;
  static std::array<std::optional<Traffic>, 2> made;
  std::optional<Traffic>& traffic = made[is_mix ? 1 : 0];
  if (!traffic) traffic = read_traffic(is_mix, batch);
  return traffic ? &*traffic : nullptr;
}

test::PeerOptions server_options() {
  return {.certificate = test::leaf(), .suites = suite, .tickets = 0};
}

void count(benchmark::State& state, const Traffic& traffic) {
  state.SetItemsProcessed(static_cast<std::int64_t>(traffic.messages.size()) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(traffic.messages.bytes()) * state.iterations());
}

enum class Depth { tls, frames, classified, whole };

void ours(benchmark::State& state, bool is_mix, Depth depth) {
  const Traffic* const traffic = traffic_of(is_mix);
  if (traffic == nullptr) return state.SkipWithError("PERP_CAPTURES_DIR has no such recording");
  const std::vector<std::string> frames = frames_of(*traffic);
  const net::TlsContext context = net::TlsContext::client({.ca_file = test::trusted_root_file()});
  test::TlsPair pair(server_options(), context);
  pair.run();
  require(pair.client.state() == net::TlsState::open, "the handshake failed");
  net::WebSocketSession session(net::WebSocketRole::client);
  const venue::Adapter& adapter = venue::binance_adapter();
  const std::array<std::string_view, 3> topics{"btcusdt@bookTicker", "btcusdt@trade",
                                               "btcusdt@depth@0ms"};
  const venue::SubscriptionTable table{topics};
  core::RecordRing ring(std::size_t{1} << 22);
  const auto drain = [&] {
    for (auto run = ring.peek(); !run.empty(); run = ring.peek()) ring.release(run.size());
  };
  const std::atomic<bool> stop{false};
  feed::RingWriter writer(ring, drain, stop);
  std::unique_ptr<venue::VenueState> venue_state;
  std::uint64_t taken = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<std::vector<std::byte>> records;
    for (const std::string& frame : frames) records.push_back(pair.server.sealed(frame));
    venue_state = std::make_unique<venue::VenueState>(adapter);
    static_cast<void>(writer.frame(
        *venue_state, {.payload = traffic->messages[0], .receive_ns = 1}));  // its instrument
    state.ResumeTiming();
    std::size_t done = 0;
    for (const std::vector<std::byte>& record : records) {
      pair.client.feed(record, pair.plain);
      if (depth == Depth::tls) {
        taken += pair.plain.data().size();
        pair.plain.consume(pair.plain.data().size());
        continue;
      }
      for (;;) {
        const net::WebSocketMessage message = session.next(pair.plain);
        if (message.event != net::WebSocketEvent::text) break;
        ++taken;
        if (depth == Depth::frames) continue;
        const venue::Incoming incoming = adapter.connect->classify(table, message.text());
        taken += incoming.subscription;
        if (depth == Depth::classified) continue;
        static_cast<void>(writer.frame(*venue_state, {.payload = message.text(), .receive_ns = 2}));
      }
      if (++done % 16 == 0) {
        writer.publish();
        drain();
      }
    }
    writer.publish();
    drain();
  }
  benchmark::DoNotOptimize(taken);
  if (!writer.refusals().empty())
    throw std::runtime_error("refused: " + writer.refusals().front().excerpt + " for " +
                             writer.refusals().front().field);
  count(state, *traffic);
}

/// What Beast reads from: an OpenSSL session over memory, once the WebSocket is open.
class SslStream : public net::test::BeastStream {
 public:
  using BeastStream::BeastStream;
  SSL* ssl = nullptr;

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& error) {
    if (ssl == nullptr) return BeastStream::read_some(buffers, error);
    const boost::asio::mutable_buffer first = *boost::asio::buffer_sequence_begin(buffers);
    const int got = SSL_read(ssl, first.data(), static_cast<int>(first.size()));
    error = got > 0 ? error_code() : error_code(boost::asio::error::eof);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    error_code error;
    const std::size_t size = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return size;
  }
};
void teardown(boost::beast::role_type, SslStream&, boost::beast::error_code& error) { error = {}; }

using SslWebSocket = boost::beast::websocket::stream<SslStream, false>;

template <class Reader>
void openssl_beast(benchmark::State& state, bool is_mix) {
  const Traffic* const traffic = traffic_of(is_mix);
  if (traffic == nullptr) return state.SkipWithError("PERP_CAPTURES_DIR has no such recording");
  const std::vector<std::string> frames = frames_of(*traffic);
  test::OpenSslPeer server(server_options());
  test::OpenSslPeer client({.trusted_file = test::trusted_root_file()},
                           test::OpenSslPeer::Role::client, test::host);
  for (int i = 0; i < 4; ++i) {
    client.advance();
    server.feed(client.take_output());
    server.advance();
    client.feed(server.take_output());
  }
  require(server.is_open() && client.is_open(), "OpenSSL's handshake failed");
  boost::asio::io_context context;
  SslWebSocket socket(context);
  socket.handshake("h", "/");
  socket.next_layer().ssl = client.ssl();
  SSL_set_read_ahead(client.ssl(), 1);
  boost::beast::flat_buffer buffer;
  Reader reader;
  const auto out = std::make_unique<QueueOut>();
  for (auto _ : state) {
    state.PauseTiming();
    std::string all;
    for (const std::string& frame : frames) {
      const std::vector<std::byte> record = server.sealed(frame);
      all.append(reinterpret_cast<const char*>(record.data()), record.size());
    }
    SSL_set0_rbio(client.ssl(), BIO_new_mem_buf(all.data(), static_cast<int>(all.size())));
    state.ResumeTiming();
    for (std::size_t i = 0; i < frames.size(); ++i) {
      buffer.clear();
      socket.read(buffer);
      const std::string_view text = padded(buffer);
      read_one(reader, kind_of(text), text, *out);
      if (i % 16 == 15) out->drain();
    }
  }
  count(state, *traffic);
}

void wolfssl_beast_nlohmann(benchmark::State& state, bool is_mix) {
  const Traffic* const traffic = traffic_of(is_mix);
  if (traffic == nullptr) return state.SkipWithError("PERP_CAPTURES_DIR has no such recording");
  const std::vector<std::string> frames = frames_of(*traffic);
  const net::TlsContext tls = net::TlsContext::client(
      {.ca_file = test::trusted_root_file(), .aes = net::AesEngine::wolfssl});
  test::TlsPair pair(server_options(), tls);
  pair.run();
  require(pair.client.state() == net::TlsState::open, "the handshake failed");
  boost::asio::io_context context;
  net::test::BeastWebSocket socket(context);
  socket.handshake("h", "/");
  boost::beast::flat_buffer buffer;
  NlohmannReader reader;
  const auto out = std::make_unique<QueueOut>();
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<std::vector<std::byte>> records;
    for (const std::string& frame : frames) records.push_back(pair.server.sealed(frame));
    state.ResumeTiming();
    for (std::size_t i = 0; i < records.size(); ++i) {
      pair.client.feed(records[i], pair.plain);
      socket.next_layer().feed(
          {reinterpret_cast<const char*>(pair.plain.data().data()), pair.plain.data().size()});
      buffer.clear();
      socket.read(buffer);
      pair.plain.consume(pair.plain.data().size());
      const std::string_view text = padded(buffer);
      read_one(reader, kind_of(text), text, *out);
      if (i % 16 == 15) out->drain();
    }
  }
  count(state, *traffic);
}

const bool registered = [] {
  for (const bool is_mix : {false, true}) {
    const std::string name = is_mix ? "/mix" : "/quote";
    const auto add = [&](const char* who, auto run) {
      benchmark::RegisterBenchmark(("feed/live_path/" + std::string(who) + name).c_str(), run);
    };
    add("perp", [=](benchmark::State& state) { ours(state, is_mix, Depth::whole); });
    add("openssl_beast_simdjson",
        [=](benchmark::State& state) { openssl_beast<SimdjsonReader>(state, is_mix); });
    add("openssl_beast_nlohmann",
        [=](benchmark::State& state) { openssl_beast<NlohmannReader>(state, is_mix); });
    add("wolfssl_beast_nlohmann",
        [=](benchmark::State& state) { wolfssl_beast_nlohmann(state, is_mix); });
    add("tls", [=](benchmark::State& state) { ours(state, is_mix, Depth::tls); });
    add("frames", [=](benchmark::State& state) { ours(state, is_mix, Depth::frames); });
    add("classified", [=](benchmark::State& state) { ours(state, is_mix, Depth::classified); });
  }
  return true;
}();

const bool goals = [] {
  at_least("feed/live_path/*/quote", {"openssl_beast_simdjson"}, 2);
  at_least("feed/live_path/*/quote", {"wolfssl_beast_nlohmann"}, 1 / 0.15);
  at_least("feed/live_path/*/mix", {"openssl_beast_simdjson"}, 1.7);
  at_least("feed/live_path/*/mix", {"openssl_beast_nlohmann"}, 3);
  return true;
}();

}  // namespace
}  // namespace perp::bench
