#pragma once
// Records that wait for room in a ring, where only the newest of an instrument and kind counts:
// best bid and offer, mark price, ticker, tick (market/record_kind.hpp). A later one takes the
// place of an earlier one, which is counted, and goes to the end: what waits is in the order of its
// last change. One per ring, on its producer's thread. O(1) per record; memory is taken once for
// each instrument and kind that ever waited.
#include <perp/market/record.hpp>
#include <perp/market/record_kind.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace perp::feed {

class Conflation {
 public:
  /// Whether a record may wait here: of a kind whose newest wins, and of now rather than history.
  static bool takes(const market::RecordHeader& record) noexcept;

  /// Keeps a copy. A field that this one does not say (tickers and mark prices come in parts from
  /// some venues) keeps what the one that it replaces said. @param record one that takes() admits
  void put(const market::RecordHeader& record);
  bool empty() const noexcept { return first_ == none; }
  /// The one that waits for the longest time since its last change; nullptr: none.
  const market::RecordHeader* front() const noexcept;
  void pop_front() noexcept;

  /// Records that a newer one replaced.
  std::uint64_t replaced(market::RecordType type) const noexcept {
    return replaced_[static_cast<std::size_t>(type)];
  }
  std::uint64_t replaced() const noexcept { return replaced_all_; }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  static constexpr std::size_t kind_count = 4;
  struct Slot {
    alignas(8) std::array<std::byte, sizeof(market::RecordHeader) + sizeof(market::Ticker)> bytes;
    std::uint32_t previous = none;
    std::uint32_t next = none;
    bool is_waiting = false;
  };

  static std::size_t kind_of(market::RecordType type) noexcept;
  static market::RecordHeader& record_of(Slot& slot) noexcept {
    return *reinterpret_cast<market::RecordHeader*>(slot.bytes.data());
  }
  void unlink(std::uint32_t slot) noexcept;
  void append(std::uint32_t slot) noexcept;

  std::vector<std::array<std::uint32_t, kind_count>> by_instrument_;  ///< its slots, by its index
  std::vector<Slot> slots_;
  std::uint32_t first_ = none;
  std::uint32_t last_ = none;
  std::array<std::uint64_t, market::record_type_limit> replaced_{};
  std::uint64_t replaced_all_ = 0;
};

}  // namespace perp::feed
