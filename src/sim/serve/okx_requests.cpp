// The requests that the OKX server answers. Rows are newest first.
#include "sim/serve/okx_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace perp::sim {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t window_ms = 2000;
constexpr std::int64_t newest_rows = 1440;
constexpr std::int64_t end_of_time = std::numeric_limits<std::int64_t>::max();

struct Bars {
  std::string_view name;
  std::size_t minutes;
};
constexpr auto bar_names = std::to_array<Bars>({{"1m", 1},
                                                {"3m", 3},
                                                {"5m", 5},
                                                {"15m", 15},
                                                {"30m", 30},
                                                {"1H", 60},
                                                {"2H", 120},
                                                {"4H", 240},
                                                {"6Hutc", 360},
                                                {"12Hutc", 720},
                                                {"1Dutc", 1440}});

std::size_t minutes_of(std::string_view name) {
  for (const Bars& known : bar_names)
    if (known.name == name) return known.minutes;
  return 0;
}

}  // namespace

struct OkxServer::Call {
  std::string_view path;
  void (OkxServer::*answer)(const Query&, RestReply&);
  std::int64_t per_window;
  bool is_per_instrument = false;
};

const OkxServer::Call* OkxServer::find_call(std::string_view path) {
  static const auto calls = std::to_array<Call>({
      {"/api/v5/public/instruments", &OkxServer::instruments, 20},
      {"/api/v5/public/time", &OkxServer::time, 10},
      {"/api/v5/market/books", &OkxServer::books, 40},
      {"/api/v5/market/trades", &OkxServer::trade_list, 100},
      {"/api/v5/market/history-trades", &OkxServer::history_trades, 20},
      {"/api/v5/market/candles", &OkxServer::candles, 40},
      {"/api/v5/market/history-candles", &OkxServer::history_candles, 20},
      {"/api/v5/public/mark-price", &OkxServer::mark_price, 10, true},
      {"/api/v5/public/funding-rate", &OkxServer::funding_rate, 20, true},
      {"/api/v5/public/funding-rate-history", &OkxServer::funding_history, 10, true},
      {"/api/v5/public/open-interest", &OkxServer::open_interest, 20, true},
      {"/api/v5/rubik/stat/contracts/open-interest-history", &OkxServer::interest_history, 10,
       true},
      {"/api/v5/rubik/stat/contracts/long-short-account-ratio-contract", &OkxServer::account_ratio,
       5, true},
      {"/api/v5/rubik/stat/taker-volume-contract", &OkxServer::taker_volume, 5, true},
  });
  for (const Call& call : calls)
    if (call.path == path) return &call;
  return nullptr;
}

void OkxServer::fail(RestReply& reply, int status, std::string_view code,
                     std::string_view message) {
  reply.status = status;
  reply.body.clear();
  reply.body.raw(fmt::format(R"({{"code":"{}","msg":{},"data":[]}})", code, json_quoted(message)));
}

void OkxServer::on_rest(const net::HttpRequestParser& request, RestReply& reply) {
  const Call* const call = find_call(request.path());
  if (call == nullptr || request.method() != "GET") {
    fail(reply, 404, "404", "Not Found");
    return;
  }
  const Query query(request.query());
  std::string budget(call->path);
  if (call->is_per_instrument) budget.append(" ").append(query.value("instId"));
  if (budgets_.try_emplace(budget, window_ms).first->second.add(1, now_ms()) > call->per_window) {
    fail(reply, 429, "50011", "Too Many Requests");
    return;
  }
  const std::string_view endpoint = call->path.substr(call->path.rfind('/') + 1);
  if (answer_recorded(endpoint, query.value("instId"), reply)) return;
  reply.body.raw(R"({"code":"0","msg":"","data":[)");
  (this->*call->answer)(query, reply);
  if (reply.body.view().starts_with(R"({"code":"0")")) reply.body.raw("]}");
}

