#include <perp/rolling/rsi.hpp>

#include <cmath>

namespace perp::rolling {
namespace {

void step(const RsiRule& rule, RsiState& state, double delta) {
  const double gain = delta > 0 ? delta : 0;
  const double loss = delta < 0 ? -delta : 0;
  const double period = rule.period;
  if (state.delta_count < rule.period) {
    state.average_gain += gain;
    state.average_loss += loss;
    if (++state.delta_count == rule.period) {
      state.average_gain /= period;
      state.average_loss /= period;
    }
    return;
  }
  state.average_gain = (state.average_gain * (period - 1) + gain) / period;
  state.average_loss = (state.average_loss * (period - 1) + loss) / period;
}

}  // namespace

bool push_close(const RsiRule& rule, RsiState& state, std::int64_t index, double close) {
  if (state.last_index != RsiState::no_index && index <= state.last_index) return false;
  const bool is_first = state.last_index == RsiState::no_index;
  const std::int64_t missing = is_first ? 0 : index - state.last_index - 1;
  if (is_first || missing > rule.bridge_limit) {
    state = {};
  } else {
    for (std::int64_t i = 0; i < missing; ++i) step(rule, state, 0);
    step(rule, state, close - state.last_close);
  }
  state.last_close = close;
  state.last_index = index;
  return true;
}

double rsi_value(const RsiRule& rule, const RsiState& state) {
  if (state.last_index == RsiState::no_index || state.delta_count < rule.period)
    return std::numeric_limits<double>::quiet_NaN();
  if (state.average_loss == 0) return state.average_gain == 0 ? rule.flat : 100;
  if (state.average_gain == 0) return 0;
  return 100 - 100 / (1 + state.average_gain / state.average_loss);
}

double rsi_with(const RsiRule& rule, RsiState state, std::int64_t index, double close) {
  if (!push_close(rule, state, index, close)) return std::numeric_limits<double>::quiet_NaN();
  return rsi_value(rule, state);
}

}  // namespace perp::rolling
