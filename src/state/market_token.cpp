#include "state/market_token.hpp"

#include <perp/core/error.hpp>

#include <algorithm>
#include <cmath>

namespace perp::state {
namespace {

constexpr std::size_t close_field = 3, volume_field = 4;
constexpr double index_at_base = 100;

}  // namespace

MarketToken::Symbol::Symbol(Kind kind_of, std::uint32_t instrument) : kind(kind_of) {
  series.instrument = instrument;
  series.venue = venue;
  series.is_active = true;
  series.rsi = std::make_unique<RsiHistory>();
}

market::Instrument MarketToken::Symbol::description() const {
  const char* const name = kind == Kind::mean ? "MT" : "MTW";
  market::Instrument made;
  made.native.assign(name);
  made.base.assign(name);
  made.quote.assign("USDT");
  made.settle.assign("USDT");
  made.status = market::InstrumentStatus::live;
  made.is_primary = 1;
  return made;
}

MarketToken::MarketToken(const std::vector<std::string>& coins) : coins_(coins) {
  if (coins.size() > members_max)
    throw core::Error("bad state option", "market_token", "at most 8 members");
  for (const std::string& coin : coins)
    if (coin.empty() || std::count(coins.begin(), coins.end(), coin) > 1)
      throw core::Error("bad state option", "market_token", "coins are expected, each once");
}

void MarketToken::define(std::uint32_t member, std::string_view coin) {
  for (std::size_t i = 0; i < coins_.size(); ++i)
    if (coins_[i] == coin) members_[i] = member;
}

bool MarketToken::is_member(std::uint32_t member) const {
  return std::find(members_.begin(), members_.begin() + std::ssize(coins_), member) !=
         members_.begin() + std::ssize(coins_);
}

bool MarketToken::gather(std::span<const Row* const> rows, Values& values) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == nullptr || rows[i]->is_present == 0) return false;
    values[i] = rows[i]->values;
  }
  return true;
}

bool MarketToken::begin_index(const Values& values) {
  if (has_bases_ != 0) return false;
  for (std::size_t i = 0; i < coins_.size(); ++i) {
    const double close = values[i][close_field];
    if (!(close > 0 && std::isfinite(close))) return false;
    bases_[i] = close;
  }
  has_bases_ = 1;
  return true;
}

Candle MarketToken::candle(Kind kind, const Values& values) const {
  std::array<double, 5> sums{};
  for (std::size_t i = 0; i < coins_.size(); ++i) {
    const double unit = kind == Kind::mean ? 1 : bases_[i];
    for (std::size_t field = 0; field < volume_field; ++field)
      sums[field] += values[i][field] / unit;
    sums[volume_field] += values[i][volume_field];
  }
  const auto n = static_cast<double>(coins_.size());
  const double scale = kind == Kind::mean ? 1 : index_at_base;
  const auto mean = [&](std::size_t field) { return sums[field] / n * scale; };
  return {mean(0), mean(1), mean(2), mean(close_field), sums[volume_field], market::missing};
}

bool MarketToken::complete_old(std::uint32_t member, std::int64_t minute, const Candle& candle,
                               Values& values) {
  Pending& found = pending[minute];
  for (std::size_t i = 0; i < coins_.size(); ++i) {
    if (members_[i] != member) continue;
    found.has |= std::uint64_t{1} << i;
    found.values[i] = {candle.open, candle.high, candle.low, candle.close, candle.volume_quote};
  }
  if (found.has == (std::uint64_t{1} << coins_.size()) - 1) {
    values = found.values;
    pending.erase(minute);
    return true;
  }
  if (pending.size() > pending_max) pending.erase(pending.begin());
  return false;
}

}  // namespace perp::state
