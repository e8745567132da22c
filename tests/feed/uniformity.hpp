#pragma once
// The Kolmogorov-Smirnov test against the uniform distribution, for the tests of jitter.
#include <algorithm>
#include <cmath>
#include <vector>

namespace perp::feed {

/// Probability that so many uniform draws over [0, 1] deviate at least as far as `values` do.
/// Asymptotic series with Stephens' correction for small counts (Numerical Recipes, 14.3).
inline double uniform_p_value(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double distance = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto rank = static_cast<double>(i);
    distance = std::max({distance, values[i] - rank / n, (rank + 1) / n - values[i]});
  }
  const double root = std::sqrt(n);
  const double lambda = (root + 0.12 + 0.11 / root) * distance;
  if (lambda < 0.2) return 1;  // where the series does not converge, the probability is 1 to 1e-12
  double sum = 0;
  for (int k = 1; k <= 100; ++k)
    sum += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * lambda * lambda);
  return std::clamp(sum, 0.0, 1.0);
}

}  // namespace perp::feed
