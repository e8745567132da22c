#pragma once
// What a feed's histograms come to, for its status. Cold: O(buckets).
#include <perp/feed/live_feed.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/market/record_kind.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace perp::feed {

inline LatencyStatus latency_status(market::RecordType type, LatencySpan span,
                                    const core::Histogram& of) {
  return {.type = type,
          .span = span,
          .count = of.count(),
          .negative = of.negative_count(),
          .p50_ns = of.percentile(50),
          .p99_ns = of.percentile(99),
          .max_ns = of.max()};
}

/// By record type, then span; those that came.
inline std::vector<LatencyStatus> latencies_of(const RingWriter& writer) {
  std::vector<LatencyStatus> latencies;
  for (const market::RecordKind& kind : market::record_kinds)
    for (std::size_t i = 0; i < latency_span_count; ++i) {
      const auto span = static_cast<LatencySpan>(i);
      const core::Histogram* const found = writer.latency_ns(kind.type, span);
      if (found != nullptr && found->count() > 0)
        latencies.push_back(latency_status(kind.type, span, *found));
    }
  return latencies;
}

/// The same of one window of time after another, without a cost per message: what is counted since
/// the start, less what it was when the window began. @thread owner of the writer
class LatencyWindow {
 public:
  static constexpr std::array spans{LatencySpan::match_to_receive,
                                    LatencySpan::receive_to_published};

  /// Ends a window and begins the next one. @returns by record type, then span; those that came
  std::vector<LatencyStatus> next(const RingWriter& writer) {
    std::vector<LatencyStatus> latencies;
    for (const market::RecordKind& kind : market::record_kinds)
      for (const LatencySpan span : spans) {
        const core::Histogram* const found = writer.latency_ns(kind.type, span);
        if (found == nullptr || found->count() == 0) continue;
        core::Histogram& before = before_[{kind.type, span}];
        if (found->count() > before.count())
          latencies.push_back(latency_status(kind.type, span, found->since(before)));
        before = *found;
      }
    return latencies;
  }

 private:
  std::map<std::pair<market::RecordType, LatencySpan>, core::Histogram> before_;
};

}  // namespace perp::feed
