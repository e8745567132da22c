// Binance USD-M futures, live. Figures: the venue's "Websocket Market Streams" and "General Info"
// (https://developers.binance.com/docs/derivatives/usds-margined-futures), unless said otherwise.
#include "venue/binance.hpp"
#include "venue/envelope.hpp"
#include "venue/json_text.hpp"

#include <perp/venue/connect.hpp>
#include <perp/venue/subscription_plan.hpp>
#include <perp/venue/subscription_table.hpp>

#include <array>

namespace perp::venue::binance {
namespace {

using core::ns_per_hour;
using core::ns_per_minute;
using core::ns_per_ms;
using core::ns_per_second;
using enum StreamKind;

// The venue allows 1024 streams, 10 messages a second, pings and pongs among them, and states no
// limit of dials for this market (300 in 5 minutes for spot). We stay well below.
constexpr SocketLimits limits{.topics_per_connection = 200,
                              .topics_per_frame = 50,
                              .frames = {.count = 5, .window_ns = ns_per_second},
                              .dials = {.count = 60, .window_ns = 5 * ns_per_minute},
                              .lifetime_ns = 24 * ns_per_hour,
                              .roll_over_ns = 23 * ns_per_hour,
                              .idle_cut_ns = 10 * ns_per_minute};
// The server pings by WebSocket and wants the pong within 10 minutes.
constexpr PingRule ping{.server_ping_ns = 3 * ns_per_minute};

enum : std::uint8_t { public_socket, market_socket };
constexpr auto sockets = std::to_array<Socket>({
    {.name = "public",
     .origin = "wss://fstream.binance.com",
     .testnet_origin = "wss://fstream.binancefuture.com",
     .target = "/public/stream",
     .limits = limits,
     .ping = ping},
    {.name = "market",
     .origin = "wss://fstream.binance.com",
     .testnet_origin = "wss://fstream.binancefuture.com",
     .target = "/market/stream",
     .limits = limits,
     .ping = ping},
});

// Silences are ours: some hundred times what is usual, and never for what speaks only of changes in
// a contract that nobody trades. A stream on the wrong path is acknowledged and silent for ever.
constexpr auto streams = std::to_array<Stream>({
    {.kinds = kinds_of(book),
     .socket = public_socket,
     .suffix = "@depth@100ms",
     .interval_ns = 100 * ns_per_ms,
     .silence_ns = 10 * ns_per_second},
    {.kinds = kinds_of(bbo),
     .socket = public_socket,
     .suffix = "@bookTicker",
     .silence_ns = 10 * ns_per_second},
    {.kinds = kinds_of(trades),
     .socket = market_socket,
     .suffix = "@aggTrade",
     .interval_ns = 100 * ns_per_ms,
     .silence_ns = ns_per_minute},
    {.kinds = kinds_of(mark_price, funding),
     .socket = market_socket,
     .suffix = "@markPrice@1s",
     .is_clocked = true,
     .interval_ns = ns_per_second,
     .silence_ns = 10 * ns_per_second,
     .silence_ns_quiet = 10 * ns_per_second},
    {.kinds = kinds_of(ticker),
     .socket = market_socket,
     .suffix = "@ticker",
     .interval_ns = 2 * ns_per_second,
     .silence_ns = 30 * ns_per_second},
    {.kinds = kinds_of(kline_1m),
     .socket = market_socket,
     .suffix = "@kline_1m",
     .interval_ns = 250 * ns_per_ms,
     .silence_ns = 2 * ns_per_minute},
    {.kinds = kinds_of(liquidations),
     .socket = market_socket,
     .prefix = "!forceOrder@arr",
     .is_venue_wide = true,
     .interval_ns = ns_per_second},
});

enum : std::uint8_t { weight_pool, funding_pool, data_pool };
constexpr auto pools = std::to_array<RestPool>({
    {.name = "weight",
     .budget = {.count = 2400, .window_ns = ns_per_minute},
     .used_field = "X-MBX-USED-WEIGHT-1M",
     .remaining_field = {}},
    // Counted apart and told in no header.
    {.name = "funding",
     .budget = {.count = 500, .window_ns = 5 * ns_per_minute},
     .used_field = {},
     .remaining_field = {}},
    {.name = "data",
     .budget = {.count = 1000, .window_ns = 5 * ns_per_minute},
     .used_field = {},
     .remaining_field = {}},
});

// 300 contracts take 300 of 2400 a minute for open interest. Statistics are made every 5 minutes:
// four of them for 225 contracts fill 90 % of their pool, more contracts take turns.
constexpr std::string_view statistics = "symbol=<symbol>&period=<period>&limit=2";
constexpr RestCall statistic(StreamKind kind, std::string_view endpoint) {
  return {.purpose = RestPurpose::poll,
          .kinds = kinds_of(kind),
          .endpoint = endpoint,
          .query = statistics,
          .period = "5m",
          .is_per_symbol = true,
          .rows_max = 2,
          .pool = data_pool,
          .interval_ns = 5 * ns_per_minute};
}

// Reaches back a month; an hour less, because the venue's clock decides.
constexpr RestCall past_statistic(StreamKind kind, std::string_view endpoint) {
  return {.purpose = RestPurpose::history,
          .kinds = kinds_of(kind),
          .endpoint = endpoint,
          .query = "symbol=<symbol>&period=<period>&startTime=<start>&endTime=<end-1>&limit=500",
          .period = "5m",
          .is_per_symbol = true,
          .rows_max = 500,
          .pool = data_pool,
          .step_ns = 5 * ns_per_minute,
          .reach_ns = 30 * core::ns_per_day - ns_per_hour};
}

constexpr auto candle_periods = std::to_array<CandlePeriod>({{ns_per_minute, "1m"},
                                                             {3 * ns_per_minute, "3m"},
                                                             {5 * ns_per_minute, "5m"},
                                                             {15 * ns_per_minute, "15m"},
                                                             {30 * ns_per_minute, "30m"},
                                                             {ns_per_hour, "1h"},
                                                             {2 * ns_per_hour, "2h"},
                                                             {4 * ns_per_hour, "4h"},
                                                             {6 * ns_per_hour, "6h"},
                                                             {12 * ns_per_hour, "12h"},
                                                             {core::ns_per_day, "1d"}});

constexpr auto calls = std::to_array<RestCall>({
    {.purpose = RestPurpose::instruments,
     .endpoint = "exchangeInfo",
     .pool = weight_pool,
     .interval_ns = ns_per_hour},
    {.purpose = RestPurpose::instruments,
     .endpoint = "fundingInfo",
     .pool = funding_pool,
     .interval_ns = ns_per_hour},
    {.purpose = RestPurpose::clock,
     .endpoint = "time",
     .pool = weight_pool,
     .interval_ns = ns_per_minute},
    {.purpose = RestPurpose::book_snapshot,
     .kinds = kinds_of(book),
     .endpoint = "depth",
     .query = "symbol=<symbol>&limit=1000",
     .is_per_symbol = true,
     .weight = 20,
     .pool = weight_pool},
    {.purpose = RestPurpose::seed,
     .kinds = kinds_of(bbo),
     .endpoint = "bookTicker",
     .weight = 5,
     .pool = weight_pool,
     .is_used_field_wrong = true},
    {.purpose = RestPurpose::trade_fill,
     .kinds = kinds_of(trades),
     .endpoint = "aggTrades",
     .query = "symbol=<symbol>&fromId=<from_id>&limit=1000",
     .is_per_symbol = true,
     .rows_max = 1000,
     .weight = 20,
     .pool = weight_pool},
    // Below 100 rows a page costs 1, above 1000 it costs 10.
    {.purpose = RestPurpose::kline_fill,
     .kinds = kinds_of(kline_1m),
     .endpoint = "klines",
     .query = "symbol=<symbol>&interval=<period>&startTime=<start>&endTime=<end-1?>&limit=99",
     .period = "1m",
     .is_per_symbol = true,
     .rows_max = 99,
     .weight = 1,
     .pool = weight_pool},
    {.purpose = RestPurpose::poll,
     .kinds = kinds_of(open_interest),
     .endpoint = "openInterest",
     .query = "symbol=<symbol>",
     .is_per_symbol = true,
     .pool = weight_pool,
     .interval_ns = ns_per_minute},
    statistic(long_short_ratio, "globalLongShortAccountRatio"),
    statistic(long_short_ratio, "topLongShortAccountRatio"),
    statistic(long_short_ratio, "topLongShortPositionRatio"),
    statistic(taker_volume, "takerlongshortRatio"),
    // 499 rows cost 2: no other page has more rows for its weight.
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(kline_1m),
     .endpoint = "klines",
     .query = "symbol=<symbol>&interval=<period>&startTime=<start>&endTime=<end-1>&limit=499",
     .period = "1m",
     .is_per_symbol = true,
     .rows_max = 499,
     .weight = 2,
     .pool = weight_pool,
     .step_ns = ns_per_minute},
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(funding),
     .endpoint = "fundingRate",
     .query = "symbol=<symbol>&startTime=<start>&endTime=<end-1>&limit=1000",
     .is_per_symbol = true,
     .rows_max = 1000,
     .pool = funding_pool,
     .step_ns = ns_per_hour},
    // As the stream has them. Less than an hour from start to end, the last 48 h (five minutes
    // less: the venue's clock decides, and they grow old while it is asked); then on by id
    // (trade_fill).
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(trades),
     .endpoint = "aggTrades",
     .query = "symbol=<symbol>&startTime=<start>&endTime=<end-1>&limit=1000",
     .is_per_symbol = true,
     .rows_max = 1000,
     .weight = 20,
     .pool = weight_pool,
     .step_ns = ns_per_hour,
     .reach_ns = 48 * ns_per_hour - 5 * ns_per_minute},
    past_statistic(open_interest, "openInterestHist"),
    past_statistic(long_short_ratio, "globalLongShortAccountRatio"),
    past_statistic(long_short_ratio, "topLongShortAccountRatio"),
    past_statistic(long_short_ratio, "topLongShortPositionRatio"),
});

