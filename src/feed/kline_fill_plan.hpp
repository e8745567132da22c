#pragma once
// How missing one-minute candles are asked for: windows of at most one reply's rows, oldest first,
// each asked for once. Pure; one per hole.
#include <perp/core/time.hpp>
#include <perp/feed/venue_rest.hpp>
#include <perp/venue/rest_request.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace perp::feed {

class KlineFillPlan {
 public:
  static constexpr std::int64_t minute_ms = 60'000;

  /// @param start_ms, end_ms rounded inwards to minutes
  KlineFillPlan(const venue::RestCall& call, std::string symbol, std::int64_t start_ms,
                std::int64_t end_ms, std::uint32_t pages_max);

  bool is_done() const noexcept { return at_ms_ >= end_ms_ || pages_left_ == 0; }
  venue::RestQuery query() const noexcept;  ///< of the next window; views into this
  /// What the next window costs: as many rows as it has minutes.
  std::uint32_t weight() const noexcept;
  /// Whether a candle is one of the next window's; notes it.
  bool admits(const market::Kline& kline);
  /// The window was answered.
  void advance() noexcept;
  /// Minutes without a candle: from the first to the end of the last. Equal: none.
  void left(std::int64_t& start_ms, std::int64_t& end_ms) const;

 private:
  std::int64_t window_end_ms() const noexcept;

  const venue::RestCall& call_;
  std::string symbol_;
  std::int64_t start_ms_;
  std::int64_t end_ms_;
  std::int64_t at_ms_;
  std::uint32_t pages_left_;
  std::vector<bool> has_candle_;  ///< by minute
};

}  // namespace perp::feed
