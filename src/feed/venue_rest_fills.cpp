// Trades and candles that a hole has swallowed.
#include "feed/venue_rest_impl.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace perp::feed {
namespace {

/// A reply may lag behind the stream.
constexpr std::int64_t lag_ns = core::ns_per_second;
constexpr std::int64_t minute_ms = 60'000;

/// The time by which a row of history is asked for.
std::int64_t row_ms(const market::RecordHeader& header) {
  std::int64_t ns = header.exchange_ns;
  if (header.type == market::RecordType::kline) ns = market::payload<market::Kline>(header).open_ns;
  if (header.type == market::RecordType::funding)
    ns = market::payload<market::Funding>(header).funding_ns;
  return ns == core::unknown_ns ? -1 : core::floor_to(ns, core::ns_per_ms) / core::ns_per_ms;
}

/// A candle that still runs is the stream's.
bool is_finished(const market::RecordHeader& header) {
  return header.type != market::RecordType::kline ||
         market::payload<market::Kline>(header).is_closed != market::Tristate::no;
}

}  // namespace

struct VenueRest::Impl::TradeFilling {
  TradeFillPlan plan;
  TradeFill result{};
  /// Ids of what was given: a reply that lags is asked for again, and by then the adapter, whose
  /// memory is of the stream's newest, may have forgotten these.
  std::set<std::pair<std::int64_t, std::int64_t>> given{};
  std::function<void(const TradeFill&)> done{};
};

struct VenueRest::Impl::RowFilling {
  RowFillPlan plan;
  bool is_probe = false;
  HistoryFill result{};
  std::function<void(std::uint64_t, std::int64_t)> on_page{};
  std::function<void(const HistoryFill&)> done{};
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
  const auto filling = std::make_shared<RowFilling>(
      RowFilling{.plan = RowFillPlan(*call, std::move(symbol), {}, minute_ms, start_ms, end_ms,
                                     options.fill_pages_max)});
  filling->done = [this, done = std::move(done)](const HistoryFill& fill) {
    counts.candles_filled += fill.rows;
    KlineFill result{
        .candles = fill.rows, .left_start_ms = fill.left_start_ms, .left_end_ms = fill.left_end_ms};
    if (result.left_start_ms < result.left_end_ms) {
      ++counts.holes_left;
      result.why = fill.was_given_up ? fill.why : "the venue gave no candle";
    }
    if (done) done(result);
  };
  begin_rows(filling);
}

void VenueRest::Impl::fetch_history(const HistoryWish& wish,
                                    std::function<void(const HistoryFill&)> done) {
  const std::int64_t step_ns = wish.step_ns > 0 ? wish.step_ns : wish.call->step_ns;
  begin_rows(std::make_shared<RowFilling>(RowFilling{
      .plan = RowFillPlan(*wish.call, wish.symbol, wish.period, step_ns / core::ns_per_ms,
                          wish.start_ms, wish.end_ms, std::numeric_limits<std::uint32_t>::max()),
      .is_probe = wish.is_probe,
      .on_page = wish.on_page,
      .done = std::move(done)}));
}

void VenueRest::Impl::begin_rows(const std::shared_ptr<RowFilling>& filling) {
  if (filling->plan.is_done()) {
    run_later([this, filling] { end_rows(filling, {}); });
  } else if (!has_room()) {
    run_later([this, filling] { end_rows(filling, "too many requests wait"); });
  } else {
    ask_rows(filling);
  }
}

void VenueRest::Impl::ask_rows(const std::shared_ptr<RowFilling>& filling) {
  const venue::RestQuery query = filling->plan.query();
  ask({.call = &filling->plan.call(),
       .priority = RestPriority::fill,
       .symbol = std::string(query.symbol),
       .query = {.period = query.period, .start_ms = query.start_ms, .end_ms = query.end_ms},
       .weight = filling->plan.weight(),
       .take =
           [this, filling](RestJob& job, const net::HttpReply& reply) {
             std::uint64_t made = 0;
             const venue::DecodeStatus status =
                 decode(job, reply, true, nullptr, [&](const market::RecordHeader& header) {
                   if (header.type == market::RecordType::instrument) return true;
                   const std::int64_t time_ms = row_ms(header);
                   const bool is_wanted = is_finished(header) && filling->plan.admits(time_ms);
                   if (filling->is_probe) {
                     std::int64_t& first_ms = filling->result.first_ms;
                     if (is_wanted && (first_ms < 0 || time_ms < first_ms)) first_ms = time_ms;
                     return false;
                   }
                   made += is_wanted ? 1 : 0;
                   return is_wanted;
                 });
             if (status != venue::DecodeStatus::ok) return status;
             filling->result.rows += made;
             const std::int64_t asked = filling->plan.steps_asked();
             filling->plan.advance();
             if (filling->on_page) filling->on_page(made, filling->plan.steps_asked() - asked);
             if (filling->plan.is_done())
               end_rows(filling, {});
             else
               ask_rows(filling);
             return status;
           },
       .give_up = [this, filling](const std::string& why) { end_rows(filling, why); }});
}

/// @param why it was given up; empty: it was not
void VenueRest::Impl::end_rows(const std::shared_ptr<RowFilling>& filling, const std::string& why) {
  HistoryFill& result = filling->result;
  filling->plan.left(result.left_start_ms, result.left_end_ms);
  result.was_given_up = !why.empty();
  result.why = why;
  if (filling->done) filling->done(result);
}

}  // namespace perp::feed
