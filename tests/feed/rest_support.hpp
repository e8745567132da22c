#pragma once
// For tests of what a feed asks by HTTP: a host on loopback that answers as a script says and notes
// when it was asked, a time that tests move, and the ring's records.
#include "feed/ledger_support.hpp"
#include "net/support.hpp"

#include <perp/feed/venue_rest.hpp>
#include <perp/net/resolver.hpp>
#include <perp/net/tls_context.hpp>
#include <perp/net/web_server.hpp>
#include <perp/venue/registry.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::feed {

struct Asked {
  std::string method{};
  std::string target{};
  std::string body{};
  std::map<std::string, std::string> fields{};
  std::uint64_t connection = 0;
  double at = 0;  ///< seconds since the test began, by its own clock

  bool is_about(std::string_view text) const {
    return (target + " " + body).find(text) != std::string::npos;
  }
  /// The value of a query's parameter; empty: it has none.
  std::string parameter(const std::string& name) const {
    for (const char* before : {"?", "&"}) {
      const std::size_t found = target.find(before + name + "=");
      if (found == std::string::npos) continue;
      const std::size_t begin = found + name.size() + 2;
      return target.substr(begin, target.find('&', begin) - begin);
    }
    return {};
  }
};

struct Answer {
  int status = 200;
  std::string body{};
  std::vector<std::pair<std::string, std::string>> fields{};
  bool is_cut = false;  ///< the connection, instead of an answer
};

class ScriptedHost final : public net::WebServerHandler {
 public:
  explicit ScriptedHost(net::Loop& loop, const net::TlsContext* tls = nullptr)
      : server_(loop, net::Endpoint::loopback(net::Endpoint::Family::ipv4, 0), tls, *this) {}

  std::uint16_t port() const { return server_.endpoint().port; }
  std::size_t count(std::string_view text) const {
    return static_cast<std::size_t>(std::count_if(
        asked.begin(), asked.end(), [&](const Asked& one) { return one.is_about(text); }));
  }
  /// When it was asked about something.
  std::vector<double> times(std::string_view text) const {
    std::vector<double> found;
    for (const Asked& one : asked)
      if (one.is_about(text)) found.push_back(one.at);
    return found;
  }

  std::function<Answer(const Asked&)> script = [](const Asked&) { return Answer{}; };
  std::function<double()> clock = [] { return 0.0; };
  std::vector<Asked> asked;
  std::uint64_t connections = 0;  ///< seen so far
  bool closes_each = false;       ///< behind its answer

 private:
  void on_request(net::WebConnection& connection, const net::HttpRequestParser& request) override {
    connections = std::max(connections, connection.number());
    Asked one{.method = std::string(request.method()),
              .target = std::string(request.target()),
              .body = std::string(request.body_text()),
              .connection = connection.number(),
              .at = clock()};
    for (std::size_t i = 0; i < request.head().size(); ++i)
      one.fields.emplace(request.head().field(i).name, request.head().field(i).value);
    asked.push_back(one);
    const Answer answer = script(one);
    if (answer.is_cut) return connection.abort();
    std::vector<net::HttpField> fields;
    for (const auto& [name, value] : answer.fields) fields.push_back({name, value});
    connection.respond(
        {.status = answer.status, .fields = fields, .body = answer.body, .closes = closes_each});
  }
  void on_message(net::WebConnection&, const net::WebSocketMessage&) override {}

  net::WebServer server_;
};

/// One venue whose REST half is asked of a ScriptedHost. Nothing moves but by advance().
class RestTest : public LedgerFiles {
 protected:
  explicit RestTest(const venue::Adapter& adapter)
      : loop({.engine = net::IoEngine::epoll}),
        tls(net::TlsContext::client({})),
        host(loop),
        state(adapter),
        ring(std::size_t{1} << 24),
        writer(
            ring, [] {}, gives_up) {
    host.clock = [this] { return seconds_; };
  }

  /// The machine's account with the host; another one of it is another process.
  HostLedger& open_ledger() {
    HostLedgerOptions made = ledger_options(*state.adapter.connect);
    made.folder = folder_;
    made.host = "venue.test";
    made.connects = {"connect", connects_max, 5 * core::ns_per_minute, 100};
    made.boot_id = "first";
    ledgers.push_back(std::make_unique<HostLedger>(std::move(made)));
    return *ledgers.back();
  }
  VenueRestOptions rest_options() {
    VenueRestOptions made;
    made.origin = net::Url::parse(fmt::format("http://127.0.0.1:{}", host.port()));
    made.seed = 7;
    made.log = [this](core::LogLevel, const std::string& what) { logged.push_back(what); };
    made.on_book_failed = [this](const std::string& symbol) { failed_books.push_back(symbol); };
    return made;
  }
  VenueRest& start(const VenueRestOptions& options) {
    rest.emplace(loop, resolver, tls, state, writer, open_ledger(), options);
    return *rest;
  }
  VenueRest& start() { return start(rest_options()); }

