#include <perp/sim/latent_price.hpp>

#include <algorithm>

namespace perp::sim {
namespace {

constexpr int fraction_bits = 40;
constexpr std::int64_t basis_point = (std::int64_t{1} << fraction_bits) / 10'000;
constexpr std::int64_t market_deviation = basis_point * 22 / 100;
constexpr std::uint32_t coin_jump_per_million = 140;   // about one in twelve minutes
constexpr std::uint32_t market_jump_per_million = 70;  // about one in twenty-four
constexpr std::int64_t calm = 256;
constexpr std::uint64_t market_stream = 1'000'000;

/// level x (1 + fraction), truncated the same way on every machine.
std::int64_t moved(std::int64_t level, std::int64_t fraction) {
  return level + multiply_divide(level, fraction, std::int64_t{1} << fraction_bits);
}

}  // namespace

void Jump::start(Random& random, std::int64_t size) {
  const std::int64_t sign = random.chance(500'000) ? 1 : -1;
  steps = static_cast<int>(random.between(4, 40));
  drift = sign * size * random.between(50, 200) / 100 / steps;
  const bool returns = random.chance(500'000);
  retrace_steps = returns ? static_cast<int>(random.between(10, 80)) : 0;
  retrace = returns ? -drift * steps * random.between(40, 100) / 100 / retrace_steps : 0;
}

std::int64_t Jump::next() {
  if (steps > 0) {
    --steps;
    return drift;
  }
  if (retrace_steps > 0) {
    --retrace_steps;
    return retrace;
  }
  return 0;
}

LatentPrice::LatentPrice(const Coin& coin, std::uint64_t seed, std::uint64_t stream)
    : coin_(&coin), random_(seed, stream), level_(coin.price.units), digits_(coin.price.digits) {
  // 14 significant digits: a move of one basis point is millions of units, and a level x 2^-20 fits
  // 32 bits.
  for (; level_ < 10'000'000'000'000; ++digits_) level_ *= 10;
  level_ = moved(level_, random_.bell(40 * basis_point));  // seeds differ from the first price on
  anchor_ = previous_ = level_;
}

void LatentPrice::step(std::int64_t market_move, bool is_market_jump) {
  if (random_.chance(20'000))
    volatility_ = std::clamp<std::int64_t>(volatility_ + random_.bell(24), 96, 640);
  burst_ -= (burst_ - calm) / 64;
  if (!jump_.is_active() && random_.chance(coin_jump_per_million))
    jump_.start(random_, 45 * basis_point);
  const std::int64_t jump = jump_.next();
  const bool jumps = jump_.is_active() || is_market_jump;
  if (jumps) burst_ = std::min<std::int64_t>(burst_ + 160, 2048);
  jump_sign_ = jump_.is_active() ? (jump > 0 ? 1 : -1)
               : is_market_jump  ? (market_move > 0 ? 1 : -1)
                                 : 0;

  const std::int64_t deviation = basis_point * coin_->volatility / 100 * volatility_ / calm;
  // A weak pull to the start keeps a week's recording near its price level.
  const std::int64_t pull =
      multiply_divide(level_ - anchor_, std::int64_t{1} << (fraction_bits - 19), anchor_);
  previous_ = level_;
  level_ = moved(level_,
                 market_move * coin_->market_share / 100 + random_.bell(deviation) + jump - pull);
}

std::vector<std::int64_t> LatentPrice::past_minutes(std::size_t count) {
  std::vector<std::int64_t> closes(count);
  std::int64_t level = level_;
  for (std::size_t i = count; i-- > 0;) {
    closes[i] = level;
    const std::int64_t wild = random_.chance(15'000) ? 6 : 1;
    level = moved(level, random_.bell(minute_deviation() * wild));
  }
  return closes;
}

std::vector<std::int64_t> LatentPrice::older_minutes(std::int64_t newest, std::size_t count,
                                                     std::uint64_t seed,
                                                     std::uint64_t stream) const {
  Random random(seed, stream);
  std::vector<std::int64_t> closes(count);
  std::int64_t level = newest;
  for (std::size_t i = count; i-- > 0;) {
    closes[i] = level;
    // A pull to the start, as forward in time.
    const std::int64_t pull =
        multiply_divide(level - anchor_, std::int64_t{1} << (fraction_bits - 11), anchor_);
    level = moved(level, random.bell(minute_deviation()) - pull);
  }
  return closes;
}

/// Twenty-four steps' worth: the square root of a minute's 600 steps.
std::int64_t LatentPrice::minute_deviation() const {
  return basis_point * (coin_->volatility + coin_->market_share / 5) / 100 * 24;
}

LatentMarket::LatentMarket(std::size_t symbols, std::uint64_t seed) : random_(seed, market_stream) {
  coins_.reserve(symbols);
  for (std::size_t i = 0; i < symbols; ++i)
    coins_.emplace_back(sim::coins()[i], seed, market_stream + 1 + i);
}

void LatentMarket::step() {
  if (!jump_.is_active() && random_.chance(market_jump_per_million))
    jump_.start(random_, 30 * basis_point);
  const std::int64_t jump = jump_.next();
  const std::int64_t move = random_.bell(market_deviation) + jump;
  const bool jumps = jump_.is_active();
  for (LatentPrice& coin : coins_) coin.step(jumps ? jump + move / 8 : move, jumps);
}

}  // namespace perp::sim
