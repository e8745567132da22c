#pragma once
// Quantiles over a window for many series that tick together. Each series has its own ascending
// array (quantiles.hpp); what is shared is the window. The bits of `Rolling<Quantiles>`. One
// thread, no allocation after construction; the cost per series is that of the single form.
#include <perp/rolling/window.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace perp::rolling {

class QuantileBank {
 public:
  /// @throws core::Error (window.hpp).
  QuantileBank(const WindowRule& rule, std::size_t series_count);

  std::size_t series_count() const noexcept { return series_count_; }
  /// One sample per series, NaN where there is none.
  void push(std::span<const double> values) noexcept { push_at(window_.next_time(), values); }
  /// @returns false, changing nothing, when `time` is before the last.
  bool push_at(std::int64_t time, std::span<const double> values) noexcept;
  void advance(std::int64_t time) noexcept;
  /// One answer per series; NaN below min_count or for a share outside 0..1.
  void at(double share, std::span<double> out) const noexcept;
  void median(std::span<double> out) const noexcept { at(0.5, out); }

 private:
  void drop_oldest(std::int64_t time) noexcept;

  std::size_t series_count_;
  std::size_t sorted_stride_;
  Window window_;
  AlignedDoubles sorted_;
  std::unique_ptr<std::size_t[]> sizes_;
};

}  // namespace perp::rolling
