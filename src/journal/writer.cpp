#include "journal/recovery.hpp"
#include "journal/writer_impl.hpp"

#include <perp/core/crc32c.hpp>

#include <fmt/format.h>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/random.h>

namespace perp::journal {
namespace {

// A block's checksum follows the copying in steps of this size: the bytes are still in the
// first-level cache, and closing a block costs no more than one step.
constexpr std::uint32_t checksum_step = 16u << 10;

const WriterOptions& checked(const WriterOptions& options) {
  const auto refuse = [&](const std::string& what, const std::string& why) {
    throw core::Error("bad journal option " + what, options.folder, why);
  };
  if (options.folder.empty()) refuse("folder", "it is empty");
  if (options.block_bytes < block_alignment || options.block_bytes % block_alignment != 0 ||
      options.block_bytes > max_block_bytes)
    refuse("block_bytes", fmt::format("{} is not a multiple of 4096 from 4096 to {}",
                                      options.block_bytes, max_block_bytes));
  if (options.segment_bytes < segment_header_bytes + options.block_bytes)
    refuse("segment_bytes", fmt::format("{} does not hold a header and one block of {}",
                                        options.segment_bytes, options.block_bytes));
  if (options.block_count < 2 || options.block_count > 32)
    refuse("block_count", fmt::format("{} is not from 2 to 32", options.block_count));
  if (options.sync_ms < 0) refuse("sync_ms", fmt::format("{} is negative", options.sync_ms));
  return options;
}

core::File lock_folder(const std::string& folder) {
  core::create_folders(folder);
  core::File file = core::File::open(folder, O_RDONLY | O_DIRECTORY);
  if (!file.try_lock())
    throw core::Error("cannot write the journal", folder, "another writer has it locked");
  return file;
}

std::uint64_t draw_id() {
  std::uint64_t id = 0;
  while (id == 0)
    if (::getrandom(&id, sizeof id, 0) != static_cast<ssize_t>(sizeof id) && errno != EINTR)
      core::throw_system_error("cannot draw a journal id", "getrandom", errno);
  return id;
}

std::uint32_t left_out_bits(const WriterOptions& options) {
  return options.keep_book_deltas ? 0 : static_cast<std::uint32_t>(left_out_book_deltas);
}

std::array<bool, market::record_type_limit> kept_kinds(bool keep_book_deltas) {
  std::array<bool, market::record_type_limit> kept{};
  for (const market::RecordKind& kind : market::record_kinds)
    kept[static_cast<std::size_t>(kind.type)] = kind.is_journalled;
  if (!keep_book_deltas) kept[static_cast<std::size_t>(market::RecordType::book_delta)] = false;
  return kept;
}

}  // namespace

Writer::Impl::Impl(const WriterOptions& wanted, std::unique_ptr<Storage> given)
    : options(checked(wanted)),
      lock(lock_folder(wanted.folder)),
      folder(core::File::open(wanted.folder, O_RDONLY | O_DIRECTORY)),
      kept(kept_kinds(wanted.keep_book_deltas)) {
  const Survey found = survey(options.folder, &definitions);
  recover(options.folder, found);
  recovery = found.recovery;
  stats.torn_bytes_cut = recovery.torn_bytes;
  journal_id = found.journal_id != 0     ? found.journal_id
               : options.journal_id != 0 ? options.journal_id
                                         : draw_id();
  next_position = written = durable = found.end;
  sequence = found.chain.sequence;
  chain = found.chain.checksum;
  is_after_loss = recovery.lost_bytes > 0;
  durable_file = DurableFile::create(options.folder, journal_id, durable);

  storage = given != nullptr ? std::move(given) : make_storage(options.io);
  stats.engine = storage->engine();
  memory.grow(std::size_t{options.block_count} * options.block_bytes);
  slots.resize(options.block_count);
  std::vector<std::span<std::byte>> buffers;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots[i].data = memory.data() + i * options.block_bytes;
    buffers.emplace_back(slots[i].data, options.block_bytes);
  }
  storage->adopt(buffers);

