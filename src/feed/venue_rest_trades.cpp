// Trades of long ago.
#include "feed/trade_history_plan.hpp"
#include "feed/venue_rest_impl.hpp"

#include <set>
#include <utility>

namespace perp::feed {

struct VenueRest::Impl::TradeHistory {
  TradeWish wish;
  TradeHistoryPlan plan;
  HistoryFill result{};
  std::function<void(const HistoryFill&)> done{};
};

void VenueRest::Impl::fetch_trades(const TradeWish& wish,
                                   std::function<void(const HistoryFill&)> done) {
  const auto history = std::make_shared<TradeHistory>(TradeHistory{
      .wish = wish,
      .plan = TradeHistoryPlan(*wish.call, find_call(venue::RestPurpose::trade_fill), wish.symbol,
                               wish.start_ms, wish.end_ms, wish.after_id, wish.before_id),
      .done = std::move(done)});
  if (history->plan.is_done() || !has_room())
    run_later([this, history] {
      end_trade_history(history, history->plan.is_done() ? "" : "too many requests wait");
    });
  else
    ask_trade_page(history);
}

void VenueRest::Impl::ask_trade_page(const std::shared_ptr<TradeHistory>& history) {
  const venue::RestQuery query = history->plan.query();
  ask({.call = &history->plan.call(),
       .priority = RestPriority::fill,
       .symbol = std::string(query.symbol),
       .query = {.from_id = query.from_id,
                 .until_id = query.until_id,
                 .start_ms = query.start_ms,
                 .end_ms = query.end_ms},
       .take =
           [this, history](RestJob& job, const net::HttpReply& reply) {
             using Ids = std::set<std::pair<std::int64_t, std::int64_t>>;
             venue::TradeWindow window = history->plan.window();
             std::optional<Ids> stored;
             std::uint64_t made = 0;
             // The window is filled before the first record is judged.
             const auto is_stored = [&](const market::RecordHeader& header) {
               if (!history->plan.is_newest() || !history->wish.find_stored) return false;
               if (!stored)
                 stored = history->wish.find_stored(window.oldest_ns / core::ns_per_ms,
                                                    window.newest_ns / core::ns_per_ms + 1);
               const auto& trade = market::payload<market::Trade>(header);
               const bool is_there = stored->contains({trade.trade_id, trade.trade_id_high});
               history->result.joins_stored |= is_there && header.exchange_ns == window.oldest_ns;
               return is_there;
             };
             const venue::DecodeStatus status =
                 decode(job, reply, true, &window, [&](const market::RecordHeader& header) {
                   if (header.type != market::RecordType::trade) return true;
                   if (is_stored(header)) return false;
                   ++made;
                   return true;
                 });
             if (status != venue::DecodeStatus::ok) return status;
             history->result.rows += made;
             const std::int64_t asked_ms = history->plan.ms_asked();
             history->plan.take(window);
             if (history->wish.on_page)
               history->wish.on_page(made, history->plan.ms_asked() - asked_ms);
             if (history->plan.is_done())
               end_trade_history(history, {});
             else
               ask_trade_page(history);
             return status;
           },
       .give_up = [this, history](const std::string& why) { end_trade_history(history, why); }});
}

/// @param why it was given up; empty: it was not
void VenueRest::Impl::end_trade_history(const std::shared_ptr<TradeHistory>& history,
                                        const std::string& why) {
  HistoryFill& result = history->result;
  history->plan.left(result.left_start_ms, result.left_end_ms);
  result.was_given_up = !why.empty();
  result.why = why;
  if (history->done) history->done(result);
}

}  // namespace perp::feed
