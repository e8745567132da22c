#include "state/rsi_history.hpp"

#include <perp/core/time.hpp>

#include <algorithm>
#include <cmath>

namespace perp::state {
namespace {

constexpr std::int64_t minutes_per_hour = 60;

std::int64_t hour_of(std::int64_t minute) {
  return core::floor_to(minute, minutes_per_hour) / minutes_per_hour;
}

}  // namespace

bool RsiHistory::offer_minute(const rolling::RsiRule& rule, std::int64_t minute, double close) {
  const std::int64_t hour = hour_of(minute);
  const std::int64_t in_hour = minute - hour * minutes_per_hour;
  if (in_hour < minutes_per_hour - hour_tail_minutes) return false;
  return set_hour(rule, hour, close, static_cast<std::uint8_t>(in_hour));
}

bool RsiHistory::set_hour(const rolling::RsiRule& rule, std::int64_t hour, double close,
                          std::uint8_t source) {
  const auto index = [](std::int64_t at) {
    return static_cast<std::size_t>(at & (hour_count - 1));
  };
  if (newest_hour_ == no_hour || hour > newest_hour_) {
    if (newest_hour_ != no_hour) {
      const std::int64_t leaving_end = std::min(hour - hour_count, newest_hour_);
      for (std::int64_t leaving = newest_hour_ - hour_count + 1; leaving <= leaving_end; ++leaving)
        if (const double old = hour_close_[index(leaving)]; !std::isnan(old))
          rolling::push_close(rule, hours_, leaving, old);
      for (std::int64_t opened = std::max(newest_hour_ + 1, hour - hour_count + 1); opened < hour;
           ++opened) {
        hour_close_[index(opened)] = std::numeric_limits<double>::quiet_NaN();
        hour_source_[index(opened)] = 0;
      }
    }
    newest_hour_ = hour;
    if (hour < cached_hour_) cached_hour_ = no_hour;
    hour_close_[index(hour)] = close;
    hour_source_[index(hour)] = source;
    return true;
  }
  if (hour <= newest_hour_ - hour_count) {
    // Older than the window: still useful if it continues what has left it.
    cached_hour_ = no_hour;
    return rolling::push_close(rule, hours_, hour, close);
  }
  double& stored = hour_close_[index(hour)];
  if (source < hour_source_[index(hour)]) return false;
  hour_source_[index(hour)] = source;
  if (stored == close) return false;
  stored = close;
  if (hour < cached_hour_) cached_hour_ = no_hour;
  return true;
}

double RsiHistory::value_at(const rolling::RsiRule& rule, std::int64_t minute, double close) {
  const std::int64_t hour = hour_of(minute);
  if (newest_hour_ == no_hour) return std::numeric_limits<double>::quiet_NaN();
  if (cached_hour_ != hour) {
    cached_ = hours_;
    for (std::int64_t at = newest_hour_ - hour_count + 1; at <= std::min(hour - 1, newest_hour_);
         ++at)
      if (const double stored = hour_close_[static_cast<std::size_t>(at & (hour_count - 1))];
          !std::isnan(stored))
        rolling::push_close(rule, cached_, at, stored);
    cached_hour_ = hour;
  }
  return rolling::rsi_with(rule, cached_, hour, close);
}

}  // namespace perp::state
