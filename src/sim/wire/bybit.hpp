#pragma once
// Bybit v5 linear as of 2026: public topics with their differing key orders and REST envelopes.
// Source: bybit-exchange.github.io/docs/v5.
#include "sim/wire/wire_model.hpp"

#include <array>
#include <span>
#include <string>
#include <vector>

namespace perp::sim::wire {

class Bybit final : public WireModel {
 public:
  Bybit(Outlet& stream, Outlet* rest, std::uint64_t seed);

  std::size_t book_depth() const override { return 50; }
  void open(std::vector<MarketModel>& markets, std::int64_t now_ms) override;
  void backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) override;
  void trade(MarketModel& market, std::size_t index, const TakerOrder& order) override;
  void book(MarketModel& market, std::size_t index, std::int64_t time_ms) override;
  void liquidation(MarketModel& market, std::size_t index, const ForcedOrder& forced) override;
  void step(MarketModel& market, std::size_t index, std::int64_t now_ms) override;
  void minute(MarketModel& market, std::size_t index, const Bar& bar) override;
  void connection(std::int64_t now_ms) override;

  struct Streams {
    std::size_t control, trade, book, ticker, kline, liquidation, touch;
  };
  const Streams& streams() const { return streams_; }

  // What a subscription begins with: what the deltas since then build on.
  void write_book(Text& text, const MarketModel& market, std::int64_t sent_ms) const;
  void write_touch(Text& text, const MarketModel& market, std::int64_t sent_ms) const;
  void write_ticker(Text& text, const MarketModel& market, std::int64_t sent_ms) const;
  // Bodies of requests: the whole answer.
  static void write_instruments(Text& text, const std::vector<MarketModel>& markets,
                                std::int64_t now_ms, std::size_t first = 0,
                                std::size_t limit = 1000);
  /// {"symbol":..} with every field of a ticker, as they are now.
  void write_ticker_row(Text& text, const MarketModel& market, std::int64_t now_ms) const;
  std::int64_t sequence(const MarketModel& market) const { return states_[market.index].sequence; }
  void write_ratio(Text& text, MarketModel& market, RatioHistory::Rows rows,
                   std::int64_t now_ms) const;
  const RatioHistory& ratios(std::uint32_t market) const { return states_[market].ratios; }
  void keep_past(std::uint32_t market, std::size_t rows, std::uint64_t seed) override;
  static void write_klines(Text& text, const MarketModel& market, std::span<const Bar> bars,
                           std::int64_t now_ms);

 private:
  /// A ticker's fields in the order of the wire.
  enum Field : std::size_t {
    tick_direction,
    change_24h,
    last_price,
    previous_24h,
    high_24h,
    low_24h,
    previous_1h,
    mark_price,
    index_price,
    open_interest,
    open_interest_value,
    single_interest,
    single_interest_value,
    turnover_24h,
    volume_24h,
    funding_interval,
    funding_cap,
    next_funding,
    funding_rate,
    bid_price,
    bid_size,
    ask_price,
    ask_size,
    field_count
  };
  using TickerFields = std::array<Decimal, field_count>;

  struct State {
    std::string trade_head, book_head, ticker_head, kline_head, liquidation_head, touch_head;
    std::int64_t update_id = 0;
    std::int64_t sequence = 0;
    std::int64_t last_event_ms = 0;
    std::int64_t last_trade_price = 0;
    int direction = 0;  // of the last trade, see tick_directions
    std::int64_t fills_in_last_kline = 0;
    std::int64_t ratio_due_ms = 0;
    RatioHistory ratios;
    std::int64_t touch_id = 0;
    std::int64_t touch_sent_ms = 0;
    Touch touch;
    std::vector<ForcedOrder> forced;
    TickerFields sent{};
    Timer ticker, kline;
  };

  void acknowledge(std::string_view request, std::string_view operation, std::string_view message,
                   std::int64_t sent_ms);
  void book_message(MarketModel& market, State& state, bool is_snapshot, std::int64_t sent_ms);
  void write_book(Text& text, const MarketModel& market, const State& state, bool is_snapshot,
                  std::span<const BookLevel> bids, std::span<const BookLevel> asks,
                  std::int64_t sent_ms) const;
  void touch(MarketModel& market, State& state, std::int64_t sent_ms);
  void write_ticker(Text& text, const MarketModel& market, const TickerFields& fields,
                    const TickerFields* since, std::int64_t sent_ms) const;
  static void write_ticker_fields(Text& text, const TickerFields& fields,
                                  const TickerFields* since);
  TickerFields ticker_fields(const MarketModel& market, const State& state,
                             std::int64_t now_ms) const;
  void ticker(MarketModel& market, State& state, bool is_snapshot, std::int64_t sent_ms);
  void kline(MarketModel& market, const State& state, const Bar& bar, std::int64_t sent_ms,
             bool is_closed);
  void liquidations(MarketModel& market, State& state, std::int64_t sent_ms);
  void ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms);
  void klines(MarketModel& market, const std::vector<Bar>& bars, std::string_view period,
              std::int64_t sent_ms);

  Outlet* stream_;
  Outlet* rest_;  // null: bodies are asked for
  Random random_;
  std::string connection_id_;
  std::vector<State> states_;
  std::int64_t next_ping_ms_ = 0;
  std::int64_t pings_ = 0;
  Streams streams_{};
  struct {
    std::size_t instruments, kline, ratio;
  } replies_{};
};

}  // namespace perp::sim::wire
