#include "journal/definition_table.hpp"
#include "journal/durable_limit.hpp"
#include "journal/recovery.hpp"
#include "journal/segment.hpp"

#include <perp/core/error.hpp>
#include <perp/journal/reader.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace perp::journal {

struct Reader::Impl {
  Impl(std::string journal, Position from);

  const market::RecordHeader* next();
  const market::RecordHeader* advance();
  const market::RecordHeader* learn(const market::RecordHeader* record);
  void start_at(Position from);
  void skip_to(Position from);
  void pass_earlier_blocks(Position from);
  bool load_block();
  bool go_on_behind_segment();
  bool enter(const SegmentFile& segment);
  const SegmentFile* segment_behind(Position base);
  void refresh();
  void report(Position segment, std::uint64_t offset, std::uint64_t bytes, std::string why);
  [[nodiscard]] std::uint64_t extent() const { return std::min(limit.value(), segment_end) - base; }

  std::string folder;
  DurableLimit limit;
  std::vector<SegmentFile> segments;

  core::File file;
  std::optional<BlockScanner> scanner;
  Position base = 0;
  Position segment_end = 0;  ///< base of the next segment, or without a bound while there is none
  std::uint32_t left_out = 0;
  std::uint64_t journal_id = 0;

  std::span<const std::byte> rest;  ///< of the block's payload
  Position rest_position = 0;
  bool is_repeat = false;
  const market::RecordHeader* pending = nullptr;  ///< found while looking for `from`
  Position position = 0;
  Position next_position = 0;

  DefinitionTable definitions;
  std::vector<Damage> damages;
  std::uint64_t damage_count = 0;
};

Reader::Impl::Impl(std::string journal, Position from) : folder(std::move(journal)), limit(folder) {
  segments = list_segments(folder);
  if (from > limit.value())
    throw core::Error(
        "cannot read the journal", folder,
        fmt::format(
            "the cursor {} lies beyond its end {}: was the journal replaced or restored from an "
            "older copy?",
            from, limit.value()));
  next_position = from;
  if (!segments.empty()) start_at(from);
}

void Reader::Impl::report(Position segment, std::uint64_t offset, std::uint64_t bytes,
                          std::string why) {
  ++damage_count;
  if (damages.size() < damage_limit) damages.push_back({segment, offset, bytes, std::move(why)});
}

void Reader::Impl::refresh() {
  const Position before = limit.value();
  limit.refresh();
  // What lies below the limit is in files that were there before it was published.
  if (limit.value() == before) return;
  segments = list_segments(folder);
  if (const SegmentFile* behind = segment_behind(base); behind != nullptr)
    segment_end = behind->base;
}

const SegmentFile* Reader::Impl::segment_behind(Position position_before) {
  for (const SegmentFile& segment : segments)
    if (segment.base > position_before) return &segment;
  return nullptr;
}

// @returns false if the file has vanished.
bool Reader::Impl::enter(const SegmentFile& segment) {
  core::File opened = open_segment(segment);
  if (!opened.is_open()) return false;
  SegmentHeader header;
  const bool is_good = read_header(opened, segment.base, header) == HeaderState::good;
  scanner.reset();  // before the file it refers to
  file = std::move(opened);
  base = segment.base;
  const SegmentFile* const behind = segment_behind(base);
  segment_end = behind == nullptr ? ~Position{0} : behind->base;
  scanner.emplace(file, base, is_good ? header.journal_id : journal_id, BlockScanner::Depth::whole);
  if (is_good) {
    scanner->set_chain({true, header.first_sequence, header.chain});
    left_out = header.left_out;
    journal_id = header.journal_id;
  } else {
    report(base, 0, segment_header_bytes, "the segment header is not whole");
  }
  next_position = std::max(next_position, base);
  return true;
}

void Reader::Impl::start_at(Position from) {
  const SegmentFile* start = &segments.front();
  for (const SegmentFile& segment : segments)
    if (segment.base <= from) start = &segment;
  if (start->base >= limit.value()) return;  // nothing in it is durable yet
  if (from != 0 && start->base > from)
    report(start->base, 0, start->base - from, "segments before it were removed");
  if (!enter(*start))
    throw core::Error("cannot read the journal", start->path, "the segment vanished meanwhile");
  if (from > base + segment_header_bytes) {
    pass_earlier_blocks(from);
    skip_to(from);
  }
}

// Steps over blocks that end at or before `from` by their headers, reading only those that define
// instruments. Damage there is the business of whoever read that part.
void Reader::Impl::pass_earlier_blocks(Position from) {
  BlockScanner headers(file, base, journal_id, BlockScanner::Depth::headers_only);
  headers.set_chain(scanner->chain());
  for (;;) {
    const Chain chain = headers.chain();
    const std::uint64_t before = headers.offset();
    const BlockScanner::Step step = headers.next(std::min(extent(), from - base));
    const bool is_behind = step == BlockScanner::Step::block && base + headers.offset() <= from;
    if (!is_behind && step != BlockScanner::Step::damage) {
      // A damaged stretch may have ended at `from` itself; blocks begin on borders.
      scanner->seek((before + block_alignment - 1) / block_alignment * block_alignment);
      scanner->set_chain(chain);
      return;
    }
    if (step != BlockScanner::Step::block || headers.header().definition_count == 0) continue;
    scanner->seek(headers.block_offset());
    scanner->set_chain(chain);
    if (scanner->next(headers.offset()) == BlockScanner::Step::block)
      collect_definitions(scanner->payload(), base, definitions);
  }
}

