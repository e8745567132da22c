#pragma once
// The inside of Writer, shared by writer.cpp (records into blocks and segments) and writer_io.cpp
// (blocks to the disk: completions, full disks, sync rounds). One thread.
#include "journal/aligned_buffer.hpp"
#include "journal/definition_table.hpp"
#include "journal/durable_file.hpp"
#include "journal/storage.hpp"

#include <perp/core/error.hpp>
#include <perp/journal/writer.hpp>
#include <perp/market/record_kind.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace perp::journal {

struct Segment {
  core::File file;
  Position base = 0;
  std::uint64_t end_offset = 0;  ///< behind its last closed block
  std::uint64_t blocks_in_flight = 0;
  bool has_own_blocks = false;  ///< other than repeated definitions
  bool is_dirty = false;        ///< written since its last sync
  bool is_over = false;         ///< a later segment has begun
  bool is_cut = false;          ///< its reserve has been given back
};

/// One block buffer. free -> (open) -> queued -> written, then free again in order; queued <->
/// stalled on a full disk.
struct Slot {
  enum class State : std::uint8_t { free, queued, stalled, written };
  std::byte* data = nullptr;
  State state = State::free;
  std::uint32_t bytes = 0;    ///< on disk
  std::uint32_t written = 0;  ///< of them, so far
  std::uint64_t offset = 0;
  Segment* segment = nullptr;
};

struct Writer::Impl {
  Impl(const WriterOptions& wanted, std::unique_ptr<Storage> given);
  ~Impl();

  Position append(const market::RecordHeader& record);
  void poll(core::MonoNs now);
  void sync();
  void close();
  [[nodiscard]] Position end() const { return is_open ? block_position + used : next_position; }

  void begin_segment();
  void open_block();
  void close_block();
  void ready_block(std::uint32_t size);
  void repeat_definitions();
  void put(const market::RecordHeader& record);
  void advance_checksum(std::uint32_t to);
  void queue(std::size_t slot);

  void drain();
  void complete_write(std::size_t index, std::int32_t result);
  void complete_sync(std::int32_t result);
  void retry_stalled();
  void report_stall();
  void start_round();
  void wait_for_one();
  void submit();
  [[noreturn]] void stop(const std::string& why);
  [[noreturn]] void stop(const std::string& what, int error);
  void check() const {
    if (!stopped.empty())
      throw core::Error("the journal writer has stopped", options.folder, stopped);
  }

  WriterOptions options;
  // Held for its flock alone and never given to the storage: what a killed process left in its ring
  // keeps those files open for a while, and with them their locks. Syncs of the folder go through
  // the other one.
  core::File lock;
  core::File folder;
  std::array<bool, market::record_type_limit> kept{};
  std::uint64_t journal_id = 0;
  std::unique_ptr<Storage> storage;
  DurableFile durable_file;
  DefinitionTable definitions;
  Recovery recovery;
  Stats stats;
  std::string stopped;  ///< why, once it has
  bool is_closed = false;

  std::deque<Segment> segments;  ///< those not yet durable, and the present one at the back
  bool is_folder_dirty = false;
  std::vector<std::uint32_t> to_repeat;  ///< ids whose definitions the present segment still lacks

  AlignedBuffer memory;
  std::vector<Slot> slots;
  std::size_t head = 0;  ///< oldest slot not yet written
  std::size_t in_flight =
      0;  ///< slots from head on that are closed and not yet known to be written
  std::size_t stalled = 0;
  std::size_t outstanding =
      0;                ///< writes handed to the storage and not completed: their memory is in use
  int stall_error = 0;  ///< of a stall that has not been told yet

  // The open block: slots[(head + in_flight) % size].
  bool is_open = false;
  std::byte* block = nullptr;
  std::uint32_t used = 0;
  std::uint32_t summed = 0;  ///< checksum covers [header, summed)
  std::uint32_t checksum = 0;
  std::uint32_t record_count = 0;
  std::uint32_t definition_count = 0;
  bool is_repeating = false;
  Position block_position = 0;

  Position next_position = 0;  ///< of the next block
  std::uint64_t sequence = 0;
  std::uint32_t chain = 0;
  bool is_after_loss = false;  ///< the next block follows a hole in what was acknowledged
  Position written = 0;        ///< every block below is written
  Position durable = 0;

  std::size_t round_pending = 0;  ///< syncs of the present round not yet completed
  Position round_target = 0;
  int round_error = 0;
  bool is_sync_wanted = false;
  Position wanted_target = 0;
  bool has_synced = false;
  core::MonoNs last_round{};
};

}  // namespace perp::journal
