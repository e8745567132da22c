// The requests that the Binance server answers.
#include "sim/serve/binance_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace perp::sim {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t hour_ms = 60 * minute_ms;
constexpr std::int64_t statistics_ms = hour_ms * 24 * 30;
constexpr std::int64_t weight_max = 2400;
constexpr std::int64_t funding_max = 500;
constexpr std::int64_t data_max = 1000;
constexpr std::int64_t refusals_until_ban = 20;
constexpr std::int64_t ban_ms_max = hour_ms * 24 * 3;
enum : std::uint8_t { weight_pool, funding_pool, data_pool };

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
                                                    {"6h", 360},
                                                    {"12h", 720},
                                                    {"1d", 1440}});

std::size_t minutes_of(std::string_view interval) {
  for (const Interval& known : intervals)
    if (known.name == interval) return known.minutes;
  return 0;
}

std::int64_t depth_weight(std::int64_t limit) {
  return limit <= 50 ? 2 : limit <= 100 ? 5 : limit <= 500 ? 10 : 20;
}
std::int64_t klines_weight(std::int64_t limit) {
  return limit < 100 ? 1 : limit < 500 ? 2 : limit <= 1000 ? 5 : 10;
}

}  // namespace

struct BinanceServer::Call {
  std::string_view path;
  void (BinanceServer::*answer)(const Query&, RestReply&);
  std::uint8_t pool = weight_pool;
  std::int64_t weight = 1;      ///< with a symbol, where that matters
  std::int64_t weight_all = 1;  ///< without one
  std::int64_t (*weight_of_limit)(std::int64_t) = nullptr;
};

const BinanceServer::Call* BinanceServer::find_call(std::string_view path) {
  static const auto calls = std::to_array<Call>({
      {"/fapi/v1/ping", &BinanceServer::ping},
      {"/fapi/v1/time", &BinanceServer::time},
      {"/fapi/v1/exchangeInfo", &BinanceServer::exchange_info},
      {"/fapi/v1/fundingInfo", &BinanceServer::funding_info, funding_pool},
      {"/fapi/v1/fundingRate", &BinanceServer::funding_rate, funding_pool},
      {"/fapi/v1/depth", &BinanceServer::depth, weight_pool, 1, 1, depth_weight},
      {"/fapi/v1/aggTrades", &BinanceServer::aggregate_trades, weight_pool, 20, 20},
      {"/fapi/v1/klines", &BinanceServer::klines, weight_pool, 1, 1, klines_weight},
      {"/fapi/v1/premiumIndex", &BinanceServer::premium_index, weight_pool, 1, 10},
      {"/fapi/v1/openInterest", &BinanceServer::open_interest},
      {"/futures/data/openInterestHist", &BinanceServer::open_interest_history, data_pool},
      {"/fapi/v1/ticker/bookTicker", &BinanceServer::book_ticker, weight_pool, 2, 5},
      {"/futures/data/globalLongShortAccountRatio", &BinanceServer::account_ratio, data_pool},
      {"/futures/data/topLongShortAccountRatio", &BinanceServer::top_account_ratio, data_pool},
      {"/futures/data/topLongShortPositionRatio", &BinanceServer::top_position_ratio, data_pool},
      {"/futures/data/takerlongshortRatio", &BinanceServer::taker_ratio, data_pool},
  });
  for (const Call& call : calls)
    if (call.path == path) return &call;
  return nullptr;
}

void BinanceServer::fail(RestReply& reply, int status, int code, std::string_view message) {
  reply.status = status;
  reply.body.clear();
  reply.body.raw(fmt::format(R"({{"code":{},"msg":{}}})", code, json_quoted(message)));
}

