#include <perp/core/error.hpp>
#include <perp/feed/replay.hpp>
#include <perp/journal/reader.hpp>
#include <perp/venue/registry.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

namespace perp::feed {
namespace {

constexpr int batch_messages = 256;

/// std::push_heap keeps the greatest on top; ours is the earliest, the lower file order first among
/// equals.
constexpr auto later = [](const auto* a, const auto* b) {
  return a->key_ns != b->key_ns ? a->key_ns > b->key_ns : a->order > b->order;
};

}  // namespace

struct Replay::Source {
  explicit Source(const RecordingFile& file) : reader(file) {}

  RecordingReader reader;
  std::optional<journal::Reader> journal;                ///< instead of `reader`
  const market::RecordHeader* journal_record = nullptr;  ///< the journal's next one
  std::size_t order = 0;
  std::uint64_t disk_bytes = 0;
  RecordedMessage message;
  std::int64_t key_ns = core::unknown_ns;  ///< when it is due
  bool is_decoded = false;                 ///< an untimed message: its records wait in `records`
  venue::RecordSink records;
};

Replay::Replay(const ReplayOptions& options, RingWriter& writer)
    : options_(options), writer_(&writer) {
  const std::vector<RecordingFile> files =
      find_recordings(options.paths, options.recording, skipped_);
  if (files.empty())
    throw core::Error("nothing to replay", options.paths.empty() ? "" : options.paths.front(),
                      "no recording was found there");
  for (const RecordingFile& file : files) {
    if (file.form == RecordingForm::journal && files.size() > 1)
      throw core::Error("cannot replay", file.path,
                        "a journal has its own instrument ids: replay it alone");
    sources_.push_back(std::make_unique<Source>(file));
    if (file.form == RecordingForm::journal) {
      sources_.back()->journal.emplace(file.path);
      continue;
    }
    sources_.back()->order = sources_.size() - 1;
    std::error_code ignored;  // only the progress line uses the size
    sources_.back()->disk_bytes = std::filesystem::file_size(file.path, ignored);
    bytes_total_ += sources_.back()->disk_bytes;
    state(file.venue);
  }
}

Replay::~Replay() = default;

venue::VenueState& Replay::state(market::VenueId id) {
  auto& slot = states_[static_cast<std::size_t>(id)];
  if (slot == nullptr) {
    slot = std::make_unique<venue::VenueState>(*venue::find_adapter(id));
    slot->lanes = options_.lanes;
  }
  return *slot;
}

void Replay::load_instrument_lists() {
  for (const auto& source : sources_) {
    if (!source->reader.file().is_instrument_list) continue;
    while (source->reader.next(source->message)) {
      source->key_ns = source->message.receive_ns;
      deliver(*source);
    }
  }
  for (const auto& source : sources_)
    if (!source->reader.file().is_instrument_list && look_ahead(*source))
      heap_.push_back(source.get());
}

bool Replay::look_ahead_journal(Source& source) {
  do {
    source.journal_record = source.journal->next();
    if (source.journal_record == nullptr) return false;
  } while (source.journal->is_repeat() ||
           (source.journal_record->flags & market::flag_derived) != 0);
  const market::RecordHeader& record = *source.journal_record;
  if (record.receive_ns != core::unknown_ns)
    source.key_ns = record.receive_ns;
  else if (record.exchange_ns != core::unknown_ns)
    source.key_ns = record.exchange_ns;
  return true;
}

bool Replay::look_ahead(Source& source) {
  if (source.journal) return look_ahead_journal(source);
  const std::int64_t previous = source.key_ns;
  if (!source.reader.next(source.message)) return false;
  source.is_decoded = false;
  source.key_ns = source.message.receive_ns;
  if (source.key_ns != core::unknown_ns) {
    has_receive_times_ = true;
    return true;
  }
  // Untimed: its records tell when. Instrument definitions among them are facts without a time and
  // go out at once, because another file's message may use them first.
  source.key_ns = previous;
  venue::VenueState& own = state(source.reader.file().venue);
  source.records.reset();
  venue::DecodeStatus status = venue::DecodeStatus::ok;
  if (source.message.is_rest) {
    status = own.adapter.decode_rest(own,
                                     {.endpoint = source.message.endpoint,
                                      .symbol = source.message.symbol,
                                      .body = source.message.payload,
                                      .period = source.message.period,
                                      .receive_ns = core::unknown_ns,
                                      .is_backfill = source.message.is_backfill},
                                     source.records);
  } else {
    status = own.adapter.decode(own, {.payload = source.message.payload}, source.records);
  }
  source.is_decoded = true;
  if (status != venue::DecodeStatus::ok) {
    source.records.reset();
    writer_->refuse(own, status, source.message.payload, source.message.endpoint, core::unknown_ns);
  } else {
    bool has_key = false;
    venue::for_each_record(std::as_const(source.records).bytes(),
                           [&](const market::RecordHeader& header) {
                             if (header.type == market::RecordType::instrument) {
                               writer_->record(header);
                             } else if (!has_key && header.exchange_ns != core::unknown_ns) {
                               source.key_ns = header.exchange_ns;
                               has_key = true;
                             }
                           });
  }
  writer_->count_message(source.message.payload.size());
  return true;
}

void Replay::deliver(Source& source) {
  if (source.journal) {
    writer_->record(*source.journal_record);
    return;
  }
  if (source.is_decoded) {
    venue::for_each_record(std::as_const(source.records).bytes(),
                           [this](const market::RecordHeader& header) {
                             if (header.type != market::RecordType::instrument)
                               writer_->record(header);
                           });
    source.records.reset();
    return;
  }
  venue::VenueState& own = state(source.reader.file().venue);
  const RecordedMessage& message = source.message;
  if (message.is_rest) {
    writer_->rest(own, {.endpoint = message.endpoint,
                        .symbol = message.symbol,
                        .body = message.payload,
                        .period = message.period,
                        .receive_ns = message.receive_ns,
                        .is_backfill = message.is_backfill});
  } else {
    writer_->frame(own, {.payload = message.payload, .receive_ns = message.receive_ns});
  }
}

bool Replay::is_due(std::int64_t key_ns, core::MonoNs now) {
  if (options_.speed <= 0 || key_ns == core::unknown_ns) return true;
  if (first_key_ns_ == core::unknown_ns) {
    first_key_ns_ = key_ns;
    first_mono_ = now;
  }
  const double elapsed_ns = static_cast<double>(now - first_mono_) * options_.speed;
  return static_cast<double>(key_ns - first_key_ns_) <= elapsed_ns;
}

int Replay::do_work(core::MonoNs now) {
  if (is_done_) return 0;
  if (!is_loaded_) {
    load_instrument_lists();
    std::make_heap(heap_.begin(), heap_.end(), later);
    is_loaded_ = true;
  }
  int done = 0;
  while (done < batch_messages && !heap_.empty()) {
    Source& source = *heap_.front();
    if (!is_due(source.key_ns, now)) break;
    deliver(source);
    ++done;
    if (heap_.size() == 1) {  // the usual case, one recording left: no heap to keep
      if (!look_ahead(source)) heap_.clear();
      continue;
    }
    std::pop_heap(heap_.begin(), heap_.end(), later);
    if (look_ahead(source)) {
      std::push_heap(heap_.begin(), heap_.end(), later);
    } else {
      heap_.pop_back();
    }
  }
  if (heap_.empty()) finish();
  writer_->publish();
  return done;
}

void Replay::finish() {
  is_done_ = true;
  if (sources_.front()->journal) return;  // its own ticks are among its records
  const std::int64_t newest = std::max(writer_->newest_exchange_ns(), writer_->newest_receive_ns());
  if (newest != core::unknown_ns) {
    struct {
      market::RecordHeader header;
      market::Tick tick;
    } record;
    record.header.size = sizeof record;
    record.header.type = market::RecordType::tick;
    record.header.exchange_ns = newest + 2 * core::ns_per_second;
    if (has_receive_times_) record.header.receive_ns = record.header.exchange_ns;
    writer_->record(record.header);
  }
}

std::uint64_t Replay::bad_lines() const {
  std::uint64_t count = 0;
  for (const auto& source : sources_) count += source->reader.bad_lines();
  return count;
}

std::vector<std::string> Replay::bad_line_places() const {
  std::vector<std::string> places;
  for (const auto& source : sources_)
    if (source->reader.bad_lines() > 0) places.push_back(source->reader.first_bad_line());
  return places;
}

double Replay::fraction_done() const {
  if (is_done_ || bytes_total_ == 0) return 1;
  // A compressed file says nothing about its whole length: it counts as done by halves of what is
  // left.
  double done = 0;
  for (const auto& source : sources_) {
    const auto whole = static_cast<double>(source->disk_bytes);
    const auto read = static_cast<double>(source->reader.bytes_read());
    done += source->reader.file().path.ends_with(".gz") ? whole * (read / (read + whole * 4))
                                                        : std::min(read, whole);
  }
  return done / static_cast<double>(bytes_total_);
}

}  // namespace perp::feed