  /// Time goes on in steps of a tenth of a second, each with a tick; all that is under way by then
  /// is answered within it.
  void advance(double by_seconds) {
    const int steps = static_cast<int>(by_seconds * 10 + 0.5);
    for (int i = 0; i < steps; ++i) {
      seconds_ = static_cast<double>(++tenths_) / 10;
      rest->tick(moment());
      settle();
    }
  }
  /// As long as it takes until so many requests were answered: what waits for a connection is not
  /// under way.
  void await_asked(std::size_t count) {
    ASSERT_TRUE(net::test::run_until(loop, [&] {
      rest->tick(moment());
      return host.asked.size() >= count;
    }));
    settle();
  }
  void settle() {
    ASSERT_TRUE(net::test::run_until(loop, [&] { return rest->stats().under_way == 0; }));
  }
  /// A reply's time is its tick's, and what has really gone by since: on a busy machine a second.
  /// No wait is longer by more than this.
  double slack() const { return static_cast<double>(core::mono_now() - begin_) / 1e9; }
  /// The wall clock begins at a full five minutes.
  Moment moment() const {
    const std::int64_t ns = tenths_ * 100 * core::ns_per_ms;
    return {{1'000 * core::ns_per_second + ns}, {wall_begin_ns + wall_step_ns + ns}};
  }
  static constexpr std::int64_t wall_begin_ns = 1'790'000'100 * core::ns_per_second;

  /// A message of a stream, as a socket would bring it.
  void stream(const std::string& text) {
    const std::string padded = text + std::string(venue::frame_padding, '}');
    EXPECT_EQ(writer.frame(state, {.payload = std::string_view(padded).substr(0, text.size())}),
              venue::DecodeStatus::ok)
        << text;
    writer.publish();
  }

  using Bytes = std::vector<std::byte>;
  /// What has come into the ring since the last call.
  std::vector<Bytes> drain() {
    std::vector<Bytes> records;
    for (auto run = ring.peek(); !run.empty(); run = ring.peek()) {
      venue::for_each_record(run, [&](const market::RecordHeader& header) {
        if (header.type == market::RecordType::padding) return;
        const auto* begin = reinterpret_cast<const std::byte*>(&header);
        records.emplace_back(begin, begin + header.size);
      });
      ring.release(run.size());
    }
    return records;
  }
  static const market::RecordHeader& header_of(const Bytes& bytes) {
    return *reinterpret_cast<const market::RecordHeader*>(bytes.data());
  }
  std::size_t drain_count(market::RecordType type) {
    const std::vector<Bytes> records = drain();
    return static_cast<std::size_t>(
        std::count_if(records.begin(), records.end(),
                      [&](const Bytes& bytes) { return header_of(bytes).type == type; }));
  }

  const core::MonoNs begin_ = core::mono_now();  // before the loop, whose clock goes on from then
  net::Loop loop;
  net::Resolver resolver;
  net::TlsContext tls;
  ScriptedHost host;
  venue::VenueState state;
  core::RecordRing ring;
  const std::atomic<bool> gives_up{false};
  RingWriter writer;
  std::vector<std::unique_ptr<HostLedger>> ledgers;
  std::optional<VenueRest> rest;
  std::uint32_t connects_max = 60;
  std::vector<std::string> logged;
  std::vector<std::string> failed_books;
  double seconds_ = 0;
  std::int64_t tenths_ = 0;
  std::int64_t wall_step_ns = 0;  ///< the wall clock was set by so much
};

/// Lists as short as a venue's can be.
namespace lists {
inline std::string binance(const std::vector<std::string>& symbols) {
  std::string rows;
  for (const std::string& symbol : symbols)
    rows += fmt::format(
        R"({}{{"symbol":"{}","pair":"{}","contractType":"PERPETUAL","deliveryDate":4133404800000,"onboardDate":1569398400000,"status":"TRADING","baseAsset":"{}","quoteAsset":"USDT","marginAsset":"USDT","pricePrecision":1,"quantityPrecision":3,"underlyingType":"COIN","filters":[{{"filterType":"PRICE_FILTER","minPrice":"0.1","maxPrice":"100000","tickSize":"0.1"}},{{"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"}},{{"filterType":"MIN_NOTIONAL","notional":"5"}}]}})",
        rows.empty() ? "" : ",", symbol, symbol, symbol.substr(0, symbol.size() - 4));
  return R"({"timezone":"UTC","serverTime":1790000000000,"symbols":[)" + rows + "]}";
}
inline std::string bybit(const std::vector<std::string>& symbols, const std::string& cursor) {
  std::string rows;
  for (const std::string& symbol : symbols)
    rows += fmt::format(
        R"({}{{"symbol":"{}","contractType":"LinearPerpetual","status":"Trading","baseCoin":"{}","quoteCoin":"USDT","launchTime":"1585526400000","deliveryTime":"0","deliveryFeeRate":"","priceScale":"2","leverageFilter":{{"minLeverage":"1","maxLeverage":"100.00","leverageStep":"0.01"}},"priceFilter":{{"minPrice":"0.10","maxPrice":"1999999.80","tickSize":"0.10"}},"lotSizeFilter":{{"maxOrderQty":"1190.000","minOrderQty":"0.001","qtyStep":"0.001","postOnlyMaxOrderQty":"1190.000","maxMktOrderQty":"500.000","minNotionalValue":"5"}},"unifiedMarginTrade":true,"fundingInterval":480,"settleCoin":"USDT"}})",
        rows.empty() ? "" : ",", symbol, symbol.substr(0, symbol.size() - 4));
  return R"({"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[)" + rows +
         R"(],"nextPageCursor":")" + cursor + R"("},"retExtInfo":{},"time":1790000000000})";
}
}  // namespace lists

}  // namespace perp::feed
