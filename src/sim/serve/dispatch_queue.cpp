#include "sim/serve/dispatch_queue.hpp"

#include <algorithm>

namespace perp::sim {

void DispatchQueue::commit(std::size_t stream, std::size_t, std::size_t market,
                           std::int64_t sent_ms, std::string_view) {
  Bucket& bucket = bucket_of(std::clamp(sent_ms, next_ms_, next_ms_ + reach_ms - 1));
  Entry entry;
  entry.begin = bucket.payloads.size();
  entry.size = static_cast<std::uint32_t>(text_.size());
  entry.stream = static_cast<std::uint32_t>(stream);
  entry.market = static_cast<std::uint32_t>(market);
  entry.fact_begin = static_cast<std::uint32_t>(bucket.facts.size());
  entry.fact_count = static_cast<std::uint32_t>(facts_.size());
  bucket.payloads.raw(text_.view());
  bucket.facts.insert(bucket.facts.end(), facts_.begin(), facts_.end());
  bucket.entries.push_back(entry);
  text_.clear();
  facts_.clear();
  ++made_;
}

std::int64_t DispatchQueue::first_busy(std::int64_t until_ms) const {
  std::int64_t ms = next_ms_;
  while (ms < until_ms && bucket_of(ms).entries.empty()) ++ms;
  return ms;
}

}  // namespace perp::sim
