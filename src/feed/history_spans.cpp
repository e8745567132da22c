// What of a series is missing.
#include <perp/feed/history_feed.hpp>

#include <algorithm>

namespace perp::feed {

std::vector<TimeSpan> missing_spans(std::span<const std::int64_t> times, std::int64_t step_ms,
                                    TimeSpan span) {
  std::vector<TimeSpan> missing;
  const std::int64_t begin = (span.start_ms + step_ms - 1) / step_ms * step_ms;
  const std::int64_t end = span.end_ms / step_ms * step_ms;
  std::int64_t at = begin;
  const auto add = [&](std::int64_t until) {
    if (at < until) missing.push_back({at, until});
  };
  for (auto time = std::lower_bound(times.begin(), times.end(), begin);
       time != times.end() && *time < end; ++time) {
    const std::int64_t step = *time / step_ms * step_ms;
    add(step);
    at = std::max(at, step + step_ms);
  }
  add(end);
  return missing;
}

}  // namespace perp::feed
