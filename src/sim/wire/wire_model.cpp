#include "sim/wire/wire_model.hpp"

#include "sim/wire/binance.hpp"
#include "sim/wire/bybit.hpp"
#include "sim/wire/hyperliquid.hpp"
#include "sim/wire/okx.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/sim/random.hpp>

namespace perp::sim::wire {
namespace {

constexpr std::int64_t minute_ms = 60'000;
// A sample this close to a minute's end waits for the next minute.
constexpr std::int64_t edge_ms = 60;
static_assert(edge_ms * core::ns_per_ms > Lane::latency_ns_max + 10 * core::ns_per_ms);

}  // namespace

std::int64_t Timer::inside_minute(std::int64_t time_ms) {
  const std::int64_t left = minute_ms - time_ms % minute_ms;
  return left <= edge_ms ? time_ms + left : time_ms;
}

bool Timer::fire(Random& random, std::int64_t now_ms, std::int64_t& at_ms) {
  if (due_ms_ >= now_ms + step_ms) return false;
  at_ms = due_ms_ < now_ms ? now_ms : due_ms_;
  const std::int64_t jitter = jitter_ms_ > 0 ? random.between(0, jitter_ms_) : 0;
  due_ms_ = inside_minute(at_ms + period_ms_ + jitter);
  return true;
}

bool Touch::update(const Book& book) {
  if (bid == book.best_bid() && ask == book.best_ask()) return false;
  bid = book.best_bid();
  ask = book.best_ask();
  return true;
}

std::unique_ptr<WireModel> make_wire(market::VenueId venue, Outlet& stream, Outlet* rest,
                                     std::uint64_t seed) {
  switch (venue) {
    case market::VenueId::binance: return std::make_unique<Binance>(stream, rest);
    case market::VenueId::bybit: return std::make_unique<Bybit>(stream, rest, seed);
    case market::VenueId::okx: return std::make_unique<Okx>(stream, rest, seed);
    case market::VenueId::hyperliquid: return std::make_unique<Hyperliquid>(stream, rest, seed);
    case market::VenueId::none: break;
  }
  throw core::Error("no wire model", "simulated venue", "the venue is listed but not simulated");
}

void RatioHistory::open(std::int64_t now_ms, std::int64_t long_share_e8) {
  newest_ms = (now_ms / period_ms - 1) * period_ms;
  long_shares_e8.assign(1, long_share_e8);
}

void RatioHistory::add(std::int64_t newest, std::int64_t long_share_e8) {
  newest_ms = newest;
  if (size() >= rows_kept) long_shares_e8.erase(long_shares_e8.begin());
  long_shares_e8.push_back(long_share_e8);
}

void RatioHistory::keep_past(std::size_t rows, std::uint64_t seed, std::uint64_t stream) {
  Random random(seed, stream);
  std::vector<std::int64_t> older(rows);
  std::int64_t value = long_shares_e8.front();
  for (std::size_t i = rows; i-- > 0;)
    older[i] = value =
        std::clamp<std::int64_t>(value + random.bell(300'000), 30'000'000, 80'000'000);
  long_shares_e8.insert(long_shares_e8.begin(), older.begin(), older.end());
  rows_kept = std::max(rows_max, 2 * rows);
}

RatioHistory::Rows RatioHistory::find(std::int64_t from_ms, std::int64_t to_ms,
                                      std::size_t limit) const {
  Rows rows;
  while (rows.first < size() && time_ms(rows.first) > to_ms) ++rows.first;
  rows.last = rows.first;
  while (rows.last < size() && rows.last - rows.first < limit && time_ms(rows.last) >= from_ms)
    ++rows.last;
  return rows;
}

std::string endpoint_tail(std::string_view endpoint, std::string_view symbol,
                          std::string_view period, bool is_backfill) {
  std::string tail(endpoint);
  if (!symbol.empty()) tail.append(" symbol=").append(symbol);
  if (!period.empty()) tail.append(" period=").append(period);
  if (is_backfill) tail.append(" backfill=1");
  return tail;
}

std::vector<Bar> merge_bars(const std::vector<Bar>& minutes, std::size_t per_bar) {
  const std::int64_t length_ms = static_cast<std::int64_t>(per_bar) * minute_ms;
  std::vector<Bar> bars;
  for (const Bar& minute : minutes) {
    if (minute.open_ms % length_ms == 0)
      bars.push_back(minute);
    else if (!bars.empty())
      bars.back().merge(minute);
  }
  // The last one is whole only if the minutes reach its end.
  if (!bars.empty() && minutes.back().open_ms + minute_ms < bars.back().open_ms + length_ms)
    bars.pop_back();
  return bars;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

Decimal price_of(const MarketModel& market, std::int64_t units) {
  return {units, market.listing().grid.price_digits};
}
Decimal quantity_of(const MarketModel& market, std::int64_t units) {
  return {units, market.listing().grid.quantity_digits};
}

}  // namespace perp::sim::wire
