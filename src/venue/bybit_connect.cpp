// Bybit linear perpetuals, live. Figures: https://bybit-exchange.github.io/docs/v5/ws/connect and
// its pages of topics and rate limits, unless said otherwise.
#include "venue/bybit.hpp"
#include "venue/envelope.hpp"
#include "venue/json_text.hpp"

#include <perp/venue/connect.hpp>
#include <perp/venue/subscription_plan.hpp>
#include <perp/venue/subscription_table.hpp>

#include <array>
#include <charconv>

namespace perp::venue::bybit {
namespace {

using core::ns_per_hour;
using core::ns_per_minute;
using core::ns_per_ms;
using core::ns_per_second;
using enum StreamKind;

// The venue counts the characters of a connection's topics and allows 500 dials in 5 minutes. The
// number of topics, of frames and of dials are ours. A socket without subscriptions was seen cut
// after 61 s, one that neither pings nor gets data is cut after 10 minutes.
constexpr auto sockets = std::to_array<Socket>({
    {.name = "linear",
     .origin = "wss://stream.bybit.com",
     .testnet_origin = "wss://stream-testnet.bybit.com",
     .target = "/v5/public/linear",
     .limits = {.topics_per_connection = 300,
                .topic_bytes_per_connection = 21'000,
                .topics_per_frame = 10,
                .frames = {.count = 10, .window_ns = ns_per_second},
                .connections_open = 1000,
                .dials = {.count = 100, .window_ns = 5 * ns_per_minute},
                .idle_cut_ns = ns_per_minute},
     .ping = {.interval_ns = 20 * ns_per_second,
              .text = R"({"req_id":"p1","op":"ping"})",
              .pong_timeout_ns = 10 * ns_per_second}},
});

// Silences are ours. Level 1 is repeated after 3 s without a change, so it tells a dead
// subscription of the quietest contract.
constexpr auto streams = std::to_array<Stream>({
    {.kinds = kinds_of(book),
     .prefix = "orderbook.50.",
     .sends_at_once = true,
     .interval_ns = 20 * ns_per_ms,
     .silence_ns = 10 * ns_per_second},
    {.kinds = kinds_of(bbo),
     .prefix = "orderbook.1.",
     .sends_at_once = true,
     .interval_ns = 10 * ns_per_ms,
     .silence_ns = 15 * ns_per_second,
     .silence_ns_quiet = 30 * ns_per_second},
    {.kinds = kinds_of(trades), .prefix = "publicTrade.", .silence_ns = ns_per_minute},
    {.kinds = kinds_of(ticker, mark_price, funding, open_interest),
     .prefix = "tickers.",
     .sends_at_once = true,
     .interval_ns = 100 * ns_per_ms,
     .silence_ns = 10 * ns_per_second,
     .silence_ns_quiet = 2 * ns_per_minute},
    {.kinds = kinds_of(kline_1m),
     .prefix = "kline.1.",
     .interval_ns = ns_per_minute,
     .silence_ns = 2 * ns_per_minute,
     .silence_ns_quiet = 5 * ns_per_minute},
    {.kinds = kinds_of(liquidations), .prefix = "allLiquidation.", .interval_ns = 500 * ns_per_ms},
});

// Above 600 requests in 5 s: HTTP 403, and ten minutes of silence are asked for. The header counts
// signed calls; it is honoured where it is sent.
constexpr auto pools = std::to_array<RestPool>({
    {.name = "requests",
     .budget = {.count = 600, .window_ns = 5 * ns_per_second},
     .remaining_field = "X-Bapi-Limit-Status"},
});

constexpr auto candle_periods = std::to_array<CandlePeriod>({{ns_per_minute, "1"},
                                                             {3 * ns_per_minute, "3"},
                                                             {5 * ns_per_minute, "5"},
                                                             {15 * ns_per_minute, "15"},
                                                             {30 * ns_per_minute, "30"},
                                                             {ns_per_hour, "60"},
                                                             {2 * ns_per_hour, "120"},
                                                             {4 * ns_per_hour, "240"},
                                                             {6 * ns_per_hour, "360"},
                                                             {12 * ns_per_hour, "720"},
                                                             {core::ns_per_day, "D"}});

constexpr auto calls = std::to_array<RestCall>({
    // Pages: cursor = nextPageCursor until that is empty.
    {.purpose = RestPurpose::instruments,
     .endpoint = "instruments-info",
     .query = "category=linear&limit=1000&cursor=<cursor?>",
     .rows_max = 1000,
     .interval_ns = ns_per_hour},
    {.purpose = RestPurpose::clock, .endpoint = "time", .interval_ns = ns_per_minute},
    // The newest only: a hole of more than 1000 trades cannot be filled.
    {.purpose = RestPurpose::trade_fill,
     .kinds = kinds_of(trades),
     .endpoint = "recent-trade",
     .query = "category=linear&symbol=<symbol>&limit=1000",
     .is_per_symbol = true,
     .rows_max = 1000},
    {.purpose = RestPurpose::kline_fill,
     .kinds = kinds_of(kline_1m),
     .endpoint = "kline",
     .query =
         "category=linear&symbol=<symbol>&interval=<period>&start=<start?>&end=<end-1?>&limit=1000",
     .period = "1",
     .is_per_symbol = true,
     .pages_backward = true,
     .rows_max = 1000},
    {.purpose = RestPurpose::poll,
     .kinds = kinds_of(long_short_ratio),
     .endpoint = "account-ratio",
     .query = "category=linear&symbol=<symbol>&period=<period>&limit=2",
     .period = "5min",
     .is_per_symbol = true,
     .rows_max = 2,
     .interval_ns = 5 * ns_per_minute},
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(kline_1m),
     .endpoint = "kline",
     .query =
         "category=linear&symbol=<symbol>&interval=<period>&start=<start>&end=<end-1>&limit=1000",
     .period = "1",
     .is_per_symbol = true,
     .rows_max = 1000,
     .step_ns = ns_per_minute},
    // The newest only, whatever is asked for.
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(trades),
     .endpoint = "recent-trade",
     .query = "category=linear&symbol=<symbol>&limit=1000",
     .is_per_symbol = true,
     .rows_max = 1000},
    // A start without an end is an error.
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(funding),
     .endpoint = "funding-history",
     .query = "category=linear&symbol=<symbol>&startTime=<start>&endTime=<end-1>&limit=200",
     .is_per_symbol = true,
     .rows_max = 200,
     .step_ns = ns_per_hour},
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(open_interest),
     .endpoint = "open-interest",
     .query = "category=linear&symbol=<symbol>&intervalTime=<period>&startTime=<start>"
              "&endTime=<end-1>&limit=200",
     .period = "5min",
     .is_per_symbol = true,
     .rows_max = 200,
     .step_ns = 5 * ns_per_minute},
    {.purpose = RestPurpose::history,
     .kinds = kinds_of(long_short_ratio),
     .endpoint = "account-ratio",
     .query = "category=linear&symbol=<symbol>&period=<period>&startTime=<start>&endTime=<end-1>"
              "&limit=500",
     .period = "5min",
     .is_per_symbol = true,
     .rows_max = 500,
     .step_ns = 5 * ns_per_minute},
});

