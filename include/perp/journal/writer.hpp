#pragma once
// The one writer of a journal folder: copies records into 4096-aligned blocks, several of which are
// on their way to the disk at once (io_uring, or pwrite where that is refused), and publishes how
// far everything survives a power cut. Owned by one thread (the engine). append() costs a copy and
// a share of a checksum; it makes no system call and no allocation unless a segment ends or every
// block buffer is in flight. poll() is the duty cycle. It never tells a failed fsync as success:
// after one, every call throws and durable() stands still.
#include <perp/core/time.hpp>
#include <perp/journal/format.hpp>
#include <perp/market/record.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace perp::journal {

class Storage;

enum class IoEngine : std::uint8_t { automatic, uring, pwrite };

struct WriterOptions {
  std::string folder;
  std::uint64_t segment_bytes = 256u << 20;
  std::uint32_t block_bytes = 1u << 20;  ///< multiple of 4096; the longest record is 64 bytes less
  std::int64_t sync_ms = 50;  ///< what a power cut may take, plus the time of one fdatasync
  IoEngine io =
      IoEngine::automatic;  ///< automatic: io_uring unless it is refused (EPERM, ENOSYS, EINVAL)
  bool keep_book_deltas = true;
  std::uint32_t block_count = 8;  ///< block buffers: memory is block_count x block_bytes
  std::uint64_t journal_id = 0;   ///< of a new journal; 0 draws one
  core::WallNs (*wall_clock)() noexcept = core::wall_now;  ///< stamps segment headers, nothing else
};

/// What opening a folder found and did.
struct Recovery {
  bool is_new = false;           ///< there was no journal
  Position end = 0;              ///< where appending went on
  std::uint64_t torn_bytes = 0;  ///< cut: written, never acknowledged, not whole
  std::uint64_t lost_bytes = 0;  ///< acknowledged as durable once, but not in the files any more
  std::uint64_t segments_scanned = 0;
  std::uint64_t bytes_scanned = 0;
  std::vector<Damage> damages;  ///< in acknowledged data; left in place, stepped over by readers

  /// One line for the log; empty if nothing happened.
  [[nodiscard]] std::string text() const;
};

struct Stats {
  std::uint64_t records = 0;
  std::uint64_t left_out = 0;  ///< records of kinds that are not kept
  std::uint64_t repeats = 0;   ///< instrument definitions written again at a segment's start
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;     ///< written to block files, with headers and padding
  std::uint64_t segments = 0;  ///< begun
  std::uint64_t syncs = 0;
  std::uint64_t waits = 0;  ///< append() found every block buffer in flight
  std::uint64_t torn_bytes_cut = 0;
  IoEngine engine = IoEngine::automatic;  ///< in use: uring or pwrite
};

class Writer {
 public:
  /// Creates the folder if need be, locks it, cuts a torn tail, goes on behind what is left. Throws
  /// core::Error: another writer has it, options out of range, a newer format, or the disk refuses.
  explicit Writer(const WriterOptions& options);
  /// The same over another storage; for tests and simulation.
  Writer(const WriterOptions& options, std::unique_ptr<Storage> storage);
  ~Writer();  ///< as close(), but what fails on the way is lost: call close() where it matters
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // @thread owner, all of them.

  /// Copies one record. @returns its position, or end() for a kind that is left out. Throws
  /// core::Error if the record is malformed or longer than a block, if the disk is full (the record
  /// was not taken; everything taken before is kept and tried again), or if the writer has stopped.
  Position append(const market::RecordHeader& record);
  /// Takes completions; every sync_ms closes the open block and syncs. Throws as append() does.
  void poll(core::MonoNs now);
  /// On return everything appended is durable. Blocks for as long as the disk takes.
  void sync();
  /// sync(), gives the unused end of the segment back, frees the lock. Further calls do nothing.
  void close();

  /// A sync has failed: every further call throws. False while the disk is merely full.
  [[nodiscard]] bool has_stopped() const;
  [[nodiscard]] Position end() const;      ///< behind the last record appended
  [[nodiscard]] Position durable() const;  ///< everything below survives a power cut
  [[nodiscard]] const Recovery& recovery() const;
  [[nodiscard]] const Stats& stats() const;
  [[nodiscard]] std::uint64_t journal_id() const;

  /// Calls visit(const market::RecordHeader&) with the newest definition of each instrument the
  /// journal knows, in order of id: a restarted process takes its ids from here.
  /// payload<market::Instrument>() is behind each header.
  template <class Visit>
  void for_each_instrument(Visit&& visit) const {
    for (const market::RecordHeader* record : instruments()) visit(*record);
  }

 private:
  struct Impl;
  [[nodiscard]] std::vector<const market::RecordHeader*> instruments() const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perp::journal
