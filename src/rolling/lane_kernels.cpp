// Extrema, exponential averages and Wilder's index in vectors: the operations of the scalar forms
// in the same order.
#include "rolling/kernels.hpp"

#include <perp/rolling/rsi.hpp>

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rolling/lane_kernels.cpp"
// The order matters: foreach_target.h includes this file once per instruction set.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "rolling/lane_io-inl.hpp"
#include "rolling/dispatch.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace perp::rolling::detail {
namespace HWY_NAMESPACE {

// ---- extrema

HWY_INLINE void fold(D d, V x, const double* behind, double* result, std::size_t lane_count) {
  const M present = is_present(d, x);
  const V value = hn::Add(x, hn::Zero(d));  // without negative zero
  const V least = hn::Load(d, behind);
  const V greatest = hn::Load(d, behind + lane_count);
  hn::Store(hn::IfThenElse(hn::And(present, hn::Lt(value, least)), value, least), d, result);
  hn::Store(hn::IfThenElse(hn::And(present, hn::Gt(value, greatest)), value, greatest), d,
            result + lane_count);
}

void extrema_fold(const double* values, const double* behind, double* result,
                  std::size_t lane_count) {
  const D d;
  for (std::size_t i = 0; i < lane_count; i += hn::Lanes(d))
    fold(d, hn::Load(d, values + i), behind + i, result + i, lane_count);
}

void extrema_pass(const ExtremaPass& pass) {
  const D d;
  const V one = hn::Set(d, 1.0);
  for (std::size_t i = 0; i < pass.lane_count; i += hn::Lanes(d)) {
    V counts = hn::Load(d, pass.counts + i);
    if (pass.removed != nullptr) {
      const M was_present = is_present(d, hn::Load(d, pass.removed + i));
      counts = hn::Sub(counts, hn::IfThenElseZero(was_present, one));
    }
    if (pass.added != nullptr) {
      const V x = load_user(d, pass.added, i, pass.series_count);
      hn::Store(x, d, pass.stored + i);
      counts = hn::Add(counts, hn::IfThenElseZero(is_present(d, x), one));
      fold(d, x, pass.newer + i, pass.newer + i, pass.lane_count);
    }
    hn::Store(counts, d, pass.counts + i);
  }
}

void extrema_read(const double* older, const double* newer, const double* counts, bool is_max,
                  double min_count, double* out, std::size_t out_count) {
  const D d;
  const V enough = hn::Set(d, min_count);
  for (std::size_t i = 0; i < out_count; i += hn::Lanes(d)) {
    V value = hn::Load(d, newer + i);
    if (older != nullptr) {
      const V other = hn::Load(d, older + i);
      value = is_max ? hn::Max(value, other) : hn::Min(value, other);
    }
    const M is_known = hn::Ge(hn::Load(d, counts + i), enough);
    store_user(d, hn::IfThenElse(is_known, value, hn::Set(d, missing)), out, i, out_count);
  }
}

// ---- exponential averages

void ema_push(double alpha, const double* values, std::size_t count, double* average,
              double* counts) {
  const D d;
  const V weight = hn::Set(d, alpha);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const V x = load_user(d, values, i, count);
    const V before = hn::Load(d, average + i);
    const V seen = hn::Load(d, counts + i);
    const M present = is_present(d, x);
    const V moved = hn::Add(before, hn::Mul(weight, hn::Sub(x, before)));
    const V after = hn::IfThenElse(hn::Eq(seen, hn::Zero(d)), x, moved);
    hn::Store(hn::IfThenElse(present, after, before), d, average + i);
    hn::Store(hn::Add(seen, hn::IfThenElseZero(present, hn::Set(d, 1.0))), d, counts + i);
  }
}

void ema_value(double min_count, const double* average, const double* counts, double* out,
               std::size_t out_count) {
  const D d;
  for (std::size_t i = 0; i < out_count; i += hn::Lanes(d)) {
    const V value = finite_or_missing(d, hn::Load(d, average + i));
    const M is_known = hn::Ge(hn::Load(d, counts + i), hn::Set(d, min_count));
    store_user(d, hn::IfThenElse(is_known, value, hn::Set(d, missing)), out, i, out_count);
  }
}

// ---- Wilder's index

