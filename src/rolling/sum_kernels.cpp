// The calculators of sums.hpp in vectors: the same operations in the same order, none fused.
#include "rolling/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rolling/sum_kernels.cpp"
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

HWY_INLINE V one_if(D d, M m) { return hn::IfThenElseZero(m, hn::Set(d, 1.0)); }

/// A calculator's members in registers, a row of the state each.
template <std::size_t size>
struct Members {
  V at[size];
};

template <std::size_t size>
HWY_INLINE Members<size> load(D d, const double* state, std::size_t lane_count) {
  Members<size> members;
  for (std::size_t k = 0; k < size; ++k) members.at[k] = hn::Load(d, state + k * lane_count);
  return members;
}
template <std::size_t size>
HWY_INLINE void store(D d, const Members<size>& members, double* state, std::size_t lane_count) {
  for (std::size_t k = 0; k < size; ++k) hn::Store(members.at[k], d, state + k * lane_count);
}

struct SumLanes {  // count, nonzero_count, sum
  static constexpr std::size_t inputs = 1;
  static constexpr std::size_t size = 3;
  using S = Members<size>;

  static HWY_INLINE void add(D d, S& s, const V* in) {
    const M present = is_present(d, in[0]);
    s.at[0] = hn::Add(s.at[0], one_if(d, present));
    s.at[1] = hn::Add(s.at[1], one_if(d, hn::And(present, hn::Ne(in[0], hn::Zero(d)))));
    s.at[2] = hn::IfThenElse(present, hn::Add(s.at[2], in[0]), s.at[2]);
  }
  static HWY_INLINE void remove(D d, S& s, const V* in) {
    const M present = is_present(d, in[0]);
    s.at[0] = hn::Sub(s.at[0], one_if(d, present));
    s.at[1] = hn::Sub(s.at[1], one_if(d, hn::And(present, hn::Ne(in[0], hn::Zero(d)))));
    const V less =
        hn::IfThenElse(hn::Eq(s.at[1], hn::Zero(d)), hn::Zero(d), hn::Sub(s.at[2], in[0]));
    s.at[2] = hn::IfThenElse(present, less, s.at[2]);
  }
};

struct MomentLanes {  // count, shift, sum, square
  static constexpr std::size_t inputs = 1;
  static constexpr std::size_t size = 4;
  using S = Members<size>;

  static HWY_INLINE void add(D d, S& s, const V* in) {
    const M present = is_present(d, in[0]);
    const M first = hn::And(present, hn::Eq(s.at[0], hn::Zero(d)));
    s.at[1] = hn::IfThenElse(first, in[0], s.at[1]);
    s.at[2] = hn::IfThenZeroElse(first, s.at[2]);
    s.at[3] = hn::IfThenZeroElse(first, s.at[3]);
    const V x = hn::Sub(in[0], s.at[1]);
    s.at[0] = hn::Add(s.at[0], one_if(d, present));
    s.at[2] = hn::IfThenElse(present, hn::Add(s.at[2], x), s.at[2]);
    s.at[3] = hn::IfThenElse(present, hn::Add(s.at[3], hn::Mul(x, x)), s.at[3]);
  }
  static HWY_INLINE void remove(D d, S& s, const V* in) {
    const M present = is_present(d, in[0]);
    const V x = hn::Sub(in[0], s.at[1]);
    s.at[0] = hn::Sub(s.at[0], one_if(d, present));
    s.at[2] = hn::IfThenElse(present, hn::Sub(s.at[2], x), s.at[2]);
    s.at[3] = hn::IfThenElse(present, hn::Sub(s.at[3], hn::Mul(x, x)), s.at[3]);
  }
};

struct VwapLanes {  // count, traded_count, notional, quantity
  static constexpr std::size_t inputs = 2;
  static constexpr std::size_t size = 4;
  using S = Members<size>;

  static HWY_INLINE void add(D d, S& s, const V* in) {
    const M present = hn::And(is_present(d, in[0]), is_present(d, in[1]));
    s.at[0] = hn::Add(s.at[0], one_if(d, present));
    s.at[1] = hn::Add(s.at[1], one_if(d, hn::And(present, hn::Ne(in[1], hn::Zero(d)))));
    s.at[2] = hn::IfThenElse(present, hn::Add(s.at[2], hn::Mul(in[0], in[1])), s.at[2]);
    s.at[3] = hn::IfThenElse(present, hn::Add(s.at[3], in[1]), s.at[3]);
  }
  static HWY_INLINE void remove(D d, S& s, const V* in) {
    const M present = hn::And(is_present(d, in[0]), is_present(d, in[1]));
    s.at[0] = hn::Sub(s.at[0], one_if(d, present));
    s.at[1] = hn::Sub(s.at[1], one_if(d, hn::And(present, hn::Ne(in[1], hn::Zero(d)))));
    const M quiet = hn::Eq(s.at[1], hn::Zero(d));
    const V notional = hn::IfThenZeroElse(quiet, hn::Sub(s.at[2], hn::Mul(in[0], in[1])));
    const V quantity = hn::IfThenZeroElse(quiet, hn::Sub(s.at[3], in[1]));
    s.at[2] = hn::IfThenElse(present, notional, s.at[2]);
    s.at[3] = hn::IfThenElse(present, quantity, s.at[3]);
  }
};

