#pragma once
// The one hidden price per coin that all venues trade around: a common market move, the coin's own
// noise, a slowly wandering volatility, rare jumps that half the time come back as wicks, and the
// burst of activity they cause. Steps of 100 ms in integers; about 30 ns a coin and step; one owner
// thread.
#include <perp/sim/listing.hpp>
#include <perp/sim/random.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace perp::sim {

inline constexpr std::int64_t step_ms = 100;

/// A jump under way: its remaining steps each move the price by `drift` (a fraction in 2^-40).
struct Jump {
  std::int64_t drift = 0;
  int steps = 0;
  std::int64_t retrace = 0;  ///< drift of the way back, 0 if it stays
  int retrace_steps = 0;

  /// Draws a new jump of about `size` (2^-40).
  void start(Random& random, std::int64_t size);
  /// This step's part of the move.
  std::int64_t next();
  bool is_active() const { return steps > 0; }
};

class LatentPrice {
 public:
  LatentPrice(const Coin& coin, std::uint64_t seed, std::uint64_t stream);

  void step(std::int64_t market_move, bool is_market_jump);

  /// Price per coin in 10^-digits() quote units, now and one step ago.
  std::int64_t level() const { return level_; }
  std::int64_t previous() const { return previous_; }
  int digits() const { return digits_; }
  /// How much busier than usual: 256 is calm.
  std::int64_t burst() const { return burst_; }
  /// -1 or 1 while a jump runs that way, else 0.
  int jump_sign() const { return jump_sign_; }
  /// Closes of the minutes before the start, oldest first; the last one is the start's level.
  std::vector<std::int64_t> past_minutes(std::size_t count);
  /// Closes of the minutes before those, oldest first; the last one is `newest`. Draws of its own:
  /// however many are asked for, nothing else changes.
  std::vector<std::int64_t> older_minutes(std::int64_t newest, std::size_t count,
                                          std::uint64_t seed, std::uint64_t stream) const;

 private:
  std::int64_t minute_deviation() const;

  const Coin* coin_;
  Random random_;
  std::int64_t anchor_ = 0;
  std::int64_t level_ = 0;
  std::int64_t previous_ = 0;
  int digits_ = 0;
  std::int64_t volatility_ = 256;  // 256 is the coin's usual
  std::int64_t burst_ = 256;
  Jump jump_;
  int jump_sign_ = 0;
};

/// All coins, moved together.
class LatentMarket {
 public:
  LatentMarket(std::size_t symbols, std::uint64_t seed);
  void step();
  const LatentPrice& at(std::size_t coin_index) const { return coins_[coin_index]; }
  LatentPrice& at(std::size_t coin_index) { return coins_[coin_index]; }

 private:
  Random random_;
  Jump jump_;
  std::vector<LatentPrice> coins_;
};

}  // namespace perp::sim