/// {"req_id":"1","op":"subscribe","args":["publicTrade.BTCUSDT"]}
void write_frame(Verb verb, std::uint64_t id, std::span<const Topic> topics, std::string& out) {
  out += R"({"req_id":")";
  out += std::to_string(id);
  out += verb == Verb::subscribe ? R"(","op":"subscribe","args":[)"
                                 : R"(","op":"unsubscribe","args":[)";
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (i != 0) out += ',';
    append_quoted(out, topics[i].text);
  }
  out += "]}";
}

/// "error:handler not found,topic:orderbook.50.NOPEUSDT"
void refuse(const SubscriptionTable& table, Incoming& incoming) noexcept {
  incoming.kind = IncomingKind::refusal;
  incoming.refusal = Refusal::other;
  static constexpr std::string_view mark = ",topic:";
  if (const std::size_t at = incoming.text.find(mark); at != std::string_view::npos)
    incoming.subscription = table.find(incoming.text.substr(at + mark.size()));
  const auto says = [&](std::string_view words) {
    return incoming.text.find(words) != std::string_view::npos;
  };
  if (says("handler not found"))
    incoming.refusal = Refusal::unknown_topic;
  else if (says("already subscribed"))
    incoming.refusal = Refusal::already_subscribed;
  else if (says("invalid op"))
    incoming.refusal = Refusal::malformed;
}

