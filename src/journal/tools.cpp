#include "journal/segment.hpp"

#include <perp/core/error.hpp>
#include <perp/core/file.hpp>
#include <perp/journal/reader.hpp>
#include <perp/journal/tools.hpp>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <unordered_set>

namespace perp::journal {
namespace {

void widen(std::int64_t ns, std::int64_t& first, std::int64_t& last) {
  if (ns == core::unknown_ns) return;
  if (first == core::unknown_ns || ns < first) first = ns;
  if (last == core::unknown_ns || ns > last) last = ns;
}

void count(Tally& tally, std::uint64_t bytes) {
  ++tally.records;
  tally.bytes += bytes;
}

/// The rows without what only reading the records tells.
std::vector<SegmentSummary> rows(const std::string& folder, Position durable) {
  std::vector<SegmentSummary> summaries;
  const std::vector<SegmentFile> segments = list_segments(folder);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const SegmentFile& segment = segments[i];
    const core::File file = open_segment(segment);
    if (!file.is_open()) continue;  // removed by retention meanwhile
    SegmentSummary& row = summaries.emplace_back();
    row.base = segment.base;
    row.bytes = durable > segment.base ? std::min(segment.bytes, durable - segment.base) : 0;
    row.state = i + 1 < segments.size() ? SegmentState::sealed : SegmentState::open;
    SegmentHeader header;
    if (read_header(file, segment.base, header) == HeaderState::good) {
      row.created_ns = header.created_ns;
      row.left_out = header.left_out;
    }
    BlockScanner scanner(file, segment.base, 0, BlockScanner::Depth::headers_only);
    for (;;) {
      const BlockScanner::Step step = scanner.next(row.bytes);
      if (step == BlockScanner::Step::end || step == BlockScanner::Step::blank) break;
      if (step == BlockScanner::Step::block) ++row.blocks;
    }
  }
  return summaries;
}

SegmentSummary* row_of(std::vector<SegmentSummary>& summaries, Position position) {
  const auto behind =
      std::upper_bound(summaries.begin(), summaries.end(), position,
                       [](Position at, const SegmentSummary& row) { return at < row.base; });
  return behind == summaries.begin() ? nullptr : &*(behind - 1);
}

}  // namespace

std::string_view name_of(SegmentState state) {
  switch (state) {
    case SegmentState::open: return "open";
    case SegmentState::sealed: return "sealed";
    case SegmentState::damaged: return "damaged";
  }
  return "unknown";
}

std::vector<SegmentSummary> list(const std::string& folder) { return verify(folder).segments; }

Verification verify(const std::string& folder) {
  Verification result;
  Reader reader(folder);
  result.durable = reader.durable();
  result.segments = rows(folder, result.durable);
  std::unordered_set<std::uint32_t> defined;
  const SegmentSummary* current = nullptr;
  // What a running writer adds meanwhile is the next call's business.
  while (const market::RecordHeader* record = reader.next()) {
    if (reader.position() >= result.durable) break;
    SegmentSummary* const row = row_of(result.segments, reader.position());
    if (row == nullptr) continue;  // in a segment that retention removed meanwhile
    if (row != current) defined.clear();
    current = row;
    ++(reader.is_repeat() ? row->repeats : row->records);
    if (!reader.is_repeat()) widen(record->receive_ns, row->first_receive_ns, row->last_receive_ns);
    if (record->type == market::RecordType::instrument)
      defined.insert(record->instrument);
    else if (record->instrument != 0 && !defined.contains(record->instrument))
      ++result.undefined_instruments;
  }
  result.damages.assign(reader.damages().begin(), reader.damages().end());
  result.damage_count = reader.damage_count();
  for (const Damage& damage : result.damages)
    if (SegmentSummary* const row = row_of(result.segments, damage.segment); row != nullptr)
      row->state = SegmentState::damaged;
  return result;
}

Statistics statistics(const std::string& folder) {
  Statistics result;
  Reader reader(folder);
  const Position durable = reader.durable();
  std::unordered_set<std::uint32_t> instruments;
  while (const market::RecordHeader* record = reader.next()) {
    if (reader.position() >= durable) break;
    if (record->type == market::RecordType::instrument) instruments.insert(record->instrument);
    if (reader.is_repeat()) {
      ++result.repeats;
      continue;
    }
    count(result.total, record->size);
    // The reader lets only known kinds pass, so the index is within bounds.
    count(result.by_kind[static_cast<std::size_t>(record->type)], record->size);
    count(result.by_venue[static_cast<std::size_t>(record->venue)], record->size);
    widen(record->receive_ns, result.first_receive_ns, result.last_receive_ns);
    widen(record->exchange_ns, result.first_exchange_ns, result.last_exchange_ns);
  }
  for (const SegmentFile& segment : list_segments(folder)) result.disk_bytes += segment.bytes;
  result.instruments = instruments.size();
  result.damage_count = reader.damage_count();
  return result;
}

std::uint64_t remove_segments(const std::string& folder, Position acknowledged,
                              std::uint64_t keep_bytes) {
  const std::vector<SegmentFile> segments = list_segments(folder);
  std::uint64_t total = 0;
  for (const SegmentFile& segment : segments) total += segment.bytes;
  std::uint64_t freed = 0;
  for (std::size_t i = 0; i + 1 < segments.size() && total - freed > keep_bytes; ++i) {
    if (segments[i + 1].base > acknowledged) break;
    std::error_code error;
    std::filesystem::remove(segments[i].path, error);
    if (error) throw core::Error("cannot remove a segment", segments[i].path, error.message());
    freed += segments[i].bytes;
  }
  if (freed > 0) core::sync_directory(folder);
  return freed;
}

}  // namespace perp::journal
