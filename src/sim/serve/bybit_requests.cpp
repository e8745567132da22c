// The requests that the Bybit server answers. Lists are newest first.
#include "sim/serve/bybit_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace perp::sim {
namespace {

constexpr std::int64_t requests_max = 600;
constexpr std::int64_t ban_ms = 600'000;

/// Minutes of "1", "3", ... "720", "D"; 0 for what is not served.
std::size_t minutes_of(std::string_view interval) {
  if (interval == "D") return 1440;
  constexpr auto known = std::to_array<std::size_t>({1, 3, 5, 15, 30, 60, 120, 240, 360, 720});
  std::size_t minutes = 0;
  std::from_chars(interval.data(), interval.data() + interval.size(), minutes);
  const bool is_known = std::find(known.begin(), known.end(), minutes) != known.end();
  return is_known && std::to_string(minutes) == interval ? minutes : 0;
}

/// {"uuid"} of a trade's two halves.
std::string uuid_of(const Fact& trade) {
  const std::string digits =
      fmt::format("{:016x}{:016x}", static_cast<std::uint64_t>(trade.id_high),
                  static_cast<std::uint64_t>(trade.id));
  return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" +
         digits.substr(16, 4) + "-" + digits.substr(20);
}

}  // namespace

struct BybitServer::Call {
  std::string_view path;
  void (BybitServer::*answer)(const Query&, RestReply&);
};

const BybitServer::Call* BybitServer::find_call(std::string_view path) {
  static const auto calls = std::to_array<Call>({
      {"/v5/market/time", &BybitServer::time},
      {"/v5/market/instruments-info", &BybitServer::instruments},
      {"/v5/market/kline", &BybitServer::klines},
      {"/v5/market/recent-trade", &BybitServer::recent_trades},
      {"/v5/market/orderbook", &BybitServer::order_book},
      {"/v5/market/tickers", &BybitServer::tickers},
      {"/v5/market/open-interest", &BybitServer::open_interest},
      {"/v5/market/funding/history", &BybitServer::funding_history},
      {"/v5/market/account-ratio", &BybitServer::account_ratio},
  });
  for (const Call& call : calls)
    if (call.path == path) return &call;
  return nullptr;
}

void BybitServer::on_rest(const net::HttpRequestParser& request, RestReply& reply) {
  if (requests_.add(1, now_ms()) > requests_max) banned_until_ms_ = now_ms() + ban_ms;
  if (now_ms() < banned_until_ms_) {
    reply.status = 403;
    reply.content_type = "text/plain";
    reply.body.raw("access too frequent");
    return;
  }
  const Call* const call = find_call(request.path());
  if (call == nullptr || request.method() != "GET") {
    reply.status = 404;
    reply.content_type = "text/plain";
    reply.body.raw("404 page not found");
    return;
  }
  const Query query(request.query());
  if (call->answer != &BybitServer::time && query.value("category") != "linear") {
    fail(reply, 10001, "params error: Category is invalid");
    return;
  }
  const std::string_view endpoint = call->path.substr(call->path.rfind('/') + 1);
  if (!answer_recorded(endpoint, query.value("symbol"), reply)) (this->*call->answer)(query, reply);
}

/// An error is told with status 200.
void BybitServer::fail(RestReply& reply, int code, std::string_view message) {
  count_refusal();
  reply.body.clear();
  reply.body.raw(
      fmt::format(R"({{"retCode":{},"retMsg":{},"result":{{}},"retExtInfo":{{}},"time":{}}})", code,
                  json_quoted(message), now_ms()));
}
void BybitServer::begin(RestReply& reply) {
  reply.body.raw(R"({"retCode":0,"retMsg":"OK","result":{)");
}
void BybitServer::finish(RestReply& reply) {
  reply.body.raw("},\"retExtInfo\":{},\"time\":").integer(now_ms()).raw("}");
}

MarketModel* BybitServer::market_of(const Query& query, RestReply& reply) {
  MarketModel* const market = find_market(query.value("symbol"));
  if (market == nullptr) fail(reply, 10001, "params error: Symbol Invalid");
  return market;
}