/// Counts the request. @returns whether it may be answered.
bool BinanceServer::admit(RestReply& reply, std::int64_t weight, std::uint8_t pool) {
  if (now_ms() < banned_until_ms_) {
    reply.fields.emplace_back("Retry-After",
                              std::to_string((banned_until_ms_ - now_ms() + 999) / 1000));
    fail(reply, 418, -1003,
         fmt::format("Way too many requests; IP banned until {}. Please use the websocket for live "
                     "updates to avoid bans.",
                     banned_until_ms_));
    return false;
  }
  const std::int64_t used = weight_.add(pool == weight_pool ? weight : 0, now_ms());
  reply.fields.emplace_back("X-MBX-USED-WEIGHT-1M", std::to_string(used));
  std::int64_t retry_ms = 0;
  if (used > weight_max) retry_ms = weight_.left_ms(now_ms());
  if (pool == funding_pool && funding_.add(1, now_ms()) > funding_max)
    retry_ms = funding_.left_ms(now_ms());
  if (pool == data_pool && data_.add(1, now_ms()) > data_max) retry_ms = data_.left_ms(now_ms());
  if (retry_ms == 0) {
    refused_in_row_ = 0;
    return true;
  }
  if (++refused_in_row_ >= refusals_until_ban) {
    // Who goes on is banned, for longer each time.
    refused_in_row_ = 0;
    banned_until_ms_ = now_ms() + ban_ms_;
    ban_ms_ = std::min(2 * ban_ms_, ban_ms_max);
    return admit(reply, 0, pool);
  }
  reply.fields.emplace_back("Retry-After", std::to_string((retry_ms + 999) / 1000));
  fail(reply, 429, -1003,
       fmt::format("Too many requests; current limit is {} requests per minute. Please use the "
                   "websocket for live updates to avoid polling the API.",
                   weight_max));
  return false;
}

void BinanceServer::on_rest(const net::HttpRequestParser& request, RestReply& reply) {
  reply.content_type = "application/json;charset=UTF-8";
  const Call* const call = find_call(request.path());
  if (call == nullptr || request.method() != "GET") {
    fail(reply, 404, -5000,
         fmt::format("Path {}, Method {} is invalid", request.path(), request.method()));
    return;
  }
  const Query query(request.query());
  std::int64_t weight = query.find("symbol") != nullptr ? call->weight : call->weight_all;
  if (call->weight_of_limit != nullptr)
    weight = call->weight_of_limit(query.integer("limit", 500).value_or(500));
  if (!admit(reply, weight, call->pool)) return;
  const std::string_view endpoint = call->path.substr(call->path.rfind('/') + 1);
  if (!answer_recorded(endpoint, query.value("symbol"), reply)) (this->*call->answer)(query, reply);
}

MarketModel* BinanceServer::market_of(const Query& query, RestReply& reply) {
  const std::string* const symbol = query.find("symbol");
  if (symbol == nullptr) {
    fail(reply, 400, -1102,
         "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.");
    return nullptr;
  }
  MarketModel* const market = find_market(*symbol);
  if (market == nullptr) fail(reply, 400, -1121, "Invalid symbol.");
  return market;
}

bool BinanceServer::limit_of(const Query& query, std::int64_t usual, std::int64_t most,
                             RestReply& reply, std::size_t& limit) {
  const std::optional<std::int64_t> given = query.integer("limit", usual);
  if (!given || *given < 1 || *given > most) {
    fail(reply, 400, -1130, "Data sent for parameter 'limit' is not valid.");
    return false;
  }
  limit = static_cast<std::size_t>(*given);
  return true;
}

void BinanceServer::ping(const Query&, RestReply& reply) { reply.body.raw("{}"); }

void BinanceServer::time(const Query&, RestReply& reply) {
  reply.body.raw("{\"serverTime\":").integer(now_ms()).raw("}");
}

void BinanceServer::exchange_info(const Query&, RestReply& reply) {
  wire::Binance::write_instruments(reply.body, markets(), now_ms());
}

/// Only contracts whose interval is not the usual one.
void BinanceServer::funding_info(const Query&, RestReply& reply) {
  reply.body.raw("[");
  bool is_first = true;
  for (const MarketModel& market : markets()) {
    if (market.status != MarketStatus::listed || market.listing().funding_hours == 8) continue;
    reply.body.raw(is_first ? "{\"symbol\":\"" : ",{\"symbol\":\"").raw(market.listing().native);
    reply.body.raw(
        R"(","adjustedFundingRateCap":"0.02000000","adjustedFundingRateFloor":"-0.02000000","fundingIntervalHours":)");
    reply.body.integer(market.listing().funding_hours).raw(",\"disclaimer\":false}");
    is_first = false;
  }
  reply.body.raw("]");
}

