// One feed thread flat out, end to end: from a TCP socket over loopback to records in a ring, TLS
// 1.3 AES-128-GCM, one WebSocket frame a TLS record, the recorded Binance mix.
//
//   feed/live_socket/<who>/mix
//
// The server shakes hands, answers the subscription and seals all messages before the clock runs;
// then a thread on the other processor does nothing but send bytes, so it is never what bounds.
// perp is a whole LiveFeed (liveness, gaps, latencies, statistics and all), whose few requests a
// third thread answers. The peers are Boost.Beast over Asio's OpenSSL stream, read synchronously,
// simdjson On-Demand or nlohmann, fields into a Boost queue. Speed is by the wall clock from the
// first byte sent to the last message taken; `cpu_ns_per_message` is what the receiving thread
// used, the kernel's share included.
#include "feed/recorded_mix.hpp"
#include "harness/goals.hpp"
#include "harness/two_threads.hpp"
#include "net/tls_pair.hpp"

#include <perp/core/record_ring.hpp>
#include <perp/feed/live_feed.hpp>
#include <perp/net/web_server.hpp>
#include <perp/net/websocket_session.hpp>
#include <perp/venue/record_sink.hpp>

#include <benchmark/benchmark.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <fmt/format.h>

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace perp::bench {
namespace {

constexpr const char* suite = "TLS_AES_128_GCM_SHA256";
constexpr const char* subscribe =
    R"({"method":"SUBSCRIBE","params":["btcusdt@bookTicker","btcusdt@depth@100ms"],"id":1})";

const Traffic* recorded_mix() {
  static const std::optional<Traffic> traffic = read_traffic(true, 1'000'000);
  return traffic ? &*traffic : nullptr;
}

std::uint64_t thread_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

/// The venue's WebSocket for one connection: OpenSSL's session, blocking calls.
class Venue {
 public:
  explicit Venue(const std::vector<std::string>& frames)
      : frames_(frames),
        certificate_(test::leaf({.alternative_names = "IP:127.0.0.1"})),
        tls_({.certificate = certificate_, .suites = suite, .tickets = 0}),
        listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    require(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                ::listen(listener_, 8) == 0 &&
                ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0,
            "listen");
    port_ = ntohs(address.sin_port);
  }
  ~Venue() {
    if (socket_ >= 0) ::close(socket_);
    ::close(listener_);
  }
  Venue(const Venue&) = delete;
  Venue& operator=(const Venue&) = delete;

  std::uint16_t port() const { return port_; }
  /// Until all is sent and the client is gone.
  void serve() {
    socket_ = ::accept(listener_, nullptr, nullptr);
    require(socket_ >= 0, "accept");
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    while (!is_subscribed_) receive();
    std::vector<std::byte> sealed;
    for (const std::string& frame : frames_) {
      const std::vector<std::byte> record = tls_.sealed(frame);
      sealed.insert(sealed.end(), record.begin(), record.end());
    }
    is_sealed_.store(true);
    until([&] { return is_going_.load(); });
    for (std::span<const std::byte> rest = sealed; !rest.empty();)
      rest = rest.subspan(send(rest.first(std::min<std::size_t>(rest.size(), 256 * 1024))));
    std::array<std::byte, 4096> ignored;
    while (::recv(socket_, ignored.data(), ignored.size(), 0) > 0) {
    }
  }
  bool is_sealed() const { return is_sealed_.load(); }
  void go() { is_going_.store(true); }

 private:
  std::size_t send(std::span<const std::byte> bytes) const {
    const ssize_t size = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    require(size > 0, "send");
    return static_cast<std::size_t>(size);
  }
  void say(std::string_view text) {
    if (!text.empty()) require(tls_.write(text), "write");
    const std::vector<std::byte> bytes = tls_.take_output();
    for (std::span<const std::byte> rest = bytes; !rest.empty();) rest = rest.subspan(send(rest));
  }
  void receive() {
    std::array<std::byte, 16384> bytes;
    const ssize_t size = ::recv(socket_, bytes.data(), bytes.size(), 0);
    require(size > 0, "the client has gone");
    tls_.feed(std::span(bytes).first(static_cast<std::size_t>(size)));
    tls_.advance();
    say({});
    const std::string_view fresh = std::string_view(tls_.received()).substr(seen_);
    if (!is_websocket_) {
      if (fresh.find("\r\n\r\n") == std::string_view::npos) return;
      constexpr std::string_view field = "Sec-WebSocket-Key: ";
      const std::size_t begin = fresh.find(field) + field.size();
      const std::string key(fresh.substr(begin, fresh.find('\r', begin) - begin));
      seen_ = tls_.received().size();
      is_websocket_ = true;
      return say(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: " +
          net::websocket_accept(key) + "\r\n\r\n");
    }
    seen_ = tls_.received().size();
    const std::span<std::byte> room = plain_.writable(fresh.size());
    require(room.size() >= fresh.size(), "no room");
    std::memcpy(room.data(), fresh.data(), fresh.size());
    plain_.commit(fresh.size());
    for (;;) {
      const net::WebSocketMessage message = session_.next(plain_);
      if (message.event != net::WebSocketEvent::text) return;
      const std::size_t at = message.text().rfind("\"id\":");
      require(at != std::string_view::npos, "no subscription");
      const std::string id = std::to_string(std::stoi(std::string(message.text().substr(at + 5))));
      const std::string ack = R"({"result":null,"id":)" + id + "}";
      say(std::string("\x81") + static_cast<char>(ack.size()) + ack);
      is_subscribed_ = true;
    }
  }

  const std::vector<std::string>& frames_;
  test::Certificate certificate_;
  test::OpenSslPeer tls_;
  net::WebSocketSession session_{net::WebSocketRole::server};
  net::StreamBuffer plain_{1 << 20};
  int listener_;
  int socket_ = -1;
  std::uint16_t port_ = 0;
  std::size_t seen_ = 0;
  bool is_websocket_ = false;
  bool is_subscribed_ = false;
  std::atomic<bool> is_sealed_{false};
  std::atomic<bool> is_going_{false};
};

/// What a LiveFeed asks by HTTP, answered by a thread that sleeps otherwise.
class Requests final : private net::WebServerHandler {
 public:
  Requests()
      : server_(loop_, net::Endpoint::loopback(net::Endpoint::Family::ipv4, 0), nullptr, *this),
        thread_([this] {
          unpin();
          while (!stop_.load()) loop_.run_once(core::ns_per_second);
        }) {}
  ~Requests() {
    stop_.store(true);
    loop_.wake();
    thread_.join();
  }
  std::string origin() const { return fmt::format("http://127.0.0.1:{}", server_.endpoint().port); }

 private:
  void on_request(net::WebConnection& connection, const net::HttpRequestParser& request) override {
    const std::string_view target = request.target();
    net::HttpResponse response;
    response.body = "[]";
    if (target.starts_with("/fapi/v1/exchangeInfo"))
      response.body =
          R"({"timezone":"UTC","serverTime":1790000000000,"symbols":[{"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","deliveryDate":4133404800000,"onboardDate":1569398400000,"status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","marginAsset":"USDT","pricePrecision":1,"quantityPrecision":3,"underlyingType":"COIN","filters":[{"filterType":"PRICE_FILTER","minPrice":"0.1","maxPrice":"1000000","tickSize":"0.1"},{"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"},{"filterType":"MIN_NOTIONAL","notional":"5"}]}]})";
    else if (target.starts_with("/fapi/v1/time"))
      response.body = R"({"serverTime":1790000000000})";
    else if (target.starts_with("/fapi/v1/depth"))  // as it was recorded, in front of the messages
      response.body =
          R"({"lastUpdateId":5123107852948,"E":1723161600000,"T":1723161600000,"bids":[["61000.0","1.000"]],"asks":[["62000.0","1.000"]]})";
    connection.respond(response);
  }
  void on_message(net::WebConnection&, const net::WebSocketMessage&) override {}
  void on_end(net::WebConnection&, const net::TransportEnd&) override {}

  net::Loop loop_;
  net::WebServer server_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// Ours.
class PerpReceiver {
 public:
  explicit PerpReceiver(std::uint16_t port) : ring_(std::size_t{1} << 22) {
    std::string name = (std::filesystem::temp_directory_path() / "perp-bench-XXXXXX").string();
    require(mkdtemp(name.data()) != nullptr, "no folder");
    folder_ = name;
    feed::LiveFeedOptions options;
    options.venue = market::VenueId::binance;
    options.symbols = {"BTC"};
    options.kinds = venue::kinds_of(venue::StreamKind::bbo, venue::StreamKind::book);
    options.ledger_folder = folder_;
    options.loop.idle.kind = core::IdleKind::spin;
    options.tls_ca_file = test::trusted_root_file();
    options.obeys_proxy_variables = false;
    options.websocket_origin = fmt::format("wss://127.0.0.1:{}", port);
    options.rest_origin = requests_.origin();
    options.seed = 1;
    feed_.emplace(
        options, ring_, [this] { drain(); }, [](core::LogLevel, const std::string&) {});
    while (!feed_->status().is_live) round();
  }
  ~PerpReceiver() {
    feed_.reset();
    std::filesystem::remove_all(folder_);
  }
  void wait() { round(); }
  void take(const Traffic& traffic) {
    const auto count = [&](Kind kind) {
      return static_cast<std::uint64_t>(
          std::count(traffic.kinds.begin(), traffic.kinds.end(), kind));
    };
    const std::uint64_t quotes = count(Kind::book_ticker);
    const std::uint64_t trades = count(Kind::trade);
    const std::uint64_t books = count(Kind::depth);
    while (of(market::RecordType::bbo) < quotes || of(market::RecordType::trade) < trades ||
           of(market::RecordType::book_delta) < books)
      round();
    require(of(market::RecordType::gap) == 0 && of(market::RecordType::error) == 0,
            "what came was not taken as it is");
  }

 private:
  void round() {
    feed_->do_work();
    drain();
  }
  void drain() {
    for (auto run = ring_.peek(); !run.empty(); run = ring_.peek()) {
      venue::for_each_record(run, [&](const market::RecordHeader& header) {
        ++counts_[static_cast<std::size_t>(header.type)];
      });
      ring_.release(run.size());
    }
  }
  std::uint64_t of(market::RecordType type) const {
    return counts_[static_cast<std::size_t>(type)];
  }

  Requests requests_;
  std::string folder_;
  core::RecordRing ring_;
  std::array<std::uint64_t, 256> counts_{};
  std::optional<feed::LiveFeed> feed_;
};

/// Theirs.
template <class Reader>
class BeastReceiver {
 public:
  explicit BeastReceiver(std::uint16_t port) {
    tls_.load_verify_file(test::trusted_root_file());
    socket_.next_layer().set_verify_mode(boost::asio::ssl::verify_peer);
    socket_.next_layer().next_layer().connect({boost::asio::ip::address_v4::loopback(), port});
    socket_.next_layer().handshake(boost::asio::ssl::stream_base::client);
    socket_.handshake("127.0.0.1", "/public/ws");
    socket_.write(boost::asio::buffer(std::string_view(subscribe)));
    socket_.read(buffer_);
  }
  void wait() { relax(); }
  void take(const Traffic& traffic) {
    for (std::size_t i = 0; i < traffic.kinds.size(); ++i) {
      buffer_.clear();
      socket_.read(buffer_);
      const std::string_view text = padded(buffer_);
      const Kind kind = kind_of(text);
      require(kind == traffic.kinds[i], "another message");
      read_one(reader_, kind, text, *out_);
      if (i % 16 == 15) out_->drain();
    }
  }

 private:
  static void relax() { ::sched_yield(); }

  boost::asio::io_context context_{1};
  boost::asio::ssl::context tls_{boost::asio::ssl::context::tlsv13_client};
  boost::beast::websocket::stream<boost::asio::ssl::stream<boost::asio::ip::tcp::socket>, false>
      socket_{context_, tls_};
  boost::beast::flat_buffer buffer_;
  Reader reader_;
  std::unique_ptr<QueueOut> out_ = std::make_unique<QueueOut>();
};

template <class Receiver>
void receive(benchmark::State& state) {
  const Traffic* const traffic = recorded_mix();
  if (traffic == nullptr) return state.SkipWithError("PERP_CAPTURES_DIR has no such recording");
  const std::vector<std::string> frames = frames_of(*traffic);
  double cpu_ns = 0;
  for (auto _ : state) {
    Venue venue(frames);
    std::uint64_t taken_ns = 0;
    run_two_threads(
        [&] {
          Receiver receiver(venue.port());
          while (!venue.is_sealed()) receiver.wait();
          const std::uint64_t cpu_before = thread_cpu_ns();
          const std::uint64_t before = now_ns();
          venue.go();
          receiver.take(*traffic);
          taken_ns = now_ns() - before;
          cpu_ns += static_cast<double>(thread_cpu_ns() - cpu_before);
        },
        [&] { venue.serve(); });
    state.SetIterationTime(static_cast<double>(taken_ns) / 1e9);
  }
  const double count =
      static_cast<double>(state.iterations()) * static_cast<double>(traffic->messages.size());
  state.counters["cpu_ns_per_message"] = cpu_ns / count;
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
  state.SetBytesProcessed(static_cast<std::int64_t>(traffic->messages.bytes()) *
                          state.iterations());
}

void add(const char* who, void (*run)(benchmark::State&)) {
  benchmark::RegisterBenchmark(("feed/live_socket/" + std::string(who) + "/mix").c_str(), run)
      ->UseManualTime()
      ->Iterations(4);
}

const bool registered = [] {
  add("perp", receive<PerpReceiver>);
  add("openssl_beast_simdjson", receive<BeastReceiver<SimdjsonReader>>);
  add("openssl_beast_nlohmann", receive<BeastReceiver<NlohmannReader>>);
  return true;
}();

const bool goals = [] {
  at_least("feed/live_socket/*/mix", {"openssl_beast_nlohmann"}, 3);
  at_least("feed/live_socket/*/mix", {"openssl_beast_simdjson"}, 1.7);
  return true;
}();

}  // namespace
}  // namespace perp::bench
