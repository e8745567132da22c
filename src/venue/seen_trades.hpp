#pragma once
// Which trades were already taken: an overlapping connection and a REST fill deliver trades again.
// Two windows, both exact and both bounded: IdWindow for ids that count up (OKX), RecentKeys for
// ids without order (Bybit's UUIDs). Owned by one adapter's state, one feed thread; no allocation
// after construction, O(1).
#include <perp/market/record.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace perp::venue {

/// The newest 4096 ids of one stream of rising ids. Ids behind the window are taken as new: history
/// is older than it.
class IdWindow {
 public:
  static constexpr std::int64_t size = 4096;

  bool contains(std::int64_t id) const noexcept {
    return id >= 0 && id <= newest_ && newest_ - id < size && (word(id) >> bit(id) & 1) != 0;
  }
  void insert(std::int64_t id) noexcept {
    if (id < 0) return;
    if (id > newest_) {
      if (newest_ < 0 || id - newest_ >= size) {
        words_ = {};
      } else {
        for (std::int64_t at = newest_; at != id;) {  // `id` may be the greatest there is
          ++at;
          word(at) &= ~(std::uint64_t{1} << bit(at));
        }
      }
      newest_ = id;
    }
    if (newest_ - id < size) word(id) |= std::uint64_t{1} << bit(id);
  }

 private:
  static constexpr unsigned bit(std::int64_t id) { return static_cast<unsigned>(id & 63); }
  static constexpr std::size_t index(std::int64_t id) {
    return static_cast<std::size_t>(id / 64 % (size / 64));
  }
  std::uint64_t& word(std::int64_t id) { return words_[index(id)]; }
  std::uint64_t word(std::int64_t id) const { return words_[index(id)]; }

  std::int64_t newest_ = -1;
  std::array<std::uint64_t, size / 64> words_{};
};

/// The last 2048 keys of one instrument. A ring gives their age, an open-addressed table finds
/// them.
class RecentKeys {
 public:
  static constexpr std::size_t size = 2048;

  bool contains(std::uint64_t key) const noexcept { return table_[find(key)] != 0; }
  void insert(std::uint64_t key) noexcept {
    if (contains(key)) return;
    if (count_ == size) {
      erase(ring_[head_]);
    } else {
      ++count_;
    }
    ring_[head_] = key;
    table_[find(key)] = static_cast<std::uint16_t>(head_ + 1);
    head_ = (head_ + 1) % size;
  }

 private:
  static constexpr std::size_t table_size = 2 * size;
  static constexpr std::size_t home(std::uint64_t key) {
    return static_cast<std::size_t>(key * 0x9e3779b97f4a7c15U >>
                                    (64 - std::bit_width(table_size - 1)));
  }
  static constexpr std::size_t next(std::size_t slot) { return (slot + 1) % table_size; }

  /// The slot that holds `key`, else the empty slot where it would go. The table is never more than
  /// half full.
  std::size_t find(std::uint64_t key) const noexcept {
    std::size_t slot = home(key);
    while (table_[slot] != 0 && ring_[table_[slot] - 1] != key) slot = next(slot);
    return slot;
  }
  /// Closes the hole by moving back what only stood behind it for want of room.
  void erase(std::uint64_t key) noexcept {
    std::size_t hole = find(key);
    for (std::size_t slot = next(hole); table_[slot] != 0; slot = next(slot)) {
      const std::size_t wanted = home(ring_[table_[slot] - 1]);
      const std::size_t from_wanted = (slot - wanted + table_size) % table_size;
      const std::size_t from_hole = (slot - hole + table_size) % table_size;
      if (from_wanted < from_hole) continue;
      table_[hole] = table_[slot];
      hole = slot;
    }
    table_[hole] = 0;
  }

  std::size_t head_ = 0;
  std::size_t count_ = 0;
  std::array<std::uint64_t, size> ring_{};
  std::array<std::uint16_t, table_size> table_{};  ///< ring index + 1, 0 = empty
};

}  // namespace perp::venue
