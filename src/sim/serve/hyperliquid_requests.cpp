// The requests that the Hyperliquid server answers.
#include "sim/serve/hyperliquid_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace perp::sim {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t weight_max = 1200;
constexpr std::size_t recent_trades_count = 10;
constexpr std::size_t deep_levels = 20;
constexpr std::int64_t candles_max = 5000;  // older ones do not exist
constexpr std::size_t fundings_max = 500;

struct Interval {
  std::string_view name;
  std::size_t minutes;
};
constexpr auto intervals = std::to_array<Interval>({{"1m", 1},
                                                    {"3m", 3},
                                                    {"5m", 5},
                                                    {"15m", 15},
                                                    {"30m", 30},
                                                    {"1h", 60},
                                                    {"2h", 120},
                                                    {"4h", 240},
                                                    {"8h", 480},
                                                    {"12h", 720},
                                                    {"1d", 1440}});

std::size_t minutes_of(std::string_view interval) {
  for (const Interval& known : intervals)
    if (known.name == interval) return known.minutes;
  return 0;
}

std::int64_t number_of(const Json* value, std::int64_t fallback) {
  return value == nullptr ? fallback : value->integer().value_or(fallback);
}

}  // namespace

struct HyperliquidServer::Call {
  std::string_view type;
  void (HyperliquidServer::*answer)(const Json&, RestReply&);
  std::int64_t weight;
};

const HyperliquidServer::Call* HyperliquidServer::find_call(std::string_view type) {
  static const auto calls = std::to_array<Call>({
      {"meta", &HyperliquidServer::meta, 20},
      {"metaAndAssetCtxs", &HyperliquidServer::contexts, 20},
      {"allMids", &HyperliquidServer::mids, 2},
      {"l2Book", &HyperliquidServer::l2_book, 2},
      {"recentTrades", &HyperliquidServer::recent_trades, 20},
      {"candleSnapshot", &HyperliquidServer::candle_snapshot, 20},
      {"fundingHistory", &HyperliquidServer::funding_history, 20},
      {"exchangeStatus", &HyperliquidServer::exchange_status, 2},
  });
  for (const Call& call : calls)
    if (call.type == type) return &call;
  return nullptr;
}

/// What the venue says to a body that names no request of its.
void HyperliquidServer::unreadable(RestReply& reply) {
  reply.status = 422;
  reply.content_type = "text/plain; charset=utf-8";
  reply.body.clear();
  reply.body.raw("Failed to deserialize the JSON body into the target type");
}

void HyperliquidServer::on_rest(const net::HttpRequestParser& request, RestReply& reply) {
  const auto plain = [&reply](int status, std::string_view text) {
    reply.status = status;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body.raw(text);
  };
  if (request.path() != "/info") return plain(404, "");
  if (request.method() != "POST") return plain(405, "");
  if (!request.head().value("Content-Type").starts_with("application/json"))
    return plain(415, "Expected request with `Content-Type: application/json`");
  const std::optional<Json> body = Json::parse(request.body_text());
  if (!body) return plain(400, "Failed to parse the request body as JSON");
  const Call* const call = find_call(body->text_of("type"));
  if (weight_.add(call == nullptr ? 20 : call->weight, now_ms()) > weight_max) {
    reply.status = 429;
    reply.body.raw("null");
    return;
  }
  if (call == nullptr) return unreadable(reply);
  const Json* const wanted = body->find("req");
  const std::string_view coin = wanted == nullptr ? body->text_of("coin") : wanted->text_of("coin");
  if (answer_recorded(call->type, coin, reply)) return;
  (this->*call->answer)(*body, reply);
}

void HyperliquidServer::meta(const Json&, RestReply& reply) { model().meta(reply.body); }

void HyperliquidServer::contexts(const Json&, RestReply& reply) {
  model().write_contexts(reply.body);
}

void HyperliquidServer::mids(const Json&, RestReply& reply) {
  reply.body.raw("{");
  bool is_first = true;
  for (const MarketModel& market : markets()) {
    if (market.status != MarketStatus::listed) continue;
    const std::int64_t sum = market.book().best_bid().price + market.book().best_ask().price;
    reply.body.raw(is_first ? "\"" : ",\"").raw(market.listing().native).raw("\":\"");
    reply.body.pointed({sum * 5, market.listing().grid.price_digits + 1}).raw("\"");
    is_first = false;
  }
  reply.body.raw("}");
}

