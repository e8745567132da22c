#pragma once
// MT, the market token: an instrument of its own whose one-minute candles are the plain means of
// its members' prices and the sums of their volumes, and are there only where every member's is. It
// is folded like any other series, so its changes, its RSI and what late data changes follow. Part
// of the fold: one thread, in checkpoints.
#include "state/series.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::state {

class MarketToken {
 public:
  static constexpr std::size_t members_max = 8;
  /// Beyond all that a venue lists.
  static constexpr std::uint32_t instrument =
      static_cast<std::uint32_t>(market::VenueId::binance) << 24 | 0xffff00U;
  static constexpr market::VenueId venue = market::VenueId::binance;

  /// @param bases coins; none: there is no token
  explicit MarketToken(const std::vector<std::string>& bases);

  bool exists() const { return !bases_.empty(); }
  /// A primary instrument of the venue was defined; it may be a member.
  void define(std::uint32_t member, std::string_view base);
  bool is_member(std::uint32_t member) const;
  std::size_t size() const { return bases_.size(); }
  std::uint32_t member(std::size_t index) const { return members_[index]; }

  /// From the members' rows of one minute, in the order of the members. @returns false if one of
  /// them is missing
  static bool mean(std::span<const Row* const> rows, Candle& candle);

  /// A member's candle of a minute that the ring has left behind. @returns whether all members' are
  /// there now; they are then forgotten here
  bool complete_old(std::uint32_t member, std::int64_t minute, const Candle& candle, Candle& made);

  /// What the journal is told of it, once.
  static market::Instrument description();

  Series series;
  std::uint8_t is_described = 0;

  // For checkpoints.
  /// A minute of which some members' candles have come.
  struct Pending {
    std::uint64_t has = 0;  ///< bit by member
    std::array<std::array<double, 5>, members_max> values{};
  };
  /// A month of minutes, the oldest are forgotten first.
  static constexpr std::size_t pending_max = 45'000;
  std::map<std::int64_t, Pending> pending;
  std::array<std::uint32_t, members_max> members_{};

 private:
  static Candle candle_of(const std::array<double, 5>* values, std::size_t count);

  std::vector<std::string> bases_;
};

}  // namespace perp::state
