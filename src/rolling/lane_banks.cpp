// The bookkeeping of the banks whose kernels are in lane_kernels.cpp, and of the quantile bank,
// which needs none.
#include "rolling/kernels.hpp"

#include <perp/core/error.hpp>
#include <perp/rolling/ema.hpp>
#include <perp/rolling/extrema_bank.hpp>
#include <perp/rolling/quantile_bank.hpp>
#include <perp/rolling/quantiles.hpp>
#include <perp/rolling/rsi_bank.hpp>

#include <algorithm>
#include <limits>

namespace perp::rolling {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double min_count_of(const Window& window) noexcept {
  return window.is_whole() ? static_cast<double>(window.rule().min_count) : infinity;
}

const EmaRule& checked(const EmaRule& rule) {
  if (!(rule.alpha > 0 && rule.alpha <= 1))
    throw core::Error("exponential average", "", "alpha must be above 0 and at most 1");
  return rule;
}

}  // namespace

// ---- ExtremaBank

ExtremaBank::ExtremaBank(const WindowRule& rule, std::size_t series_count)
    : series_count_(series_count),
      lane_count_(padded(series_count)),
      window_(rule, lane_count_),
      to_end_(rule.capacity * 2 * lane_count_, missing),
      newer_(3 * lane_count_, 0) {
  std::fill_n(newer_.data(), lane_count_, infinity);
  std::fill_n(newer_.data() + lane_count_, lane_count_, -infinity);
}

// The older stack is used up and rows are left: they become the older stack, from the newest on.
void ExtremaBank::fold_older() noexcept {
  double* const newer = newer_.data();
  std::fill_n(newer, lane_count_, infinity);
  std::fill_n(newer + lane_count_, lane_count_, -infinity);
  const double* behind = newer;
  const std::size_t capacity = window_.rule().capacity;
  std::size_t slot = window_.next_slot();
  for (std::size_t left = window_.size(); left != 0; --left) {
    slot = slot == 0 ? capacity - 1 : slot - 1;
    detail::extrema_fold(window_.row(slot), behind, least_to_end(slot), lane_count_);
    behind = least_to_end(slot);
  }
  newer_from_ = window_.next_position();
}

void ExtremaBank::advance(std::int64_t time) noexcept {
  if (!window_.accepts(time)) return;
  while (window_.has_left(time)) {
    detail::extrema_pass({.removed = window_.oldest(),
                          .counts = newer_.data() + 2 * lane_count_,
                          .lane_count = lane_count_});
    window_.drop_oldest(time);
    if (window_.oldest_position() > newer_from_) fold_older();
  }
  window_.advance(time);
}

bool ExtremaBank::push_at(std::int64_t time, std::span<const double> values) noexcept {
  if (!window_.accepts(time)) return false;
  double* const counts = newer_.data() + 2 * lane_count_;
  const double* leaving = nullptr;
  while (window_.must_drop(time)) {
    if (leaving != nullptr)
      detail::extrema_pass({.removed = leaving, .counts = counts, .lane_count = lane_count_});
    leaving = window_.oldest();
    window_.drop_oldest(time);
    if (window_.oldest_position() > newer_from_) fold_older();
  }
  detail::extrema_pass({.added = values.data(),
                        .series_count = series_count_,
                        .stored = window_.append(time),
                        .removed = leaving,
                        .newer = newer_.data(),
                        .counts = counts,
                        .lane_count = lane_count_});
  return true;
}

void ExtremaBank::read(bool is_max, std::span<double> out) const noexcept {
  const std::size_t offset = is_max ? lane_count_ : 0;
  const bool has_older = window_.oldest_position() < newer_from_;
  detail::extrema_read(has_older ? least_to_end(window_.oldest_slot()) + offset : nullptr,
                       newer_.data() + offset, newer_.data() + 2 * lane_count_, is_max,
                       min_count_of(window_), out.data(), std::min(out.size(), series_count_));
}

// ---- QuantileBank

QuantileBank::QuantileBank(const WindowRule& rule, std::size_t series_count)
    : series_count_(series_count),
      sorted_stride_(detail::sorted_doubles(rule.capacity)),
      window_(rule, padded(series_count)),
      sorted_(series_count * sorted_stride_, missing),
      sizes_(std::make_unique<std::size_t[]>(series_count)) {}