struct RegressionLanes {  // count, shift_x, shift_y, sum_x, sum_y, sum_xx, sum_yy, sum_xy
  static constexpr std::size_t inputs = 2;
  static constexpr std::size_t size = 8;
  using S = Members<size>;

  static HWY_INLINE void add(D d, S& s, const V* in) {
    const M present = hn::And(is_present(d, in[0]), is_present(d, in[1]));
    const M first = hn::And(present, hn::Eq(s.at[0], hn::Zero(d)));
    s.at[1] = hn::IfThenElse(first, in[0], s.at[1]);
    s.at[2] = hn::IfThenElse(first, in[1], s.at[2]);
    for (std::size_t k = 3; k < size; ++k) s.at[k] = hn::IfThenZeroElse(first, s.at[k]);
    const V x = hn::Sub(in[0], s.at[1]);
    const V y = hn::Sub(in[1], s.at[2]);
    s.at[0] = hn::Add(s.at[0], one_if(d, present));
    s.at[3] = hn::IfThenElse(present, hn::Add(s.at[3], x), s.at[3]);
    s.at[4] = hn::IfThenElse(present, hn::Add(s.at[4], y), s.at[4]);
    s.at[5] = hn::IfThenElse(present, hn::Add(s.at[5], hn::Mul(x, x)), s.at[5]);
    s.at[6] = hn::IfThenElse(present, hn::Add(s.at[6], hn::Mul(y, y)), s.at[6]);
    s.at[7] = hn::IfThenElse(present, hn::Add(s.at[7], hn::Mul(x, y)), s.at[7]);
  }
  static HWY_INLINE void remove(D d, S& s, const V* in) {
    const M present = hn::And(is_present(d, in[0]), is_present(d, in[1]));
    const V x = hn::Sub(in[0], s.at[1]);
    const V y = hn::Sub(in[1], s.at[2]);
    s.at[0] = hn::Sub(s.at[0], one_if(d, present));
    s.at[3] = hn::IfThenElse(present, hn::Sub(s.at[3], x), s.at[3]);
    s.at[4] = hn::IfThenElse(present, hn::Sub(s.at[4], y), s.at[4]);
    s.at[5] = hn::IfThenElse(present, hn::Sub(s.at[5], hn::Mul(x, x)), s.at[5]);
    s.at[6] = hn::IfThenElse(present, hn::Sub(s.at[6], hn::Mul(y, y)), s.at[6]);
    s.at[7] = hn::IfThenElse(present, hn::Sub(s.at[7], hn::Mul(x, y)), s.at[7]);
  }
};

template <class Calculator>
HWY_NOINLINE void pass_over(const SumsPass& pass) {
  const D d;
  for (std::size_t i = 0; i < pass.lane_count; i += hn::Lanes(d)) {
    auto members = load<Calculator::size>(d, pass.state + i, pass.lane_count);
    V in[Calculator::inputs];
    if (pass.removed[0] != nullptr) {
      for (std::size_t k = 0; k < Calculator::inputs; ++k) in[k] = hn::Load(d, pass.removed[k] + i);
      Calculator::remove(d, members, in);
    }
    if (pass.added[0] != nullptr) {
      // Behind the leaving column was read: the new one may take its place.
      for (std::size_t k = 0; k < Calculator::inputs; ++k) {
        in[k] = load_user(d, pass.added[k], i, pass.series_count);
        hn::Store(in[k], d, pass.stored + k * pass.lane_count + i);
      }
      Calculator::add(d, members, in);
      if (pass.fresh != nullptr) {
        auto fresh = load<Calculator::size>(d, pass.fresh + i, pass.lane_count);
        Calculator::add(d, fresh, in);
        store(d, fresh, pass.fresh + i, pass.lane_count);
      }
    }
    store(d, members, pass.state + i, pass.lane_count);
  }
}

void sums_pass(const SumsPass& pass) {
  switch (pass.kind) {
    case SumKind::sum: return pass_over<SumLanes>(pass);
    case SumKind::moments: return pass_over<MomentLanes>(pass);
    case SumKind::vwap: return pass_over<VwapLanes>(pass);
    case SumKind::regression: return pass_over<RegressionLanes>(pass);
  }
}

