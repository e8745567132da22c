#include "engine/checkpoint.hpp"

#include <perp/core/error.hpp>
#include <perp/engine/engine.hpp>
#include <perp/engine/replay_check.hpp>
#include <perp/journal/reader.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace perp::engine {
namespace {

EngineOptions completed(EngineOptions options) {
  if (options.checkpoint_every_ns < 0)
    throw core::Error("bad engine option", "checkpoint_every_ns",
                      fmt::format("{} ns is negative", options.checkpoint_every_ns));
  if (options.checkpoint_folder.empty())
    options.checkpoint_folder = options.journal.folder + "/checkpoints";
  return options;
}

}  // namespace

Engine::Engine(const EngineOptions& options)
    : options_(completed(options)),
      writer_(std::make_unique<journal::Writer>(options_.journal)),
      state_(options_.state) {
  recover();
  note_restart();
  checkpoint_ns_ = state_.engine_time_ns();
}

Engine::~Engine() = default;

void Engine::add_ring(core::RecordRing& ring) { rings_.push_back(&ring); }

int Engine::do_work() {
  std::size_t records = 0;
  flush_derived();
  for (core::RecordRing* ring : rings_) records += drain(*ring);
  writer_->poll(options_.mono_clock());
  if (has_image_ && writer_->durable() >= checkpoint_position_) write_checkpoint();
  return static_cast<int>(records);
}

std::size_t Engine::drain(core::RecordRing& ring) {
  const std::span<const std::byte> published = ring.peek();
  if (published.empty()) return 0;
  // Whatever happens, what was taken is given back and what was not stays: append() may throw.
  struct Taken {
    core::RecordRing& ring;
    std::size_t bytes = 0;
    ~Taken() { ring.release(bytes); }
  } taken{ring};
  const core::MonoNs found = options_.mono_clock();
  const std::size_t limit = std::min(published.size(), batch_bytes);
  std::size_t records = 0;
  while (taken.bytes < limit) {
    const auto& record =
        *reinterpret_cast<const market::RecordHeader*>(published.data() + taken.bytes);
    if (record.type != market::RecordType::padding) {
      process(record);
      ++records;
    }
    taken.bytes += record.size;
  }
  ring_ns_.record(options_.mono_clock() - found);
  return records;
}

void Engine::process(const market::RecordHeader& record) {
  flush_derived();
  if ((record.flags & market::flag_derived) != 0) {
    ++counts_.foreign_derived;
    return;
  }
  const journal::Position before = writer_->end();
  append(record);
  if (writer_->end() == before) {
    // A replay will not meet it, so it may not act here either.
    ++counts_.left_out;
    return;
  }
  ++counts_.records;
  state_.apply(record, derived_);
  flush_derived();
  take_checkpoint();
}

void Engine::append(const market::RecordHeader& record) {
  const journal::Position before = writer_->end();
  writer_->append(record);
  const auto type = static_cast<std::size_t>(record.type);
  if (type < journalled_.size() && writer_->end() != before) ++journalled_[type];
}

/// What was concluded goes into the journal before the next input. If the disk refuses half of it,
/// the rest is still here at the next call.
void Engine::flush_derived() {
  while (derived_written_ < derived_.bytes().size()) {
    const auto& record =
        *reinterpret_cast<const market::RecordHeader*>(derived_.bytes().data() + derived_written_);
    append(record);
    derived_written_ += record.size;
  }
  derived_.reset();
  derived_written_ = 0;
}

void Engine::finish() {
  while (do_work() != 0) {
  }
  writer_->sync();
  if (options_.checkpoint_every_ns == 0 || state_.engine_time_ns() == core::unknown_ns) return;
  checkpoint_ns_ = core::unknown_ns;  // due, however young the last one is
  take_checkpoint();
  write_checkpoint();
}

void Engine::take_checkpoint() {
  const std::int64_t now_ns = state_.engine_time_ns();
  if (options_.checkpoint_every_ns == 0 || now_ns == core::unknown_ns) return;
  if (checkpoint_ns_ != core::unknown_ns && now_ns - checkpoint_ns_ < options_.checkpoint_every_ns)
    return;
  // The first one of a new journal knows nothing yet: the next comes in a tenth of the time.
  checkpoint_ns_ = checkpoint_ns_ == core::unknown_ns && start_.position == 0
                       ? now_ns - options_.checkpoint_every_ns / 10 * 9
                       : now_ns;
  checkpoint_position_ = writer_->end();
  image_.resize(sizeof(CheckpointHeader));
  state_.save(image_);
  has_image_ = true;  // replaces one that is still waiting: the newer serves better
}

/// Only once the journal is durable up to the image's position: after a power cut an image must not
/// know more than the journal.
void Engine::write_checkpoint() {
  if (!has_image_) return;
  has_image_ = false;
  write_checkpoint_file(options_.checkpoint_folder, writer_->journal_id(), checkpoint_position_,
                        image_);
  ++counts_.checkpoints;
}

void Engine::recover() {
  writer_->sync();
  const journal::Position end = writer_->end();
  for (const std::string& path : list_checkpoints(options_.checkpoint_folder)) {
    try {
      CheckpointHeader header;
      const std::vector<std::byte> file = read_checkpoint_file(path, writer_->journal_id(), header);
      if (header.position > end)
        throw core::Error(
            "checkpoint refused", path,
            fmt::format("it knows of position {}, the journal ends at {}", header.position, end));
      state_.load(std::span(file).subspan(sizeof header));
      start_.checkpoint = path;
      start_.position = header.position;
      break;
    } catch (const core::Error& error) {
      start_.refused.emplace_back(
          error.what());  // an older one, or the whole journal, serves as well
    }
  }

  journal::Reader reader(options_.journal.folder, start_.position);
  ConclusionMatcher matcher;
  while (const market::RecordHeader* record = reader.next()) {
    if (reader.is_repeat()) continue;
    if ((record->flags & market::flag_derived) != 0) {
      matcher.stored(*record, reader.position());
      continue;
    }
    matcher.input(reader.position());
    state_.apply(*record, derived_);
    matcher.concluded(derived_);
    derived_.reset();
  }
  start_.replayed = matcher.check.inputs;
  start_.differing = matcher.check.differing + matcher.check.missing + matcher.check.surplus;
  start_.damages = reader.damage_count();
  // The tail may have been cut between an input and its conclusions.
  matcher.for_each_pending([this](const market::RecordHeader& record) {
    append(record);
    ++start_.completed;
  });
}

/// Between the last record and now nobody watched: written down as a fact, so that no minute of
/// that time can pass for a whole one, here and in every replay.
void Engine::note_restart() {
  const std::int64_t now_ns = state_.engine_time_ns();
  if (now_ns == core::unknown_ns) return;
  std::set<market::VenueId> venues;
  writer_->for_each_instrument(
      [&](const market::RecordHeader& header) { venues.insert(header.venue); });
  for (const market::VenueId venue : venues) {
    struct {
      market::RecordHeader header;
      market::FeedStatus status;
    } record;
    record.header.size = sizeof record;
    record.header.type = market::RecordType::feed_status;
    record.header.venue = venue;
    record.header.exchange_ns = now_ns;
    record.header.receive_ns = now_ns;
    record.status.state = market::FeedState::down;
    record.status.reason.assign("engine was restarted");
    process(record.header);
  }
}

}  // namespace perp::engine
