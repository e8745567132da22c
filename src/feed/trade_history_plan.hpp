#pragma once
// How trades of long ago are asked for, page by page: what the next request asks, which rows of its
// reply are wanted, and what the venue did not give. Rows are not kept: a page is forgotten with
// the next one. Pure; one per span.
#include <perp/core/time.hpp>
#include <perp/venue/adapter.hpp>
#include <perp/venue/rest_request.hpp>

#include <cstdint>
#include <string>

namespace perp::feed {

class TradeHistoryPlan {
 public:
  /// @param by_time the venue's history of trades. It begins at a time (Binance), ends before one
  /// (OKX), or is the newest (Bybit, Hyperliquid). @param by_id its trade_fill: goes on behind the
  /// first page; nullptr where there is none
  /// @param after_id, before_id ids that count up, of the trades around; unknown: times alone
  TradeHistoryPlan(const venue::RestCall& by_time, const venue::RestCall* by_id, std::string symbol,
                   std::int64_t start_ms, std::int64_t end_ms, std::int64_t after_id,
                   std::int64_t before_id);

  bool is_done() const noexcept { return is_done_; }
  /// Nothing tells where it has trades but the reply itself: the newest.
  bool is_newest() const noexcept { return way_ == Way::newest; }
  const venue::RestCall& call() const noexcept;  ///< of the next page
  venue::RestQuery query() const noexcept;       ///< of the next page; views into this
  venue::TradeWindow window() const;
  /// A page was answered. @param seen its window
  void take(const venue::TradeWindow& seen);
  /// Milliseconds of the span that were asked for so far.
  std::int64_t ms_asked() const noexcept;
  /// What is not there, as of now: [start, end) ms. Equal: nothing.
  void left(std::int64_t& start_ms, std::int64_t& end_ms) const noexcept;

 private:
  enum class Way : std::uint8_t { forward, backward, newest };
  void take_forward(const venue::TradeWindow& seen);
  void take_backward(const venue::TradeWindow& seen);
  void take_newest(const venue::TradeWindow& seen);
  bool is_by_id() const noexcept { return at_id_ != market::unknown_id; }
  std::int64_t window_end_ms() const noexcept;
  void finish(bool is_whole) noexcept;

  const venue::RestCall& by_time_;
  const venue::RestCall* by_id_;
  Way way_;
  std::string symbol_;
  std::int64_t start_ms_;
  std::int64_t end_ms_;
  std::int64_t after_id_;
  std::int64_t before_id_;
  std::int64_t at_ms_;  ///< up to here (forward), or from here on (else), all is there
  std::int64_t at_id_ = market::unknown_id;  ///< the next page's from_id or until_id
  bool is_done_ = false;
  bool is_whole_ = false;
};

}  // namespace perp::feed
