#pragma once
// OKX v5 as of 2026: channels of the public and the business socket, sizes in contracts, numbers
// without trailing zeros, books chained by seqId with a retired checksum. Source:
// www.okx.com/docs-v5.
#include "sim/wire/wire_model.hpp"

#include <span>
#include <string>
#include <vector>

namespace perp::sim::wire {

class Okx final : public WireModel {
 public:
  Okx(Outlet& stream, Outlet* rest, std::uint64_t seed);

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

  struct Streams {
    std::size_t ack, trade, book, touch, ticker, mark, funding, interest, candle, liquidation;
  };
  const Streams& streams() const { return streams_; }
  static bool streams_books(const MarketModel& market) {
    return market.listing().kind == ListingKind::primary;
  }

  // What a subscription begins with: what the updates since then build on.
  void write_book(Text& text, const MarketModel& market, std::int64_t sent_ms) const;
  // Bodies of requests: the rows, between the brackets of `data`.
  static void write_instruments(Text& text, const std::vector<MarketModel>& markets,
                                std::string_view kind);
  void write_depth(Text& text, const MarketModel& market, std::size_t levels_max,
                   std::int64_t time_ms) const;
  void write_funding(Text& text, MarketModel& market, std::int64_t at_ms);
  void write_funding_message(Text& text, MarketModel& market, std::int64_t at_ms);
  void write_open_interest(Text& text, MarketModel& market, std::int64_t at_ms) const;
  void write_ratio(Text& text, MarketModel& market, RatioHistory::Rows rows) const;
  const RatioHistory& ratios(std::uint32_t market) const { return states_[market].ratios; }
  void keep_past(std::uint32_t market, std::size_t rows, std::uint64_t seed) override;
  static void candle_row(Text& text, const MarketModel& market, const Bar& bar, bool is_closed);

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
    RatioHistory ratios;
    std::int64_t next_funding_ms = 0;
    Touch touch;
    Timer ticker, mark, funding, open_interest, candle;
  };

  void acknowledge(std::size_t socket, std::string_view channel, std::string_view instrument,
                   std::int64_t sent_ms);
  void announce(const std::vector<MarketModel>& markets, std::string_view kind,
                std::int64_t now_ms);
  void write_book(Text& text, const MarketModel& market, bool is_snapshot,
                  std::span<const BookLevel> bids, std::span<const BookLevel> asks,
                  std::int64_t time_ms, std::int64_t sequence) const;
  void book_message(MarketModel& market, State& state, bool is_snapshot, std::int64_t sent_ms);
  void ticker(MarketModel& market, State& state, std::int64_t at_ms);
  void mark(MarketModel& market, State& state, std::int64_t at_ms);
  void funding(MarketModel& market, std::int64_t at_ms);
  void open_interest(MarketModel& market, State& state, std::int64_t at_ms);
  static void write_funding_row(Text& text, MarketModel& market, State& state, std::int64_t at_ms);
  static void write_interest_row(Text& text, MarketModel& market, std::int64_t at_ms);
  void candle(MarketModel& market, State& state, const Bar& bar, std::int64_t sent_ms,
              bool is_closed);
  void ratio(MarketModel& market, State& state, std::size_t index, std::int64_t now_ms);
  void candles(MarketModel& market, const std::vector<Bar>& bars, std::string_view period,
               std::int64_t sent_ms);

  Outlet* stream_;
  Outlet* rest_;  // null: bodies are asked for
  Random random_;
  std::string connection_ids_[2];
  std::vector<State> states_;
  Streams streams_{};
  struct {
    std::size_t instruments, candles, ratio;
  } replies_{};
};

}  // namespace perp::sim::wire