// Within the block that holds `from`: the records before it have been read by somebody already.
void Reader::Impl::skip_to(Position from) {
  for (;;) {
    const market::RecordHeader* record = advance();
    if (record == nullptr) break;
    if (position >= from) {
      pending = record;
      break;
    }
    learn(record);
    if (position + record->size > from)
      throw core::Error("cannot read the journal", folder,
                        fmt::format("the cursor {} lies inside the record at {}", from, position));
  }
  if (pending == nullptr) next_position = std::max(next_position, from);
}

bool Reader::Impl::go_on_behind_segment() {
  segments = list_segments(folder);
  for (;;) {
    const SegmentFile* const behind = segment_behind(base);
    const Position stop = behind == nullptr ? limit.value() : std::min(behind->base, limit.value());
    if (stop > base + scanner->offset()) {
      report(base, scanner->offset(), stop - base - scanner->offset(),
             "missing behind the last whole block");
      scanner->seek(stop - base);
      next_position = stop;
    }
    if (behind == nullptr || behind->base >= limit.value()) return false;
    if (enter(*behind)) return true;
    segments = list_segments(
        folder);  // removed between listing and opening: its successor tells of the hole
  }
}

bool Reader::Impl::load_block() {
  for (;;) {
    if (!scanner.has_value()) {
      limit.refresh();
      segments = list_segments(folder);
      const Position from = next_position;
      if (segments.empty() || segments.front().base >= limit.value()) return false;
      start_at(from);
      if (!scanner.has_value()) return false;
      if (pending != nullptr || !rest.empty()) return true;
    }
    switch (scanner->next(extent())) {
      case BlockScanner::Step::block:
        rest = scanner->payload();
        rest_position = base + scanner->block_offset() + sizeof(BlockHeader);
        is_repeat = (scanner->header().flags & block_repeats) != 0;
        return true;
      case BlockScanner::Step::damage:
        report(base, scanner->damage_offset(), scanner->damage_bytes(),
               std::string(scanner->why()));
        next_position = base + scanner->offset();
        break;
      case BlockScanner::Step::blank:
      case BlockScanner::Step::end:
        if (base + scanner->offset() < limit.value() || segment_end <= limit.value()) {
          if (go_on_behind_segment()) break;
        }
        next_position =
            std::max(next_position, base + scanner->offset());  // past the last block's padding
        const Position before = limit.value();
        refresh();
        if (limit.value() == before) return false;
        break;
    }
  }
}

const market::RecordHeader* Reader::Impl::next() {
  if (pending == nullptr) pending = advance();
  return learn(std::exchange(pending, nullptr));
}

// A definition counts from the moment its record is handed out.
const market::RecordHeader* Reader::Impl::learn(const market::RecordHeader* record) {
  if (record != nullptr && record->type == market::RecordType::instrument)
    definitions.remember(*record, base);
  return record;
}

const market::RecordHeader* Reader::Impl::advance() {
  for (;;) {
    if (rest.empty()) {
      if (!load_block()) return nullptr;
      if (pending != nullptr) return std::exchange(pending, nullptr);
      continue;
    }
    const auto& record = *reinterpret_cast<const market::RecordHeader*>(rest.data());
    const bool is_step = rest.size() >= sizeof record && record.size >= sizeof record &&
                         record.size % 8 == 0 && record.size <= rest.size();
    const std::size_t bytes = is_step ? record.size : rest.size();
    const auto whole = rest.first(bytes);
    const Position at = rest_position;
    rest = rest.subspan(bytes);
    rest_position += bytes;
    next_position = rest_position;
    if (!is_step || !market::is_well_formed(whole)) {
      report(base, at - base, bytes,
             is_step ? "a record that this program does not know" : "a malformed record");
      continue;
    }
    position = at;
    return &record;
  }
}

Reader::Reader(std::string folder, Position from)
    : impl_(std::make_unique<Impl>(std::move(folder), from)) {}
Reader::~Reader() = default;
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;

const market::RecordHeader* Reader::next() { return impl_->next(); }
Position Reader::position() const { return impl_->position; }
Position Reader::next_position() const {
  return impl_->pending != nullptr ? impl_->position : impl_->next_position;
}
bool Reader::is_repeat() const { return impl_->is_repeat; }
std::span<const Damage> Reader::damages() const { return impl_->damages; }
std::uint64_t Reader::damage_count() const { return impl_->damage_count; }
std::uint32_t Reader::left_out() const { return impl_->left_out; }
std::uint64_t Reader::journal_id() const { return impl_->journal_id; }
Position Reader::durable() const { return impl_->limit.value(); }

Position block_before(const std::string& folder, Position position, std::uint64_t bytes) {
  const Position target = position > bytes ? position - bytes : 0;
  const std::vector<SegmentFile> segments = list_segments(folder);
  const SegmentFile* start = nullptr;
  for (const SegmentFile& segment : segments)
    if (start == nullptr || segment.base <= target) start = &segment;
  if (start == nullptr) return 0;
  if (start->base >= target) return start->base;
  const core::File file = open_segment(*start);
  Position found = start->base;
  if (!file.is_open()) return found;  // removed meanwhile: the reader will say so
  BlockScanner headers(file, start->base, 0, BlockScanner::Depth::headers_only);
  for (;;) {
    const BlockScanner::Step step = headers.next(target - start->base);
    if (step == BlockScanner::Step::block)
      found = start->base + headers.block_offset();
    else if (step != BlockScanner::Step::damage)
      return found;
  }
}

const market::Instrument* Reader::find_instrument(std::uint32_t id) const {
  const DefinitionTable::Definition* const found = impl_->definitions.find(id);
  return found == nullptr ? nullptr : &market::payload<market::Instrument>(found->record());
}

}  // namespace perp::journal
