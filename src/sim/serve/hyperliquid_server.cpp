#include "sim/serve/hyperliquid_server.hpp"

#include <perp/core/time.hpp>

#include <fmt/format.h>

#include <array>

namespace perp::sim {
namespace {

// Of one address.
constexpr std::size_t connections_max = 10;
constexpr std::int64_t dials_per_minute = 30;
constexpr std::size_t subscriptions_max = 1000;
constexpr std::int64_t frames_per_minute = 2000;
constexpr std::int64_t unspoken_ms = 60'000;
constexpr std::size_t replayed_trades = 30;
constexpr std::size_t fast_levels = 5;
constexpr std::size_t deep_levels = 20;
constexpr std::uint16_t policy_violation = 1008;

}  // namespace

VenueServer::Path HyperliquidServer::on_handshake(Session&, std::string_view path,
                                                  std::string_view) {
  if (path != "/ws") return {404, "Not Found"};
  if (session_count() >= connections_max || dials_.add(1, now_ms()) > dials_per_minute)
    return {429, "Too Many Requests"};
  return {};
}

void HyperliquidServer::refuse(Session& session, std::string_view message) {
  count_refusal();
  static_cast<void>(
      send(session, fmt::format(R"({{"channel":"error","data":{}}})", json_quoted(message))));
}

void HyperliquidServer::on_text(Session& session, std::string_view text) {
  if (frames_.add(1, now_ms()) > frames_per_minute) {
    count_refusal();
    cut(session, policy_violation, "Too many messages");
    return;
  }
  const std::optional<Json> frame = Json::parse(text);
  const std::string_view method = frame ? frame->text_of("method") : std::string_view();
  if (method == "ping")
    static_cast<void>(send(session, R"({"channel":"pong"})"));
  else if (method == "subscribe" || method == "unsubscribe")
    take_subscription(session, text, *frame);
  else
    refuse(session, fmt::format("Error parsing JSON into valid websocket request: {}", text));
}

/// @returns whether it is one that there is. `filled` is what the venue makes of it.
bool HyperliquidServer::read_subscription(const Json& wanted, Subscription& subscription,
                                          std::string& filled) {
  const wire::Hyperliquid::Streams& streams = model().streams();
  const std::string_view type = wanted.text_of("type");
  const std::string_view coin = wanted.text_of("coin");
  filled = fmt::format(R"({{"type":"{}","coin":{}}})", type, json_quoted(coin));
  if (type == "trades") {
    subscription.stream = static_cast<std::uint32_t>(streams.trade);
  } else if (type == "bbo") {
    subscription.stream = static_cast<std::uint32_t>(streams.touch);
  } else if (type == "activeAssetCtx") {
    subscription.stream = static_cast<std::uint32_t>(streams.context);
  } else if (type == "candle") {
    const std::string_view interval = wanted.text_of("interval");
    if (interval.empty()) return false;
    if (interval == "1m") subscription.stream = static_cast<std::uint32_t>(streams.candle);
    filled = fmt::format(R"({{"type":"candle","coin":{},"interval":{}}})", json_quoted(coin),
                         json_quoted(interval));
  } else if (type == "l2Book") {
    const auto given = [&wanted](std::string_view name) {
      const Json* const value = wanted.find(name);
      return value == nullptr ? std::string("null") : std::string(value->raw());
    };
    const Json* const fast = wanted.find("fast");
    const bool is_fast = fast != nullptr && fast->is_true();
    const bool is_whole = given("nSigFigs") == "null" && given("mantissa") == "null";
    if (is_whole)
      subscription.stream = static_cast<std::uint32_t>(is_fast ? streams.book : streams.deep_book);
    filled = fmt::format(R"({{"type":"l2Book","coin":{},"nSigFigs":{},"mantissa":{},"fast":{}}})",
                         json_quoted(coin), given("nSigFigs"), given("mantissa"), is_fast);
  } else {
    return false;
  }
  subscription.topic = filled;
  return !coin.empty();
}

void HyperliquidServer::take_subscription(Session& session, std::string_view text,
                                          const Json& frame) {
  const Json* const wanted = frame.find("subscription");
  const std::string_view method = frame.text_of("method");
  Subscription subscription;
  std::string filled;
  if (wanted == nullptr || !wanted->is_object() ||
      !read_subscription(*wanted, subscription, filled)) {
    refuse(session, fmt::format("Error parsing JSON into valid websocket request: {}", text));
    return;
  }
  const MarketModel* const market = find_market(wanted->text_of("coin"));
  if (market == nullptr) {
    vanish(session);  // close code 1006 at the client
    return;
  }
  subscription.market = market->index;
  const bool is_there = session.find(subscription.topic) != nullptr;
  if (method == "subscribe" && is_there) {
    refuse(session, "Already subscribed: " + filled);
    return;
  }
  if (method == "unsubscribe" && !is_there) {
    refuse(session, "Already unsubscribed: " + filled);
    return;
  }
  if (method == "subscribe" && subscription_count() >= subscriptions_max) {
    refuse(session, "Cannot track more than 1000 total subscriptions.");
    return;
  }
  if (!send(
          session,
          fmt::format(
              R"({{"channel":"subscriptionResponse","data":{{"method":"{}","subscription":{}}}}})",
              method, filled)))
    return;
  if (method == "subscribe")
    subscribe(session, std::move(subscription));
  else
    unsubscribe(session, subscription.topic);
}

/// The last trades again, without any mark.
void HyperliquidServer::replay_trades(const MarketModel& market) {
  const TradeHistory& history = trades(market);
  const std::size_t count = std::min(replayed_trades, history.size());
  message_.raw("{\"channel\":\"trades\",\"data\":[");
  for (std::size_t i = history.size() - count; i < history.size(); ++i) {
    if (i > history.size() - count) message_.raw(",");
    model().write_trade(message_, market, history.at(i));
  }
  message_.raw("]}");
}

void HyperliquidServer::on_begun(Session& session, const Subscription& subscription) {
  const wire::Hyperliquid::Streams& streams = model().streams();
  MarketModel& market = markets()[subscription.market];
  message_.clear();
  if (market.status == MarketStatus::delisted) {
    if (subscription.stream != streams.book && subscription.stream != streams.deep_book) return;
    message_.raw("{\"channel\":\"l2Book\",\"data\":{\"coin\":\"").raw(market.listing().native);
    message_.raw("\",\"time\":").integer(now_ms()).raw(",\"levels\":[[],[]]}}");
  } else if (subscription.stream == streams.trade) {
    replay_trades(market);
  } else if (subscription.stream == streams.book) {
    wire::Hyperliquid::write_levels(message_, market, fast_levels, now_ms());
  } else if (subscription.stream == streams.deep_book) {
    wire::Hyperliquid::write_levels(message_, market, deep_levels, now_ms());
  } else if (subscription.stream == streams.touch) {
    model().write_touch(message_, market, now_ms());
  } else if (subscription.stream == streams.context) {
    model().write_context(message_, market);
  } else if (subscription.stream == streams.candle && !market.bar().is_empty()) {
    wire::Hyperliquid::write_candle(message_, market, market.bar());
  }
  if (message_.size() > 0) static_cast<void>(send(session, message_.view()));
}

void HyperliquidServer::keep(Session& session) {
  const std::int64_t given = options().idle_ns / core::ns_per_ms;
  if (now_ms() - session.spoken_ms >= (given > 0 ? given : unspoken_ms))
    cut(session, 1000, "Inactive");
}

}  // namespace perp::sim