/// What is out of range counts as the nearest that is not.
std::size_t BybitServer::limit_of(const Query& query, std::int64_t usual, std::int64_t most) {
  const std::int64_t given = query.integer("limit", usual).value_or(usual);
  return static_cast<std::size_t>(std::clamp<std::int64_t>(given, 1, most));
}

void BybitServer::time(const Query&, RestReply& reply) {
  begin(reply);
  reply.body.raw("\"timeSecond\":\"").integer(now_ms() / 1000).raw("\",\"timeNano\":\"");
  reply.body.integer(now_ms()).raw("000000\"");
  finish(reply);
}

void BybitServer::instruments(const Query& query, RestReply& reply) {
  std::size_t first = 0;
  const std::string_view cursor = query.value("cursor");
  // "first=100", however often it was encoded.
  const std::size_t digits = cursor.find_last_not_of("0123456789");
  if (!cursor.empty())
    std::from_chars(cursor.data() + digits + 1, cursor.data() + cursor.size(), first);
  if (const std::size_t coded = cursor.rfind("3D"); coded != std::string_view::npos)
    std::from_chars(cursor.data() + coded + 2, cursor.data() + cursor.size(), first);
  wire::Bybit::write_instruments(reply.body, markets(), now_ms(), first,
                                 limit_of(query, 500, 1000));
}

void BybitServer::klines(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  const std::size_t minutes = minutes_of(query.value("interval"));
  if (minutes == 0) {
    fail(reply, 10001, "params error: Invalid period!");
    return;
  }
  const std::int64_t start_ms = query.integer("start", 0).value_or(0);
  const std::int64_t end_ms = query.integer("end", now_ms()).value_or(now_ms());
  const std::size_t limit = limit_of(query, 200, 1000);
  const std::vector<Bar> rows = bars(*market, minutes, start_ms, end_ms, limit);
  wire::Bybit::write_klines(reply.body, *market, rows, now_ms());
}

void BybitServer::recent_trades(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  const TradeHistory& history = trades(*market);
  const std::size_t count = std::min(limit_of(query, 500, 1000), history.size());
  begin(reply);
  reply.body.raw("\"category\":\"linear\",\"list\":[");
  for (std::size_t i = 0; i < count; ++i) {
    const Fact& trade = history.at(history.size() - 1 - i);
    reply.body.raw(i == 0 ? "{\"execId\":\"" : ",{\"execId\":\"").raw(uuid_of(trade));
    reply.body.raw("\",\"symbol\":\"").raw(market->listing().native).raw("\",\"price\":\"");
    reply.body.fixed(wire::price_of(*market, trade.price)).raw("\",\"size\":\"");
    reply.body.fixed(wire::quantity_of(*market, trade.quantity));
    reply.body.raw(trade.is_buy ? "\",\"side\":\"Buy\",\"time\":\""
                                : "\",\"side\":\"Sell\",\"time\":\"");
    reply.body.integer(trade.time_ms).raw("\",\"isBlockTrade\":false,\"isRPITrade\":");
    reply.body.raw(trade.is_retail ? "true" : "false").raw(",\"seq\":\"").integer(trade.sequence);
    reply.body.raw("\"}");
  }
  reply.body.raw("]");
  finish(reply);
}

void BybitServer::order_book(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  const std::size_t limit = limit_of(query, 25, 1000);
  const auto side = [&](std::string_view name, const std::vector<BookLevel>& levels) {
    reply.body.raw(name);
    for (std::size_t i = 0; i < limit && i < levels.size(); ++i) {
      const BookLevel& level = levels[levels.size() - 1 - i];
      reply.body.raw(i == 0 ? "[\"" : ",[\"").fixed(wire::price_of(*market, level.price));
      reply.body.raw("\",\"").fixed(wire::quantity_of(*market, level.quantity)).raw("\"]");
    }
  };
  begin(reply);
  reply.body.raw("\"s\":\"").raw(market->listing().native);
  side("\",\"b\":[", market->book().bids());
  side("],\"a\":[", market->book().asks());
  // The update id belongs to a stream that is not served: it tells nothing of the others.
  reply.body.raw("],\"ts\":").integer(now_ms()).raw(",\"u\":1,\"seq\":");
  reply.body.integer(model().sequence(*market)).raw(",\"cts\":").integer(now_ms());
  finish(reply);
}

