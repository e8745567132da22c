#include "state/fold.hpp"

#include <perp/state/market_state.hpp>

namespace perp::state {

MarketState::MarketState(const StateOptions& options) : fold_(std::make_unique<Fold>(options)) {}
MarketState::~MarketState() = default;
MarketState::MarketState(MarketState&&) noexcept = default;
MarketState& MarketState::operator=(MarketState&&) noexcept = default;

void MarketState::apply(const market::RecordHeader& record, DerivedSink& out) {
  fold_->apply(record, out);
}

std::int64_t MarketState::engine_time_ns() const { return fold_->engine_time_ns(); }

std::int64_t MarketState::watched_until_ns(std::uint32_t instrument) const {
  return fold_->watched_until_ns(instrument);
}
std::int64_t MarketState::candles_until_ns(std::uint32_t instrument) const {
  return fold_->candles_until_ns(instrument);
}

const Totals& MarketState::totals() const { return fold_->totals(); }

void MarketState::save(std::vector<std::byte>& image) const { fold_->save(image); }

void MarketState::load(std::span<const std::byte> image) {
  // Into a fresh fold first: a refused image leaves the state as it was.
  auto fresh = std::make_unique<Fold>(fold_->options());
  fresh->load(image);
  fold_ = std::move(fresh);
}

}  // namespace perp::state