/// {"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}
void write_frame(Verb verb, std::uint64_t id, std::span<const Topic> topics, std::string& out) {
  out += verb == Verb::subscribe ? R"({"method":"SUBSCRIBE","params":[)"
                                 : R"({"method":"UNSUBSCRIBE","params":[)";
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (i != 0) out += ',';
    append_quoted(out, topics[i].text);
  }
  out += R"(],"id":)";
  out += std::to_string(id);
  out += '}';
}

/// What a payload without its envelope may have been asked for as.
struct EventName {
  std::string_view event;
  std::string_view suffix;
};
constexpr auto event_names = std::to_array<EventName>({
    {"bookTicker", "@bookTicker"},
    {"depthUpdate", "@depth@100ms"},
    {"depthUpdate", "@depth@0ms"},
    {"depthUpdate", "@depth"},
    {"depthUpdate", "@depth@500ms"},
    {"aggTrade", "@aggTrade"},
    {"trade", "@trade"},
    {"markPriceUpdate", "@markPrice@1s"},
    {"markPriceUpdate", "@markPrice"},
    {"24hrTicker", "@ticker"},
    {"24hrMiniTicker", "@miniTicker"},
    {"kline", "@kline_"},
    {"forceOrder", "@forceOrder"},
});

/// @param event a cursor inside the event, before its first key
std::uint32_t find_bare(const SubscriptionTable& table, envelope::Cursor event) noexcept {
  std::string_view type;
  std::string_view symbol;
  std::string_view interval;
  for (std::string_view key; event.next(key);) {
    if (key == "e") {
      type = event.text();
      if (type == "forceOrder")
        if (const std::uint32_t all = table.find("!forceOrder@arr"); all != no_subscription)
          return all;
    } else if (key == "s") {
      symbol = event.text();
    } else if (key == "k" || key == "o") {
      envelope::Cursor inner = event;
      if (inner.enter('{'))
        for (std::string_view inner_key; inner.next(inner_key);) {
          if (inner_key == "i")
            interval = inner.text();
          else if (inner_key == "s")
            symbol = inner.text();
          else
            inner.skip();
        }
      event.skip();
    } else {
      event.skip();
    }
    const bool is_complete =
        !type.empty() && !symbol.empty() && (type != "kline" || !interval.empty());
    if (is_complete) break;
  }
  if (type.empty() || symbol.empty()) return no_subscription;
  TopicText topic;
  topic.append_lower_case(symbol);
  const std::size_t symbol_size = topic.size();
  for (const EventName& name : event_names) {
    if (name.event != type) continue;
    topic.cut(symbol_size);
    topic.append(name.suffix);
    if (type == "kline") topic.append(interval);
    if (const std::uint32_t found = table.find(topic.view()); found != no_subscription)
      return found;
  }
  return no_subscription;
}

