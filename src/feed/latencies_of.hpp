#pragma once
// What a feed's histograms come to, for its status. Cold: O(buckets).
#include <perp/feed/live_feed.hpp>
#include <perp/feed/ring_writer.hpp>
#include <perp/market/record_kind.hpp>

#include <vector>

namespace perp::feed {

/// By record type, then span; those that came.
inline std::vector<LatencyStatus> latencies_of(const RingWriter& writer) {
  std::vector<LatencyStatus> latencies;
  for (const market::RecordKind& kind : market::record_kinds)
    for (std::size_t i = 0; i < latency_span_count; ++i) {
      const auto span = static_cast<LatencySpan>(i);
      const core::Histogram* const found = writer.latency_ns(kind.type, span);
      if (found == nullptr || found->count() == 0) continue;
      latencies.push_back({.type = kind.type,
                           .span = span,
                           .count = found->count(),
                           .negative = found->negative_count(),
                           .p50_ns = found->percentile(50),
                           .p99_ns = found->percentile(99),
                           .max_ns = found->max()});
    }
  return latencies;
}

}  // namespace perp::feed
