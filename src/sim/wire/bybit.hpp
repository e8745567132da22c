#pragma once
// Bybit v5 linear as of 2026: public topics with their differing key orders and REST envelopes.
// Source: bybit-exchange.github.io/docs/v5.
#include "sim/wire/wire_model.hpp"

#include <array>
#include <string>
#include <vector>

namespace perp::sim::wire {

class Bybit final : public WireModel {
 public:
  Bybit(Lane& stream, Lane& rest, std::uint64_t seed);

  std::size_t book_depth() const override { return 50; }
  void open(std::vector<MarketModel>& markets, std::int64_t now_ms) override;
  void backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) override;
  void trade(MarketModel& market, std::size_t index, const TakerOrder& order) override;
  void book(MarketModel& market, std::size_t index, std::int64_t time_ms) override;
  void liquidation(MarketModel& market, std::size_t index, const ForcedOrder& forced) override;
  void step(MarketModel& market, std::size_t index, std::int64_t now_ms) override;
  void minute(MarketModel& market, std::size_t index, const Bar& bar) override;
  void connection(std::int64_t now_ms) override;

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
    std::string trade_head, book_head, ticker_head, kline_head, liquidation_head;
    std::int64_t update_id = 0;
    std::int64_t sequence = 0;
    std::int64_t last_event_ms = 0;
    std::int64_t last_trade_price = 0;
    int direction = 0;  // of the last trade, see tick_directions
    std::int64_t fills_in_last_kline = 0;
    std::int64_t ratio_due_ms = 0;
    std::int64_t previous_long_share = 0;
    std::vector<ForcedOrder> forced;
    TickerFields sent{};
    Timer ticker, kline;
  };

  void acknowledge(std::string_view request, std::string_view operation, std::string_view message,
                   std::int64_t sent_ms);
  void instruments(const std::vector<MarketModel>& markets, std::int64_t now_ms);
  void book_message(MarketModel& market, State& state, bool is_snapshot, std::int64_t sent_ms);
  TickerFields ticker_fields(const MarketModel& market, const State& state,
                             std::int64_t now_ms) const;
  void ticker(MarketModel& market, State& state, bool is_snapshot, std::int64_t sent_ms);
  void kline(MarketModel& market, const State& state, const Bar& bar, std::int64_t sent_ms,
             bool is_closed);
  void liquidations(MarketModel& market, State& state, std::int64_t sent_ms);
  void ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms);
  void klines(MarketModel& market, const std::vector<Bar>& bars, std::string_view period,
              std::int64_t sent_ms);

  Lane* stream_;
  Lane* rest_;
  Random random_;
  std::string connection_id_;
  std::vector<State> states_;
  std::int64_t next_ping_ms_ = 0;
  std::int64_t pings_ = 0;
  struct {
    std::size_t control, trade, book, ticker, kline, liquidation;
  } streams_{};
  struct {
    std::size_t instruments, kline, ratio;
  } replies_{};
};

}  // namespace perp::sim::wire
