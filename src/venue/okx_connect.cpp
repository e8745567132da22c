// OKX swaps, live. Figures: https://www.okx.com/docs-v5/en/#overview-websocket and the pages of
// each channel and endpoint, unless said otherwise. A topic is written `channel:argument` here; on
// the wire it is an object, whose argument is a type of instruments where the channel is about all.
#include "venue/envelope.hpp"
#include "venue/json_text.hpp"
#include "venue/okx.hpp"

#include <perp/venue/connect.hpp>
#include <perp/venue/subscription_plan.hpp>
#include <perp/venue/subscription_table.hpp>

#include <array>

namespace perp::venue::okx {
namespace {

using core::ns_per_hour;
using core::ns_per_minute;
using core::ns_per_ms;
using core::ns_per_second;
using enum StreamKind;

// The venue: 3 dials a second, 480 frames that subscribe or not an hour and connection, 64 KiB of
// arguments a frame, fewer than about 30 heavy channels a connection advised. The number of topics
// and the margin below those are ours.
constexpr SocketLimits limits{.topics_per_connection = 240,
                              .heavy_per_connection = 28,
                              .topics_per_frame = 60,
                              .frame_bytes = 60'000,
                              .frames = {.count = 400, .window_ns = ns_per_hour},
                              .dials = {.count = 2, .window_ns = ns_per_second},
                              .idle_cut_ns = 30 * ns_per_second};
// Pings count nowhere. The server closes after 30 s in which neither side has sent.
constexpr PingRule ping{.interval_ns = 20 * ns_per_second,
                        .text = "ping",
                        .is_only_when_quiet = true,
                        .pong_timeout_ns = 8 * ns_per_second};

enum : std::uint8_t { public_socket, business_socket };
constexpr auto sockets = std::to_array<Socket>({
    {.name = "public",
     .origin = "wss://ws.okx.com:8443",
     .testnet_origin = "wss://wspap.okx.com:8443",
     .target = "/ws/v5/public",
     .limits = limits,
     .ping = ping},
    {.name = "business",
     .origin = "wss://ws.okx.com:8443",
     .testnet_origin = "wss://wspap.okx.com:8443",
     .target = "/ws/v5/business",
     .limits = limits,
     .ping = ping},
});

// Silences are ours, but for books: an unchanged one is said to be so after 60 s.
constexpr auto streams = std::to_array<Stream>({
    {.kinds = kinds_of(book),
     .socket = public_socket,
     .prefix = "books:",
     .is_heavy = true,
     .sends_at_once = true,
     .interval_ns = 100 * ns_per_ms,
     .silence_ns = 10 * ns_per_second,
     .silence_ns_quiet = 90 * ns_per_second},
    {.kinds = kinds_of(bbo),
     .socket = public_socket,
     .prefix = "bbo-tbt:",
     .interval_ns = 10 * ns_per_ms,
     .silence_ns = 10 * ns_per_second},
    {.kinds = kinds_of(trades),
     .socket = public_socket,
     .prefix = "trades:",
     .silence_ns = ns_per_minute},
    {.kinds = kinds_of(mark_price),
     .socket = public_socket,
     .prefix = "mark-price:",
     .interval_ns = 10 * ns_per_second,
     .silence_ns = 30 * ns_per_second,
     .silence_ns_quiet = 30 * ns_per_second},
    {.kinds = kinds_of(funding),
     .socket = public_socket,
     .prefix = "funding-rate:",
     .interval_ns = 90 * ns_per_second,
     .silence_ns = 5 * ns_per_minute,
     .silence_ns_quiet = 5 * ns_per_minute},
    {.kinds = kinds_of(ticker),
     .socket = public_socket,
     .prefix = "tickers:",
     .interval_ns = 100 * ns_per_ms,
     .silence_ns = 30 * ns_per_second},
    {.kinds = kinds_of(open_interest),
     .socket = public_socket,
     .prefix = "open-interest:",
     .interval_ns = 3 * ns_per_second,
     .silence_ns = 30 * ns_per_second,
     .silence_ns_quiet = 2 * ns_per_minute},
    {.kinds = kinds_of(kline_1m),
     .socket = business_socket,
     .prefix = "candle1m:",
     .interval_ns = ns_per_second,
     .silence_ns = 2 * ns_per_minute},
    {.kinds = kinds_of(liquidations),
     .socket = public_socket,
     .prefix = "liquidation-orders:SWAP",
     .is_venue_wide = true},
});

// Each endpoint has a budget of its own and no header tells it.
enum : std::uint8_t {
  instruments_pool,
  time_pool,
  trades_pool,
  candles_pool,
  ratio_pool,
  taker_pool,
  past_candles_pool,
  past_pool
};
constexpr RestPool pool(std::string_view name, std::uint32_t count) {
  return {.name = name, .budget = {.count = count, .window_ns = 2 * ns_per_second}};
}
constexpr auto pools = std::to_array<RestPool>(
    {pool("instruments", 20), pool("time", 10), pool("history-trades", 20), pool("candles", 40),
     pool("account-ratio", 5), pool("taker-volume", 5), pool("history-candles", 20),
     // Each of two endpoints has so much; a ledger has
     // no room for both.
     pool("past-statistics", 10)});

// A day is UTC's where the word says so.
constexpr auto candle_periods = std::to_array<CandlePeriod>({{ns_per_minute, "1m"},
                                                             {3 * ns_per_minute, "3m"},
                                                             {5 * ns_per_minute, "5m"},
                                                             {15 * ns_per_minute, "15m"},
                                                             {30 * ns_per_minute, "30m"},
                                                             {ns_per_hour, "1H"},
                                                             {2 * ns_per_hour, "2H"},
                                                             {4 * ns_per_hour, "4H"},
                                                             {6 * ns_per_hour, "6Hutc"},
                                                             {12 * ns_per_hour, "12Hutc"},
                                                             {core::ns_per_day, "1Dutc"}});

// `begin` and `end` exclude their bounds. The newest 1440 rows exist.
constexpr std::string_view past_rows =
    "instId=<symbol>&period=<period>&begin=<start-1>&end=<end>&limit=100";

// `after` is older than, `before` newer than, and neither includes its bound. Rows are newest
// first.
constexpr auto calls = std::to_array<RestCall>({
    {.purpose = RestPurpose::instruments,
     .endpoint = "instruments",
     .query = "instType=SWAP",
     .pool = instruments_pool,
     .interval_ns = ns_per_hour},
    {.purpose = RestPurpose::clock,
     .endpoint = "time",
     .pool = time_pool,
     .interval_ns = ns_per_minute},
    {.purpose = RestPurpose::trade_fill,
     .kinds = kinds_of(trades),
     .endpoint = "history-trades",
     .query = "instId=<symbol>&type=1&after=<until_id?>&limit=100",
     .is_per_symbol = true,
     .pages_backward = true,
     .rows_max = 100,
     .pool = trades_pool},
    {.purpose = RestPurpose::kline_fill,
     .kinds = kinds_of(kline_1m),
     .endpoint = "candles",
     .query = "instId=<symbol>&bar=<period>&after=<end?>&before=<start-1?>&limit=300",
     .period = "1m",
     .is_per_symbol = true,
     .pages_backward = true,
     .rows_max = 300,
     .pool = candles_pool},
    {.purpose = RestPurpose::poll,
     .kinds = kinds_of(long_short_ratio),
     .endpoint = "long-short-account-ratio-contract",
     .query = "instId=<symbol>&period=<period>&limit=2",
     .period = "5m",
     .is_per_symbol = true,
     .rows_max = 2,
     .pool = ratio_pool,
     .interval_ns = 5 * ns_per_minute},
    {.purpose = RestPurpose::poll,
     .kinds = kinds_of(taker_volume),
     .endpoint = "taker-volume-contract",
     .query = "instId=<symbol>&period=<period>&unit=1&limit=2",
     .period = "5m",
     .is_per_symbol = true,
     .rows_max = 2,
     .pool = taker_pool,
     .interval_ns = 5 * ns_per_minute},
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(kline_1m),
     .endpoint = "history-candles",
     .query = "instId=<symbol>&bar=<period>&after=<end>&before=<start-1>&limit=100",
     .period = "1m",
     .is_per_symbol = true,
     .rows_max = 100,
     .pool = past_candles_pool,
     .step_ns = ns_per_minute},
    // Older than a time; then on by id (trade_fill). Each fill is a row.
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(trades),
     .endpoint = "history-trades",
     .query = "instId=<symbol>&type=2&after=<end>&limit=100",
     .is_per_symbol = true,
     .pages_backward = true,
     .rows_max = 100,
     .pool = trades_pool,
     .reach_ns = 90 * core::ns_per_day},
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(funding),
     .endpoint = "funding-rate-history",
     .query = "instId=<symbol>&after=<end>&before=<start-1>&limit=100",
     .is_per_symbol = true,
     .rows_max = 100,
     .pool = past_pool,
     .step_ns = ns_per_hour,
     .reach_ns = 90 * core::ns_per_day},
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(open_interest),
     .endpoint = "open-interest-history",
     .query = past_rows,
     .period = "5m",
     .is_per_symbol = true,
     .rows_max = 100,
     .pool = past_pool,
     .step_ns = 5 * ns_per_minute,
     .reach_rows = 1440},
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(long_short_ratio),
     .endpoint = "long-short-account-ratio-contract",
     .query = past_rows,
     .period = "5m",
     .is_per_symbol = true,
     .rows_max = 100,
     .pool = ratio_pool,
     .step_ns = 5 * ns_per_minute,
     .reach_rows = 1440},
});

