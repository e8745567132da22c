#include "journal/recovery.hpp"

#include "journal/durable_file.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace perp::journal {
namespace {

constexpr std::uint64_t align_up(std::uint64_t bytes) {
  return (bytes + block_alignment - 1) / block_alignment * block_alignment;
}

/// The greatest durable position that a segment's headers bear witness to.
Position claim_of(const SegmentFile& segment, const core::File& file, bool& is_header_good,
                  std::uint64_t& journal_id) {
  Position claim = 0;
  SegmentHeader header;
  is_header_good = read_header(file, segment.base, header) == HeaderState::good;
  if (is_header_good) {
    claim = header.durable;
    if (journal_id == 0) journal_id = header.journal_id;
  }
  BlockScanner scanner(file, segment.base, journal_id, BlockScanner::Depth::headers_only);
  for (;;) {
    const BlockScanner::Step step = scanner.next(segment.bytes);
    if (step == BlockScanner::Step::end || step == BlockScanner::Step::blank) break;
    if (step == BlockScanner::Step::block) claim = std::max(claim, scanner.header().durable);
  }
  if (journal_id == 0) journal_id = scanner.journal_id();
  return claim;
}

/// Definitions of a segment that needs no walk of its own: only blocks that hold some are read.
void collect_from(const SegmentFile& segment, std::uint64_t journal_id,
                  DefinitionTable& definitions) {
  const core::File file = open_segment(segment);
  if (!file.is_open()) return;  // removed by retention: what it defined is repeated in the next
  BlockScanner scanner(file, segment.base, journal_id, BlockScanner::Depth::headers_only);
  BlockScanner body(file, segment.base, journal_id, BlockScanner::Depth::whole);
  for (;;) {
    const BlockScanner::Step step = scanner.next(segment.bytes);
    if (step == BlockScanner::Step::end || step == BlockScanner::Step::blank) return;
    if (step != BlockScanner::Step::block || scanner.header().definition_count == 0) continue;
    body.seek(scanner.block_offset());
    body.set_chain({});
    if (body.next(scanner.offset()) == BlockScanner::Step::block)
      collect_definitions(body.payload(), segment.base, definitions);
  }
}

class Walk {
 public:
  Walk(Survey& survey, DefinitionTable* definitions) : survey_(survey), definitions_(definitions) {}

  void run() {
    Survey& s = survey_;
    s.cut_segment = s.segments.size();
    for (std::size_t i = s.first; i < s.segments.size(); ++i)
      if (!walk_segment(i)) break;
    const bool is_cut = s.cut_segment < s.segments.size();
    if (is_cut) cut();
    if (s.claim > s.end) {
      // Acknowledged bytes are gone. Their positions are burnt: a cursor that points into them must
      // never come to mean something else. Each lost block took at least one border, so neither are
      // sequences reused.
      s.recovery.lost_bytes = s.claim - s.end;
      s.chain = {true, s.chain.sequence + s.recovery.lost_bytes / block_alignment + 1,
                 s.chain.checksum};
      s.end = s.claim;
    }
    s.end = align_up(s.end);
    s.recovery.end = s.end;
    s.recovery.torn_bytes = torn_bytes_;
  }

 private:
  // @returns false if the journal is cut in this segment.
  bool walk_segment(std::size_t index) {
    Survey& s = survey_;
    const SegmentFile& segment = s.segments[index];
    const core::File file = open_segment(segment);
    if (!file.is_open())
      throw core::Error("cannot recover", segment.path, "the segment vanished meanwhile");
    ++s.recovery.segments_scanned;
    s.recovery.bytes_scanned += segment.bytes;
    if (index > s.first && segment.base > s.end) {
      if (s.end >= s.claim) return cut_at(index, s.end);
      report(s.segments[index - 1], s.end - s.segments[index - 1].base, segment.base - s.end,
             "missing before the next segment");
    }
    SegmentHeader header;
    const bool is_good = read_header(file, segment.base, header) == HeaderState::good;
    if (!is_good && segment.base >= s.claim) return cut_at(index, segment.base);
    BlockScanner scanner(file, segment.base, s.journal_id, BlockScanner::Depth::whole);
    if (is_good) {
      scanner.set_chain({true, header.first_sequence, header.chain});
    } else {
      report(segment, 0, segment_header_bytes, "the segment header is not whole");
      scanner.set_chain({false, s.chain.sequence, 0});
    }
    s.chain = scanner.chain();
    s.is_last_header_good = is_good;
    s.last_header = header;
    s.end = segment.base + segment_header_bytes;
    for (;;) {
      const BlockScanner::Step step = scanner.next(segment.bytes);
      if (step == BlockScanner::Step::end || step == BlockScanner::Step::blank) break;
      if (step == BlockScanner::Step::damage) {
        const Position broken = segment.base + scanner.damage_offset();
        if (broken >= s.claim) return cut_at(index, broken);
        report(segment, scanner.damage_offset(), scanner.damage_bytes(),
               std::string(scanner.why()));
      } else if (definitions_ != nullptr && scanner.header().definition_count > 0) {
        collect_definitions(scanner.payload(), segment.base, *definitions_);
      }
      s.end = segment.base + scanner.offset();
      s.chain = scanner.chain();
    }
    return true;
  }

