// Hyperliquid, live. Figures:
// https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket and its page of rate
// limits, as of 2026-09. A topic is written `type:coin` here; on the wire it is an object.
#include "venue/envelope.hpp"
#include "venue/hyperliquid.hpp"
#include "venue/json_text.hpp"

#include <perp/venue/connect.hpp>
#include <perp/venue/subscription_plan.hpp>
#include <perp/venue/subscription_table.hpp>

#include <algorithm>
#include <array>

namespace perp::venue::hyperliquid {
namespace {

using core::ns_per_hour;
using core::ns_per_minute;
using core::ns_per_ms;
using core::ns_per_second;
using enum StreamKind;

// The venue: per address 10 connections, 30 dials a minute, 1000 subscriptions, 2000 frames a
// minute. Topics a connection are ours, so that connections are left for a roll-over; dials and
// frames stay below. The server closes when it has sent nothing for 60 s.
constexpr auto sockets = std::to_array<Socket>({
    {.name = "public",
     .origin = "wss://api.hyperliquid.xyz",
     .testnet_origin = "wss://api.hyperliquid-testnet.xyz",
     .target = "/ws",
     .limits = {.topics_per_connection = 250,
                .topics_per_frame = 1,
                .frames_per_address = {.count = 1500, .window_ns = ns_per_minute},
                .topics_per_address = 1000,
                .connections_open = 8,
                .dials = {.count = 20, .window_ns = ns_per_minute},
                .idle_cut_ns = ns_per_minute},
     .ping = {.interval_ns = 30 * ns_per_second,
              .text = R"({"method":"ping"})",
              .pong_timeout_ns = 10 * ns_per_second}},
});

// A contract's topics stand behind each other, so that one connection that a delisting closes takes
// whole contracts with it. Books are resent unchanged. Silences are ours.
constexpr auto streams = std::to_array<Stream>({
    {.kinds = kinds_of(book),
     .prefix = "l2Book:",
     .sends_at_once = true,
     .is_clocked = true,
     .interval_ns = 540 * ns_per_ms,
     .silence_ns = 15 * ns_per_second,
     .silence_ns_quiet = 30 * ns_per_second},
    {.kinds = kinds_of(bbo), .prefix = "bbo:", .silence_ns = 15 * ns_per_second},
    // The first message replays what was traded before.
    {.kinds = kinds_of(trades),
     .prefix = "trades:",
     .sends_at_once = true,
     .silence_ns = ns_per_minute},
    {.kinds = kinds_of(mark_price, funding, ticker, open_interest),
     .prefix = "activeAssetCtx:",
     .sends_at_once = true,
     .is_clocked = true,
     .interval_ns = ns_per_second,
     .silence_ns = 20 * ns_per_second,
     .silence_ns_quiet = ns_per_minute},
    {.kinds = kinds_of(kline_1m), .prefix = "candle:", .silence_ns = 2 * ns_per_minute},
});

// No header tells what was spent.
constexpr auto pools = std::to_array<RestPool>({
    {.name = "weight", .budget = {.count = 1200, .window_ns = ns_per_minute}},
});

constexpr RestCall info(RestPurpose purpose, std::string_view endpoint, std::string_view body) {
  return {.purpose = purpose, .endpoint = endpoint, .method = "POST", .body = body, .weight = 20};
}
constexpr RestCall instruments_call() {
  RestCall call = info(RestPurpose::instruments, "meta", R"({"type":"meta"})");
  call.interval_ns = 5 * ns_per_minute;
  return call;
}
constexpr RestCall clock_call() {
  RestCall call = info(RestPurpose::clock, "exchangeStatus", R"({"type":"exchangeStatus"})");
  call.weight = 2;
  call.interval_ns = ns_per_minute;
  return call;
}
// Some ten newest only: most holes cannot be filled.
constexpr RestCall trades_call() {
  RestCall call =
      info(RestPurpose::trade_fill, "recentTrades", R"({"type":"recentTrades","coin":"<symbol>"})");
  call.kinds = kinds_of(trades);
  call.is_per_symbol = true;
  call.rows_max = 10;
  call.weight = 21;  // 20 and one for each 20 rows
  return call;
}
// Only the newest 5000 candles exist. Ascending. It costs 20, and one for each 60 rows.
constexpr RestCall klines_call() {
  RestCall call = info(
      RestPurpose::kline_fill, "candleSnapshot",
      R"({"type":"candleSnapshot","req":{"coin":"<symbol>","interval":"<period>","startTime":<start>,"endTime":<end-1>}})");
  call.kinds = kinds_of(kline_1m);
  call.is_per_symbol = true;
  call.period = "1m";
  call.rows_max = 5000;
  call.weight = 104;
  call.rows_per_weight = 60;
  return call;
}
constexpr RestCall past_klines_call() {
  RestCall call = klines_call();
  call.purpose = RestPurpose::history;
  call.step_ns = core::ns_per_minute;
  call.reach_rows = 5000;
  return call;
}
// Ascending. It costs 20, and one for each 20 rows.
constexpr RestCall past_funding_call() {
  RestCall call =
      info(RestPurpose::history, "fundingHistory",
           R"({"type":"fundingHistory","coin":"<symbol>","startTime":<start>,"endTime":<end-1>})");
  call.kinds = kinds_of(funding);
  call.is_per_symbol = true;
  call.rows_max = 500;
  call.weight = 45;
  call.rows_per_weight = 20;
  call.step_ns = core::ns_per_hour;
  return call;
}
// The same ten.
constexpr RestCall past_trades_call() {
  RestCall call = trades_call();
  call.purpose = RestPurpose::history;
  return call;
}
constexpr auto calls =
    std::to_array<RestCall>({instruments_call(), clock_call(), trades_call(), klines_call(),
                             past_klines_call(), past_funding_call(), past_trades_call()});

constexpr auto candle_periods = std::to_array<CandlePeriod>({{ns_per_minute, "1m"},
                                                             {3 * ns_per_minute, "3m"},
                                                             {5 * ns_per_minute, "5m"},
                                                             {15 * ns_per_minute, "15m"},
                                                             {30 * ns_per_minute, "30m"},
                                                             {ns_per_hour, "1h"},
                                                             {2 * ns_per_hour, "2h"},
                                                             {4 * ns_per_hour, "4h"},
                                                             {8 * ns_per_hour, "8h"},
                                                             {12 * ns_per_hour, "12h"},
                                                             {core::ns_per_day, "1d"}});

/// {"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","fast":true}}
void write_frame(Verb verb, std::uint64_t, std::span<const Topic> topics, std::string& out) {
  if (topics.empty()) return;
  const std::string_view topic = topics.front().text;
  const std::size_t colon = std::min(topic.find(':'), topic.size());
  const std::string_view type = topic.substr(0, colon);
  out += verb == Verb::subscribe ? R"({"method":"subscribe","subscription":{"type":)"
                                 : R"({"method":"unsubscribe","subscription":{"type":)";
  append_quoted(out, type);
  if (colon != topic.size()) {
    out += R"(,"coin":)";
    append_quoted(out, topic.substr(colon + 1));
  }
  if (type == "l2Book") out += R"(,"fast":true)";
  if (type == "candle") out += R"(,"interval":"1m")";
  out += "}}";
}

std::uint32_t find(const SubscriptionTable& table, std::string_view type,
                   std::string_view coin) noexcept {
  TopicText topic;
  topic.append(type);
  if (!coin.empty()) topic.append(":").append(coin);
  return table.find(topic.view());
}

/// @param subscription a cursor before {"type":..,"coin":..}
std::uint32_t find_subscription(const SubscriptionTable& table,
                                envelope::Cursor subscription) noexcept {
  if (!subscription.enter('{')) return no_subscription;
  std::string_view type;
  std::string_view coin;
  std::string_view interval = "1m";
  for (std::string_view key; subscription.next(key);) {
    if (key == "type")
      type = subscription.text();
    else if (key == "coin")
      coin = subscription.text();
    else if (key == "interval")
      interval = subscription.text();
    else
      subscription.skip();
  }
  return interval == "1m" ? find(table, type, coin) : no_subscription;
}

/// The subscription in "Already subscribed: {\"type\":\"l2Book\",..}", as it stands in the message.
std::uint32_t find_escaped(const SubscriptionTable& table, std::string_view words) noexcept {
  std::array<char, 512> text;
  std::size_t size = 0;
  const std::size_t open = words.find('{');
  if (open == std::string_view::npos) return no_subscription;
  for (std::size_t i = open; i < words.size() && size < text.size(); ++i) {
    if (words[i] == '\\' && i + 1 < words.size()) ++i;
    text[size++] = words[i];
  }
  return find_subscription(table, envelope::Cursor({text.data(), size}));
}

void refuse(const SubscriptionTable& table, std::string_view words, Incoming& incoming) noexcept {
  incoming.kind = IncomingKind::refusal;
  incoming.text = words;
  if (words.starts_with("Already subscribed")) {
    incoming.refusal = Refusal::already_subscribed;
    incoming.subscription = find_escaped(table, words);
  } else if (words.starts_with("Already unsubscribed")) {
    incoming.refusal = Refusal::not_subscribed;
    incoming.subscription = find_escaped(table, words);
  } else if (words.starts_with("Error parsing JSON")) {
    incoming.refusal = Refusal::malformed;
  } else {
    incoming.refusal = Refusal::other;
  }
}

void acknowledge(const SubscriptionTable& table, envelope::Cursor data,
                 Incoming& incoming) noexcept {
  incoming.kind = IncomingKind::ack;
  if (!data.enter('{')) return;
  for (std::string_view key; data.next(key);) {
    if (key == "method") {
      incoming.verb = data.text() == "unsubscribe" ? Verb::unsubscribe : Verb::subscribe;
    } else {
      if (key == "subscription") incoming.subscription = find_subscription(table, data);
      data.skip();
    }
  }
}

/// Channels whose data is one object, or a list of objects of one coin, that names it.
struct Channel {
  std::string_view name;
  std::string_view type;  ///< of the subscription that brings it
  std::string_view coin_key;
};
constexpr auto channels = std::to_array<Channel>({
    {"l2Book", "l2Book", "coin"},
    {"bbo", "bbo", "coin"},
    {"trades", "trades", "coin"},
    {"activeAssetCtx", "activeAssetCtx", "coin"},
    {"activeSpotAssetCtx", "activeAssetCtx", "coin"},
    {"candle", "candle", "s"},
});

std::uint32_t find_data(const SubscriptionTable& table, const Channel& channel,
                        envelope::Cursor data) noexcept {
  data.enter('[');
  if (!data.enter('{')) return no_subscription;
  const envelope::Cursor first = data;
  if (!data.find(channel.coin_key)) return no_subscription;
  const std::string_view coin = data.text();
  if (coin.empty()) return no_subscription;
  if (channel.name == "candle") {
    envelope::Cursor candle = first;
    if (!candle.find("i") || candle.text() != "1m") return no_subscription;
  }
  return find(table, channel.type, coin);
}

/// {"time":1758844800000,"specialStatuses":null}
ClockReading read_clock(std::string_view body) noexcept {
  envelope::Cursor root(body);
  if (!root.enter('{') || !root.find("time")) return {};
  return envelope::clock_of(root.raw(), ns_per_ms);
}

constexpr std::string_view greeting = "Websocket connection established.";

Incoming classify(const SubscriptionTable& table, std::string_view payload) noexcept {
  Incoming incoming;
  if (payload.starts_with(greeting)) {
    incoming.kind = IncomingKind::greeting;
    return incoming;
  }
  envelope::Cursor root(payload);
  if (!root.enter('{')) return incoming;
  envelope::Cursor data = root;
  if (!root.find("channel")) return incoming;
  const std::string_view name = root.text();
  if (name == "pong") {
    incoming.kind = IncomingKind::pong;
    return incoming;
  }
  if (!data.find("data")) return incoming;
  for (const Channel& channel : channels) {
    if (channel.name != name) continue;
    incoming.kind = IncomingKind::data;
    incoming.subscription = find_data(table, channel, data);
    return incoming;
  }
  if (name == "subscriptionResponse") {
    acknowledge(table, data, incoming);
  } else if (name == "error") {
    refuse(table, data.text(), incoming);
  } else if (name != "post") {
    incoming.kind = IncomingKind::data;
    incoming.subscription = table.find(name);
  }
  return incoming;
}

}  // namespace

constinit const Connect connect{
    .sockets = sockets,
    .streams = streams,
    .without_source = kinds_of(liquidations, long_short_ratio, taker_volume),
    .rest_origin = "https://api.hyperliquid.xyz",
    .testnet_rest_origin = "https://api.hyperliquid-testnet.xyz",
    .pools = pools,
    .calls = calls,
    .candle_periods = candle_periods,
    .book_resync = BookResync::next_message,
    .unknown_topic = UnknownTopic::closes_connection,
    .is_ack_per_topic = true,
    .write_frame = write_frame,
    .classify = classify,
    .read_clock = read_clock};

}  // namespace perp::venue::hyperliquid