HWY_INLINE V variance(D d, V count, V sum, V square) {
  const V mean_square = hn::Div(square, count);
  const V mean = hn::Div(sum, count);
  const V difference = hn::Sub(mean_square, hn::Mul(mean, mean));
  const V noise = hn::Mul(hn::Mul(count, hn::Set(d, 0x1p-51)), mean_square);
  return hn::IfThenElse(hn::Le(difference, noise), hn::Sub(difference, difference), difference);
}

template <SumAnswer answer>
HWY_INLINE V answer_of(D d, const SumsRead& read, std::size_t i) {
  const auto row = [&](std::size_t k)
                       HWY_ATTR { return hn::Load(d, read.state + k * read.lane_count + i); };
  const V count = row(0);
  if constexpr (answer == SumAnswer::count) return count;
  if constexpr (answer == SumAnswer::sum) return row(2);
  if constexpr (answer == SumAnswer::mean) return hn::Div(row(2), count);
  if constexpr (answer == SumAnswer::moments_mean) return hn::Add(row(1), hn::Div(row(2), count));
  if constexpr (answer == SumAnswer::variance) return variance(d, count, row(2), row(3));
  if constexpr (answer == SumAnswer::deviation)
    return hn::Sqrt(finite_or_missing(d, variance(d, count, row(2), row(3))));
  if constexpr (answer == SumAnswer::z_score) {
    const V mean = finite_or_missing(d, hn::Add(row(1), hn::Div(row(2), count)));
    const V deviation = hn::Sqrt(finite_or_missing(d, variance(d, count, row(2), row(3))));
    return hn::Div(hn::Sub(hn::Load(d, read.newest + i), mean), deviation);
  }
  if constexpr (answer == SumAnswer::vwap) return hn::Div(row(2), row(3));
  if constexpr (answer == SumAnswer::slope || answer == SumAnswer::correlation) {
    const V products = hn::Mul(hn::Div(row(3), count), hn::Div(row(4), count));
    const V covariance = finite_or_missing(d, hn::Sub(hn::Div(row(7), count), products));
    const V variance_x = variance(d, count, row(3), row(5));
    if constexpr (answer == SumAnswer::slope) return hn::Div(covariance, variance_x);
    const V variance_y = variance(d, count, row(4), row(6));
    const V deviations = hn::Mul(hn::Sqrt(variance_x), hn::Sqrt(variance_y));
    const V r = finite_or_missing(d, hn::Div(covariance, deviations));
    const V at_most = hn::IfThenElse(hn::Gt(r, hn::Set(d, 1.0)), hn::Set(d, 1.0), r);
    return hn::IfThenElse(hn::Lt(at_most, hn::Set(d, -1.0)), hn::Set(d, -1.0), at_most);
  }
}

template <SumAnswer answer>
HWY_NOINLINE void read_over(const SumsRead& read) {
  const D d;
  const V min_count = hn::Set(d, read.min_count);
  for (std::size_t i = 0; i < read.out_count; i += hn::Lanes(d)) {
    const M is_known = hn::Ge(hn::Load(d, read.state + i), min_count);
    const V value = finite_or_missing(d, answer_of<answer>(d, read, i));
    store_user(d, hn::IfThenElse(is_known, value, hn::Set(d, missing)), read.out, i,
               read.out_count);
  }
}

void sums_read(const SumsRead& read) {
  switch (read.answer) {
    case SumAnswer::count: return read_over<SumAnswer::count>(read);
    case SumAnswer::sum: return read_over<SumAnswer::sum>(read);
    case SumAnswer::mean: return read_over<SumAnswer::mean>(read);
    case SumAnswer::moments_mean: return read_over<SumAnswer::moments_mean>(read);
    case SumAnswer::variance: return read_over<SumAnswer::variance>(read);
    case SumAnswer::deviation: return read_over<SumAnswer::deviation>(read);
    case SumAnswer::z_score: return read_over<SumAnswer::z_score>(read);
    case SumAnswer::vwap: return read_over<SumAnswer::vwap>(read);
    case SumAnswer::slope: return read_over<SumAnswer::slope>(read);
    case SumAnswer::correlation: return read_over<SumAnswer::correlation>(read);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace perp::rolling::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perp::rolling::detail {

PERP_ON_TARGETS(sums_pass);
PERP_ON_TARGETS(sums_read);

void sums_pass(const SumsPass& pass) noexcept { PERP_BEST(sums_pass)(pass); }
void sums_read(const SumsRead& read) noexcept { PERP_BEST(sums_read)(read); }

}  // namespace perp::rolling::detail
#endif