MarketModel* OkxServer::market_of(const Query& query, RestReply& reply) {
  const std::string* const name = query.find("instId");
  if (name == nullptr) {
    fail(reply, 400, "51000", "Parameter instId can not be empty");
    return nullptr;
  }
  MarketModel* const market = find_market(*name);
  if (market == nullptr || market->status != MarketStatus::listed) {
    fail(reply, 200, "51001", "Instrument ID or Spread ID doesn't exist.");
    return nullptr;
  }
  return market;
}

std::size_t OkxServer::limit_of(const Query& query, std::int64_t usual, std::int64_t most) {
  const std::int64_t given = query.integer("limit", usual).value_or(usual);
  return static_cast<std::size_t>(std::clamp<std::int64_t>(given, 1, most));
}

void OkxServer::instruments(const Query& query, RestReply& reply) {
  const std::string_view type = query.value("instType");
  if (type != "SWAP" && type != "SPOT") {
    fail(reply, 400, "51000", "Parameter instType error");
    return;
  }
  wire::Okx::write_instruments(reply.body, markets(), type);
}

void OkxServer::time(const Query&, RestReply& reply) {
  reply.body.raw("{\"ts\":\"").integer(now_ms()).raw("\"}");
}

void OkxServer::books(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  const std::int64_t levels = std::clamp<std::int64_t>(query.integer("sz", 1).value_or(1), 1, 400);
  model().write_depth(reply.body, *market, static_cast<std::size_t>(levels), now_ms());
}

/// One fill of a trade, which the stream tells as a sum under the last one's id.
void OkxServer::fill_row(Text& text, const MarketModel& market, const Fact& trade,
                         std::int64_t id) {
  const std::int64_t lot = market.listing().grid.lot;
  const std::int64_t fills = trade.last_id - trade.first_id + 1;
  const std::int64_t part = trade.quantity / lot / fills * lot;
  text.raw("{\"instId\":\"").raw(market.listing().native);
  text.raw(trade.is_buy ? "\",\"side\":\"buy\",\"sz\":\"" : "\",\"side\":\"sell\",\"sz\":\"");
  text.trimmed(wire::quantity_of(market,
                                 id == trade.last_id ? trade.quantity - part * (fills - 1) : part))
      .raw("\",\"source\":\"");
  text.raw(trade.is_retail ? "1" : "0").raw("\",\"px\":\"");
  text.trimmed(wire::price_of(market, trade.price)).raw("\",\"tradeId\":\"").integer(id);
  text.raw("\",\"ts\":\"").integer(trade.time_ms).raw("\"}");
}

void OkxServer::trade_list(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  fill_rows(reply.body, *market, trades(*market).size(), 0, end_of_time, limit_of(query, 100, 500));
}

/// Newest first, of the first `end` trades: fills whose ids lie between the two.
void OkxServer::fill_rows(Text& text, const MarketModel& market, std::size_t end,
                          std::int64_t after_id, std::int64_t until_id, std::size_t limit) {
  const TradeHistory& history = trades(market);
  std::size_t count = 0;
  for (std::size_t at = end; at > 0 && count < limit; --at) {
    const Fact& trade = history.at(at - 1);
    for (std::int64_t id = std::min(trade.last_id, until_id - 1);
         id >= trade.first_id && id > after_id && count < limit; --id) {
      if (count++ > 0) text.raw(",");
      fill_row(text, market, trade, id);
    }
    if (trade.first_id <= after_id) return;
  }
}

/// `after`: what is older; `before`: what is newer, the newest page of it. Both exclusive.
void OkxServer::history_trades(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  const std::optional<std::int64_t> after = query.integer("after", end_of_time);
  const std::optional<std::int64_t> before = query.integer("before", -1);
  if (!after || !before) {
    fail(reply, 400, "51000", "Parameter after error");
    return;
  }
  const TradeHistory& history = trades(*market);
  const std::size_t limit = limit_of(query, 100, 100);
  if (query.value("type") == "2") {
    const std::size_t begin = *before < 0 ? 0 : history.count_before(*before + 1);
    return fill_rows(reply.body, *market, history.count_before(*after),
                     begin == 0 ? 0 : history.at(begin - 1).last_id, end_of_time, limit);
  }
  // Of the trade whose id is the first one too high some fills may be below it.
  const std::size_t end = std::min(history.size(), history.count_below(*after) + 1);
  fill_rows(reply.body, *market, end, *before, *after, limit);
}

