#pragma once
// How a hole in the trades is filled page by page: what the next request asks, which rows of its
// reply are wanted, and what is still missing. Pure; one per hole.
#include <perp/feed/venue_rest.hpp>
#include <perp/venue/adapter.hpp>
#include <perp/venue/rest_request.hpp>

#include <cstdint>
#include <optional>

namespace perp::feed {

class TradeFillPlan {
 public:
  enum class Next : std::uint8_t {
    page,   ///< ask for another page
    later,  ///< the reply does not reach the hole's end yet: ask the same again in a while
    done,
  };

  /// @param call the venue's trade_fill
  TradeFillPlan(const venue::RestCall& call, TradeHole hole, std::uint32_t pages_max);

  /// Nothing can be inside: its two ids follow each other.
  bool is_empty() const noexcept;
  /// Whether enough is known of its two sides.
  bool can_begin() const noexcept;
  venue::RestQuery query() const noexcept;  ///< views into this
  venue::TradeWindow window() const;
  /// @param seen the window, behind the reply; oldest_ns, newest_ns: of the records made
  Next take(const venue::TradeWindow& seen, std::int64_t oldest_ns, std::int64_t newest_ns);
  /// What is missing as of now; before the first page all of it.
  std::optional<TradeHole> left() const;

 private:
  enum class Way : std::uint8_t { forward, backward, newest };
  Next take_forward(const venue::TradeWindow& seen, std::int64_t newest_ns);
  Next take_backward(const venue::TradeWindow& seen, std::int64_t oldest_ns);
  Next take_newest(const venue::TradeWindow& seen);
  Next once_more(Next otherwise);

  const venue::RestCall& call_;
  Way way_;
  TradeHole left_;  ///< shrinks from the side that pages come from
  std::uint32_t pages_left_;
  std::uint32_t repeats_left_ = 3;
  bool is_whole_ = false;  ///< from the side that pages come from to the other
  /// Backward: between the first page and the hole's end, where that page did not reach it.
  std::optional<TradeHole> beyond_{};
  bool has_first_page_ = false;
};

}  // namespace perp::feed
