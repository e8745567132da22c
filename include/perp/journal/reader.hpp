#pragma once
// Reads a journal in order from any position, while it is being written or afterwards, in the
// writer's process or another. Sees only what survives a power cut, so that a position it hands out
// can be committed elsewhere. One thread per object. next() costs a few nanoseconds per record and
// one read per window of up to 1 MiB; it never waits: nullptr means "nothing more for now". Damage
// is stepped over and listed, never fatal, never silent.
#include <perp/journal/format.hpp>
#include <perp/market/record.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace perp::journal {

class Reader {
 public:
  /// Damages kept in damages(); further ones are only counted.
  static constexpr std::size_t damage_limit = 4096;

  /// @param from a position this journal once gave out: of a record, behind one, or any segment's
  /// base. 0 is the oldest record there is. A position whose segment was removed meanwhile counts
  /// as damage and goes on at the oldest. Throws core::Error if the folder cannot be read, `from`
  /// lies beyond the journal's end or inside a record, or a segment has a newer format.
  explicit Reader(std::string folder, Position from = 0);
  ~Reader();
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;

  /// The next record, valid until the next call; nullptr: nothing more that is durable now, ask
  /// again later. Throws core::Error if the disk cannot be read or a segment has a newer format.
  const market::RecordHeader* next();

  [[nodiscard]] Position position() const;  ///< of the record last returned
  [[nodiscard]] Position next_position()
      const;  ///< where to resume: behind everything returned or stepped over
  /// Whether the record last returned only repeats a definition of an earlier segment.
  [[nodiscard]] bool is_repeat() const;
  /// The newest definition read so far, also those earlier in the segment it was opened in. Valid
  /// until the next call of next(). nullptr if there is none.
  [[nodiscard]] const market::Instrument* find_instrument(std::uint32_t id) const;
  /// Each damaged place met, in order.
  [[nodiscard]] std::span<const Damage> damages() const;
  [[nodiscard]] std::uint64_t damage_count() const;
  /// Kinds left out of the segment being read (LeftOut bits).
  [[nodiscard]] std::uint32_t left_out() const;
  /// 0 until a segment has been opened.
  [[nodiscard]] std::uint64_t journal_id() const;
  /// How far it could read now.
  [[nodiscard]] Position durable() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Where a reader begins that is to see every record of the last `bytes` before `position`: the
/// first byte of a block, or of the oldest segment there is. Reads block headers of one segment.
/// Throws core::Error if the folder or the segment cannot be read. @thread any
Position block_before(const std::string& folder, Position position, std::uint64_t bytes);

}  // namespace perp::journal
