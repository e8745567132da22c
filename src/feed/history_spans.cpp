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

std::vector<TradeSpan> missing_trades(std::span<const TradeRun> runs, TimeSpan span) {
  std::vector<TradeSpan> missing;
  const TradeRun* before = nullptr;
  // Between `before` and `behind`, either of which may be none. An id from outside the span is no
  // place to go on from: there may be days between.
  const auto add = [&](const TradeRun* behind) {
    if (before != nullptr && behind != nullptr && behind->first_id <= before->last_id + 1) return;
    TradeSpan found{.span = span};
    if (before != nullptr && before->last_ms >= span.start_ms) {
      found.span.start_ms = before->last_ms;
      found.after_id = before->last_id;
    }
    if (behind != nullptr && behind->first_ms < span.end_ms) {
      found.span.end_ms = behind->first_ms + 1;
      found.before_id = behind->first_id;
    }
    if (found.span.start_ms < found.span.end_ms) missing.push_back(found);
  };
  for (const TradeRun& run : runs) {
    if (before != nullptr && before->last_ms >= span.end_ms) break;
    const bool covers_start = run.first_ms < span.start_ms;
    if (run.last_ms >= span.start_ms && !(before == nullptr && covers_start)) add(&run);
    before = &run;
  }
  if (before == nullptr || before->last_ms < span.end_ms) add(nullptr);
  return missing;
}

}  // namespace perp::feed