void BybitServer::tickers(const Query& query, RestReply& reply) {
  const bool is_one = query.find("symbol") != nullptr;
  const MarketModel* const only = is_one ? market_of(query, reply) : nullptr;
  if (is_one && only == nullptr) return;
  begin(reply);
  reply.body.raw("\"category\":\"linear\",\"list\":[");
  bool is_first = true;
  for (const MarketModel& market : markets()) {
    if (is_one ? &market != only : market.status != MarketStatus::listed) continue;
    if (!is_first) reply.body.raw(",");
    is_first = false;
    model().write_ticker_row(reply.body, market, now_ms());
  }
  reply.body.raw("]");
  finish(reply);
}

/// Named by the period's end.
void BybitServer::open_interest(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  if (query.value("intervalTime") != "5min") {
    fail(reply, 10001, "params error: intervalTime is invalid");
    return;
  }
  const std::int64_t start_ms = query.integer("startTime", 0).value_or(0);
  const std::int64_t end_ms = query.integer("endTime", now_ms()).value_or(now_ms());
  std::vector<PastInterest> rows =
      past_interest(*market, start_ms, end_ms, limit_of(query, 50, 200));
  begin(reply);
  reply.body.raw("\"symbol\":\"").raw(market->listing().native);
  reply.body.raw("\",\"category\":\"linear\",\"list\":[");
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    const Decimal single = wire::quantity_of(*market, row->quantity);
    reply.body.raw(row == rows.rbegin() ? "{\"openInterest\":\"" : ",{\"openInterest\":\"");
    reply.body.fixed({2 * single.units, single.digits}).raw("\",\"singleOpenInterest\":\"");
    reply.body.fixed(single).raw("\",\"timestamp\":\"").integer(row->time_ms).raw("\"}");
  }
  reply.body.raw("],\"nextPageCursor\":\"\"");
  finish(reply);
}

void BybitServer::funding_history(const Query& query, RestReply& reply) {
  const MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  if (query.find("startTime") != nullptr && query.find("endTime") == nullptr) {
    fail(reply, 10001, "params error: startTime and endTime must be passed together");
    return;
  }
  const std::int64_t start_ms = query.integer("startTime", 0).value_or(0);
  const std::int64_t end_ms = query.integer("endTime", now_ms()).value_or(now_ms());
  const std::vector<PastFunding> rows =
      past_funding(*market, start_ms, end_ms, limit_of(query, 200, 200), false);
  begin(reply);
  reply.body.raw("\"category\":\"linear\",\"list\":[");
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    reply.body.raw(row == rows.rbegin() ? "{\"symbol\":\"" : ",{\"symbol\":\"");
    reply.body.raw(market->listing().native).raw("\",\"fundingRate\":\"");
    reply.body.trimmed({rescale(row->rate_e16, 16, 8), 8});
    reply.body.raw("\",\"fundingRateTimestamp\":\"").integer(row->time_ms).raw("\"}");
  }
  reply.body.raw("]");
  finish(reply);
}

void BybitServer::account_ratio(const Query& query, RestReply& reply) {
  MarketModel* const market = market_of(query, reply);
  if (market == nullptr) return;
  if (query.value("period") != "5min") {
    fail(reply, 10001, "params error: period is invalid");
    return;
  }
  const std::int64_t start_ms = query.integer("startTime", 0).value_or(0);
  const std::int64_t end_ms = query.integer("endTime", now_ms()).value_or(now_ms());
  model().write_ratio(
      reply.body, *market,
      model().ratios(market->index).find(start_ms, end_ms, limit_of(query, 50, 500)), now_ms());
}

}  // namespace perp::sim
