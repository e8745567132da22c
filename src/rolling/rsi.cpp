#include <perp/rolling/rsi.hpp>

#include <cmath>

namespace perp::rolling {
namespace {

void step(const RsiRule& rule, RsiState& state, double delta) {
  const double gain = delta > 0 ? delta : 0;
  const double loss = delta < 0 ? -delta : 0;
  const double weight = 1.0 / rule.period;
  // The first N differences have equal weights: their plain mean.
  const bool is_seed = state.delta_count < rule.period;
  state.average_gain += (gain - (is_seed ? 0 : state.average_gain)) * weight;
  state.average_loss += (loss - (is_seed ? 0 : state.average_loss)) * weight;
  if (is_seed) ++state.delta_count;
}

}  // namespace

bool push_close(const RsiRule& rule, RsiState& state, std::int64_t index, double close) {
  if (state.last_index != RsiState::no_index && index <= state.last_index) return false;
  const bool is_first = state.last_index == RsiState::no_index;
  const std::int64_t missing = is_first ? 0 : index - state.last_index - 1;
  const double delta = close - state.last_close;
  if (is_first || missing > rule.bridge_limit || !std::isfinite(delta)) {
    state = {};
  } else {
    for (std::int64_t i = 0; i < missing; ++i) step(rule, state, 0);
    step(rule, state, delta);
  }
  state.last_close = close;
  state.last_index = index;
  return true;
}

double rsi_value(const RsiRule& rule, const RsiState& state) {
  if (state.last_index == RsiState::no_index || state.delta_count < rule.period)
    return std::numeric_limits<double>::quiet_NaN();
  const double all = state.average_gain + state.average_loss;
  if (all == 0) return rule.flat;
  return std::isfinite(all) ? 100 * (state.average_gain / all)
                            : std::numeric_limits<double>::quiet_NaN();
}

double rsi_with(const RsiRule& rule, RsiState state, std::int64_t index, double close) {
  if (!push_close(rule, state, index, close)) return std::numeric_limits<double>::quiet_NaN();
  return rsi_value(rule, state);
}

}  // namespace perp::rolling
