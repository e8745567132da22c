#pragma once
// What a journal is on disk. A folder of segment files `<20 digits of base>.pj` that follow each
// other in one endless byte range, and a small file `durable` in which the writer publishes how far
// readers may look.
//
//   segment  | header, 4096 bytes | block | block | ...        segment n covers [base, base +
//   bytes) block    | header, 64 bytes | record | record | ... | zeros up to the next multiple of
//   4096 |
//
// Blocks start on 4096-byte borders, so no sector of a block that is on disk is ever written again,
// and a reader steps over a damaged block to the next border. Each block says where it stands, the
// how-many-th it is, and the checksum of the one before it: a stale or foreign block is never taken
// for a new one. Little-endian throughout.
#include <cstddef>
#include <cstdint>
#include <string>

namespace perp::journal {

/// Byte offset in the endless log. Never reused: not after a crash, not after damage, not after old
/// segments went.
using Position = std::uint64_t;

inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint64_t segment_magic = 0x4c414e524a504250;  ///< "PBPJRNAL"
inline constexpr std::uint32_t block_magic = 0x314b4c42;            ///< "BLK1"
inline constexpr std::uint64_t block_alignment = 4096;
inline constexpr std::uint64_t segment_header_bytes = 4096;
inline constexpr std::uint32_t max_block_bytes = 64u << 20;

/// Bits of SegmentHeader::left_out: record kinds that the writer was told not to keep.
enum LeftOut : std::uint32_t { left_out_book_deltas = 1 };

/// Zero-padded to segment_header_bytes. The place of magic, checksum and version never changes
/// between versions.
struct SegmentHeader {
  std::uint64_t magic = segment_magic;
  std::uint32_t checksum = 0;  ///< CRC-32C of the whole 4096 bytes with this field zero
  std::uint32_t version = format_version;
  std::uint64_t journal_id =
      0;              ///< drawn once per journal: tells a restored copy from another journal
  Position base = 0;  ///< position of this header's first byte
  std::uint64_t segment_bytes = 0;   ///< size at which the writer begins the next segment
  std::uint32_t block_bytes = 0;     ///< greatest block in it
  std::uint32_t left_out = 0;        ///< LeftOut
  std::int64_t created_ns = 0;       ///< wall clock of the writer
  std::uint64_t first_sequence = 0;  ///< of its first block
  Position durable = 0;              ///< everything below was on disk when this segment was begun
  std::uint32_t chain = 0;           ///< header checksum of the last block before it
  std::uint32_t reserved = 0;
};
static_assert(sizeof(SegmentHeader) == 80);

/// Bits of BlockHeader::flags.
enum BlockFlag : std::uint32_t {
  block_repeats = 1,  ///< only copies of instrument definitions of earlier segments, so that this
                      ///< one reads alone
  block_after_loss =
      2,  ///< acknowledged blocks before it were lost: sequence and chain may jump here
};

struct BlockHeader {
  std::uint32_t magic = block_magic;
  std::uint32_t checksum = 0;  ///< CRC-32C of these 64 bytes with this field zero
  Position position = 0;       ///< of this header's first byte
  std::uint64_t sequence =
      0;  ///< counts blocks over the whole journal; skips numbers where blocks were lost
  std::uint64_t journal_id = 0;
  Position durable = 0;  ///< everything below was on disk when this block was closed
  std::uint32_t payload_bytes = 0;
  std::uint32_t payload_checksum = 0;  ///< CRC-32C of payload and padding
  std::uint32_t record_count = 0;
  std::uint32_t definition_count = 0;  ///< instrument records among them
  std::uint32_t chain = 0;             ///< `checksum` of the block before
  std::uint32_t flags = 0;
};
static_assert(sizeof(BlockHeader) == 64);

/// What a block takes on disk.
constexpr std::uint64_t disk_bytes(std::uint64_t payload_bytes) {
  return (sizeof(BlockHeader) + payload_bytes + block_alignment - 1) / block_alignment *
         block_alignment;
}

/// A hole in what can be read: where, how much, why. Reading goes on behind it.
struct Damage {
  Position segment = 0;      ///< base of the segment
  std::uint64_t offset = 0;  ///< in the segment
  std::uint64_t bytes = 0;   ///< skipped
  std::string why;
};

/// "00000000000000000000.pj"
std::string segment_name(Position base);

/// How far a reader may look: everything below survives a power cut. A running writer publishes it;
/// without one it is what the last one published, or, after a reboot or in a copied folder, the end
/// of the last whole block. Throws core::Error if the folder or a segment cannot be read. @thread
/// any
Position durable_position(const std::string& folder);

}  // namespace perp::journal
