#include "journal/segment.hpp"

#include <perp/core/crc32c.hpp>
#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace perp::journal {
namespace {

constexpr std::size_t name_digits = 20;
constexpr std::string_view name_suffix = ".pj";
constexpr std::uint64_t read_ahead = 1u << 20;

bool parse_name(std::string_view name, Position& base) {
  if (name.size() != name_digits + name_suffix.size() || !name.ends_with(name_suffix)) return false;
  const char* const last = name.data() + name_digits;
  const auto [end, error] = std::from_chars(name.data(), last, base);
  // Positions stay so far below the end of 64 bits that sums of them never wrap.
  return error == std::errc() && end == last && base % block_alignment == 0 &&
         base < std::uint64_t{1} << 62;
}

template <class Header>
std::span<std::byte> bytes_of(Header& header) {
  return std::as_writable_bytes(std::span(&header, 1));
}

std::uint32_t header_checksum(BlockHeader header) {
  header.checksum = 0;
  return core::crc32c(bytes_of(header));
}

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

std::string segment_name(Position base) { return fmt::format("{:020}{}", base, name_suffix); }

std::vector<SegmentFile> list_segments(const std::string& folder) {
  std::vector<SegmentFile> segments;
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) throw core::Error("cannot read the journal", folder, error.message());
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    Position base = 0;
    const std::string name = entries->path().filename().string();
    if (!parse_name(name, base)) continue;
    std::error_code
        gone;  // removed between readdir and stat: not there any more, which is an answer
    const std::uint64_t bytes = entries->file_size(gone);
    if (!gone) segments.push_back({base, bytes, entries->path().string()});
  }
  if (error) throw core::Error("cannot read the journal", folder, error.message());
  std::sort(segments.begin(), segments.end(),
            [](const SegmentFile& a, const SegmentFile& b) { return a.base < b.base; });
  // A segment's reserve behind its last block is cut off when it is closed; until then the next
  // base says the end.
  for (std::size_t i = 0; i + 1 < segments.size(); ++i)
    segments[i].bytes = std::min(segments[i].bytes, segments[i + 1].base - segments[i].base);
  return segments;
}

core::File open_segment(const SegmentFile& segment) {
  int error = 0;
  core::File file = core::File::try_open(segment.path, O_RDONLY, 0, error);
  if (!file.is_open() && error != ENOENT)
    core::throw_system_error("cannot open", segment.path, error);
  return file;
}

void seal(SegmentHeader& header, std::span<std::byte> page) {
  header.checksum = 0;
  std::fill(page.begin(), page.end(), std::byte{0});
  std::memcpy(page.data(), &header, sizeof header);
  header.checksum = core::crc32c(page);
  std::memcpy(page.data(), &header, sizeof header);
}

void seal(BlockHeader& header) { header.checksum = header_checksum(header); }

HeaderState read_header(const core::File& file, Position base, SegmentHeader& header) {
  std::array<std::byte, segment_header_bytes> page{};
  if (file.pread_all(page, 0) != page.size()) return HeaderState::damaged;
  std::memcpy(&header, page.data(), sizeof header);
  if (header.magic != segment_magic) return HeaderState::damaged;
  const std::uint32_t checksum = header.checksum;
  SegmentHeader blank = header;
  blank.checksum = 0;
  std::memcpy(page.data(), &blank, sizeof blank);
  // The checksum comes first: a flipped bit in the version is damage, not a newer program.
  if (core::crc32c(page) != checksum) return HeaderState::damaged;
  if (header.version > format_version)
    throw core::Error(
        "cannot read the segment", file.path(),
        fmt::format("it has journal format {}, this program reads up to {}: use a newer perp",
                    header.version, format_version));
  return header.base == base && header.durable <= base ? HeaderState::good : HeaderState::damaged;
}

BlockScanner::BlockScanner(const core::File& file, Position base, std::uint64_t journal_id,
                           Depth depth)
    : file_(&file), base_(base), journal_id_(journal_id), depth_(depth) {}

