#pragma once
// OKX v5 as of 2026: channels of the public and the business socket, sizes in contracts, numbers
// without trailing zeros, books chained by seqId with a retired checksum. Source:
// www.okx.com/docs-v5.
#include "sim/wire/wire_model.hpp"

#include <string>
#include <vector>

namespace perp::sim::wire {

class Okx final : public WireModel {
 public:
  Okx(Lane& stream, Lane& rest, std::uint64_t seed);

  std::size_t book_depth() const override { return 400; }
  void open(std::vector<MarketModel>& markets, std::int64_t now_ms) override;
  void backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) override;
  void trade(MarketModel& market, std::size_t index, const TakerOrder& order) override;
  void book(MarketModel& market, std::size_t index, std::int64_t time_ms) override;
  void liquidation(MarketModel& market, std::size_t index, const ForcedOrder& forced) override;
  void step(MarketModel& market, std::size_t index, std::int64_t now_ms) override;
  void minute(MarketModel& market, std::size_t index, const Bar& bar) override;
  void connection(std::int64_t) override {
  }  // OKX answers a text ping with a text pong: not JSON, not recorded

 private:
  struct State {
    std::string trade_head, touch_head, book_head, ticker_head, mark_head, funding_head,
        interest_head, candle_head;
    std::int64_t sequence = 0;       // last event of the book
    std::int64_t sent_sequence = 0;  // seqId of the last books message
    std::int64_t last_event_ms = 0;
    std::int64_t last_book_ms = 0;
    std::int64_t trade_id = 0;
    std::int64_t last_forced_ms = 0;
    std::int64_t fills_in_last_candle = 0;
    std::int64_t ratio_due_ms = 0;
    std::int64_t previous_long_share = 0;
    std::int64_t next_funding_ms = 0;
    Touch touch;
    Timer ticker, mark, funding, open_interest, candle;
  };

  bool streams_books(const MarketModel& market) const {
    return market.listing().kind == ListingKind::primary;
  }
  void acknowledge(std::size_t socket, std::string_view channel, std::string_view instrument,
                   std::int64_t sent_ms);
  void instruments(const std::vector<MarketModel>& markets, std::string_view kind,
                   std::int64_t now_ms);
  void book_message(MarketModel& market, State& state, bool is_snapshot, std::int64_t sent_ms);
  void ticker(MarketModel& market, State& state, std::int64_t at_ms);
  void mark(MarketModel& market, State& state, std::int64_t at_ms);
  void funding(MarketModel& market, State& state, std::int64_t at_ms);
  void open_interest(MarketModel& market, State& state, std::int64_t at_ms);
  void candle(MarketModel& market, State& state, const Bar& bar, std::int64_t sent_ms,
              bool is_closed);
  void ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms);
  void candles(MarketModel& market, const std::vector<Bar>& bars, std::string_view period,
               std::int64_t sent_ms);
  static void candle_row(Text& text, const MarketModel& market, const Bar& bar, bool is_closed);

  Lane* stream_;
  Lane* rest_;
  Random random_;
  std::string connection_ids_[2];
  std::vector<State> states_;
  struct {
    std::size_t ack, trade, book, touch, ticker, mark, funding, interest, candle, liquidation;
  } streams_{};
  struct {
    std::size_t instruments, candles, ratio;
  } replies_{};
};

}  // namespace perp::sim::wire
