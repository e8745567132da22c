#pragma once
// THE counter table, and the cells behind it. Every number perp counts is a row here; /metrics and
// reports read it. A worker owns one CounterBlock (its cells have no other writer), adds to it with
// a plain load and store (no locked instruction), and nobody waits for anybody.
// Readers sum the blocks; a value read may be some microseconds old, and two counters of one block
// need not be of the same moment. Counters only grow. Blocks are made and read on the cold path (a
// mutex); add() never allocates, locks or fails.
#include <perp/core/platform.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::core {

struct CounterRow {
  std::string_view name;
  std::string_view unit;
  std::string_view help;
};

inline constexpr auto counter_table = std::to_array<CounterRow>({
    {"messages_decoded", "messages",
     "WebSocket messages and REST bodies decoded, refused ones not included."},
    {"decode_errors", "messages", "Messages refused by a decoder."},
    {"records_published", "records", "Records committed to a ring."},
    {"records_conflated", "records",
     "Records replaced by a newer one of their instrument while a ring was full."},
    {"ring_full_waits", "waits", "Times a producer had to wait for room in a ring."},
    {"journal_blocks", "blocks", "Journal blocks written."},
    {"journal_bytes", "bytes", "Journal bytes written."},
    {"journal_syncs", "syncs", "Times the journal was made durable."},
    {"journal_waits", "waits", "Times the engine had to wait for the journal."},
    {"journal_torn_bytes", "bytes", "Bytes cut from a torn journal tail at start."},
    {"minutes_closed", "minutes", "Minute records written."},
    {"minutes_half_seen", "minutes",
     "Minutes not written because their stream was not live for all of them."},
    {"minutes_revised", "minutes", "Minute records that replaced an earlier one."},
    {"instruments_provisional", "instruments",
     "Instruments taken from a stream for want of a list."},
    {"duplicates_dropped", "records", "Repeats dropped: replayed trades, books of the same id."},
    {"sequence_gaps", "gaps", "Holes found in a sequence of ids."},
    {"checksum_mismatches", "messages", "Books whose checksum did not match."},
    {"rows_loaded", "rows", "Rows committed to the database."},
    {"batches_merged", "batches", "Batches that went through a stage table."},
    {"batches_retried", "batches", "Batches rolled back and done again."},
    {"log_lines_dropped", "lines", "Log lines that could not be written."},
});

enum class CounterId : std::uint16_t {};

/// By name, at compile time: an unknown name does not compile.
consteval CounterId counter(std::string_view name) {
  for (std::size_t i = 0; i < counter_table.size(); ++i)
    if (counter_table[i].name == name) return static_cast<CounterId>(i);
  throw "unknown counter";
}
constexpr const CounterRow& counter_row(CounterId id) {
  return counter_table[static_cast<std::size_t>(id)];
}

/// (key, value) pairs, sorted by key: {{"venue", "okx"}, {"worker", "feed"}}.
using Labels = std::vector<std::pair<std::string, std::string>>;

/// One worker's cells. Written by one thread at a time.
class alignas(cache_line_pair) CounterBlock {
 public:
  CounterBlock() = default;
  CounterBlock(const CounterBlock&) = delete;
  CounterBlock& operator=(const CounterBlock&) = delete;

  /// @thread owner
  void add(CounterId id, std::uint64_t count = 1) noexcept {
    std::atomic<std::uint64_t>& cell = cells_[static_cast<std::size_t>(id)];
    // Relaxed load: reads back the owner's own store. Relaxed store: a number alone, nothing is
    // read behind it.
    cell.store(cell.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  /// Takes over a total kept elsewhere (VenueState's, a writer's stats). It must not go back.
  /// @thread owner
  void set(CounterId id, std::uint64_t total) noexcept {
    cells_[static_cast<std::size_t>(id)].store(total,
                                               std::memory_order_relaxed);  // relaxed: as in add()
  }
  /// @thread any; some recent value
  std::uint64_t read(CounterId id) const noexcept {
    return cells_[static_cast<std::size_t>(id)].load(
        std::memory_order_relaxed);  // relaxed: proves nothing else
  }

 private:
  // Written by the owner only; read by any. Counts since the block was made; atomic so that a
  // reader never sees half a number. No order with anything: each cell stands alone.
  std::array<std::atomic<std::uint64_t>, counter_table.size()> cells_{};
};

struct CounterSample {
  std::string_view name;
  Labels labels;
  std::uint64_t value = 0;
};

/// All blocks of a process or a pipeline. Blocks live as long as the registry; @thread any.
class CounterRegistry {
 public:
  /// A new block. Blocks with equal labels are summed in snapshot().
  CounterBlock& add_block(Labels labels);
  /// One sample per row and distinct labels, rows in table order, labels in order of their first
  /// block. O(rows * blocks).
  std::vector<CounterSample> snapshot() const;
  /// Sum over all blocks.
  std::uint64_t total(CounterId id) const;

 private:
  struct Entry {
    Labels labels;
    CounterBlock block;
  };
  mutable std::mutex mutex_;  ///< guards the list; the cells need none
  std::deque<Entry> entries_;
};

}  // namespace perp::core
