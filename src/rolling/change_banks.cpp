// The bookkeeping of the live forms of the change engine; their arithmetic is change_kernels.cpp.
#include "rolling/kernels.hpp"

#include <perp/core/error.hpp>
#include <perp/core/platform.hpp>
#include <perp/rolling/change_bank.hpp>
#include <perp/rolling/change_ring.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace perp::rolling {
namespace {

[[noreturn]] void refuse(const char* why) { throw core::Error("percent changes", "", why); }

std::vector<std::int64_t> checked(std::size_t parameter_count,
                                  std::span<const std::int64_t> windows) {
  if (parameter_count == 0) refuse("there are no parameters");
  if (windows.empty() || windows.size() > detail::change_windows_max)
    refuse("there must be 1 to 8 windows");
  if (*std::min_element(windows.begin(), windows.end()) < 1) refuse("a window is below a minute");
  return {windows.begin(), windows.end()};
}

/// Rows for now and as far back as the longest window looks.
std::size_t slots_for(const std::vector<std::int64_t>& windows) {
  return static_cast<std::size_t>(*std::max_element(windows.begin(), windows.end())) + 1;
}

std::size_t slot_of(std::int64_t minute, std::size_t slot_count) noexcept {
  const auto slots = static_cast<std::int64_t>(slot_count);
  return static_cast<std::size_t>((minute % slots + slots) % slots);
}

constexpr std::int64_t no_minute = std::numeric_limits<std::int64_t>::min();

}  // namespace

// ---- ChangeRing

ChangeRing::ChangeRing(std::size_t series_count, std::size_t parameter_count,
                       std::span<const std::int64_t> windows)
    : series_count_(series_count),
      parameter_count_(parameter_count),
      windows_(checked(parameter_count, windows)),
      slot_count_(slots_for(windows_)),
      row_doubles_((parameter_count + 1 + 3) / 4 * 4),
      rows_(series_count * slot_count_ * row_doubles_, missing),
      no_row_(row_doubles_, missing) {
  place(0);
}

void ChangeRing::place(std::int64_t minute) noexcept {
  const auto at = [&](std::int64_t when) {
    return Place{slot_of(when, slot_count_) * row_doubles_, static_cast<double>(when)};
  };
  place_ = at(minute);
  for (std::size_t w = 0; w < windows_.size(); ++w) earlier_places_[w] = at(minute - windows_[w]);
  placed_minute_ = minute;
}

bool ChangeRing::update(std::size_t series, std::int64_t minute, std::span<const double> values,
                        std::span<double> changes) noexcept {
  PERP_ASSERT(series < series_count_ && values.size() == parameter_count_);
  PERP_ASSERT(changes.size() >= change_count());
  if (minute != placed_minute_) place(minute);
  double* const block = rows_.data() + series * slot_count_ * row_doubles_;
  double* const now = block + place_.offset;
  double* const stamp = now + parameter_count_;
  if (*stamp > place_.stamp) return false;
  *stamp = place_.stamp;
  const double* before[detail::change_windows_max];
  const std::size_t window_count = windows_.size();
  for (std::size_t w = 0; w < window_count; ++w) {
    const double* const earlier = block + earlier_places_[w].offset;
    const bool is_that_minute = earlier[parameter_count_] == earlier_places_[w].stamp;
    before[w] = is_that_minute ? earlier : no_row_.data();
  }
  detail::change_row(values.data(), now, parameter_count_, before, window_count, changes.data());
  return true;
}

// ---- ChangeBank

ChangeBank::ChangeBank(std::size_t series_count, std::size_t parameter_count,
                       std::span<const std::int64_t> windows)
    : series_count_(series_count),
      parameter_count_(parameter_count),
      windows_(checked(parameter_count, windows)),
      slot_count_(slots_for(windows_)),
      lane_count_(padded(series_count)),
      last_minute_(no_minute),
      slot_minutes_(slot_count_, no_minute),
      columns_(slot_count_ * parameter_count * lane_count_, missing),
      changes_(parameter_count * windows_.size() * lane_count_, missing),
      no_column_(lane_count_, missing) {}

bool ChangeBank::push(std::int64_t minute,
                      std::span<const std::span<const double>> columns) noexcept {
  PERP_ASSERT(columns.size() == parameter_count_);
  if (minute < last_minute_) return false;
  last_minute_ = minute;
  const std::size_t slot = slot_of(minute, slot_count_);
  slot_minutes_[slot] = minute;
  for (std::size_t p = 0; p < parameter_count_; ++p) {
    detail::ChangePass pass{.now = columns[p].data(),
                            .stored = column(slot, p),
                            .count = series_count_,
                            .window_count = windows_.size()};
    for (std::size_t w = 0; w < windows_.size(); ++w) {
      const std::size_t earlier = slot_of(minute - windows_[w], slot_count_);
      pass.before[w] =
          slot_minutes_[earlier] == minute - windows_[w] ? column(earlier, p) : no_column_.data();
      pass.out[w] = changes_.data() + (p * windows_.size() + w) * lane_count_;
    }
    detail::change_pass(pass);
  }
  return true;
}

}  // namespace perp::rolling