void BinanceServer::depth(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  std::size_t limit = 0;
  if (market == nullptr || !limit_of(query, 500, 1000, reply, limit)) return;
  constexpr auto known = std::to_array<std::size_t>({5, 10, 20, 50, 100, 500, 1000});
  if (std::find(known.begin(), known.end(), limit) == known.end()) {
    fail(reply, 400, -4021,
         fmt::format("'{}' is not valid depth limit. Valid depth limit are [5, 10, 20, 50, 100, "
                     "500, 1000]",
                     limit));
    return;
  }
  model().write_depth(reply.body, *market, limit, now_ms());
}

void BinanceServer::aggregate_trades(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  std::size_t limit = 0;
  if (market == nullptr || !limit_of(query, 500, 1000, reply, limit)) return;
  constexpr std::int64_t end_of_time = std::numeric_limits<std::int64_t>::max() - 1;
  const std::optional<std::int64_t> from_id = query.integer("fromId", -1);
  const std::optional<std::int64_t> start_ms = query.integer("startTime", -1);
  const std::optional<std::int64_t> end_ms = query.integer("endTime", end_of_time);
  if (!from_id || !start_ms || !end_ms) {
    fail(reply, 400, -1100, "Illegal characters found in a parameter.");
    return;
  }
  if (*start_ms >= 0 && *end_ms != end_of_time && *end_ms - *start_ms >= hour_ms) {
    fail(reply, 400, -4144, "Invalid startTime and endTime: less than one hour is accepted.");
    return;
  }
  const TradeHistory& history = trades(*market);
  std::size_t first = 0;
  if (query.find("fromId") != nullptr)
    first = history.count_below(*from_id);
  else if (query.find("startTime") != nullptr)
    first = history.count_before(*start_ms);
  else if (history.size() > limit)
    first = history.size() - limit;
  const std::size_t last = query.find("endTime") != nullptr && query.find("fromId") == nullptr
                               ? history.count_before(*end_ms + 1)
                               : history.size();
  reply.body.raw("[");
  for (std::size_t i = first; i < last && i < first + limit; ++i) {
    const Fact& trade = history.at(i);
    reply.body.raw(i == first ? "{\"a\":" : ",{\"a\":").integer(trade.id).raw(",\"p\":\"");
    reply.body.fixed(wire::price_of(*market, trade.price)).raw("\",\"q\":\"");
    reply.body.fixed(wire::quantity_of(*market, trade.quantity)).raw("\",\"nq\":\"");
    reply.body.fixed(wire::quantity_of(*market, trade.plain_quantity)).raw("\",\"f\":");
    reply.body.integer(trade.first_id).raw(",\"l\":").integer(trade.last_id).raw(",\"T\":");
    reply.body.integer(trade.time_ms).raw(trade.is_buy ? ",\"m\":false}" : ",\"m\":true}");
  }
  reply.body.raw("]");
}

void BinanceServer::klines(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  std::size_t limit = 0;
  if (market == nullptr || !limit_of(query, 500, 1500, reply, limit)) return;
  const std::size_t minutes = minutes_of(query.value("interval"));
  if (minutes == 0) {
    fail(reply, 400, -1120, "Invalid interval.");
    return;
  }
  const std::int64_t start_ms = query.integer("startTime", 0).value_or(0);
  const std::int64_t end_ms = query.integer("endTime", now_ms()).value_or(now_ms());
  // With a start the rows from it on, else the newest.
  const bool has_start = query.find("startTime") != nullptr;
  const std::int64_t length_ms = static_cast<std::int64_t>(minutes) * minute_ms;
  const std::int64_t last_ms =
      has_start ? std::min(end_ms, std::max(start_ms, market->past_begin_ms()) +
                                       static_cast<std::int64_t>(limit + 1) * length_ms)
                : end_ms;
  std::vector<Bar> rows = has_start ? bars(*market, minutes, start_ms, last_ms)
                                    : bars(*market, minutes, 0, last_ms, limit);
  if (rows.size() > limit) rows.resize(limit);
  wire::Binance::write_klines(reply.body, *market, rows,
                              static_cast<std::int64_t>(minutes) * minute_ms);
}