void QuantileBank::drop_oldest(std::int64_t time) noexcept {
  const double* const row = window_.oldest();
  for (std::size_t i = 0; i < series_count_; ++i)
    if (is_present(row[i]))
      detail::erase_sorted(sorted_.data() + i * sorted_stride_, sizes_[i]--, row[i] + 0.0);
  window_.drop_oldest(time);
}

void QuantileBank::advance(std::int64_t time) noexcept {
  if (!window_.accepts(time)) return;
  while (window_.has_left(time)) drop_oldest(time);
  window_.advance(time);
}

bool QuantileBank::push_at(std::int64_t time, std::span<const double> values) noexcept {
  if (!window_.accepts(time)) return false;
  // By count the row that leaves lies where the new one is stored.
  while (window_.has_left(time)) drop_oldest(time);
  const bool is_full = window_.must_drop(time);
  if (is_full) window_.drop_oldest(time);
  double* const row = window_.append(time);
  for (std::size_t i = 0; i < series_count_; ++i) {
    double* const sorted = sorted_.data() + i * sorted_stride_;
    const bool is_added = is_present(values[i]);
    const bool is_removed = is_full && is_present(row[i]);
    if (is_added && is_removed) {
      detail::replace_sorted(sorted, sizes_[i], row[i] + 0.0, values[i] + 0.0);
    } else if (is_added) {
      detail::insert_sorted(sorted, sizes_[i]++, values[i] + 0.0);
    } else if (is_removed) {
      detail::erase_sorted(sorted, sizes_[i]--, row[i] + 0.0);
    }
    row[i] = values[i];
  }
  return true;
}

void QuantileBank::at(double share, std::span<double> out) const noexcept {
  const double min_count = min_count_of(window_);
  for (std::size_t i = 0; i < std::min(out.size(), series_count_); ++i)
    out[i] = static_cast<double>(sizes_[i]) >= min_count
                 ? detail::quantile_sorted(sorted_.data() + i * sorted_stride_, sizes_[i], share)
                 : missing;
}

// ---- Ema, EmaBank

Ema::Ema(const EmaRule& rule)
    : alpha_(checked(rule).alpha), min_count_(static_cast<double>(rule.min_count)) {}

EmaBank::EmaBank(const EmaRule& rule, std::size_t series_count)
    : rule_(checked(rule)),
      series_count_(series_count),
      value_(series_count, 0),
      count_(series_count, 0) {}

void EmaBank::push(std::span<const double> values) noexcept {
  detail::ema_push(rule_.alpha, values.data(), std::min(values.size(), series_count_),
                   value_.data(), count_.data());
}

void EmaBank::value(std::span<double> out) const noexcept {
  detail::ema_value(static_cast<double>(rule_.min_count), value_.data(), count_.data(), out.data(),
                    std::min(out.size(), series_count_));
}

// ---- RsiBank

RsiBank::RsiBank(const RsiRule& rule, std::size_t series_count)
    : rule_(rule),
      series_count_(series_count),
      lane_count_(padded(series_count)),
      lanes_(static_cast<std::size_t>(detail::RsiRow::count) * lane_count_, 0),
      values_(series_count, missing) {
  if (rule.period < 2 || rule.period > 200)
    throw core::Error("relative strength index", "", "its period must be 2..200");
  const auto row = [&](detail::RsiRow which) {
    return lanes_.data() + static_cast<std::size_t>(which) * lane_count_;
  };
  std::fill_n(row(detail::RsiRow::hole), lane_count_, -1.0);
  std::fill_n(row(detail::RsiRow::average_loss), lane_count_, missing);
}

bool RsiBank::push(std::int64_t index, std::span<const double> closes) noexcept {
  if (last_index_ != RsiState::no_index && index <= last_index_) return false;
  const std::int64_t skipped = last_index_ == RsiState::no_index ? 0 : index - last_index_ - 1;
  detail::rsi_push(rule_, static_cast<double>(skipped), closes.data(),
                   std::min(closes.size(), series_count_), lanes_.data(), lane_count_,
                   values_.data());
  last_index_ = index;
  return true;
}

}  // namespace perp::rolling
