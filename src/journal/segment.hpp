#pragma once
// Reading segment files: which there are, whether a header or block is whole, and a walk over the
// blocks of one segment that steps over damage. Used by recovery, Reader and tools; nothing here
// writes.
#include "journal/aligned_buffer.hpp"

#include <perp/core/file.hpp>
#include <perp/journal/format.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::journal {

struct SegmentFile {
  Position base = 0;
  std::uint64_t bytes = 0;  ///< file size, cut off where the next segment begins
  std::string path;
};

/// All segments in order of base. Throws if the folder cannot be read. Files of other names are
/// left alone.
std::vector<SegmentFile> list_segments(const std::string& folder);

/// Opens for reading. Empty if the file is gone meanwhile (retention), throws on anything else.
core::File open_segment(const SegmentFile& segment);

void seal(SegmentHeader& header, std::span<std::byte> page);
void seal(BlockHeader& header);

enum class HeaderState { good, damaged };
/// Reads a segment's header page. Throws core::Error for a format newer than this program.
HeaderState read_header(const core::File& file, Position base, SegmentHeader& header);

/// What is known of the blocks before: how the next one must continue.
struct Chain {
  bool is_known = false;  ///< false at the start and behind damage: any greater sequence goes on
  std::uint64_t sequence = 0;  ///< expected, or the least possible
  std::uint32_t checksum = 0;
};

class BlockScanner {
 public:
  enum class Step {
    block,   ///< header() and payload() are it
    damage,  ///< damage_offset(), damage_bytes(), why(); the next call goes on behind it
    blank,   ///< only zeros from offset() on
    end,     ///< offset() has reached the extent
  };
  enum class Depth { headers_only, whole };

  /// @param file must outlive the scanner. @param journal_id 0 takes it from the first good block.
  BlockScanner(const core::File& file, Position base, std::uint64_t journal_id, Depth depth);

  /// @param extent bytes of the file that may be looked at; may grow between calls.
  Step next(std::uint64_t extent);

  void set_chain(const Chain& chain) { chain_ = chain; }
  void set_journal_id(std::uint64_t journal_id) { journal_id_ = journal_id; }
  [[nodiscard]] const Chain& chain() const { return chain_; }
  [[nodiscard]] const BlockHeader& header() const { return header_; }
  /// Valid until the next call. Empty when only headers are read.
  [[nodiscard]] std::span<const std::byte> payload() const { return payload_; }
  [[nodiscard]] std::uint64_t block_offset() const { return block_offset_; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }  ///< behind what was returned last
  void seek(std::uint64_t offset) { offset_ = offset; }
  [[nodiscard]] std::uint64_t journal_id() const { return journal_id_; }
  [[nodiscard]] std::uint64_t damage_offset() const { return damage_offset_; }
  [[nodiscard]] std::uint64_t damage_bytes() const { return damage_bytes_; }
  [[nodiscard]] std::string_view why() const { return why_; }

 private:
  std::span<const std::byte> window(std::uint64_t offset, std::uint64_t bytes,
                                    std::uint64_t extent);
  bool read_block_header(std::uint64_t offset, std::uint64_t extent, BlockHeader& header);
  bool continues(const BlockHeader& header) const;
  Step search(std::uint64_t extent, std::string_view why);
  Step damage(std::uint64_t bytes, std::string_view why);
  void follow(const BlockHeader& header);

  const core::File* file_;
  Position base_;
  std::uint64_t journal_id_;
  Depth depth_;
  Chain chain_;
  std::uint64_t offset_ = segment_header_bytes;
  BlockHeader header_;
  std::uint64_t block_offset_ = 0;
  std::span<const std::byte> payload_;
  std::uint64_t damage_offset_ = 0;
  std::uint64_t damage_bytes_ = 0;
  std::string_view why_;
  AlignedBuffer buffer_;
  std::uint64_t window_offset_ = 0;
  std::uint64_t window_bytes_ = 0;
};

}  // namespace perp::journal
