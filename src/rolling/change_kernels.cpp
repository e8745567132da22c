// Percent change in vectors; the operations of change.hpp in the same order.
#include "rolling/kernels.hpp"

#include <perp/rolling/aligned_doubles.hpp>
#include <perp/rolling/change.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rolling/change_kernels.cpp"
// The order matters: foreach_target.h includes this file once per instruction set.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "rolling/dispatch.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace perp::rolling::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// change_percent, with fewer instructions: they and not the divisions are the limit.
// - The quotient's size does not depend on signs; the result has the sign of the difference.
// - Whatever has no percentage (a missing value, nothing before, an overflow) shows as a size that
// is not
//   finite, and size x 0 is NaN then and +0 otherwise. Added at the end it also turns -0 into 0.
// - The limit is applied to thousandths, where it is whole.
// - thousandths / 1000 is a multiplication with 1/1000 in two parts where there is a fused one: the
// sum is
//   within 2^-100 of the quotient, and no quotient of so short numbers lies that near to a
//   rounding boundary. (A test goes through all ten million of them.)
template <class D, class V = hn::Vec<D>>
HWY_INLINE V change(D d, V now, V before) {
  constexpr double limit = 9'999'999;
  static_assert(limit / 1000 == change_limit);
  const V difference = hn::Sub(now, before);
  const V size = hn::Mul(hn::Abs(hn::Div(difference, before)), hn::Set(d, 100.0));
  const V none_or_zero = hn::Mul(size, hn::Zero(d));
  const V halves_up = hn::Add(hn::Mul(size, hn::Set(d, 1000.0)), hn::Set(d, 0.5));
  const V thousandths = hn::Min(hn::Floor(halves_up), hn::Set(d, limit));
  const V signed_thousandths = hn::CopySign(thousandths, difference);
#if HWY_NATIVE_FMA
  constexpr double high = 0.001;
  constexpr double low = -2.0816681711721686e-20;  // 1/1000 - high, to 53 bits
  const V rest = hn::MulAdd(signed_thousandths, hn::Set(d, low), none_or_zero);
  return hn::MulAdd(signed_thousandths, hn::Set(d, high), rest);
#else
  return hn::Add(hn::Div(signed_thousandths, hn::Set(d, 1000.0)), none_or_zero);
#endif
}

template <class D>
HWY_INLINE void change_at(D d, const ChangePass& pass, std::size_t i) {
  const auto now = hn::LoadU(d, pass.now + i);
  if (pass.stored != nullptr) hn::StoreU(now, d, pass.stored + i);
  for (std::size_t w = 0; w < pass.window_count; ++w)
    hn::StoreU(change(d, now, hn::LoadU(d, pass.before[w] + i)), d, pass.out[w] + i);
}

// The usual three windows, with pointers in registers and a promise about aliasing.
template <bool is_stored, bool is_streamed>
HWY_NOINLINE std::size_t change_three(const ChangePass& pass) {
  const hn::ScalableTag<double> d;
  const std::size_t lanes = hn::Lanes(d);
  const double* HWY_RESTRICT now = pass.now;
  const double* HWY_RESTRICT before_0 = pass.before[0];
  const double* HWY_RESTRICT before_1 = pass.before[1];
  const double* HWY_RESTRICT before_2 = pass.before[2];
  double* HWY_RESTRICT stored = pass.stored;
  double* HWY_RESTRICT out_0 = pass.out[0];
  double* HWY_RESTRICT out_1 = pass.out[1];
  double* HWY_RESTRICT out_2 = pass.out[2];
  std::size_t i = 0;
  for (; i + lanes <= pass.count; i += lanes) {
    const auto x = hn::LoadU(d, now + i);
    if constexpr (is_stored) hn::StoreU(x, d, stored + i);
    const auto c_0 = change(d, x, hn::LoadU(d, before_0 + i));
    const auto c_1 = change(d, x, hn::LoadU(d, before_1 + i));
    const auto c_2 = change(d, x, hn::LoadU(d, before_2 + i));
    if constexpr (is_streamed) {
      hn::Stream(c_0, d, out_0 + i);
      hn::Stream(c_1, d, out_1 + i);
      hn::Stream(c_2, d, out_2 + i);
    } else {
      hn::StoreU(c_0, d, out_0 + i);
      hn::StoreU(c_1, d, out_1 + i);
      hn::StoreU(c_2, d, out_2 + i);
    }
  }
  return i;
}