  const std::size_t kept_segments = std::min(
      found.segments.size(), found.cut_segment + (found.cut_bytes > 0 ? std::size_t{1} : 0));
  const std::uint32_t left_out = left_out_bits(options);
  if (kept_segments > 0 && found.is_last_header_good && found.last_header.left_out == left_out &&
      found.last_header.block_bytes >= options.block_bytes) {
    const SegmentFile& last = found.segments[kept_segments - 1];
    Segment& segment = segments.emplace_back();
    segment.file = core::File::open(last.path, O_RDWR);
    segment.base = last.base;
    segment.end_offset = next_position - last.base;
    segment.has_own_blocks = segment.end_offset > segment_header_bytes;
    static_cast<void>(
        segment.file.preallocate(options.segment_bytes));  // as when it was created: only a help
    for (const auto& [id, definition] : definitions.all())
      if (definition.segment != segment.base) to_repeat.push_back(id);
    std::sort(to_repeat.rbegin(), to_repeat.rend());  // taken from the back: least id first
  } else {
    begin_segment();
  }
  sync();
}

void Writer::Impl::begin_segment() {
  SegmentHeader header;
  header.journal_id = journal_id;
  header.base = next_position;
  header.segment_bytes = options.segment_bytes;
  header.block_bytes = options.block_bytes;
  header.left_out = left_out_bits(options);
  header.created_ns = options.wall_clock().ns;
  header.first_sequence = sequence;
  header.durable = durable;
  header.chain = chain;
  alignas(8) std::array<std::byte, segment_header_bytes> page;
  seal(header, page);
  // May throw (disk full, no descriptors): nothing has changed then, and the next append tries
  // again.
  core::File file = storage->create(options.folder + "/" + segment_name(header.base), page,
                                    options.segment_bytes);
  if (!segments.empty()) segments.back().is_over = true;
  Segment& segment = segments.emplace_back();
  segment.file = std::move(file);
  segment.base = header.base;
  segment.end_offset = segment_header_bytes;
  segment.is_dirty = true;
  is_folder_dirty = true;
  next_position += segment_header_bytes;
  if (in_flight == 0) written = next_position;
  ++stats.segments;
  to_repeat.clear();
  for (const auto& [id, definition] : definitions.all()) to_repeat.push_back(id);
  std::sort(to_repeat.rbegin(), to_repeat.rend());  // taken from the back: least id first
}

void Writer::Impl::open_block() {
  if (in_flight == slots.size()) {
    drain();
    if (in_flight == slots.size()) {
      ++stats.waits;
      while (in_flight == slots.size()) wait_for_one();
    }
  }
  block = slots[(head + in_flight) % slots.size()].data;
  used = summed = sizeof(BlockHeader);
  checksum = record_count = definition_count = 0;
  block_position = next_position;
  is_open = true;
}

void Writer::Impl::advance_checksum(std::uint32_t to) {
  checksum = core::crc32c({block + summed, to - summed}, checksum);
  summed = to;
}

void Writer::Impl::close_block() {
  const auto bytes = static_cast<std::uint32_t>(disk_bytes(used - sizeof(BlockHeader)));
  std::memset(block + used, 0, bytes - used);
  advance_checksum(bytes);
  BlockHeader header;
  header.position = block_position;
  header.sequence = sequence++;
  header.journal_id = journal_id;
  header.durable = durable;
  header.payload_bytes = used - static_cast<std::uint32_t>(sizeof header);
  header.payload_checksum = checksum;
  header.record_count = record_count;
  header.definition_count = definition_count;
  header.chain = chain;
  if (is_repeating) header.flags |= block_repeats;
  if (std::exchange(is_after_loss, false)) header.flags |= block_after_loss;
  seal(header);
  std::memcpy(block, &header, sizeof header);
  chain = header.checksum;

  Segment& segment = segments.back();
  const std::size_t index = (head + in_flight) % slots.size();
  Slot& slot = slots[index];
  slot.bytes = bytes;
  slot.written = 0;
  slot.offset = segment.end_offset;
  slot.segment = &segment;
  segment.end_offset += bytes;
  segment.has_own_blocks |= !is_repeating;
  ++segment.blocks_in_flight;
  next_position += bytes;
  ++in_flight;
  is_open = false;
  ++stats.blocks;
  stats.bytes += bytes;
  queue(index);
}

