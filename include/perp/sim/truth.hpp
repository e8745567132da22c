#pragma once
// What the simulated market itself knows of each minute, written beside the recording as truth.csv:
// computed from the model's integer events, never by reading the messages back. A test compares a
// warehouse with it. Written by the recorder's thread, a few thousand lines an hour.
//
// One line per venue, primary perpetual and whole minute. An empty field is "not known" (NULL),
// never 0. All values are per coin and in quote currency, contract sizes and 1000x names already
// applied; sums are exact decimals. Columns:
//
//  venue         key of the venue ("binance")
//  symbol        coin ("PEPE")
//  minute_ts_ms  open of the minute. Trades and liquidations belong to it by matching time, samples
//                by the time the venue sent them (each is received in the same minute)
//  o h l c       prices of the minute's trades. A minute without trades is flat at the last price,
//                whether the venue sends a candle of it (Binance, Bybit) or none (OKX, Hyperliquid)
//  v_quote       sum of price x quantity of the minute's trades
//  tbv tsv       the same of trades whose taker bought / sold; 0 for a silent minute
//  oi_usd        single-sided open interest in USD by the last sample sent before the minute's end:
//                OKX oiUsd; others coins (Binance openInterest, Bybit singleOpenInterest,
//                Hyperliquid openInterest) x the last mark price sent by then, to 6 decimals
//  pfr           last predicted funding rate sent before the minute's end, per the venue's own
//                interval (Binance r, Bybit and OKX fundingRate, Hyperliquid funding)
//  lsr           global account ratio long / short of the newest 5-minute row received before the
//                minute's end: Binance longShortRatio, Bybit buyRatio / sellRatio, OKX column 2;
//                empty at Hyperliquid, which has none
//  lqside        liquidated position side with more messages; if equal, with more USD; else empty
//  lqprice       quantity-weighted mean of the messages' prices (Binance p and not ap, Bybit p, OKX
//                bkPx); empty if there were none
//  lqqty         coins in those messages. lqside to lqs are empty at Hyperliquid: no such stream
//  lql lqs       sum of price x quantity over liquidated longs / shorts
//  oi_coins      extra: the open interest sample behind oi_usd
//  mark          extra: the last mark price sent before the minute's end
//  trades        extra: fills in the minute
#include <perp/core/file.hpp>
#include <perp/sim/venue_model.hpp>

#include <cstdint>
#include <string>

namespace perp::sim {

class Truth {
 public:
  /// Creates the file and writes the header line.
  explicit Truth(const std::string& path);

  /// Notes a closed minute of a primary market.
  void add(const MarketModel& market, const Bar& bar);
  /// Notes a minute from before the start: its candle and taker volumes; nothing else is known.
  void add_past(const MarketModel& market, const Bar& bar);
  /// Writes what is left.
  void finish();

  std::uint64_t rows() const { return rows_; }
  std::uint64_t bytes_written() const { return written_; }

 private:
  void drain();
  void end_line(std::string_view line);

  core::File file_;
  std::string out_;
  std::uint64_t written_ = 0;
  std::uint64_t rows_ = 0;
};

}  // namespace perp::sim