// The bytes [offset, offset + bytes) as far as they lie below the extent and in the file.
std::span<const std::byte> BlockScanner::window(std::uint64_t offset, std::uint64_t bytes,
                                                std::uint64_t extent) {
  const std::uint64_t rest = offset < extent ? extent - offset : 0;
  bytes = std::min(bytes, rest);
  if (offset < window_offset_ || offset + bytes > window_offset_ + window_bytes_) {
    // Doubled: whoever is at the end of what is written takes a few pages, not the whole of it.
    const std::uint64_t ahead = depth_ == Depth::whole ? read_ahead : block_alignment;
    buffer_.grow(std::max(bytes, std::bit_ceil(std::min(rest, ahead))));
    window_offset_ = offset;
    window_bytes_ = 0;  // should reading fail
    window_bytes_ = file_->pread_all({buffer_.data(), std::min(buffer_.size(), rest)}, offset);
  }
  const std::uint64_t begin = offset - window_offset_;
  return {buffer_.data() + begin,
          std::min(bytes, window_bytes_ > begin ? window_bytes_ - begin : 0)};
}

bool BlockScanner::read_block_header(std::uint64_t offset, std::uint64_t extent,
                                     BlockHeader& header) {
  const auto bytes = window(offset, sizeof header, extent);
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header.magic == block_magic && header.position == base_ + offset &&
         header_checksum(header) == header.checksum &&
         (journal_id_ == 0 || header.journal_id == journal_id_) &&
         header.durable <= header.position && disk_bytes(header.payload_bytes) <= max_block_bytes;
}

bool BlockScanner::continues(const BlockHeader& header) const {
  if (!chain_.is_known || (header.flags & block_after_loss) != 0)
    return header.sequence >= chain_.sequence;
  return header.sequence == chain_.sequence && header.chain == chain_.checksum;
}

void BlockScanner::follow(const BlockHeader& header) {
  chain_ = {true, header.sequence + 1, header.checksum};
  if (journal_id_ == 0) journal_id_ = header.journal_id;
}

BlockScanner::Step BlockScanner::damage(std::uint64_t bytes, std::string_view why) {
  damage_offset_ = offset_;
  damage_bytes_ = bytes;
  why_ = why;
  offset_ += bytes;
  return Step::damage;
}

BlockScanner::Step BlockScanner::next(std::uint64_t extent) {
  payload_ = {};
  if (offset_ >= extent) return Step::end;
  BlockHeader header;
  if (!read_block_header(offset_, extent, header)) return search(extent, "no whole block header");
  if (!continues(header)) return search(extent, "a block that does not continue the one before it");
  const std::uint64_t bytes = disk_bytes(header.payload_bytes);
  if (depth_ == Depth::whole) {
    const auto block = window(offset_, bytes, extent);
    if (block.size() < bytes) {
      follow(header);
      return damage(extent - offset_, "a block that is cut short");
    }
    const auto body = block.subspan(sizeof header);
    if (core::crc32c(body) != header.payload_checksum) {
      follow(header);
      return damage(bytes, "a block whose checksum does not fit its records");
    }
    payload_ = body.first(header.payload_bytes);
  }
  follow(header);
  header_ = header;
  block_offset_ = offset_;
  offset_ += bytes;
  return Step::block;
}

// Looks for the next border at which a block goes on. Reading runs ahead in whole windows; holes
// are skipped.
BlockScanner::Step BlockScanner::search(std::uint64_t extent, std::string_view why) {
  std::uint64_t data_end = offset_;  // behind the last page that is not zero
  const Chain before = chain_;
  chain_.is_known = false;
  std::uint64_t at = offset_;
  while (at < extent) {
    BlockHeader header;
    if (at != offset_ && read_block_header(at, extent, header) && continues(header))
      return damage(at - offset_, why);
    const auto page = window(at, block_alignment, extent);
    if (page.empty()) break;
    if (!is_zero(page)) {
      data_end = at + page.size();
      at += block_alignment - at % block_alignment;
      continue;
    }
    const std::uint64_t data = file_->find_data(at);
    if (data == core::File::none) break;
    at = std::max((at / block_alignment + 1) * block_alignment,
                  data / block_alignment * block_alignment);
  }
  if (data_end == offset_) {
    chain_ = before;  // nothing was here yet; a block that comes must still continue
    return Step::blank;
  }
  return damage(std::min(data_end, extent) - offset_, why);
}

}  // namespace perp::journal