  bool cut_at(std::size_t index, Position position) {
    Survey& s = survey_;
    s.end = position;
    s.cut_segment = index;
    s.cut_bytes = position > s.segments[index].base ? position - s.segments[index].base : 0;
    return false;
  }

  // Counts what the cut takes away: pages that hold something.
  void cut() {
    Survey& s = survey_;
    for (std::size_t i = s.cut_segment; i < s.segments.size(); ++i) {
      const SegmentFile& segment = s.segments[i];
      const core::File file = open_segment(segment);
      if (!file.is_open()) continue;
      const std::uint64_t from = i == s.cut_segment ? s.cut_bytes : 0;
      BlockScanner scanner(file, segment.base, s.journal_id, BlockScanner::Depth::headers_only);
      scanner.seek(from);
      for (;;) {
        const std::uint64_t begin = scanner.offset();
        const BlockScanner::Step step = scanner.next(segment.bytes);
        if (step == BlockScanner::Step::end || step == BlockScanner::Step::blank) break;
        torn_bytes_ += std::min(scanner.offset(), segment.bytes) - begin;
      }
    }
  }

  void report(const SegmentFile& segment, std::uint64_t offset, std::uint64_t bytes,
              std::string why) {
    survey_.recovery.damages.push_back({segment.base, offset, bytes, std::move(why)});
  }

  Survey& survey_;
  DefinitionTable* definitions_;
  std::uint64_t torn_bytes_ = 0;
};

}  // namespace

void collect_definitions(std::span<const std::byte> payload, Position segment,
                         DefinitionTable& definitions) {
  while (payload.size() >= sizeof(market::RecordHeader)) {
    const auto& record = *reinterpret_cast<const market::RecordHeader*>(payload.data());
    if (record.size < sizeof record || record.size % 8 != 0 || record.size > payload.size()) return;
    if (record.type == market::RecordType::instrument &&
        market::is_well_formed(payload.first(record.size)))
      definitions.remember(record, segment);
    payload = payload.subspan(record.size);
  }
}

Survey survey(const std::string& folder, DefinitionTable* definitions) {
  Survey s;
  s.segments = list_segments(folder);
  if (const DurableFile published = DurableFile::open(folder); published.is_open())
    s.claim = published.observe().value_or(0);
  s.recovery.is_new = s.segments.empty() && s.claim == 0;
  if (s.segments.empty()) {
    s.end = align_up(s.claim);
    s.recovery.lost_bytes = s.claim;
    s.recovery.end = s.end;
    return s;
  }
  // Backwards until somebody bears witness that everything before a segment, and its header, is on
  // disk.
  for (s.first = s.segments.size(); s.first > 0;) {
    const SegmentFile& segment = s.segments[--s.first];
    const core::File file = open_segment(segment);
    if (!file.is_open())
      throw core::Error("cannot recover", segment.path, "the segment vanished meanwhile");
    bool is_header_good = false;
    s.claim = std::max(s.claim, claim_of(segment, file, is_header_good, s.journal_id));
    if (s.claim > segment.base && is_header_good) break;
  }
  if (definitions != nullptr && s.first > 0)
    collect_from(s.segments[s.first - 1], s.journal_id, *definitions);
  s.end = s.segments[s.first].base;
  Walk(s, definitions).run();
  return s;
}

void recover(const std::string& folder, const Survey& survey) {
  // From the end: a crash in between leaves a journal that is recovered to the same place.
  for (std::size_t i = survey.segments.size(); i-- > survey.cut_segment;) {
    const SegmentFile& segment = survey.segments[i];
    if (i == survey.cut_segment && survey.cut_bytes > 0) {
      const core::File file = core::File::open(segment.path, O_RDWR);
      file.truncate(survey.cut_bytes);
      file.datasync();
      continue;
    }
    std::error_code error;
    std::filesystem::remove(segment.path, error);
    if (error) throw core::Error("cannot remove a torn segment", segment.path, error.message());
  }
  // What a killed process left in the page cache is whole but perhaps not on disk yet.
  const std::size_t kept =
      std::min(survey.segments.size(), survey.cut_segment + (survey.cut_bytes > 0 ? 1 : 0));
  for (std::size_t i = survey.first; i < kept; ++i)
    core::File::open(survey.segments[i].path, O_RDWR).datasync();
  core::sync_directory(folder);
}

std::string Recovery::text() const {
  std::string line;
  if (torn_bytes > 0) line += fmt::format("cut a torn tail of {} bytes at {}; ", torn_bytes, end);
  if (lost_bytes > 0)
    line += fmt::format("{} bytes before {} were acknowledged and are gone; ", lost_bytes, end);
  for (const Damage& damage : damages)
    line += fmt::format("{} at {}: {} bytes skipped: {}; ", segment_name(damage.segment),
                        damage.offset, damage.bytes, damage.why);
  if (!line.empty()) line.resize(line.size() - 2);
  return line;
}

}  // namespace perp::journal