/// The newest 1440 only.
void OkxServer::candles(const Query& query, RestReply& reply) {
  candle_rows(query, reply, newest_rows, 300);
}
void OkxServer::history_candles(const Query& query, RestReply& reply) {
  candle_rows(query, reply, std::numeric_limits<std::int64_t>::max(), 100);
}

void OkxServer::candle_rows(const Query& query, RestReply& reply, std::int64_t reach,
                            std::int64_t most) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  const std::string_view bar = query.value("bar");
  const std::size_t minutes = bar.empty() ? 1 : minutes_of(bar);
  if (minutes == 0) {
    fail(reply, 400, "51000", "Parameter bar error");
    return;
  }
  const std::int64_t after = query.integer("after", end_of_time).value_or(end_of_time);
  const std::int64_t before = query.integer("before", -1).value_or(-1);
  const std::int64_t length_ms = static_cast<std::int64_t>(minutes) * minute_ms;
  const std::int64_t oldest =
      reach < end_of_time ? now_ms() / length_ms * length_ms - reach * length_ms : 0;
  const std::vector<Bar> rows =
      bars(*market, minutes, std::max(before + 1, oldest), after - 1, limit_of(query, 100, most));
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    if (row != rows.rbegin()) reply.body.raw(",");
    wire::Okx::candle_row(reply.body, *market, *row, row->open_ms + length_ms <= now_ms());
  }
}

void OkxServer::mark_price(const Query& query, RestReply& reply) {
  const bool is_one = query.find("instId") != nullptr;
  const MarketModel* const only = is_one ? market_of(query, reply) : nullptr;
  if (is_one && only == nullptr) return;
  bool is_first = true;
  for (const MarketModel& market : markets()) {
    if (market.listing().kind == ListingKind::spot) continue;
    if (is_one ? &market != only : market.status != MarketStatus::listed) continue;
    const int digits = market.listing().grid.price_digits;
    reply.body.raw(is_first ? "{\"instId\":\"" : ",{\"instId\":\"").raw(market.listing().native);
    is_first = false;
    reply.body.raw("\",\"instType\":\"SWAP\",\"markPx\":\"");
    reply.body.trimmed({market.mark_price(digits), digits}).raw("\",\"ts\":\"").integer(now_ms());
    reply.body.raw("\"}");
  }
}

void OkxServer::funding_rate(const Query& query, RestReply& reply) {
  const bool is_one = query.value("instId") != "ANY";
  const MarketModel* const only = is_one ? market_of(query, reply) : nullptr;
  if (is_one && only == nullptr) return;
  bool is_first = true;
  for (MarketModel& market : markets()) {
    if (market.listing().kind == ListingKind::spot) continue;
    if (is_one ? &market != only : market.status != MarketStatus::listed) continue;
    if (!is_first) reply.body.raw(",");
    is_first = false;
    model().write_funding(reply.body, market, now_ms());
  }
}

void OkxServer::open_interest(const Query& query, RestReply& reply) {
  const bool is_one = query.find("instId") != nullptr;
  const MarketModel* const only = is_one ? market_of(query, reply) : nullptr;
  if (is_one && only == nullptr) return;
  bool is_first = true;
  for (MarketModel& market : markets()) {
    if (market.listing().kind == ListingKind::spot) continue;
    if (is_one ? &market != only : market.status != MarketStatus::listed) continue;
    if (!is_first) reply.body.raw(",");
    is_first = false;
    model().write_open_interest(reply.body, market, now_ms());
  }
}

