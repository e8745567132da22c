#pragma once
// Quantiles of a window, for `Rolling`: the present samples in ascending order in one array. A push
// finds the place of the leaving sample and of the coming one and moves what lies between, which
// for windows up to some thousands is faster than any tree. Any quantile is then a look-up. Cost of
// a push: two binary searches and a move of a third of the window on average. Exact samples;
// between two of them interpolated linearly with the operations of PostgreSQL's percentile_cont,
// bit for bit. Negative zero counts as zero.
#include <perp/rolling/sums.hpp>
#include <perp/rolling/window.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace perp::rolling {
namespace detail {

/// What an ascending array of up to `capacity` values needs: behind the values there is NaN, so
/// that the last search block can be compared without asking where the values end.
inline constexpr std::size_t search_block = 16;
constexpr std::size_t sorted_doubles(std::size_t capacity) noexcept {
  return padded(capacity + search_block);
}

/// How many of the ascending values are below `x`. No branch depends on the data: comparisons are
/// counted, of every 16th value first and then of the block that it leads to.
inline std::size_t count_below(const double* sorted, std::size_t size, double x) noexcept {
  const double* first = sorted;
  while (size > 32 * search_block) {
    const std::size_t half = size / 2;
    first += half & (std::size_t{0} - static_cast<std::size_t>(first[half - 1] < x));
    size -= half;
  }
  std::size_t blocks = 0;
  for (std::size_t last = search_block - 1; last < size; last += search_block)
    blocks += static_cast<std::size_t>(first[last] < x);
  first += blocks * search_block;
  std::size_t below = 0;
  for (std::size_t i = 0; i < search_block; ++i) below += static_cast<std::size_t>(first[i] < x);
  return static_cast<std::size_t>(first - sorted) + below;
}

inline void insert_sorted(double* sorted, std::size_t size, double x) noexcept {
  const std::size_t at = count_below(sorted, size, x);
  std::memmove(sorted + at + 1, sorted + at, (size - at) * sizeof(double));
  sorted[at] = x;
}

inline void erase_sorted(double* sorted, std::size_t size, double x) noexcept {
  const std::size_t at = count_below(sorted, size, x);
  std::memmove(sorted + at, sorted + at + 1, (size - at - 1) * sizeof(double));
  sorted[size - 1] = missing;
}

/// Puts `added` in the place of `removed`, which is there.
inline void replace_sorted(double* sorted, std::size_t size, double removed,
                           double added) noexcept {
  const std::size_t from = count_below(sorted, size, removed);
  const std::size_t to = count_below(sorted, size, added);
  if (to > from) {
    std::memmove(sorted + from, sorted + from + 1, (to - 1 - from) * sizeof(double));
    sorted[to - 1] = added;
  } else {
    std::memmove(sorted + to + 1, sorted + to, (from - to) * sizeof(double));
    sorted[to] = added;
  }
}

/// percentile_cont. NaN for a share outside 0..1 or no values.
inline double quantile_sorted(const double* sorted, std::size_t size, double share) noexcept {
  if (size == 0 || !(share >= 0 && share <= 1)) return missing;
  const double place = share * static_cast<double>(size - 1);
  const auto below = static_cast<std::size_t>(place);
  const double part = place - static_cast<double>(below);
  if (part == 0) return sorted[below];
  return finite_or_missing(sorted[below] + part * (sorted[below + 1] - sorted[below]));
}

}  // namespace detail

/// Inputs: x.
class Quantiles {
 public:
  static constexpr std::size_t input_count = 1;
  static constexpr bool is_resummed = false;

  Quantiles() = default;
  explicit Quantiles(const WindowRule& rule)
      : sorted_(detail::sorted_doubles(rule.capacity), missing) {}

  void add(std::uint64_t, const double* row) noexcept {
    if (is_present(row[0])) detail::insert_sorted(sorted_.data(), size_++, row[0] + 0.0);
  }
  void remove(std::uint64_t, const double* row) noexcept {
    if (is_present(row[0])) detail::erase_sorted(sorted_.data(), size_--, row[0] + 0.0);
  }
  void replace(const double* removed, const double* added) noexcept {
    if (is_present(removed[0]) && is_present(added[0])) {
      detail::replace_sorted(sorted_.data(), size_, removed[0] + 0.0, added[0] + 0.0);
    } else {
      remove(0, removed);
      add(0, added);
    }
  }

  double count() const noexcept { return static_cast<double>(size_); }
  /// @param share 0 is the least, 0.5 the median, 1 the greatest.
  double at(double share) const noexcept {
    return detail::quantile_sorted(sorted_.data(), size_, share);
  }
  double median() const noexcept { return at(0.5); }

 private:
  AlignedDoubles sorted_;
  std::size_t size_ = 0;
};

}  // namespace perp::rolling
