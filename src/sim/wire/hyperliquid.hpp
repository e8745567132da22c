#pragma once
// Hyperliquid as of 2026: one socket, whole books (the fast variant: five levels each half second)
// beside bbo, asset contexts without a time, candles without a closing flag, and the unmarked
// replay of trades after a subscribe. Source: hyperliquid.gitbook.io, API, websocket.
#include "sim/wire/wire_model.hpp"

#include <array>
#include <string>
#include <vector>

namespace perp::sim::wire {

class Hyperliquid final : public WireModel {
 public:
  Hyperliquid(Outlet& stream, Outlet* rest, std::uint64_t seed);

  std::size_t book_depth() const override { return 20; }
  void open(std::vector<MarketModel>& markets, std::int64_t now_ms) override;
  void backfill(MarketModel& market, std::size_t index, std::int64_t start_ms) override;
  void trade(MarketModel& market, std::size_t index, const TakerOrder& order) override;
  void book(MarketModel& market, std::size_t index, std::int64_t time_ms) override;
  void liquidation(MarketModel&, std::size_t, const ForcedOrder&) override {
  }  // no public stream tells of them
  void step(MarketModel& market, std::size_t index, std::int64_t now_ms) override;
  void minute(MarketModel& market, std::size_t index, const Bar& bar) override;
  void connection(std::int64_t now_ms) override;

  struct Streams {
    std::size_t ack, trade, book, touch, context, candle, pong, deep_book;
  };
  const Streams& streams() const { return streams_; }

  // Messages that a subscription begins with.
  static void write_levels(Text& text, const MarketModel& market, std::size_t levels_max,
                           std::int64_t time_ms);
  void write_touch(Text& text, const MarketModel& market, std::int64_t time_ms) const;
  void write_context(Text& text, MarketModel& market) const;
  static void write_candle(Text& text, const MarketModel& market, const Bar& bar);
  /// A trade as streams and requests show it.
  void write_trade(Text& text, const MarketModel& market, const Fact& trade) const;
  // Bodies of requests.
  void meta(Text& text) const;
  void write_contexts(Text& text);
  static void candle_object(Text& text, const MarketModel& market, const Bar& bar,
                            std::int64_t length_ms, std::string_view period);

 private:
  using Address = std::array<std::uint8_t, 20>;
  struct State {
    Touch touch;
    std::int64_t fills_in_last_candle = 0;
    std::int64_t candle_from_ms =
        0;  // the running minute's first update waits for the last one's final
    Timer book, context, candle, deep_book;
  };

  void acknowledge(std::string_view type, std::string_view coin, std::string_view more,
                   std::int64_t sent_ms);
  static void context(Text& text, const MarketModel& market);
  void publish(MarketModel& market) const;
  void contexts_reply(std::int64_t sent_ms);
  Fact trade_row(Text& text, MarketModel& market, std::int64_t time_ms, bool is_buy,
                 std::int64_t price, std::int64_t quantity,
                 const std::array<std::uint8_t, 32>& hash);
  std::array<std::uint8_t, 32> make_hash(Random& random);
  void replay(MarketModel& market, std::int64_t now_ms);
  void candle(MarketModel& market, const Bar& bar, std::int64_t sent_ms);
  void snapshot(MarketModel& market, const std::vector<Bar>& bars, std::int64_t length_ms,
                std::string_view period, std::int64_t sent_ms);

  Outlet* stream_;
  Outlet* rest_;  // null: bodies are asked for
  Random random_;
  std::vector<Address> users_;
  std::vector<MarketModel>* markets_ = nullptr;
  std::vector<State> states_;
  std::int64_t next_ping_ms_ = 0;
  std::int64_t next_contexts_ms_ = 0;
  Streams streams_{};
  struct {
    std::size_t meta, contexts, candles;
  } replies_{};
};

}  // namespace perp::sim::wire
