#include <perp/core/platform.hpp>
#include <perp/sim/venue_model.hpp>

#include <algorithm>

namespace perp::sim {
namespace {

constexpr std::size_t day_minutes = 1440;
constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t hour_ms = 60 * minute_ms;
constexpr std::int64_t unit_e7 = 10'000'000;

std::uint64_t stream_of(const Listing& listing) {
  return static_cast<std::uint64_t>(listing.venue) * 10'000 +
         static_cast<std::uint64_t>(listing.kind) * 1000 + listing.coin_index;
}

/// Spread and level gaps of about a tenth to a few basis points, whole ticks.
Book::Shape shape_of(const Listing& listing, std::size_t depth, std::int64_t price,
                     std::int64_t level_quantity) {
  const std::int64_t ticks = price / listing.grid.tick;
  const std::int64_t quiet = 1000 - std::min(listing.activity, 1000);
  Book::Shape shape;
  shape.depth = depth;
  shape.spread_ticks = std::max<std::int64_t>(1, ticks * quiet / 9'000'000);
  shape.gap_ticks = std::max<std::int64_t>(1, ticks * (300 + quiet) / 70'000'000);
  // Where a tick is wide, what elsewhere stands on several levels stands on one.
  const std::int64_t gap_e7 = shape.gap_ticks * 10'000'000 / std::max<std::int64_t>(ticks, 1);
  shape.level_quantity = level_quantity * std::clamp<std::int64_t>(gap_e7 / 400, 1, 30);
  return shape;
}

}  // namespace

void Bar::add(std::int64_t price, std::int64_t fill_quantity, bool is_buy,
              std::int64_t fill_count) {
  if (is_empty()) open = high = low = price;
  high = std::max(high, price);
  low = std::min(low, price);
  close = price;
  quantity += fill_quantity;
  notional += price * fill_quantity;
  if (is_buy) {
    buy_quantity += fill_quantity;
    buy_notional += price * fill_quantity;
  }
  fills += fill_count;
}

void Bar::merge(const Bar& later) {
  high = std::max(high, later.high);
  low = std::min(low, later.low);
  close = later.close;
  quantity += later.quantity;
  notional += later.notional;
  buy_quantity += later.buy_quantity;
  buy_notional += later.buy_notional;
  fills += later.fills;
}

MarketModel::MarketModel(const Listing& listing, LatentPrice& latent, std::uint64_t seed,
                         std::size_t book_depth, Tempo tempo, std::int64_t start_ms,
                         const std::vector<std::int64_t>& past_levels)
    : listing_(&listing),
      latent_digits_(latent.digits()),
      tempo_(tempo),
      random_(seed, stream_of(listing)),
      book_(listing.grid, {}),
      level_(latent.level()) {
  basis_e7_ = random_.bell(1500);
  premium_e7_ = basis_e7_;
  last_price_ =
      native_price(level_, listing.grid.price_digits) / listing.grid.tick * listing.grid.tick;
  target_ = last_price_;
  // A typical order is $350 for a quiet coin, $3500 for bitcoin; a typical level holds ten of them.
  order_usd_ = 350 + 3150 * std::int64_t{listing.activity} / 1000;
  book_ =
      Book(listing.grid, shape_of(listing, book_depth, last_price_, quantity_for(order_usd_ * 10)));
  last_quantity_ = quantity_for(order_usd_);
  open_history(past_levels, start_ms);
  book_.open(last_price_, random_);

  const std::int64_t share[] = {0, 100, 60, 45, 35};  // by venue id
  const std::int64_t oi_usd = std::int64_t{listing.coin->open_interest_musd} * 10'000 *
                              share[static_cast<std::size_t>(listing.venue)];
  open_interest_ = quantity_for(listing.kind == ListingKind::primary ? oi_usd : oi_usd / 20) /
                   listing.grid.lot * listing.grid.lot;
  rate_e16_ = std::int64_t{1'000'000'000'000} + random_.bell(400'000'000'000);
  if (listing.funding_hours == 1) rate_e16_ /= 8;
  settled_rate_e16_ = rate_e16_ + random_.bell(100'000'000'000);
  long_share_e8_ = 61'000'000 + random_.bell(5'000'000);
}

std::int64_t MarketModel::native_price(std::int64_t level, int digits) const {
  return rescale(level, latent_digits_ - listing_->price_exponent, digits);
}

std::int64_t MarketModel::index_price(int digits) const { return native_price(level_, digits); }

std::int64_t MarketModel::mark_price(int digits) const {
  return native_price(level_ + multiply_divide(level_, premium_e7_, unit_e7), digits);
}

std::int64_t MarketModel::quantity_for(std::int64_t usd) const {
  return quantity_at(usd, last_price_);
}

std::int64_t MarketModel::quantity_at(std::int64_t usd, std::int64_t price) const {
  const Listing& listing = *listing_;
  // quantity = usd / price, in native units; inverse contracts are 100 USD each.
  std::int64_t quantity = 0;
  if (listing.is_inverse())
    quantity = usd * power_of_ten(listing.grid.quantity_digits) / 100;
  else if (listing.notional_digits() >= 0)
    quantity = multiply_divide(usd, power_of_ten(listing.notional_digits()), price);
  else
    quantity = usd / power_of_ten(-listing.notional_digits()) / price;
  return std::max(quantity / listing.grid.lot, std::int64_t{1}) * listing.grid.lot;
}

/// A coin's level as a price of this contract, on a whole tick.
std::int64_t MarketModel::snapped_level(std::int64_t level) const {
  const Grid& grid = listing_->grid;
  return std::max(grid.tick, native_price(level, grid.price_digits) / grid.tick * grid.tick);
}

/// A minute that nobody traded in detail. @param price by which quantities are made of dollars
Bar MarketModel::past_bar(Random& random, std::int64_t open_ms, std::int64_t open,
                          std::int64_t close, std::int64_t price) const {
  const Grid& grid = listing_->grid;
  const auto snap = [&](std::int64_t value) {
    return std::max(grid.tick, value / grid.tick * grid.tick);
  };
  Bar bar = Bar::flat(open_ms, open);
  const std::int64_t body = std::max(open, close) - std::min(open, close);
  const std::int64_t wick = body / 2 + open / 8000 + grid.tick;
  bar.close = close;
  bar.high = snap(std::max(open, close) + random.between(0, 1000) * wick / 1000);
  bar.low = snap(std::min(open, close) - random.between(0, 1000) * wick / 1000);
  const std::int64_t orders = random.between(8, 40 + listing_->activity / 4);
  bar.fills = orders * 2;
  bar.quantity = quantity_at(order_usd_ * orders, price) / grid.lot * grid.lot;
  bar.buy_quantity = bar.quantity / 1000 * random.between(300, 700) / grid.lot * grid.lot;
  const std::int64_t typical = snap((bar.high + bar.low + close) / 3);
  bar.notional = bar.quantity * typical;
  bar.buy_notional = bar.buy_quantity * typical;
  return bar;
}

void MarketModel::open_history(const std::vector<std::int64_t>& past_levels,
                               std::int64_t start_ms) {
  PERP_ASSERT(past_levels.size() == day_minutes + 1);
  day_begin_ms_ = start_ms - static_cast<std::int64_t>(day_minutes) * minute_ms;
  history_.reserve(day_minutes);
  std::int64_t open = snapped_level(past_levels.front());
  for (std::size_t i = 0; i < day_minutes; ++i) {
    const bool is_last = i + 1 == day_minutes;
    const std::int64_t close = is_last ? last_price_ : snapped_level(past_levels[i + 1]);
    history_.push_back(past_bar(random_, day_begin_ms_ + static_cast<std::int64_t>(i) * minute_ms,
                                open, close, last_price_));
    open = close;
  }
  bar_ = Bar::flat(start_ms, last_price_);
  past_day_ = day();
}

void MarketModel::keep_past(std::span<const std::int64_t> levels, std::uint64_t seed) {
  older_levels_ = levels;
  older_seed_ = seed;
}

std::int64_t MarketModel::past_begin_ms() const {
  const std::int64_t older = std::max<std::int64_t>(1, std::ssize(older_levels_)) - 1;
  return day_begin_ms_ - older * minute_ms;
}

std::vector<Bar> MarketModel::bars_between(std::int64_t from_ms, std::int64_t to_ms) const {
  std::vector<Bar> bars;
  const std::int64_t begin_ms = past_begin_ms();
  std::int64_t at_ms = std::max(begin_ms, (from_ms + minute_ms - 1) / minute_ms * minute_ms);
  for (; at_ms < std::min(to_ms, day_begin_ms_); at_ms += minute_ms) {
    const auto i = static_cast<std::size_t>((at_ms - begin_ms) / minute_ms);
    Random random(older_seed_ ^ stream_of(*listing_), static_cast<std::uint64_t>(at_ms));
    const std::int64_t open = snapped_level(older_levels_[i]);
    const std::int64_t close = snapped_level(older_levels_[i + 1]);
    bars.push_back(past_bar(random, at_ms, open, close, close));
  }
  const auto take = [&](const Bar& bar) {
    if (bar.open_ms >= from_ms && bar.open_ms < to_ms) bars.push_back(bar);
  };
  for (const Bar& bar : aged_) take(bar);
  for (std::size_t i = 0; i < history_.size(); ++i)
    take(history_[(history_next_ + i) % history_.size()]);
  return bars;
}

const std::vector<MarketModel::Event>& MarketModel::plan(const LatentPrice& latent,
                                                         std::int64_t now_ms, bool is_open) {
  const std::int64_t burst = latent.burst();
  events_.clear();
  level_ = latent.level();
  basis_e7_ += random_.bell(60) - basis_e7_ / 400;
  target_ = native_price(level_ + multiply_divide(level_, basis_e7_, unit_e7),
                         listing_->grid.price_digits);

  const auto quote_chance = static_cast<std::uint32_t>(std::min<std::int64_t>(
      std::int64_t{tempo_.quote_per_million} * burst / 256, tempo_.quote_limit_per_million));
  std::uint32_t quotes = quote_chance / 1'000'000;
  if (random_.chance(quote_chance % 1'000'000)) ++quotes;
  std::int64_t mean = is_open ? std::int64_t{tempo_.order_q16} * burst / 256 : 0;
  std::uint32_t orders = 0;
  constexpr std::int64_t most = 131072;
  for (; mean > 0; mean -= most)
    orders += random_.events(static_cast<std::uint32_t>(std::min(mean, most)));
  const auto add = [&](bool is_order) {
    if (events_.size() < tempo_.events_max)
      events_.push_back({now_ms + random_.between(0, step_ms - 1), is_order});
  };
  for (; quotes > 0; --quotes) add(false);
  for (; orders > 0; --orders) add(true);
  std::stable_sort(events_.begin(), events_.end(),
                   [](const Event& a, const Event& b) { return a.time_ms < b.time_ms; });
  return events_;
}

void MarketModel::quote() {
  book_.requote(target_, random_);
  book_.churn(static_cast<int>(random_.between(1, 5)), random_);
  book_.settle(random_);
}

const TakerOrder& MarketModel::order(std::int64_t time_ms) {
  const std::int64_t middle = (book_.best_bid().price + book_.best_ask().price) / 2;
  const std::uint32_t buy_chance = target_ > middle   ? 640'000
                                   : target_ < middle ? 360'000
                                                      : 500'000;
  order_.time_ms = time_ms;
  order_.is_buy = random_.chance(buy_chance);
  order_.fills.clear();
  // A heavy tail: each doubling of size is half as likely.
  const std::int64_t usd = order_usd_ * random_.between(4, 64) / 96 << random_.heads(7);
  book_.take(order_.is_buy, quantity_for(usd), random_, order_.fills);
  for (const Fill& fill : order_.fills) {
    bar_.add(fill.price, fill.quantity, order_.is_buy, fill.makers);
    last_price_ = fill.price;
    last_quantity_ = fill.quantity;
    // Part of each trade opens positions, part closes them; which prevails wanders.
    if (random_.below(100) < 30)
      open_interest_ +=
          random_.bell(1000) + open_interest_bias_ > 0 ? fill.quantity : -fill.quantity;
  }
  open_interest_ = std::max(open_interest_, 1000 * listing_->grid.lot);
  last_is_buy_ = order_.is_buy;
  book_.settle(random_);
  return order_;
}

bool MarketModel::liquidate(const LatentPrice& latent, std::int64_t now_ms, ForcedOrder& forced) {
  const int sign = latent.jump_sign();
  const std::uint32_t activity = 20 + static_cast<std::uint32_t>(listing_->activity);
  if (!random_.chance(sign != 0 ? activity * 70 : activity)) return false;
  forced.time_ms = now_ms + random_.between(0, step_ms - 1);
  forced.is_long = sign != 0 ? sign < 0 : random_.chance(500'000);
  const std::int64_t tick = listing_->grid.tick;
  const std::int64_t touch = forced.is_long ? book_.best_bid().price : book_.best_ask().price;
  const std::int64_t distance = touch * random_.between(10, 90) / 10'000 / tick * tick;
  forced.price = forced.is_long ? touch - distance : touch + distance;
  forced.average = touch;
  forced.quantity = quantity_for(order_usd_ * random_.between(1, 8) << random_.heads(7));
  open_interest_ = std::max(open_interest_ - forced.quantity, 1000 * listing_->grid.lot);
  return true;
}

void MarketModel::drift() {
  premium_e7_ += (basis_e7_ - premium_e7_) / 8;
  open_interest_bias_ = std::clamp<std::int64_t>(open_interest_bias_ + random_.bell(30), -600, 600);
  const std::int64_t base = listing_->funding_hours == 1 ? 125'000'000'000 : 1'000'000'000'000;
  // Funding leans after the premium (10^-7 -> 10^-16 is 10^9) and returns to its base rate.
  const std::int64_t aim =
      base + premium_e7_ * 1'000'000'000 / (listing_->funding_hours == 1 ? 16 : 2);
  rate_e16_ += (aim - rate_e16_) / 3600 + random_.bell(base / 1500);
}

void MarketModel::drift_ratio() {
  long_share_e8_ =
      std::clamp<std::int64_t>(long_share_e8_ + random_.bell(300'000), 30'000'000, 80'000'000);
}

void MarketModel::count(const ForcedOrder& forced) {
  LiquidationSums& sums = liquidations;
  (forced.is_long ? sums.long_count : sums.short_count) += 1;
  (forced.is_long ? sums.long_quantity : sums.short_quantity) += forced.quantity;
  (forced.is_long ? sums.long_notional : sums.short_notional) += forced.price * forced.quantity;
}

Bar MarketModel::close_minute(std::int64_t closed_ms) {
  const Bar closed = bar_;
  if (!older_levels_.empty()) aged_.push_back(history_[history_next_]);
  history_[history_next_] = closed;
  history_next_ = (history_next_ + 1) % day_minutes;
  bar_ = Bar::flat(closed_ms + minute_ms, last_price_);
  past_day_ = {};
  past_day_ = day();
  return closed;
}

DayStatistics MarketModel::day() const {
  DayStatistics day = past_day_;
  if (day.high == 0) {  // rebuilt once a minute
    day = {history_[history_next_].open, 0, history_[history_next_].low};
    for (const Bar& bar : history_) {
      day.high = std::max(day.high, bar.high);
      day.low = std::min(day.low, bar.low);
      day.quantity += bar.quantity;
      day.notional += bar.notional;
      day.fills += bar.fills;
    }
    return day;
  }
  day.high = std::max(day.high, bar_.high);
  day.low = std::min(day.low, bar_.low);
  day.quantity += bar_.quantity;
  day.notional += bar_.notional;
  day.fills += bar_.fills;
  return day;
}

std::int64_t MarketModel::price_ago(std::int64_t minutes) const {
  const std::int64_t back = std::clamp<std::int64_t>(minutes, 1, day_minutes);
  return history_[(history_next_ + day_minutes - static_cast<std::size_t>(back)) % day_minutes]
      .close;
}

std::vector<Bar> MarketModel::past_bars(std::size_t count) const {
  std::vector<Bar> bars;
  bars.reserve(count);
  for (std::size_t i = day_minutes - count; i < day_minutes; ++i)
    bars.push_back(history_[(history_next_ + i) % day_minutes]);
  return bars;
}

std::int64_t MarketModel::next_funding_ms(std::int64_t now_ms) const {
  const std::int64_t interval = listing_->funding_hours * hour_ms;
  return (now_ms / interval + 1) * interval;
}

}  // namespace perp::sim
