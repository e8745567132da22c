// A stream of frames that is already in memory, as a venue sends them (unmasked, text, one frame a
// message): how many messages a second come out of our parser and out of Boost.Beast's read loop.
// Both pay for getting the bytes into their buffer, 64 KiB a time, from memory that is warm as what
// comes out of a socket or TLS is.
// A case's number is the payload's bytes; 178 is the middle of what Binance sends; `mix` has ours
// and large ones, `utf8` has characters beyond ASCII, `deflate` is compressed with context
// takeover.
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "net/beast_stream.hpp"

#include <perp/core/prng.hpp>
#include <perp/net/websocket_parser.hpp>
#include <perp/net/websocket_writer.hpp>

#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace perp::bench {
namespace {

using net::StreamBuffer;
using net::WebSocketEvent;
using net::WebSocketRole;

constexpr std::size_t read_size = 64 * 1024;

const bool goals = [] {
  at_least("net/websocket_stream/*/178", {"beast"}, 5.0);
  return true;
}();

struct Traffic {
  std::string stream;
  std::size_t messages = 0;
  std::size_t payload_bytes = 0;
  std::uint64_t sum = 0;  // of each payload's length and last byte, in order
};

std::uint64_t mix_in(std::uint64_t sum, const char* payload, std::size_t size) noexcept {
  return sum * 31 + size + (size != 0 ? static_cast<unsigned char>(payload[size - 1]) : 0U);
}

std::string payload_of(std::string_view kind, core::Prng& random) {
  std::size_t size = 178;
  if (kind == "16") size = 16;
  if (kind == "1024") size = 1024;
  if (kind == "mix")
    size = random.chance(0.05) ? 1000 + random.below(20'000) : 120 + random.below(200);
  static constexpr std::string_view words[] = {R"("e":"trade",)", R"("s":"BTCUSDT",)",
                                               R"("p":"67123.40",)", R"("q":"0.002",)",
                                               R"("T":1732550000123,)"};
  std::string text = "{";
  while (text.size() < size) {
    text += words[random.below(std::size(words))];
    if (kind == "utf8") text += "\xe2\x82\xac";
  }
  if (kind != "utf8") text.resize(size);
  return text;
}

Traffic make_traffic(std::string_view kind) {
  core::Prng random(20261125);
  Traffic traffic;
  net::WebSocketWriter writer(
      WebSocketRole::server, net::system_random(),
      kind == "deflate" ? std::optional(net::WebSocketDeflate{}) : std::nullopt);
  StreamBuffer out(std::size_t{1} << 26, std::size_t{1} << 20);
  while (out.data().size() < (kind == "deflate" ? std::size_t{1} << 19 : std::size_t{1} << 18)) {
    const std::string payload = payload_of(kind, random);
    if (!writer.write_text(payload, out)) throw std::runtime_error("no room for the traffic");
    traffic.payload_bytes += payload.size();
    ++traffic.messages;
    traffic.sum = mix_in(traffic.sum, payload.data(), payload.size());
  }
  const auto data = out.data();
  traffic.stream.assign(reinterpret_cast<const char*>(data.data()), data.size());
  return traffic;
}

// Reads the stream once. @return the payloads' sum
std::uint64_t read_ours(net::WebSocketParser& parser, StreamBuffer& buffer,
                        std::string_view stream) {
  std::uint64_t sum = 0;
  while (!stream.empty()) {
    const std::string_view piece = stream.substr(0, read_size);
    stream.remove_prefix(piece.size());
    std::memcpy(buffer.writable(piece.size()).data(), piece.data(), piece.size());
    buffer.commit(piece.size());
    while (true) {
      const net::WebSocketMessage message = parser.next(buffer);
      if (message.event == WebSocketEvent::need_more) break;
      sum = mix_in(sum, message.text().data(), message.payload.size());
    }
  }
  return sum;
}

// By count, since an end of bytes ends Beast's connection.
std::uint64_t read_beast(net::test::BeastWebSocket& socket, boost::beast::flat_buffer& buffer,
                         const Traffic& traffic) {
  std::uint64_t sum = 0;
  socket.next_layer().feed(traffic.stream, read_size);
  for (std::size_t i = 0; i < traffic.messages; ++i) {
    buffer.clear();
    socket.read(buffer);
    sum = mix_in(sum, static_cast<const char*>(buffer.data().data()), buffer.size());
  }
  return sum;
}

void finish(benchmark::State& state, const Traffic& traffic) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(traffic.messages));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(traffic.stream.size()));
}

void ours(benchmark::State& state, const std::string& kind) {
  const Traffic traffic = make_traffic(kind);
  std::optional<net::WebSocketDeflate> deflate;
  if (kind == "deflate") deflate.emplace();
  StreamBuffer buffer(std::size_t{1} << 20, 2 * read_size);
  const auto make = [&] { return net::WebSocketParser(WebSocketRole::client, {}, deflate); };
  net::WebSocketParser first = make();
  require(read_ours(first, buffer, traffic.stream) == traffic.sum, "perp reads what was written");
  for (auto _ : state) {
    net::WebSocketParser parser = make();  // the stream begins with an empty window
    benchmark::DoNotOptimize(read_ours(parser, buffer, traffic.stream));
  }
  finish(state, traffic);
}

void beast(benchmark::State& state, const std::string& kind) {
  const Traffic traffic = make_traffic(kind);
  boost::asio::io_context context;
  boost::beast::flat_buffer buffer;
  net::test::BeastWebSocket socket(context);
  socket.handshake("h", "/");
  require(read_beast(socket, buffer, traffic) == traffic.sum, "Beast reads what was written");
  for (auto _ : state) benchmark::DoNotOptimize(read_beast(socket, buffer, traffic));
  finish(state, traffic);
}

const bool registered = [] {
  for (const char* kind : {"16", "178", "1024", "mix", "utf8"}) {
    const std::string name = kind;
    benchmark::RegisterBenchmark(("net/websocket_stream/perp/" + name).c_str(),
                                 [name](benchmark::State& state) { ours(state, name); })
        ->MinTime(0.1);
    benchmark::RegisterBenchmark(("net/websocket_stream/beast/" + name).c_str(),
                                 [name](benchmark::State& state) { beast(state, name); })
        ->MinTime(0.1);
  }
  benchmark::RegisterBenchmark("net/websocket_stream/perp/deflate", [](benchmark::State& state) {
    ours(state, "deflate");
  })->MinTime(0.1);
  return true;
}();

}  // namespace
}  // namespace perp::bench
