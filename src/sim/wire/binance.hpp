#pragma once
// Binance USD-M as of 2026: combined streams of the routed /public and /market sockets with the
// fields st, ps, nq and ap, and the REST bodies a feed needs beside them. Source:
// developers.binance.com, derivatives, USD-M futures.
#include "sim/wire/wire_model.hpp"

#include <span>
#include <string>
#include <vector>

namespace perp::sim::wire {

class Binance final : public WireModel {
 public:
  Binance(Outlet& stream, Outlet* rest);

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

  struct Streams {
    std::size_t ack, trade, ticker, depth, mark, kline, force, day;
  };
  const Streams& streams() const { return streams_; }

  enum class Ratio : std::uint8_t { accounts, top_accounts, top_positions };

  // Bodies of requests.
  static void write_instruments(Text& text, const std::vector<MarketModel>& markets,
                                std::int64_t now_ms);
  void write_depth(Text& text, const MarketModel& market, std::size_t limit,
                   std::int64_t time_ms) const;
  /// What it says counts as published.
  static void write_open_interest(Text& text, MarketModel& market, std::int64_t at_ms);
  void write_ratio(Text& text, MarketModel& market, Ratio ratio, RatioHistory::Rows rows) const;
  const RatioHistory& ratios(std::uint32_t market) const { return states_[market].ratios; }
  void keep_past(std::uint32_t market, std::size_t rows, std::uint64_t seed) override;
  static void write_klines(Text& text, const MarketModel& market, std::span<const Bar> bars,
                           std::int64_t length_ms);

 private:
  struct State {
    std::string trade_head, ticker_head, depth_head, mark_head, kline_head, force_head, day_head;
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
    RatioHistory ratios;
    Touch touch;
    Timer mark, kline, open_interest, day;
  };

  void announce(const std::vector<MarketModel>& markets, std::int64_t now_ms);
  void snapshot(MarketModel& market, State& state, std::int64_t time_ms);
  void depth(MarketModel& market, State& state, std::int64_t now_ms);
  void mark(MarketModel& market, State& state, std::int64_t at_ms);
  void kline(MarketModel& market, State& state, const Bar& bar, std::int64_t sent_ms,
             bool is_closed);
  void day(MarketModel& market, const State& state, std::int64_t at_ms);
  void open_interest(MarketModel& market, std::int64_t at_ms);
  void ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms);
  void klines(MarketModel& market, const std::vector<Bar>& bars, std::int64_t length_ms,
              std::string_view period, std::int64_t sent_ms);

  Outlet* stream_;
  Outlet* rest_;  // null: bodies are asked for
  std::vector<State> states_;
  std::int64_t open_ms_ = 0;
  Streams streams_{};
  struct {
    std::size_t instruments, depth, klines, open_interest, ratio;
  } replies_{};
};

}  // namespace perp::sim::wire