void HyperliquidServer::l2_book(const Json& request, RestReply& reply) {
  const MarketModel* const market = find_market(request.text_of("coin"));
  if (market == nullptr) {
    reply.body.raw("null");
    return;
  }
  // The message of the stream, without its envelope.
  static constexpr std::string_view head = R"({"channel":"l2Book","data":)";
  message_.clear();
  wire::Hyperliquid::write_levels(message_, *market, deep_levels, now_ms());
  const std::string_view whole = message_.view();
  reply.body.raw(whole.substr(head.size(), whole.size() - head.size() - 1));
}

void HyperliquidServer::recent_trades(const Json& request, RestReply& reply) {
  const MarketModel* const market = find_market(request.text_of("coin"));
  if (market == nullptr) {
    reply.status = 500;
    reply.body.raw("null");
    return;
  }
  const TradeHistory& history = trades(*market);
  const std::size_t count = std::min(recent_trades_count, history.size());
  reply.body.raw("[");
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) reply.body.raw(",");
    model().write_trade(reply.body, *market, history.at(history.size() - 1 - i));
  }
  reply.body.raw("]");
}

void HyperliquidServer::candle_snapshot(const Json& request, RestReply& reply) {
  const Json* const wanted = request.find("req");
  if (wanted == nullptr || !wanted->is_object()) return unreadable(reply);
  const MarketModel* const market = find_market(wanted->text_of("coin"));
  const std::size_t minutes = minutes_of(wanted->text_of("interval"));
  if (minutes == 0) return unreadable(reply);
  if (market == nullptr) {
    reply.status = 500;
    reply.body.raw("null");
    return;
  }
  const std::int64_t start_ms = number_of(wanted->find("startTime"), 0);
  const std::int64_t end_ms = number_of(wanted->find("endTime"), now_ms());
  const std::int64_t length_ms = static_cast<std::int64_t>(minutes) * minute_ms;
  bool is_first = true;
  reply.body.raw("[");
  std::int64_t rows = 0;
  const std::int64_t oldest_ms = now_ms() / length_ms * length_ms - (candles_max - 1) * length_ms;
  for (const Bar& bar : bars(*market, minutes, std::max(start_ms, oldest_ms), end_ms)) {
    if (bar.is_empty()) continue;
    if (!is_first) reply.body.raw(",");
    is_first = false;
    wire::Hyperliquid::candle_object(reply.body, *market, bar, length_ms,
                                     wanted->text_of("interval"));
    ++rows;
  }
  reply.body.raw("]");
  static_cast<void>(weight_.add(rows / 60, now_ms()));
}

void HyperliquidServer::funding_history(const Json& request, RestReply& reply) {
  const MarketModel* const market = find_market(request.text_of("coin"));
  if (market == nullptr) {
    reply.status = 500;
    reply.body.raw("null");
    return;
  }
  const Json* const start = request.find("startTime");
  if (start == nullptr || !start->integer()) return unreadable(reply);
  const std::int64_t end_ms = number_of(request.find("endTime"), now_ms());
  // Rows are stamped some milliseconds behind the settlement.
  constexpr std::int64_t jitter_ms = 47;
  bool is_first = true;
  reply.body.raw("[");
  const std::vector<PastFunding> rows =
      past_funding(*market, *start->integer() - jitter_ms, end_ms - jitter_ms, fundings_max, true);
  for (const PastFunding& row : rows) {
    reply.body.raw(is_first ? "{\"coin\":\"" : ",{\"coin\":\"");
    is_first = false;
    reply.body.raw(market->listing().native).raw("\",\"fundingRate\":\"");
    reply.body.pointed({rescale(row.rate_e16, 16, 10), 10}).raw("\",\"premium\":\"");
    reply.body.pointed({rescale(market->premium_e16(), 16, 10), 10}).raw("\",\"time\":");
    reply.body.integer(row.time_ms + jitter_ms).raw("}");
  }
  reply.body.raw("]");
  static_cast<void>(weight_.add(static_cast<std::int64_t>(rows.size()) / 20, now_ms()));
}

void HyperliquidServer::exchange_status(const Json&, RestReply& reply) {
  reply.body.raw("{\"specialStatuses\":null,\"time\":").integer(now_ms()).raw("}");
}

}  // namespace perp::sim