void BinanceServer::premium_index(const Query& query, RestReply& reply) {
  const bool is_one = query.find("symbol") != nullptr;
  const MarketModel* const only = is_one ? market_of(query, reply) : nullptr;
  if (is_one && only == nullptr) return;
  if (!is_one) reply.body.raw("[");
  bool is_first = true;
  for (const MarketModel& market : markets()) {
    if (is_one ? &market != only : market.status != MarketStatus::listed) continue;
    const bool has_funding = market.listing().kind != ListingKind::dated;
    reply.body.raw(is_first ? "{\"symbol\":\"" : ",{\"symbol\":\"").raw(market.listing().native);
    is_first = false;
    reply.body.raw("\",\"markPrice\":\"").fixed({market.mark_price(8), 8});
    reply.body.raw("\",\"indexPrice\":\"").fixed({market.index_price(8), 8});
    reply.body.raw("\",\"estimatedSettlePrice\":\"").fixed({market.index_price(8), 8});
    reply.body.raw("\",\"lastFundingRate\":\"");
    if (has_funding) reply.body.fixed({rescale(market.rate_e16(), 16, 8), 8});
    reply.body.raw("\",\"interestRate\":\"").raw(has_funding ? "0.00010000" : "");
    reply.body.raw("\",\"nextFundingTime\":")
        .integer(has_funding ? market.next_funding_ms(now_ms()) : 0);
    reply.body.raw(",\"time\":").integer(now_ms()).raw("}");
  }
  if (!is_one) reply.body.raw("]");
}

void BinanceServer::funding_rate(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  std::size_t limit = 0;
  if (market == nullptr || !limit_of(query, 100, 1000, reply, limit)) return;
  const std::int64_t start_ms = query.integer("startTime", 0).value_or(0);
  const std::int64_t end_ms = query.integer("endTime", now_ms()).value_or(now_ms());
  // Rows are stamped some milliseconds behind the settlement. More than the limit: the oldest.
  constexpr std::int64_t jitter_ms = 2;
  const bool has_start = query.find("startTime") != nullptr;
  bool is_first = true;
  reply.body.raw("[");
  for (const PastFunding& row :
       past_funding(*market, start_ms - jitter_ms, end_ms - jitter_ms, limit, has_start)) {
    reply.body.raw(is_first ? "{\"symbol\":\"" : ",{\"symbol\":\"");
    is_first = false;
    reply.body.raw(market->listing().native).raw("\",\"fundingTime\":");
    reply.body.integer(row.time_ms + jitter_ms).raw(",\"fundingRate\":\"");
    reply.body.fixed({rescale(row.rate_e16, 16, 8), 8}).raw("\",\"markPrice\":\"");
    reply.body.fixed({market->mark_price(8), 8}).raw("\",\"rateType\":\"Regular\"}");
  }
  reply.body.raw("]");
}

/// Named by the period's end.
void BinanceServer::open_interest_history(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  std::size_t limit = 0;
  if (market == nullptr || !limit_of(query, 30, 500, reply, limit)) return;
  const std::int64_t start_ms = query.integer("startTime", 0).value_or(0);
  const std::int64_t end_ms = query.integer("endTime", now_ms()).value_or(now_ms());
  if (query.value("period") != "5m" ||
      (query.find("startTime") != nullptr && start_ms < now_ms() - statistics_ms)) {
    fail(reply, 400, -1130, "parameter 'startTime' or 'period' is invalid.");
    return;
  }
  bool is_first = true;
  reply.body.raw("[");
  for (const PastInterest& row : past_interest(*market, start_ms, end_ms, limit)) {
    reply.body.raw(is_first ? "{\"symbol\":\"" : ",{\"symbol\":\"");
    is_first = false;
    reply.body.raw(market->listing().native).raw("\",\"sumOpenInterest\":\"");
    reply.body.fixed(wire::quantity_of(*market, row.quantity));
    reply.body.raw("\",\"sumOpenInterestValue\":\"").fixed({row.value_cents, 2});
    reply.body.raw("\",\"CMCCirculatingSupply\":\"0\",\"timestamp\":").integer(row.time_ms);
    reply.body.raw("}");
  }
  reply.body.raw("]");
}