/// `after` and `before` as for candles.
void OkxServer::funding_history(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  const std::int64_t after = query.integer("after", end_of_time).value_or(end_of_time);
  const std::int64_t before = query.integer("before", -1).value_or(-1);
  const std::vector<PastFunding> rows =
      past_funding(*market, before + 1, after - 1, limit_of(query, 100, 100), false);
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    const Decimal rate{row->rate_e16, 16};
    reply.body.raw(row == rows.rbegin() ? "{\"fundingRate\":\"" : ",{\"fundingRate\":\"");
    reply.body.trimmed(rate).raw("\",\"fundingTime\":\"").integer(row->time_ms);
    reply.body.raw("\",\"formulaType\":\"withRate\",\"instId\":\"").raw(market->listing().native);
    reply.body.raw("\",\"instType\":\"SWAP\",\"method\":\"current_period\",\"realizedRate\":\"");
    reply.body.trimmed(rate).raw("\"}");
  }
}

/// What `begin` and `end`, which are not inside, leave of the newest rows that exist.
OkxServer::Bounds OkxServer::bounds_of(const Query& query) const {
  const std::int64_t begin = query.integer("begin", -1).value_or(-1);
  const std::int64_t end = query.integer("end", end_of_time).value_or(end_of_time);
  return {std::max(begin + 1, now_ms() - newest_rows * 5 * minute_ms), end - 1};
}

/// [period's end, contracts, coins, dollars]
void OkxServer::interest_history(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  if (query.value("period") != "5m") {
    fail(reply, 400, "51000", "Parameter period error");
    return;
  }
  const Bounds bounds = bounds_of(query);
  const std::vector<PastInterest> rows =
      past_interest(*market, bounds.from_ms, bounds.to_ms, limit_of(query, 100, 100));
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    reply.body.raw(row == rows.rbegin() ? "[\"" : ",[\"").integer(row->time_ms).raw("\",\"");
    reply.body.trimmed(wire::quantity_of(*market, row->quantity)).raw("\",\"");
    reply.body.trimmed({row->quantity, market->listing().coin_quantity_digits()}).raw("\",\"");
    reply.body.trimmed({row->value_cents, 2}).raw("\"]");
  }
}

void OkxServer::account_ratio(const Query& query, RestReply& reply) {
  MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  if (!query.value("period").empty() && query.value("period") != "5m") {
    fail(reply, 400, "51000", "Parameter period error");
    return;
  }
  const Bounds bounds = bounds_of(query);
  model().write_ratio(
      reply.body, *market,
      model().ratios(market->index).find(bounds.from_ms, bounds.to_ms, limit_of(query, 100, 100)));
}

/// [period's open, sold, bought], in coins or contracts.
void OkxServer::taker_volume(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  const std::string_view period = query.value("period");
  const std::size_t minutes = period.empty() ? 5 : minutes_of(period);
  const std::string_view unit = query.value("unit");
  if (minutes < 5 || (unit != "" && unit != "0" && unit != "1")) {
    fail(reply, 400, "51000", "Parameter period or unit error");
    return;
  }
  const int digits = unit == "1" ? market->listing().grid.quantity_digits
                                 : market->listing().coin_quantity_digits();
  const std::int64_t length_ms = static_cast<std::int64_t>(minutes) * minute_ms;
  const std::vector<Bar> rows =
      bars(*market, minutes, 0, now_ms() - length_ms, limit_of(query, 100, 100));
  const std::size_t count = rows.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Bar& row = rows[rows.size() - 1 - i];
    reply.body.raw(i == 0 ? "[\"" : ",[\"").integer(row.open_ms).raw("\",\"");
    reply.body.trimmed({row.quantity - row.buy_quantity, digits}).raw("\",\"");
    reply.body.trimmed({row.buy_quantity, digits}).raw("\"]");
  }
}

}  // namespace perp::sim