void change_pass(const ChangePass& pass) {
  const hn::ScalableTag<double> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  if (pass.window_count == 3) {
    i = pass.is_streamed         ? change_three<false, true>(pass)
        : pass.stored != nullptr ? change_three<true, false>(pass)
                                 : change_three<false, false>(pass);
  } else {
    for (; i + lanes <= pass.count; i += lanes) change_at(d, pass, i);
  }
  if (i == pass.count) return;
  // The remainder: once more with the last lanes there are, of half a vector if that covers them.
  const hn::Half<decltype(d)> half;
  const std::size_t half_lanes = hn::Lanes(half);
  if (pass.count >= half_lanes && pass.count - i <= half_lanes) {
    change_at(half, pass, pass.count - half_lanes);
  } else if (pass.count >= lanes) {
    change_at(d, pass, pass.count - lanes);
  } else {
    const hn::CappedTag<double, 1> one;
    for (; i < pass.count; ++i) change_at(one, pass, i);
  }
}

// One vector of a row. The usual three windows without a loop, so that their divisions overlap.
template <class D>
HWY_INLINE void row_at(D d, const double* HWY_RESTRICT now, double* HWY_RESTRICT stored,
                       std::size_t count, const double* const* before, std::size_t window_count,
                       double* HWY_RESTRICT out, std::size_t i) {
  const auto x = hn::LoadU(d, now + i);
  hn::StoreU(x, d, stored + i);
  if (HWY_LIKELY(window_count == 3)) {
    const auto b_0 = hn::LoadU(d, before[0] + i);
    const auto b_1 = hn::LoadU(d, before[1] + i);
    const auto b_2 = hn::LoadU(d, before[2] + i);
    hn::StoreU(change(d, x, b_0), d, out + i);
    hn::StoreU(change(d, x, b_1), d, out + count + i);
    hn::StoreU(change(d, x, b_2), d, out + 2 * count + i);
  } else {
    for (std::size_t w = 0; w < window_count; ++w)
      hn::StoreU(change(d, x, hn::LoadU(d, before[w] + i)), d, out + w * count + i);
  }
}

void change_row(const double* now, double* stored, std::size_t count, const double* const* before,
                std::size_t window_count, double* out) {
  const hn::ScalableTag<double> d;
  const hn::Half<decltype(d)> half;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t half_lanes = hn::Lanes(half);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    row_at(d, now, stored, count, before, window_count, out, i);
  if (i == count) return;
  if (count >= half_lanes && count - i <= half_lanes)
    return row_at(half, now, stored, count, before, window_count, out, count - half_lanes);
  if (count >= lanes)
    return row_at(d, now, stored, count, before, window_count, out, count - lanes);
  const hn::CappedTag<double, 1> one;
  for (; i < count; ++i) row_at(one, now, stored, count, before, window_count, out, i);
}

}  // namespace HWY_NAMESPACE
}  // namespace perp::rolling::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perp::rolling::detail {

PERP_ON_TARGETS(change_pass);
PERP_ON_TARGETS(change_row);

void change_pass(const ChangePass& pass) noexcept { PERP_BEST(change_pass)(pass); }
void change_row(const double* now, double* stored, std::size_t count, const double* const* before,
                std::size_t window_count, double* out) noexcept {
  PERP_BEST(change_row)(now, stored, count, before, window_count, out);
}

}  // namespace perp::rolling::detail
#endif