void BinanceServer::open_interest(const Query& query, RestReply& reply) {
  MarketModel* const market = market_of(query, reply);
  if (market != nullptr) wire::Binance::write_open_interest(reply.body, *market, now_ms());
}

void BinanceServer::book_ticker(const Query& query, RestReply& reply) {
  const bool is_one = query.find("symbol") != nullptr;
  const MarketModel* const only = is_one ? market_of(query, reply) : nullptr;
  if (is_one && only == nullptr) return;
  if (!is_one) reply.body.raw("[");
  bool is_first = true;
  for (const MarketModel& market : markets()) {
    if (is_one ? &market != only : market.status != MarketStatus::listed) continue;
    const BookLevel& bid = market.book().best_bid();
    const BookLevel& ask = market.book().best_ask();
    reply.body.raw(is_first ? "{\"symbol\":\"" : ",{\"symbol\":\"").raw(market.listing().native);
    is_first = false;
    reply.body.raw("\",\"bidPrice\":\"").fixed(wire::price_of(market, bid.price));
    reply.body.raw("\",\"bidQty\":\"").fixed(wire::quantity_of(market, bid.quantity));
    reply.body.raw("\",\"askPrice\":\"").fixed(wire::price_of(market, ask.price));
    reply.body.raw("\",\"askQty\":\"").fixed(wire::quantity_of(market, ask.quantity));
    reply.body.raw("\",\"time\":").integer(now_ms()).raw("}");
  }
  if (!is_one) reply.body.raw("]");
}

void BinanceServer::ratio(const Query& query, RestReply& reply, wire::Binance::Ratio kind) {
  MarketModel* const market = market_of(query, reply);
  std::size_t limit = 0;
  if (market == nullptr || !limit_of(query, 30, 500, reply, limit)) return;
  if (query.value("period") != "5m") {
    fail(reply, 400, -1130, "Data sent for parameter 'period' is not valid.");
    return;
  }
  const std::int64_t start_ms = query.integer("startTime", 0).value_or(0);
  const std::int64_t end_ms = query.integer("endTime", now_ms()).value_or(now_ms());
  model().write_ratio(reply.body, *market, kind,
                      model().ratios(market->index).find(start_ms, end_ms, limit));
}
void BinanceServer::account_ratio(const Query& query, RestReply& reply) {
  ratio(query, reply, wire::Binance::Ratio::accounts);
}
void BinanceServer::top_account_ratio(const Query& query, RestReply& reply) {
  ratio(query, reply, wire::Binance::Ratio::top_accounts);
}
void BinanceServer::top_position_ratio(const Query& query, RestReply& reply) {
  ratio(query, reply, wire::Binance::Ratio::top_positions);
}

/// Named by the period's start.
void BinanceServer::taker_ratio(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  std::size_t limit = 0;
  if (market == nullptr || !limit_of(query, 30, 500, reply, limit)) return;
  const std::size_t minutes = minutes_of(query.value("period"));
  if (minutes < 5) {
    fail(reply, 400, -1130, "Data sent for parameter 'period' is not valid.");
    return;
  }
  const std::int64_t length_ms = static_cast<std::int64_t>(minutes) * minute_ms;
  const std::vector<Bar> rows = bars(*market, minutes, 0, now_ms() - length_ms, limit);
  reply.body.raw("[");
  for (const Bar& row : rows) {
    const std::int64_t sold = row.quantity - row.buy_quantity;
    reply.body.raw(&row == &rows.front() ? "{\"buySellRatio\":\"" : ",{\"buySellRatio\":\"");
    reply.body.fixed({sold == 0 ? 0 : multiply_divide(row.buy_quantity, 10'000, sold), 4});
    reply.body.raw("\",\"sellVol\":\"").fixed(wire::quantity_of(*market, sold));
    reply.body.raw("\",\"buyVol\":\"").fixed(wire::quantity_of(*market, row.buy_quantity));
    reply.body.raw("\",\"timestamp\":").integer(row.open_ms).raw("}");
  }
  reply.body.raw("]");
}

}  // namespace perp::sim
