#pragma once
// The closes behind rsi1 and rsi60 of one instrument. Minute closes live in the instrument's ring
// of rows; here is what has left it, and the last 256 hourly closes, kept one by one because a
// backfill may bring them after the minutes did. Both values are pure functions of these closes, in
// whatever order they came within the windows. Plain data, part of a checkpoint; one thread.
#include <perp/rolling/rsi.hpp>

#include <array>
#include <cstdint>
#include <limits>

namespace perp::state {

class RsiHistory {
 public:
  static constexpr std::int64_t hour_count = 256;
  /// A close of the last minutes of an hour closes it: as many may be missing as the RSI bridges.
  static constexpr std::int64_t hour_tail_minutes = 4;
  static constexpr std::uint8_t from_hour_candle = 60;

  RsiHistory() { hour_close_.fill(std::numeric_limits<double>::quiet_NaN()); }

  /// A minute's close that has left the ring, or came too late for it. @returns false if it is not
  /// after the last.
  bool push_minute(const rolling::RsiRule& rule, std::int64_t minute, double close) {
    return rolling::push_close(rule, minutes_, minute, close);
  }
  const rolling::RsiState& minutes() const { return minutes_; }

  /// The close of `minute` may be its hour's. @returns whether an hourly close changed.
  bool offer_minute(const rolling::RsiRule& rule, std::int64_t minute, double close);
  /// The close of a whole hour's candle. @returns whether an hourly close changed.
  bool offer_hour(const rolling::RsiRule& rule, std::int64_t hour, double close) {
    return set_hour(rule, hour, close, from_hour_candle);
  }

  /// RSI over the completed hours before this minute's hour, with `close` as the running hour's
  /// close.
  double value_at(const rolling::RsiRule& rule, std::int64_t minute, double close);

 private:
  static constexpr std::int64_t no_hour = std::numeric_limits<std::int64_t>::min();

  bool set_hour(const rolling::RsiRule& rule, std::int64_t hour, double close, std::uint8_t source);

  rolling::RsiState minutes_;
  rolling::RsiState hours_;  // over the hours that have left the window
  std::int64_t newest_hour_ = no_hour;
  std::int64_t cached_hour_ = no_hour;  // cached_ covers the completed hours before this one
  rolling::RsiState cached_;
  std::array<double, hour_count> hour_close_;
  std::array<std::uint8_t, hour_count> hour_source_{};  // minute of the hour, or from_hour_candle
};

}  // namespace perp::state
