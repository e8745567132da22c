#pragma once
// Checkpoint files: an image of the state and the journal position up to which it has folded
// everything. Written whole or not at all; a file is believed only if its checksum, journal and
// position fit. Cold path, engine thread.
#include <perp/journal/format.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace perp::engine {

struct CheckpointHeader {
  static constexpr std::uint64_t magic_number = 0x3154'4e50'4b43'5050;  // "PPCKPNT1" on disk
  std::uint64_t magic = magic_number;
  std::uint32_t version = 1;
  std::uint32_t checksum = 0;  ///< CRC-32C of this header with this field zero, then the image
  std::uint64_t journal_id = 0;
  journal::Position position = 0;
  std::uint64_t image_bytes = 0;
};
static_assert(sizeof(CheckpointHeader) == 40);

/// Checkpoint files of a folder, newest position first. A folder that is not there has none.
std::vector<std::string> list_checkpoints(const std::string& folder);

/// Fills in the header at the front of `file`, whose rest is the image, and writes it durably.
/// Older files beyond the two newest are removed.
void write_checkpoint_file(const std::string& folder, std::uint64_t journal_id,
                           journal::Position position, std::span<std::byte> file);

/// Reads and checks. @returns the whole file; throws core::Error if it is damaged or of another
/// journal.
std::vector<std::byte> read_checkpoint_file(const std::string& path, std::uint64_t journal_id,
                                            CheckpointHeader& header);

}  // namespace perp::engine
