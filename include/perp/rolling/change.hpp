#pragma once
// Percent change between two samples of one series, and the rounding that perp stores. Pure
// functions for the engine (live minutes), the recomputation inside the database (the same
// expressions in SQL) and tests. Any thread; no state, no allocation, a few nanoseconds. They never
// return infinity or negative zero; "cannot be computed" is NaN. Exactness: each operation is one
// correctly rounded IEEE operation in the order written, without FMA contraction
// (-ffp-contract=off), so that C++ and PostgreSQL's float8 give the same bits.
#include <cmath>
#include <limits>

namespace perp::rolling {

/// A stored change of this size means "at least".
inline constexpr double change_limit = 9999.999;

/// floor(|v| x scale + 0.5) / scale with v's sign: halves go away from zero. PostgreSQL's own
/// round(float8) sends them to even. @param scale a power of ten.
inline double round_half_away(double v, double scale) {
  return std::copysign(std::floor(std::fabs(v) * scale + 0.5) / scale, v);
}

/// Negative zero becomes zero; NaN stays.
inline double without_negative_zero(double v) { return v == 0 ? 0.0 : v; }

/// round3(((now - before) / |before|) * 100) clamped to +-change_limit. NaN if either is missing,
/// before is 0, or the quotient is not finite. Dividing by |before| keeps the sign meaningful for
/// negative series (funding).
inline double change_percent(double now, double before) {
  const double percent = ((now - before) / std::fabs(before)) * 100;
  if (before == 0 || !std::isfinite(percent)) return std::numeric_limits<double>::quiet_NaN();
  const double rounded = round_half_away(percent, 1000);
  return without_negative_zero(std::fmin(std::fmax(rounded, -change_limit), change_limit));
}

/// Change of a category (a liquidated side) whose earlier row exists: the new category if it is
/// known and differs from the earlier one, where an unknown earlier one counts as different; else
/// NaN.
inline double change_category(double now, double before) {
  return !std::isnan(now) && now != before ? now : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace perp::rolling