/// {"channel":"trades","instId":"BTC-USDT-SWAP"}
void append_argument(std::string& out, std::string_view topic) {
  const std::size_t colon = topic.find(':');
  const std::string_view channel = topic.substr(0, colon);
  out += R"({"channel":)";
  append_quoted(out, channel);
  if (colon != std::string_view::npos) {
    const bool is_about_a_type = channel == "liquidation-orders" || channel == "instruments";
    out += is_about_a_type ? R"(,"instType":)" : R"(,"instId":)";
    append_quoted(out, topic.substr(colon + 1));
  }
  out += '}';
}

/// {"id":"1","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT-SWAP"}]}
void write_frame(Verb verb, std::uint64_t id, std::span<const Topic> topics, std::string& out) {
  out += R"({"id":")";
  out += std::to_string(id);
  out += verb == Verb::subscribe ? R"(","op":"subscribe","args":[)"
                                 : R"(","op":"unsubscribe","args":[)";
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (i != 0) out += ',';
    append_argument(out, topics[i].text);
  }
  out += "]}";
}

std::uint32_t find(const SubscriptionTable& table, std::string_view channel,
                   std::string_view argument) noexcept {
  TopicText topic;
  topic.append(channel);
  if (!argument.empty()) topic.append(":").append(argument);
  return table.find(topic.view());
}

