#pragma once
// The newest ids of a stream whose ids are in no order, to tell what it sends twice. Two
// generations of a fixed hash set: no deletion, no allocation after the first id, O(1). One feed
// thread. An id that both generations have forgotten is still told from a new one by its time.
#include <perp/core/time.hpp>
#include <perp/market/continuity.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace perp::venue {

class RecentIds {
 public:
  /// Ids kept for certain; up to twice as many are.
  static constexpr std::size_t capacity = 1024;

  /// Whether this id was inserted, or is so old that it would have been forgotten had it been. 0 is
  /// no id.
  bool contains(std::uint64_t id, std::int64_t time_ns) const {
    if (id == 0) return false;
    if (finds(young_, id) || finds(old_, id)) return true;
    return time_ns != core::unknown_ns && time_ns < forgotten_ns_ &&
           repeats_ < market::repeat_limit;
  }
  void insert(std::uint64_t id, std::int64_t time_ns) {
    if (id == 0) return;
    repeats_ = 0;
    if (young_.empty()) {
      young_.resize(slot_count);
      old_.resize(slot_count);
    }
    if (young_count_ == capacity) {
      std::swap(young_, old_);
      std::fill(young_.begin(), young_.end(), 0);
      young_count_ = 0;
      forgotten_ns_ = std::exchange(old_newest_ns_, young_newest_ns_);
      young_newest_ns_ = core::unknown_ns;
    }
    std::size_t at = slot(id);
    while (young_[at] != 0) at = (at + 1) % slot_count;
    young_[at] = id;
    ++young_count_;
    young_newest_ns_ = std::max(young_newest_ns_, time_ns);
  }
  /// A repeat was dropped. Times that stay behind for long are not repeats: the clock they are
  /// judged by is wrong.
  void count_repeat() { ++repeats_; }

 private:
  static constexpr std::size_t slot_count = capacity * 2;
  static std::size_t slot(std::uint64_t id) {
    return (id * 0x9e37'79b9'7f4a'7c15ULL >> 32) % slot_count;
  }
  static bool finds(const std::vector<std::uint64_t>& set, std::uint64_t id) {
    if (set.empty()) return false;
    for (std::size_t at = slot(id); set[at] != 0; at = (at + 1) % slot_count)
      if (set[at] == id) return true;
    return false;
  }

  std::vector<std::uint64_t> young_;
  std::vector<std::uint64_t> old_;
  std::size_t young_count_ = 0;
  std::uint32_t repeats_ = 0;
  std::int64_t young_newest_ns_ = core::unknown_ns;
  std::int64_t old_newest_ns_ = core::unknown_ns;
  std::int64_t forgotten_ns_ = core::unknown_ns;  ///< newest time among the ids forgotten
};

}  // namespace perp::venue
