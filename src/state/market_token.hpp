#pragma once
// The market as one instrument, twice: MT, whose one-minute candles are the plain means of its
// members' prices, which is nearly all the dearest coin, and MTW, in which each member weighs the
// same: the mean of what each is worth against its base, which is its close in the index's first
// minute; 100 there. Volumes are the members' sums. Both are there only where every member's candle
// is, and are folded like any other series, so their changes, their RSI and what late data changes
// follow. Part of the fold: one thread, in checkpoints.
//
// An index that is made of prices against fixed bases depends on no other minute: what comes late
// changes its own minute alone, and a minute that is missing is no row. A chain of minutes' returns
// would have to write every later minute again.
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
  static constexpr market::VenueId venue = market::VenueId::binance;
  /// Beyond all that a venue lists.
  static constexpr std::uint32_t mean_instrument =
      static_cast<std::uint32_t>(venue) << 24 | 0xffff00U;
  static constexpr std::uint32_t index_instrument = mean_instrument + 1;

  enum class Kind : std::uint8_t { mean, index };
  /// One of the two symbols.
  struct Symbol {
    Symbol(Kind kind_of, std::uint32_t instrument);
    /// What the journal is told of it, once.
    market::Instrument description() const;

    Kind kind;
    Series series;
    std::uint8_t is_described = 0;
  };
  /// o, h, l, c, v of each member in one minute.
  using Values = std::array<std::array<double, 5>, members_max>;

  /// @param coins none: there is no token
  explicit MarketToken(const std::vector<std::string>& coins);

  bool exists() const { return !coins_.empty(); }
  /// A primary instrument of the venue was defined; it may be a member.
  void define(std::uint32_t member, std::string_view coin);
  bool is_member(std::uint32_t member) const;
  std::size_t size() const { return coins_.size(); }
  std::uint32_t member(std::size_t index) const { return members_[index]; }

  /// From the members' rows of one minute, in the order of the members. @returns false if one of
  /// them is missing
  static bool gather(std::span<const Row* const> rows, Values& values);

  /// The bases are those of the first minute that this is called with whose closes are prices.
  /// @returns whether it has begun now
  bool begin_index(const Values& values);
  /// Whether that symbol has candles yet.
  bool has_begun(Kind kind) const { return kind == Kind::mean || has_bases_ != 0; }
  Candle candle(Kind kind, const Values& values) const;

  /// A member's candle of a minute that the ring has left behind. @returns whether all members' are
  /// there now; they are then forgotten here
  bool complete_old(std::uint32_t member, std::int64_t minute, const Candle& candle,
                    Values& values);

  std::array<Symbol, 2> symbols{Symbol(Kind::mean, mean_instrument),
                                Symbol(Kind::index, index_instrument)};

  // For checkpoints.
  /// A minute of which some members' candles have come.
  struct Pending {
    std::uint64_t has = 0;  ///< bit by member
    Values values{};
  };
  /// A month of minutes, the oldest are forgotten first.
  static constexpr std::size_t pending_max = 45'000;
  std::map<std::int64_t, Pending> pending;
  /// Whole minutes of history that came before the index began: it continues into them then. A
  /// month at most, the oldest are forgotten first.
  std::map<std::int64_t, Values> before_index;
  std::array<std::uint32_t, members_max> members_{};
  std::array<double, members_max> bases_{};  ///< the index's, by member
  std::uint8_t has_bases_ = 0;

 private:
  std::vector<std::string> coins_;
};

}  // namespace perp::state
