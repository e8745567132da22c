// perp capture: what a server sends over a WebSocket, with the time each message was in our hands,
// in the form that `perp replay` reads. Dials again when a connection is lost; every hole is told.
#include "app/commands.hpp"

#include <perp/core/error.hpp>
#include <perp/core/prng.hpp>
#include <perp/feed/backoff.hpp>
#include <perp/feed/recording_writer.hpp>
#include <perp/net/loop.hpp>
#include <perp/net/websocket_client.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>

namespace perp::app {
namespace {

struct CaptureOptions {
  std::string url;
  std::vector<std::string> sends;
  std::vector<std::string> headers;
  std::string ping;
  double ping_every_s = 20;
  double stall_s = 60;
  double for_s = 0;
  std::uint64_t messages = 0;
  std::string out = "-";
  std::string ca_file;
  std::string io = "auto";
  bool wants_deflate = false;
  bool is_once = false;
};

std::int64_t ns_of(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

std::string time_text(core::WallNs time) {
  const std::int64_t ms = time.ns / core::ns_per_ms;
  return fmt::format("{:%H:%M:%S}.{:03}", fmt::gmtime(static_cast<std::time_t>(ms / 1000)),
                     ms % 1000);
}

std::pair<std::string, std::string> field_of(const std::string& header) {
  const std::size_t colon = header.find(':');
  if (colon == std::string::npos || colon == 0)
    throw core::Error("is no header field", fmt::format("--header '{}'", header),
                      "write it as 'Name: value'");
  std::size_t value = colon + 1;
  while (value < header.size() && header[value] == ' ') ++value;
  return {header.substr(0, colon), header.substr(value)};
}

class Capture final : private net::WebSocketHandler {
 public:
  Capture(const CaptureOptions& options, const std::atomic<bool>& stop)
      : options_(options),
        stop_(stop),
        url_(net::Url::parse(options.url)),
        tls_(net::TlsContext::client({.ca_file = options.ca_file})),
        writer_(options.out),
        loop_({.engine = engine_of(options.io)}),
        client_(loop_, *this),
        backoff_({}, core::Prng(static_cast<std::uint64_t>(core::wall_now().ns))),
        again_(loop_, [this] { dial(); }),
        ping_(loop_, [this] { ping(); }),
        stall_(loop_, [this] { on_stall(); }),
        flush_(loop_, [this] {
          writer_.flush();
          flush_.start_in(core::ns_per_second);
        }) {
    for (const std::string& header : options.headers) connect_.fields.push_back(field_of(header));
    if (options.wants_deflate) connect_.deflate.emplace();
    connect_.transport.proxy = net::proxy_of_environment(url_.host);
  }

  int run() {
    say(fmt::format("writing to {}, io engine {} ({})",
                    options_.out == "-" ? "standard output" : options_.out,
                    net::name_of(loop_.io().engine), loop_.io().reason));
    flush_.start_in(core::ns_per_second);
    const core::MonoNs begin = core::mono_now();
    dial();
    while (!is_over_) {
      if (stop_.load()) break;
      if (options_.for_s > 0 && core::mono_now() - begin >= ns_of(options_.for_s)) break;
      loop_.run_once(20 * core::ns_per_ms);
    }
    if (lost_at_) {
      ++holes_;
      say(fmt::format("hole from {} to the end", time_text(*lost_at_)));
    }
    leave();
    writer_.close();
    say(fmt::format("{} messages, {} bytes, {} connections, {} holes{}", writer_.messages(),
                    writer_.payload_bytes(), connections_, holes_,
                    writer_.line_breaks_replaced() == 0
                        ? std::string()
                        : fmt::format(", {} line breaks inside messages became spaces",
                                      writer_.line_breaks_replaced())));
    if (connections_ == 0 || has_failed_) return exit_failure;
    return holes_ == 0 ? exit_ok : exit_partial;
  }

 private:
  static net::IoEngine engine_of(const std::string& name) {
    net::IoEngine engine = net::IoEngine::automatic;
    static_cast<void>(net::parse_io_engine(name, engine));  // the option's own check was first
    return engine;
  }
  static void say(const std::string& line) {
    fmt::print(stderr, "{} {}\n", time_text(core::wall_now()), line);
  }

  /// Says good-bye, if there is somebody to hear it.
  void leave() {
    is_over_ = true;
    again_.cancel();
    client_.close();
    const core::MonoNs deadline = core::mono_now() + core::ns_per_second;
    while (client_.exists() && core::mono_now() < deadline) loop_.run_once(20 * core::ns_per_ms);
    client_.abort();
  }

  void dial() { client_.dial(resolver_, url_, tls_, connect_); }

  void on_open(const net::WebSocketClientHandshake&) override {
    ++connections_;
    say(fmt::format("connected to {} ({}{})", client_.host(), client_.security(),
                    client_.has_deflate() ? ", compressed" : ""));
    for (const std::string& text : options_.sends) {
      if (client_.send_text(text)) continue;
      say("what is to be sent is too much at once");
      client_.close();
      return;
    }
    if (!options_.ping.empty()) ping_.start_in(ns_of(options_.ping_every_s));
    if (options_.stall_s > 0) stall_.start_in(ns_of(options_.stall_s));
    last_at_ = loop_.now();
  }

  void on_message(const net::WebSocketMessage& message, core::WallNs receive_ns) override {
    if (is_over_ || (message.event != net::WebSocketEvent::text &&
                     message.event != net::WebSocketEvent::binary))
      return;
    if (lost_at_) {
      ++holes_;
      say(fmt::format("hole from {} to {}", time_text(*lost_at_), time_text(receive_ns)));
      lost_at_.reset();
    }
    writer_.write(message.text(), receive_ns);
    last_ns_ = receive_ns;
    last_at_ = loop_.now();
    backoff_.on_data(last_at_);
    is_over_ = options_.messages > 0 && writer_.messages() >= options_.messages;
  }

  void on_end(const net::WebSocketEnd& end) override {
    ping_.cancel();
    stall_.cancel();
    if (is_over_) return;
    if (!lost_at_ && connections_ > 0) lost_at_ = last_ns_.value_or(core::wall_now());
    if (options_.is_once || is_refused_for_good(end)) {
      say(fmt::format("lost: {}", end.text));
      is_over_ = has_failed_ = true;
      return;
    }
    std::int64_t wait_ns = backoff_.on_lost();
    // A server that says when is not asked before.
    if (end.status == 429 || end.status == 418 || end.status == 403 || end.status == 503)
      wait_ns = std::max(wait_ns, retry_after_ns(end.retry_after));
    say(fmt::format("lost: {}; again in {:.1f} s", end.text, static_cast<double>(wait_ns) / 1e9));
    again_.start_in(wait_ns);
  }

  /// What another try cannot mend.
  static bool is_refused_for_good(const net::WebSocketEnd& end) noexcept {
    return end.kind == net::WebSocketEnd::Kind::refused &&
           (end.status == 400 || end.status == 401 || end.status == 404 || end.status == 405);
  }
  static std::int64_t retry_after_ns(const std::string& text) {
    char* stop = nullptr;
    const double seconds = std::strtod(text.c_str(), &stop);
    return stop != text.c_str() && *stop == '\0' && seconds > 0 ? ns_of(std::min(seconds, 86'400.0))
                                                                : 0;
  }

  void ping() {
    static_cast<void>(client_.send_text(options_.ping));  // a full queue is a stall, seen below
    ping_.start_in(ns_of(options_.ping_every_s));
  }
  void on_stall() {
    const std::int64_t limit_ns = ns_of(options_.stall_s);
    const std::int64_t quiet_ns = loop_.now() - last_at_;
    if (quiet_ns < limit_ns) {
      stall_.start_in(limit_ns - quiet_ns);
      return;
    }
    say(fmt::format("nothing came for {:.0f} s: the connection is given up", options_.stall_s));
    client_.close(net::close_code::going_away, "no data");
  }

  const CaptureOptions& options_;
  const std::atomic<bool>& stop_;
  net::Url url_;
  net::TlsContext tls_;
  feed::RecordingWriter writer_;
  net::Loop loop_;
  net::Resolver resolver_;
  net::WebSocketConnectOptions connect_;
  net::WebSocketClient client_;
  feed::Backoff backoff_;
  net::Timer again_;
  net::Timer ping_;
  net::Timer stall_;
  net::Timer flush_;
  std::optional<core::WallNs> last_ns_;  ///< of the last message
  std::optional<core::WallNs> lost_at_;  ///< the last message before a loss not yet told
  core::MonoNs last_at_{};
  std::uint64_t connections_ = 0;
  std::uint64_t holes_ = 0;
  bool is_over_ = false;
  bool has_failed_ = false;
};

}  // namespace

void add_capture(CLI::App& app, Context& context) {
  auto options = std::make_shared<CaptureOptions>();
  CLI::App* command =
      app.add_subcommand("capture", "Record what a WebSocket sends, as `perp replay` reads it");
  command->add_option("url", options->url, "wss://host[:port]/path (ws:// is plain)")->required();
  command
      ->add_option("--send", options->sends,
                   "A text to send behind each connecting, such as a subscription; repeatable")
      ->allow_extra_args(false);
  command->add_option("--ping", options->ping,
                      "A text to send again and again, for venues that want it");
  command->add_option("--ping-every", options->ping_every_s, "Seconds between those")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("-o,--out", options->out,
                   "File to make: *.txt or *.txt.gz; - is standard output")
      ->capture_default_str();
  command->add_option("--for", options->for_s, "Stop after so many seconds (0: when interrupted)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--messages", options->messages, "Stop after so many messages (0: never)")
      ->capture_default_str();
  command
      ->add_option("--stall", options->stall_s,
                   "Seconds without a message until a connection counts as dead (0: never)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--header", options->headers, "A field of the handshake: 'Name: value'")
      ->allow_extra_args(false);
  command
      ->add_option("--tls-ca", options->ca_file,
                   "PEM file of the authorities to trust, instead of the system's")
      ->check(CLI::ExistingFile);
  command->add_option("--io", options->io, "How to wait for sockets")
      ->check(CLI::IsMember({"auto", "uring", "epoll"}))
      ->capture_default_str();
  command->add_flag("--deflate", options->wants_deflate, "Offer compression");
  command->add_flag("--once", options->is_once, "Do not dial again when the connection is lost");
  command->footer(
      "Each line is the time of receipt (ns since 1970) and the message. HTTPS_PROXY and NO_PROXY\n"
      "are obeyed. Exit codes: 0 all there, 3 there are holes, 1 failure, 2 usage.\n"
      "Examples:\n"
      "  perp capture wss://fstream.binance.com/market/ws --out btc_binance.txt.gz --for 60 \\\n"
      "      --send '{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@aggTrade\"],\"id\":1}'\n"
      "  perp capture wss://stream.bybit.com/v5/public/linear --ping '{\"op\":\"ping\"}' \\\n"
      "      --send '{\"op\":\"subscribe\",\"args\":[\"publicTrade.BTCUSDT\"]}' | head\n"
      "  perp replay btc_binance.txt.gz --venue binance");
  command->callback(
      [options, &context] { context.exit_code = Capture(*options, *context.stop).run(); });
}

}  // namespace perp::app