/// push_close and rsi_value for each lane of one vector.
HWY_NOINLINE void rsi_lanes_one_by_one(const RsiRule& rule, double skipped, const double* closes,
                                       std::size_t n, double* lanes, std::size_t lane_count,
                                       double* values) {
  const auto at = [&](RsiRow row, std::size_t lane) -> double& {
    return lanes[static_cast<std::size_t>(row) * lane_count + lane];
  };
  for (std::size_t k = 0; k < n; ++k) {
    double& hole = at(RsiRow::hole, k);
    const bool is_begun = hole >= 0;
    if (is_begun) hole += skipped;
    double& loss = at(RsiRow::average_loss, k);
    if (std::isnan(loss)) loss = at(RsiRow::kept_loss, k);
    if (std::fabs(closes[k]) <= std::numeric_limits<double>::max()) {
      RsiState state{.average_gain = at(RsiRow::average_gain, k),
                     .average_loss = loss,
                     .last_close = at(RsiRow::last_close, k),
                     .last_index = is_begun ? 0 : RsiState::no_index,
                     .delta_count = static_cast<std::int64_t>(at(RsiRow::delta_count, k))};
      const std::int64_t index = is_begun ? 1 + static_cast<std::int64_t>(hole) : 0;
      static_cast<void>(push_close(rule, state, index, closes[k]));
      at(RsiRow::average_gain, k) = state.average_gain;
      loss = state.average_loss;
      at(RsiRow::last_close, k) = state.last_close;
      at(RsiRow::delta_count, k) = static_cast<double>(state.delta_count);
      values[k] = rsi_value(rule, state);
      hole = 0;
    } else if (is_begun) {
      hole += 1;
    }
    at(RsiRow::kept_loss, k) = loss;
    if (hole != 0 || at(RsiRow::delta_count, k) < rule.period) loss = missing;
  }
}

void rsi_push(const RsiRule& rule, double skipped, const double* HWY_RESTRICT closes,
              std::size_t count, double* HWY_RESTRICT lanes, std::size_t lane_count,
              double* HWY_RESTRICT values) {
  const D d;
  const std::size_t n = hn::Lanes(d);
  const V zero = hn::Zero(d);
  const V hundred = hn::Set(d, 100.0);
  const V flat = hn::Set(d, rule.flat);
  const V weight = hn::Set(d, 1.0 / rule.period);
  const bool is_next = skipped == 0;
  double* HWY_RESTRICT gains = lanes;
  double* HWY_RESTRICT losses = lanes + lane_count;
  double* HWY_RESTRICT last_closes = lanes + 2 * lane_count;
  for (std::size_t i = 0; i < count; i += n) {
    const V close = load_user(d, closes, i, count);
    const V gain_before = hn::Load(d, gains + i);
    const V loss_before = hn::Load(d, losses + i);
    const V delta = hn::Sub(close, hn::Load(d, last_closes + i));
    // up - delta is max(-delta, 0), and NaN without a close.
    const V up = hn::Max(delta, zero);
    const V down = hn::Sub(up, delta);
    const V gain = hn::Add(gain_before, hn::Mul(hn::Sub(up, gain_before), weight));
    const V loss = hn::Add(loss_before, hn::Mul(hn::Sub(down, loss_before), weight));
    const V all = hn::Add(gain, loss);
    // NaN where a close is missing or the lane warms up.
    M is_ordinary = is_present(d, all);
    if (HWY_UNLIKELY(i + n > count))
      is_ordinary = hn::Or(is_ordinary, hn::Not(hn::FirstN(d, count - i)));
    if (HWY_LIKELY(is_next && hn::AllTrue(d, is_ordinary))) {
      hn::Store(gain, d, gains + i);
      hn::Store(loss, d, losses + i);
      hn::Store(close, d, last_closes + i);
      const V value = hn::Mul(hundred, hn::Div(gain, all));
      hn::Store(hn::IfThenElse(hn::Eq(all, zero), flat, value), d, values + i);
      continue;
    }
    alignas(vector_bytes) double here[vector_doubles];
    hn::Store(close, d, here);
    rsi_lanes_one_by_one(rule, skipped, here, n, lanes + i, lane_count, values + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace perp::rolling::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perp::rolling::detail {

PERP_ON_TARGETS(extrema_fold);
PERP_ON_TARGETS(extrema_pass);
PERP_ON_TARGETS(extrema_read);
PERP_ON_TARGETS(ema_push);
PERP_ON_TARGETS(ema_value);
PERP_ON_TARGETS(rsi_push);

void extrema_fold(const double* values, const double* behind, double* result,
                  std::size_t lane_count) noexcept {
  PERP_BEST(extrema_fold)(values, behind, result, lane_count);
}
void extrema_pass(const ExtremaPass& pass) noexcept { PERP_BEST(extrema_pass)(pass); }
void extrema_read(const double* older, const double* newer, const double* counts, bool is_max,
                  double min_count, double* out, std::size_t out_count) noexcept {
  PERP_BEST(extrema_read)(older, newer, counts, is_max, min_count, out, out_count);
}
void ema_push(double alpha, const double* values, std::size_t count, double* average,
              double* counts) noexcept {
  PERP_BEST(ema_push)(alpha, values, count, average, counts);
}
void ema_value(double min_count, const double* average, const double* counts, double* out,
               std::size_t out_count) noexcept {
  PERP_BEST(ema_value)(min_count, average, counts, out, out_count);
}
void rsi_push(const RsiRule& rule, double skipped, const double* closes, std::size_t count,
              double* lanes, std::size_t lane_count, double* values) noexcept {
  PERP_BEST(rsi_push)(rule, skipped, closes, count, lanes, lane_count, values);
}

}  // namespace perp::rolling::detail
#endif