/// @param argument a cursor before the object behind "arg"
std::uint32_t find_argument(const SubscriptionTable& table, envelope::Cursor argument) noexcept {
  if (!argument.enter('{')) return no_subscription;
  std::string_view channel;
  std::string_view name;
  std::string_view type;
  for (std::string_view key; argument.next(key);) {
    if (key == "channel")
      channel = argument.text();
    else if (key == "instId")
      name = argument.text();
    else if (key == "instType")
      type = argument.text();
    else
      argument.skip();
  }
  return find(table, channel, name.empty() ? type : name);
}

/// "Wrong URL or channel:index-tickers, instId:NEAR-USDT-SWAP doesn't exist. Please use ..."
std::uint32_t find_in_words(const SubscriptionTable& table, std::string_view words) noexcept {
  const auto value_of = [&](std::string_view mark, std::string_view stops) {
    const std::size_t at = words.find(mark);
    if (at == std::string_view::npos) return std::string_view();
    const std::string_view rest = words.substr(at + mark.size());
    return rest.substr(0, rest.find_first_of(stops));
  };
  std::string_view argument = value_of("instId:", ", ");
  if (argument.empty()) argument = value_of("instType:", ", ");
  return find(table, value_of("channel:", ", "), argument);
}

/// Error codes of the WebSocket: https://www.okx.com/docs-v5/en/#error-code-websocket
void refuse(const SubscriptionTable& table, Incoming& incoming) noexcept {
  incoming.kind = IncomingKind::refusal;
  incoming.subscription = find_in_words(table, incoming.text);
  switch (incoming.code) {
    case 60012: incoming.refusal = Refusal::malformed; break;
    case 60014: incoming.refusal = Refusal::too_fast; break;
    case 60018: incoming.refusal = Refusal::unknown_topic; break;
    default: incoming.refusal = Refusal::other; break;
  }
}