Incoming classify(const SubscriptionTable& table, std::string_view payload) noexcept {
  Incoming incoming;
  envelope::Cursor root(payload);
  if (!root.enter('{')) return incoming;
  std::string_view operation;
  std::string_view success;
  for (std::string_view key; root.next(key);) {
    if (key == "topic") {
      incoming.kind = IncomingKind::data;
      incoming.subscription = table.find(root.text());
      return incoming;
    }
    if (key == "op")
      operation = root.text();
    else if (key == "success")
      success = root.raw();
    else if (key == "ret_msg")
      incoming.text = root.text();
    else if (key == "req_id")
      incoming.id = envelope::number_of(root.text());
    else
      root.skip();
  }
  // The public sockets answer a ping with op "ping", others with "pong".
  if (operation == "ping" || operation == "pong" || incoming.text == "pong") {
    incoming.kind = success == "false" ? IncomingKind::other : IncomingKind::pong;
  } else if (success == "true") {
    incoming.kind = IncomingKind::ack;
    incoming.verb = operation == "unsubscribe" ? Verb::unsubscribe : Verb::subscribe;
  } else if (success == "false") {
    refuse(table, incoming);
  }
  return incoming;
}

/// "ts", when the system made the message, is among the first keys or the last one; "cts" and "T"
/// are when it happened.
std::int64_t read_sent(std::string_view payload) noexcept {
  constexpr std::string_view key = R"("ts":)";
  const std::int64_t found = envelope::time_behind(payload.substr(0, 128), key);
  if (found != core::unknown_ns || payload.size() <= 128) return found;
  return envelope::time_behind(payload.substr(payload.size() - 48), key);
}

/// {"retCode":0,..,"result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"},..}
ClockReading read_clock(std::string_view body) noexcept {
  envelope::Cursor root(body);
  if (!root.enter('{') || !root.find("result") || !root.enter('{') || !root.find("timeNano"))
    return {};
  return envelope::clock_of(root.text(), 1);
}

/// {"retCode":10006,"retMsg":"Too many visits!",..}; 10018 is the address's limit, 10429 the
/// system's own protection (https://bybit-exchange.github.io/docs/v5/error).
bool is_too_often(std::string_view body) noexcept {
  envelope::Cursor root(body);
  if (!root.enter('{') || !root.find("retCode")) return false;
  const std::int32_t code = envelope::code_of(root.raw());
  return code == 10006 || code == 10018 || code == 10429;
}

/// {"retCode":0,..,"result":{"category":"linear","list":[..],"nextPageCursor":"first%3DAUSDT"},..}
/// The body has it encoded for a query already; make_request() encodes.
std::string next_cursor(std::string_view body) {
  envelope::Cursor root(body);
  if (!root.enter('{') || !root.find("result") || !root.enter('{') || !root.find("nextPageCursor"))
    return {};
  const std::string_view text = root.text();
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::uint8_t byte = 0;
    const char* const digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      plain += static_cast<char>(byte);
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

constinit const Connect connect{.sockets = sockets,
                                .streams = streams,
                                .without_source = kinds_of(taker_volume),
                                .rest_origin = "https://api.bybit.com",
                                .testnet_rest_origin = "https://api-testnet.bybit.com",
                                .pools = pools,
                                .calls = calls,
                                .candle_periods = candle_periods,
                                .book_resync = BookResync::resubscribe,
                                .unknown_topic = UnknownTopic::refuses_frame,
                                // One to five seconds are asked for; the header stands above it.
                                .too_often_ns = 5 * ns_per_second,
                                .write_frame = write_frame,
                                .classify = classify,
                                .read_sent = read_sent,
                                .read_clock = read_clock,
                                .is_too_often = is_too_often,
                                .next_cursor = next_cursor};

}  // namespace perp::venue::bybit