/// Codes of the socket: 0 and 1 an unknown property or a value out of its type, 2 an invalid
/// request, 3 invalid JSON.
void refuse(Incoming& incoming, envelope::Cursor error) noexcept {
  incoming.kind = IncomingKind::refusal;
  incoming.refusal = Refusal::other;
  for (std::string_view key; error.next(key);) {
    if (key == "code")
      incoming.code = envelope::code_of(error.raw());
    else if (key == "msg")
      incoming.text = error.text();
    else
      error.skip();
  }
  if (incoming.code >= 0 && incoming.code <= 3) incoming.refusal = Refusal::malformed;
}

Incoming data_of(std::uint32_t subscription) noexcept {
  Incoming incoming;
  incoming.kind = IncomingKind::data;
  incoming.subscription = subscription;
  return incoming;
}

Incoming classify(const SubscriptionTable& table, std::string_view payload) noexcept {
  Incoming incoming;
  envelope::Cursor root(payload);
  if (root.peek() == '[') return data_of(no_subscription);  // bare events: no topic of ours is one
  if (!root.enter('{')) return incoming;
  const envelope::Cursor first = root;
  for (std::string_view key; root.next(key);) {
    if (key == "stream") return data_of(table.find(root.text()));
    if (key == "e") return data_of(find_bare(table, first));
    if (key == "id") {
      incoming.id = envelope::number_of(root.raw());
    } else if (key == "result") {
      const std::string_view result = root.raw();
      if (incoming.kind == IncomingKind::refusal) continue;  // a refusal stands over the rest
      const bool is_list = result.starts_with('[');
      incoming.kind = is_list ? IncomingKind::list : IncomingKind::ack;
      if (is_list) incoming.text = result;
    } else if (key == "error") {
      envelope::Cursor inner = root;
      if (inner.enter('{')) refuse(incoming, inner);
      root.skip();
    } else if (key == "code") {
      refuse(incoming, first);
      root.skip();
    } else {
      root.skip();
    }
  }
  return incoming;
}

/// "E", event time, stands among the first keys of each event; "T" is when it happened.
std::int64_t read_sent(std::string_view payload) noexcept {
  return envelope::time_behind(payload.substr(0, 256), R"("E":)");
}

/// {"serverTime":1499827319559}
ClockReading read_clock(std::string_view body) noexcept {
  envelope::Cursor root(body);
  if (!root.enter('{') || !root.find("serverTime")) return {};
  return envelope::clock_of(root.raw(), ns_per_ms);
}

}  // namespace

constinit const Connect connect{.sockets = sockets,
                                .streams = streams,
                                .rest_origin = "https://fapi.binance.com",
                                .testnet_rest_origin = "https://demo-fapi.binance.com",
                                .pools = pools,
                                .calls = calls,
                                .candle_periods = candle_periods,
                                .book_resync = BookResync::rest_snapshot,
                                .unknown_topic = UnknownTopic::silent,
                                .is_symbol_lower_case = true,
                                .write_frame = write_frame,
                                .classify = classify,
                                .read_sent = read_sent,
                                .read_clock = read_clock};

}  // namespace perp::venue::binance