Incoming classify(const SubscriptionTable& table, std::string_view payload) noexcept {
  Incoming incoming;
  if (payload == "pong") {
    incoming.kind = IncomingKind::pong;
    return incoming;
  }
  envelope::Cursor root(payload);
  if (!root.enter('{')) return incoming;
  std::string_view event;
  bool has_argument = false;
  for (std::string_view key; root.next(key);) {
    if (key == "arg") {
      has_argument = true;
      incoming.subscription = find_argument(table, root);
      root.skip();
    } else if (key == "data" && has_argument) {
      break;  // events have no data
    } else if (key == "event") {
      event = root.text();
    } else if (key == "code") {
      incoming.code = envelope::code_of(root.text());
    } else if (key == "msg") {
      incoming.text = root.text();
    } else if (key == "id") {
      incoming.id = envelope::number_of(root.text());
    } else {
      root.skip();
    }
  }
  if (event.empty()) {
    incoming.kind = has_argument ? IncomingKind::data : IncomingKind::other;
  } else if (event == "subscribe" || event == "unsubscribe") {
    incoming.kind = IncomingKind::ack;
    incoming.verb = event == "subscribe" ? Verb::subscribe : Verb::unsubscribe;
  } else if (event == "error") {
    refuse(table, incoming);
  } else if (event == "notice" && incoming.code == 64008) {
    incoming.kind = IncomingKind::closing;
  }
  return incoming;
}

/// {"code":"0","data":[{"ts":"1597026383085"}],"msg":""}
ClockReading read_clock(std::string_view body) noexcept {
  envelope::Cursor root(body);
  if (!root.enter('{') || !root.find("data") || !root.enter('[') || !root.enter('{') ||
      !root.find("ts"))
    return {};
  return envelope::clock_of(root.text(), ns_per_ms);
}

constexpr auto testnet_fields =
    std::to_array<HeaderField>({{.name = "x-simulated-trading", .value = "1"}});

}  // namespace

constinit const Connect connect{.sockets = sockets,
                                .streams = streams,
                                .rest_origin = "https://www.okx.com",
                                .testnet_rest_origin = "https://www.okx.com",
                                .testnet_rest_fields = testnet_fields,
                                .pools = pools,
                                .calls = calls,
                                .candle_periods = candle_periods,
                                .book_resync = BookResync::resubscribe,
                                .unknown_topic = UnknownTopic::refused_alone,
                                .is_ack_per_topic = true,
                                .is_trade_sum_of_fills = true,
                                // Limits are per endpoint and 2 s; a 429 (50011) names no time.
                                .too_often_ns = 2 * ns_per_second,
                                .write_frame = write_frame,
                                .classify = classify,
                                .read_clock = read_clock};

}  // namespace perp::venue::okx
