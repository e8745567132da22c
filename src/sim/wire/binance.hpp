#pragma once
// Binance USD-M as of 2026: combined streams of the routed /public and /market sockets with the
// fields st, ps, nq and ap, and the REST bodies a feed needs beside them. Source:
// developers.binance.com, derivatives, USD-M futures.
#include "sim/wire/wire_model.hpp"

#include <string>
#include <vector>

namespace perp::sim::wire {

class Binance final : public WireModel {
 public:
  Binance(Lane& stream, Lane& rest);

  std::size_t book_depth() const override { return 250; }
  void open(std::vector<MarketModel>& markets, std::int64_t now_ms) override;
  void backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) override;
  void trade(MarketModel& market, std::size_t index, const TakerOrder& order) override;
  void book(MarketModel& market, std::size_t index, std::int64_t time_ms) override;
  void liquidation(MarketModel& market, std::size_t index, const ForcedOrder& forced) override;
  void step(MarketModel& market, std::size_t index, std::int64_t now_ms) override;
  void minute(MarketModel& market, std::size_t index, const Bar& bar) override;
  void connection(std::int64_t) override {
  }  // Binance pings by WebSocket frame: nothing is recorded

 private:
  struct State {
    std::string trade_head, ticker_head, depth_head, mark_head, kline_head, force_head;
    std::int64_t update_id = 0;        // last event of the book
    std::int64_t first_update_id = 0;  // of the running interval, 0 = none
    std::int64_t sent_update_id = 0;   // u of the last depth event
    std::int64_t last_event_ms = 0;
    bool has_snapshot = false;
    std::int64_t snapshot_from_ms = 0;
    std::int64_t aggregate_id = 0;
    std::int64_t trade_id = 0;
    std::int64_t minute_first_trade = 0;
    std::int64_t last_trade_sent_ms = 0;
    std::int64_t last_ticker_sent_ms = 0;
    std::int64_t last_forced_ms = 0;
    std::int64_t fills_in_last_kline = 0;
    std::int64_t ratio_due_ms = 0;
    std::int64_t previous_long_share = 0;
    Touch touch;
    Timer mark, kline, open_interest;
  };

  void instruments(const std::vector<MarketModel>& markets, std::int64_t now_ms);
  void snapshot(MarketModel& market, State& state, std::int64_t time_ms);
  void depth(MarketModel& market, State& state, std::int64_t now_ms);
  void mark(MarketModel& market, State& state, std::int64_t at_ms);
  void kline(MarketModel& market, State& state, const Bar& bar, std::int64_t sent_ms,
             bool is_closed);
  void open_interest(MarketModel& market, std::int64_t at_ms);
  void ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms);
  void klines(MarketModel& market, const std::vector<Bar>& bars, std::int64_t length_ms,
              std::string_view period, std::int64_t sent_ms);

  Lane* stream_;
  Lane* rest_;
  std::vector<State> states_;
  std::int64_t open_ms_ = 0;
  struct {
    std::size_t ack, trade, ticker, depth, mark, kline, force;
  } streams_{};
  struct {
    std::size_t instruments, depth, klines, open_interest, ratio;
  } replies_{};
};

}  // namespace perp::sim::wire
