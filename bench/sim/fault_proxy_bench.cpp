// What the fault proxy costs: 200-byte messages from a server of ours to a client of ours over TLS,
// all in one thread, `direct` and through the proxy (`perp`). The difference of their times per
// message is the proxy's own: one TLS record read and one written, a frame parsed and written.
// The case `watched` has a fault that looks at every message and hits none.
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"

#include <perp/net/loop.hpp>
#include <perp/net/web_server.hpp>
#include <perp/net/websocket_client.hpp>
#include <perp/sim/certificates.hpp>
#include <perp/sim/fault_proxy.hpp>

#include <benchmark/benchmark.h>

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

namespace perp::bench {
namespace {

const bool goals = [] {
  at_least("sim/relay/*/quiet/200B", {}, 50'000);
  at_least("sim/relay/*/watched/200B", {}, 50'000);
  return true;
}();

constexpr int batch = 100;

struct Server final : net::WebServerHandler {
  net::WebConnection* connection = nullptr;
  void on_request(net::WebConnection& asking, const net::HttpRequestParser&) override {
    if (asking.accept_websocket()) connection = &asking;
  }
  void on_message(net::WebConnection&, const net::WebSocketMessage&) override {}
};
struct Client final : net::WebSocketHandler {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  bool is_open = false;
  void on_open(const net::WebSocketClientHandshake&) override { is_open = true; }
  void on_message(const net::WebSocketMessage& message, core::WallNs) override {
    ++messages;
    bytes += message.payload.size();
  }
  void on_end(const net::WebSocketEnd&) override { is_open = false; }
};

const sim::CertificateFiles& certificates() {
  static const sim::CertificateFiles files = sim::certificate_files(
      (std::filesystem::temp_directory_path() / ("perp-bench-tls-" + std::to_string(::getuid())))
          .string());
  return files;
}

void relay(benchmark::State& state, bool has_proxy, const char* script) {
  const net::TlsContext client_tls = net::TlsContext::client({.ca_file = certificates().ca_file});
  const net::TlsContext server_tls = net::TlsContext::server(
      {.certificate_file = certificates().certificate_file, .key_file = certificates().key_file});
  net::Loop loop;
  net::Resolver resolver;
  Server handler;
  net::WebServer server(loop, net::Endpoint::loopback(net::Endpoint::Family::ipv4, 0), &server_tls,
                        handler);
  net::Url url{
      .scheme = net::Url::Scheme::wss, .host = "127.0.0.1", .port = server.endpoint().port};
  std::optional<sim::FaultProxy> proxy;
  if (has_proxy) {
    net::Url rest = url;
    rest.scheme = net::Url::Scheme::https;
    sim::FaultProxyOptions options;
    options.venues.push_back({.name = "v", .rest = rest, .websocket = url});
    options.script = sim::FaultScript::parse(script, "bench");
    options.server_tls = &server_tls;
    options.client_tls = &client_tls;
    proxy.emplace(loop, resolver, options);
    proxy->start();
    url.port = proxy->endpoint(0).port;
  }
  Client counter;
  net::WebSocketClient client(loop, counter);
  client.dial(resolver, url, client_tls);
  while (!counter.is_open) loop.run_once(core::ns_per_ms);

  const std::string text(200, 'm');
  std::uint64_t sent = 0;
  for (auto _ : state) {
    for (int i = 0; i < batch; ++i) require(handler.connection->send_text(text), "cannot send");
    sent += batch;
    while (counter.messages < sent) loop.run_once(0);
  }
  require(counter.bytes == sent * text.size(), "messages are missing");
  state.SetItemsProcessed(static_cast<std::int64_t>(sent));
  state.SetBytesProcessed(static_cast<std::int64_t>(counter.bytes));
}

void direct(benchmark::State& state) { relay(state, false, ""); }
void quiet(benchmark::State& state) { relay(state, true, ""); }
void watched(benchmark::State& state) {
  relay(state, true, "always v silence match=nothing symbol=none");
}

BENCHMARK(direct)->Name("sim/relay/direct/quiet/200B")->MinTime(0.1);
BENCHMARK(quiet)->Name("sim/relay/perp/quiet/200B")->MinTime(0.1);
BENCHMARK(direct)->Name("sim/relay/direct/watched/200B")->MinTime(0.1);
BENCHMARK(watched)->Name("sim/relay/perp/watched/200B")->MinTime(0.1);

}  // namespace
}  // namespace perp::bench
