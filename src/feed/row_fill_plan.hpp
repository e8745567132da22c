#pragma once
// How missing rows at regular times (candles, statistics each five minutes, settlements each hour
// at most) are asked for: windows of at most one reply's rows, oldest first, each asked for once.
// Pure; one per hole.
#include <perp/core/time.hpp>
#include <perp/feed/venue_rest.hpp>
#include <perp/venue/rest_request.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::feed {

class RowFillPlan {
 public:
  /// @param step_ms the least between two rows. @param start_ms, end_ms rounded inwards to it
  /// @param period the venue's word, static; empty: the call's
  RowFillPlan(const venue::RestCall& call, std::string symbol, std::string_view period,
              std::int64_t step_ms, std::int64_t start_ms, std::int64_t end_ms,
              std::uint32_t pages_max);

  bool is_done() const noexcept { return at_ms_ >= end_ms_ || pages_left_ == 0; }
  const venue::RestCall& call() const noexcept { return call_; }
  venue::RestQuery query() const noexcept;  ///< of the next window; views into this
  /// What the next window costs: as many rows as it has steps.
  std::uint32_t weight() const noexcept;
  /// Whether a row of this time is one of the next window's and the first of its step; notes it.
  bool admits(std::int64_t time_ms);
  /// The window was answered.
  void advance() noexcept;
  /// Steps that were asked for so far, and all of them.
  std::int64_t steps_asked() const noexcept { return (at_ms_ - start_ms_) / step_ms_; }
  std::int64_t steps() const noexcept { return (end_ms_ - start_ms_) / step_ms_; }
  /// Steps without a row: from the first to the end of the last. Equal: none.
  void left(std::int64_t& start_ms, std::int64_t& end_ms) const;

 private:
  std::int64_t window_end_ms() const noexcept;

  const venue::RestCall& call_;
  std::string symbol_;
  std::string_view period_;
  std::int64_t step_ms_;
  std::int64_t start_ms_;
  std::int64_t end_ms_;
  std::int64_t at_ms_;
  std::uint32_t pages_left_;
  std::vector<bool> has_row_;  ///< by step
};

}  // namespace perp::feed
