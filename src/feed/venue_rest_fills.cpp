// Trades and candles that a hole has swallowed.
#include "feed/venue_rest_impl.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace perp::feed {
namespace {

/// A reply may lag behind the stream.
constexpr std::int64_t lag_ns = core::ns_per_second;

}  // namespace

struct VenueRest::Impl::TradeFilling {
  TradeFillPlan plan;
  TradeFill result{};
  /// Ids of what was given: a reply that lags is asked for again, and by then the adapter, whose
  /// memory is of the stream's newest, may have forgotten these.
  std::set<std::pair<std::int64_t, std::int64_t>> given{};
  std::function<void(const TradeFill&)> done{};
};

struct VenueRest::Impl::KlineFilling {
  KlineFillPlan plan;
  KlineFill result{};
  std::function<void(const KlineFill&)> done{};
};

void VenueRest::Impl::fill_trades(TradeHole hole, std::function<void(const TradeFill&)> done) {
  const venue::RestCall* call = find_call(venue::RestPurpose::trade_fill);
  if (call == nullptr) {
    if (done)
      run_later([hole = std::move(hole), done = std::move(done)] {
        done({.left = hole, .why = "the venue gives no past trades"});
      });
    return;
  }
  const auto filling = std::make_shared<TradeFilling>(
      TradeFilling{.plan = TradeFillPlan(*call, std::move(hole), options.fill_pages_max),
                   .done = std::move(done)});
  if (filling->plan.is_empty()) {
    run_later([this, filling] { end_trades(filling, {}); });
  } else if (!filling->plan.can_begin() || !has_room()) {
    run_later([this, filling] {
      end_trades(filling, filling->plan.can_begin() ? "too many requests wait"
                                                    : "too little is known of its two sides");
    });
  } else {
    ask_trades(filling, 0);
  }
}

void VenueRest::Impl::ask_trades(const std::shared_ptr<TradeFilling>& filling,
                                 std::int64_t wait_ns) {
  const venue::RestQuery query = filling->plan.query();
  ask({.call = find_call(venue::RestPurpose::trade_fill),
       .priority = RestPriority::fill,
       .symbol = std::string(query.symbol),
       .query = {.from_id = query.from_id, .until_id = query.until_id},
       .not_before = now().mono + wait_ns,
       .take =
           [this, filling](RestJob& job, const net::HttpReply& reply) {
             venue::TradeWindow window = filling->plan.window();
             std::int64_t oldest_ns = core::unknown_ns;
             std::int64_t newest_ns = core::unknown_ns;
             std::uint64_t made = 0;
             const venue::DecodeStatus status =
                 decode(job, reply, true, &window, [&](const market::RecordHeader& header) {
                   if (header.type != market::RecordType::trade) return true;
                   const auto& trade = market::payload<market::Trade>(header);
                   if (!filling->given.emplace(trade.trade_id, trade.trade_id_high).second)
                     return false;
                   ++made;
                   const std::int64_t time_ns = header.exchange_ns;
                   oldest_ns = made == 1 ? time_ns : std::min(oldest_ns, time_ns);
                   newest_ns = std::max(newest_ns, time_ns);
                   return true;
                 });
             if (status != venue::DecodeStatus::ok) return status;
             filling->result.trades += made;
             counts.trades_filled += made;
             switch (filling->plan.take(window, oldest_ns, newest_ns)) {
               case TradeFillPlan::Next::page: ask_trades(filling, 0); break;
               case TradeFillPlan::Next::later: ask_trades(filling, hastened(lag_ns)); break;
               case TradeFillPlan::Next::done:
                 end_trades(filling, "the venue's reply does not reach so far");
                 break;
             }
             return status;
           },
       .give_up = [this, filling](const std::string& why) { end_trades(filling, why); }});
}

void VenueRest::Impl::end_trades(const std::shared_ptr<TradeFilling>& filling,
                                 const std::string& why) {
  filling->result.left = filling->plan.left();
  if (filling->result.left) {
    ++counts.holes_left;
    filling->result.why = why;
  }
  if (filling->done) filling->done(filling->result);
}

void VenueRest::Impl::fill_klines(std::string symbol, std::int64_t start_ms, std::int64_t end_ms,
                                  std::function<void(const KlineFill&)> done) {
  const venue::RestCall* call = find_call(venue::RestPurpose::kline_fill);
  if (call == nullptr) {
    if (done)
      run_later([start_ms, end_ms, done = std::move(done)] {
        done({.left_start_ms = start_ms,
              .left_end_ms = end_ms,
              .why = "the venue gives no past candles"});
      });
    return;
  }
  const auto filling = std::make_shared<KlineFilling>(KlineFilling{
      .plan = KlineFillPlan(*call, std::move(symbol), start_ms, end_ms, options.fill_pages_max),
      .done = std::move(done)});
  if (filling->plan.is_done()) {
    run_later([this, filling] { end_klines(filling, {}); });
  } else if (!has_room()) {
    run_later([this, filling] { end_klines(filling, "too many requests wait"); });
  } else {
    ask_klines(filling);
  }
}

void VenueRest::Impl::ask_klines(const std::shared_ptr<KlineFilling>& filling) {
  const venue::RestQuery query = filling->plan.query();
  ask({.call = find_call(venue::RestPurpose::kline_fill),
       .priority = RestPriority::fill,
       .symbol = std::string(query.symbol),
       .query = {.start_ms = query.start_ms, .end_ms = query.end_ms},
       .weight = filling->plan.weight(),
       .take =
           [this, filling](RestJob& job, const net::HttpReply& reply) {
             std::uint64_t made = 0;
             const venue::DecodeStatus status =
                 decode(job, reply, true, nullptr, [&](const market::RecordHeader& header) {
                   if (header.type != market::RecordType::kline) return true;
                   const bool is_wanted =
                       filling->plan.admits(market::payload<market::Kline>(header));
                   made += is_wanted ? 1 : 0;
                   return is_wanted;
                 });
             if (status != venue::DecodeStatus::ok) return status;
             filling->result.candles += made;
             counts.candles_filled += made;
             filling->plan.advance();
             if (filling->plan.is_done())
               end_klines(filling, "the venue gave no candle");
             else
               ask_klines(filling);
             return status;
           },
       .give_up = [this, filling](const std::string& why) { end_klines(filling, why); }});
}

void VenueRest::Impl::end_klines(const std::shared_ptr<KlineFilling>& filling,
                                 const std::string& why) {
  KlineFill& result = filling->result;
  filling->plan.left(result.left_start_ms, result.left_end_ms);
  if (result.left_start_ms < result.left_end_ms) {
    ++counts.holes_left;
    result.why = why;
  }
  if (filling->done) filling->done(result);
}

}  // namespace perp::feed
