// What every *_kernels.cpp needs per instruction set: a user's columns, which may end within a
// vector, and the rules for missing values. Included once per target.
#if defined(PERP_ROLLING_LANE_IO_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef PERP_ROLLING_LANE_IO_INL
#undef PERP_ROLLING_LANE_IO_INL
#else
#define PERP_ROLLING_LANE_IO_INL
#endif

#include <perp/rolling/aligned_doubles.hpp>

#include <cstddef>
#include <hwy/highway.h>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace perp::rolling::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<double>;
using V = hn::Vec<D>;
using M = hn::Mask<D>;

/// values[i ..], `behind` behind the end.
HWY_INLINE V load_user(D d, const double* values, std::size_t i, std::size_t count,
                       double behind = missing) {
  const std::size_t lanes = hn::Lanes(d);
  if (i + lanes <= count) return hn::LoadU(d, values + i);
  alignas(vector_bytes) double rest[vector_doubles];
  for (std::size_t k = 0; k < lanes; ++k) rest[k] = i + k < count ? values[i + k] : behind;
  return hn::Load(d, rest);
}

/// To out[i ..], nothing behind the end.
HWY_INLINE void store_user(D d, V v, double* out, std::size_t i, std::size_t count) {
  const std::size_t lanes = hn::Lanes(d);
  if (i + lanes <= count) {
    hn::StoreU(v, d, out + i);
    return;
  }
  alignas(vector_bytes) double rest[vector_doubles];
  hn::Store(v, d, rest);
  for (std::size_t k = 0; i + k < count; ++k) out[i + k] = rest[k];
}

HWY_INLINE M is_present(D d, V x) {
  return hn::Le(hn::Abs(x), hn::Set(d, std::numeric_limits<double>::max()));
}

HWY_INLINE V finite_or_missing(D d, V x) {
  return hn::IfThenElse(is_present(d, x), x, hn::Set(d, missing));
}

}  // namespace HWY_NAMESPACE
}  // namespace perp::rolling::detail
HWY_AFTER_NAMESPACE();

#endif