// An open block with room for `size` bytes.
void Writer::Impl::ready_block(std::uint32_t size) {
  if (is_open && used + size > options.block_bytes) close_block();
  if (is_open) return;
  const Segment& segment = segments.back();
  // A segment ends where a whole block would not fit, but not before it holds something of its own:
  // definitions may fill more than a small segment.
  if (segment.has_own_blocks && segment.end_offset + options.block_bytes > options.segment_bytes)
    begin_segment();
  if (!to_repeat.empty()) repeat_definitions();
  open_block();
}

void Writer::Impl::repeat_definitions() {
  is_repeating = true;
  while (!to_repeat.empty()) {
    DefinitionTable::Definition& definition = definitions.all()[to_repeat.back()];
    const market::RecordHeader& record = definition.record();
    if (is_open && used + record.size > options.block_bytes) close_block();
    if (!is_open) open_block();
    put(record);
    ++definition_count;
    definition.segment = segments.back().base;
    ++stats.repeats;
    to_repeat.pop_back();
  }
  close_block();
  is_repeating = false;
}

void Writer::Impl::put(const market::RecordHeader& record) {
  std::memcpy(block + used, &record, record.size);
  used += record.size;
  ++record_count;
  if (used - summed >= checksum_step) advance_checksum(used);
}

Position Writer::Impl::append(const market::RecordHeader& record) {
  if (!stopped.empty() || is_closed) [[unlikely]] {
    check();
    throw core::Error("cannot append", options.folder, "the journal writer is closed");
  }
  const auto type = static_cast<std::size_t>(record.type);
  if (record.size < sizeof record || record.size % 8 != 0 || type == 0 || type >= kept.size() ||
      record.size > options.block_bytes - sizeof(BlockHeader)) [[unlikely]]
    throw core::Error("cannot append a record", options.folder,
                      fmt::format("kind {}, {} bytes: not a record of at most {} bytes", type,
                                  record.size, options.block_bytes - sizeof(BlockHeader)));
  if (!kept[type]) {
    ++stats.left_out;
    return end();
  }
  if (!is_open || used + record.size > options.block_bytes) [[unlikely]]
    ready_block(record.size);
  const Position position = block_position + used;
  put(record);
  ++stats.records;
  if (record.type == market::RecordType::instrument) {
    ++definition_count;
    definitions.remember(record, segments.back().base);
  }
  return position;
}

Writer::Writer(const WriterOptions& options) : Writer(options, nullptr) {}
Writer::Writer(const WriterOptions& options, std::unique_ptr<Storage> storage)
    : impl_(std::make_unique<Impl>(options, std::move(storage))) {}
Writer::~Writer() = default;

Position Writer::append(const market::RecordHeader& record) { return impl_->append(record); }
void Writer::poll(core::MonoNs now) { impl_->poll(now); }
void Writer::sync() { impl_->sync(); }
void Writer::close() { impl_->close(); }
bool Writer::has_stopped() const { return !impl_->stopped.empty(); }
Position Writer::end() const { return impl_->end(); }
Position Writer::durable() const { return impl_->durable; }
const Recovery& Writer::recovery() const { return impl_->recovery; }
const Stats& Writer::stats() const { return impl_->stats; }
std::uint64_t Writer::journal_id() const { return impl_->journal_id; }

std::vector<const market::RecordHeader*> Writer::instruments() const {
  std::vector<const market::RecordHeader*> records;
  records.reserve(impl_->definitions.all().size());
  for (const auto& [id, definition] : impl_->definitions.all())
    records.push_back(&definition.record());
  std::sort(records.begin(), records.end(),
            [](const market::RecordHeader* a, const market::RecordHeader* b) {
              return a->instrument < b->instrument;
            });
  return records;
}

}  // namespace perp::journal
