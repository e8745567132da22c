#include "state/market_token.hpp"

#include <perp/core/error.hpp>

#include <algorithm>

namespace perp::state {

MarketToken::MarketToken(const std::vector<std::string>& bases) : bases_(bases) {
  if (bases.size() > members_max)
    throw core::Error("bad state option", "market_token", "at most 8 members");
  for (const std::string& base : bases)
    if (base.empty() || std::count(bases.begin(), bases.end(), base) > 1)
      throw core::Error("bad state option", "market_token", "coins are expected, each once");
  series.instrument = instrument;
  series.venue = venue;
  series.is_active = true;
  series.rsi = std::make_unique<RsiHistory>();
}

void MarketToken::define(std::uint32_t member, std::string_view base) {
  for (std::size_t i = 0; i < bases_.size(); ++i)
    if (bases_[i] == base) members_[i] = member;
}

bool MarketToken::is_member(std::uint32_t member) const {
  return std::find(members_.begin(), members_.begin() + std::ssize(bases_), member) !=
         members_.begin() + std::ssize(bases_);
}

Candle MarketToken::candle_of(const std::array<double, 5>* values, std::size_t count) {
  std::array<double, 5> sums{};
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t field = 0; field < sums.size(); ++field) sums[field] += values[i][field];
  const auto n = static_cast<double>(count);
  return {sums[0] / n, sums[1] / n, sums[2] / n, sums[3] / n, sums[4], market::missing};
}

bool MarketToken::mean(std::span<const Row* const> rows, Candle& candle) {
  std::array<std::array<double, 5>, members_max> values;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == nullptr || rows[i]->is_present == 0) return false;
    values[i] = rows[i]->values;
  }
  candle = candle_of(values.data(), rows.size());
  return true;
}

bool MarketToken::complete_old(std::uint32_t member, std::int64_t minute, const Candle& candle,
                               Candle& made) {
  Pending& found = pending[minute];
  for (std::size_t i = 0; i < bases_.size(); ++i) {
    if (members_[i] != member) continue;
    found.has |= std::uint64_t{1} << i;
    found.values[i] = {candle.open, candle.high, candle.low, candle.close, candle.volume_quote};
  }
  if (found.has == (std::uint64_t{1} << bases_.size()) - 1) {
    made = candle_of(found.values.data(), bases_.size());
    pending.erase(minute);
    return true;
  }
  if (pending.size() > pending_max) pending.erase(pending.begin());
  return false;
}

market::Instrument MarketToken::description() {
  market::Instrument made;
  made.native.assign("MT");
  made.base.assign("MT");
  made.quote.assign("USDT");
  made.settle.assign("USDT");
  made.status = market::InstrumentStatus::live;
  made.is_primary = 1;
  return made;
}

}  // namespace perp::state
