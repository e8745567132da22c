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
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace perp::rolling::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// k / 1000, correctly rounded, for whole 0 <= k <= 9 999 999. With a fused multiplication the
// product with 1/1000 in two parts is within 2^-100 of the quotient, and no quotient of so short
// numbers lies that near a rounding boundary without being on a double.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V thousandth(D d, V k) {
#if HWY_NATIVE_FMA
  constexpr double high = 0.001;
  constexpr double low = -2.0816681711721686e-20;  // 1/1000 - high, to 53 bits
  return hn::MulAdd(k, hn::Set(d, high), hn::Mul(k, hn::Set(d, low)));
#else
  return hn::Div(k, hn::Set(d, 1000.0));
#endif
}

// change_percent. A quotient that is not finite covers all that has none: a missing value, nothing
// before, an overflow. The limit is applied to thousandths, where it is whole and as exact; adding
// zero turns negative zero into zero.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V change(D d, V now, V before) {
  const V percent = hn::Mul(hn::Div(hn::Sub(now, before), hn::Abs(before)), hn::Set(d, 100.0));
  const V size = hn::Abs(percent);
  const V thousandths = hn::Floor(hn::Add(hn::Mul(size, hn::Set(d, 1000.0)), hn::Set(d, 0.5)));
  constexpr double limit = 9'999'999;
  static_assert(limit / 1000 == change_limit);
  const V limited = hn::Min(thousandths, hn::Set(d, limit));
  const V rounded = hn::Add(hn::CopySign(thousandth(d, limited), percent), hn::Zero(d));
  const auto is_finite = hn::Le(size, hn::Set(d, std::numeric_limits<double>::max()));
  return hn::IfThenElse(is_finite, rounded, hn::Set(d, missing));
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

}  // namespace HWY_NAMESPACE
}  // namespace perp::rolling::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perp::rolling::detail {

HWY_EXPORT(change_pass);

void change_pass(const ChangePass& pass) noexcept { HWY_DYNAMIC_DISPATCH(change_pass)(pass); }

}  // namespace perp::rolling::detail
#endif
