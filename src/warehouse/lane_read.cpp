// The reading half of a lane: records into a batch.
#include "warehouse/events.hpp"
#include "warehouse/lane.hpp"

#include <perp/market/perpspec.hpp>
#include <perp/warehouse/copy_encoder.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace perp::warehouse {
namespace {

constexpr std::size_t statement_limit = 5000;

}  // namespace

unsigned lane_of(std::string_view symbol, std::string_view perpspec, unsigned lanes) noexcept {
  std::uint64_t hash = 14695981039346656037u;
  const auto add = [&hash](char c) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  };
  for (char c : symbol) add(c);
  add('\0');
  for (char c : perpspec) add(c);
  hash ^= hash >> 32;
  return static_cast<unsigned>(hash % lanes);
}

void Lane::fill(journal::Position until, bool is_endless) {
  const std::int64_t flush_ns = options_.flush_ms * core::ns_per_ms;
  std::int64_t first_row_ns = 0;
  std::int64_t idle_ms = 1;
  for (unsigned spin = 0; batch_.row_count() < options_.batch_rows &&
                          batch_.statements.size() + batch_.refused.size() < statement_limit;
       ++spin) {
    if (is_stopped()) return;
    const market::RecordHeader* record = reader_->next();
    if (record == nullptr) {
      // Asked again after a look at how far the journal is durable: nothing twice means all below
      // that was read.
      const journal::Position durable = reader_->durable();
      record = reader_->next();
      is_done_ = record == nullptr && !is_endless && durable >= until;
    }
    note_damage();
    if (record == nullptr) {
      batch_.end = std::max(batch_.end, reader_->next_position());
      if (is_done_) return;
      if (batch_.is_empty()) publish_loaded();
    } else {
      idle_ms = 1;
      if (!is_endless && reader_->position() >= until) {
        is_done_ = true;
        return;
      }
      take(*record);
      read_ns_ = std::max(read_ns_, record->receive_ns);  // unknown is the least of all
      batch_.end = reader_->next_position();
    }
    if (record == nullptr || spin % 256 == 0) {
      const std::int64_t now_ns = core::mono_now().ns;
      if (first_row_ns == 0 && !batch_.is_empty()) first_row_ns = now_ns;
      if (first_row_ns != 0 && now_ns - first_row_ns >= flush_ns) return;
      // Nothing of ours for long: the cursor moves all the same, so that a restart does not read it
      // all again.
      if (batch_.is_empty() && batch_.end != batch_.begin &&
          now_ns - last_commit_ns_ >= 10 * flush_ns)
        return;
    }
    if (record == nullptr) {
      pause(idle_ms);
      idle_ms = std::min<std::int64_t>(2 * idle_ms, 20);
    }
  }
}

void Lane::take(const market::RecordHeader& record) {
  switch (record.type) {
    case market::RecordType::minute: take_minute(record); break;
    case market::RecordType::instrument:
      // Its name or its being primary may have changed: its series are looked up anew.
      for (auto* series : {&series_by_id_, &fact_series_by_id_})
        std::erase_if(*series,
                      [&](const auto& entry) { return entry.first >> 16 == record.instrument; });
      [[fallthrough]];
    case market::RecordType::feed_status:
    case market::RecordType::error:
      if (lane_ == 0) take_event(record);
      break;
    case market::RecordType::gap:
      if (lane_ == 0) take_event(record);
      break;
    default: take_fact(record); break;
  }
}

std::uint32_t Lane::find_series(const market::RecordHeader& record, const market::Minute& minute) {
  const std::uint64_t key = std::uint64_t{record.instrument} << 16 | minute.perpspec;
  if (const auto known = series_by_id_.find(key); known != series_by_id_.end())
    return known->second;
  const market::Instrument* instrument = reader_->find_instrument(record.instrument);
  const auto id = static_cast<market::PerpspecId>(minute.perpspec);
  if (instrument == nullptr || !market::has_perpspec(market::venue_of(id), market::kind_of(id))) {
    // Every lane sees it, one counts it. Not remembered: a definition may follow.
    if (lane_ == 0) ++pending_.undefined;
    return not_ours;
  }
  const std::string symbol(instrument->base.view());
  const std::string perpspec = market::perpspec_name(id);
  if (instrument->is_primary == 0) {
    if (lane_ == 0) ++pending_.not_primary;
    return not_ours;
  }
  if (lane_of(symbol, perpspec, options_.lanes) != lane_) {
    series_by_id_.emplace(key, not_ours);
    return not_ours;
  }
  const auto [place, is_new] = series_by_name_.try_emplace(
      symbol + '\0' + perpspec, static_cast<std::uint32_t>(series_.size()));
  if (is_new) {
    Series series;
    series.symbol = symbol;
    series.perpspec = perpspec;
    series.kind = market::kind_of(id);
    series.prefix = encode_series(narrowed(perp_data_layout, 0, false), symbol, perpspec);
    series_.push_back(std::move(series));
  }
  series_by_id_.emplace(key, place->second);
  return place->second;
}

void Lane::take_minute(const market::RecordHeader& record) {
  const auto& minute = market::payload<market::Minute>(record);
  const std::uint32_t index = find_series(record, minute);
  if (index == not_ours) return;
  const Series& series = series_[index];
  const std::span<const market::MinuteValue> values = market::values(minute);
  const std::int64_t ts = core::floor_to(minute.open_ns, core::ns_per_ms) / core::ns_per_ms;
  const MinuteSlots slots = slots_of(values);
  std::string reason;
  if (slots.refusal != RowRefusal::none) reason = to_string(slots.refusal);
  if (ts < ts_earliest || ts > ts_latest)
    reason = "the minute's time is unknown or not between 2010 and 2100";
  else if (minute.open_ns % core::ns_per_minute != 0)
    reason = "the minute's time is not a whole minute";
  if (!is_storable_text(series.symbol) || series.symbol.empty())
    reason = "the symbol is empty or not valid UTF-8";
  if (!reason.empty()) {
    batch_.refused.push_back(
        {series.symbol, series.perpspec, ts, reader_->position(), "perp_data", "", reason});
    return;
  }
  Row row;
  row.series = index;
  row.ts = ts;
  row.position = reader_->position();
  row.flags = record.flags;
  row.origin = minute.origin;
  row.data_first = row.metrics_first = static_cast<std::uint32_t>(batch_.values.size());
  row.data_count = row.metrics_count = minute.count;
  row.data_slots = slots.data;
  row.metrics_slots = slots.metrics;
  batch_.values.insert(batch_.values.end(), values.begin(), values.end());
  batch_.rows.push_back(row);
}

void Lane::take_event(const market::RecordHeader& record) {
  if (record.type == market::RecordType::instrument) {
    // What the engine made up (MT) is no contract: it is in no list of them.
    if ((record.flags & market::flag_derived) != 0) return;
    const auto& instrument = market::payload<market::Instrument>(record);
    // Each segment repeats all definitions: only what changed goes to the database.
    const auto [known, is_new] = stored_instruments_.try_emplace(record.instrument, instrument);
    // By their bytes: what differs in padding alone goes there once more, and nothing is missed.
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
    if (!is_new && std::memcmp(&known->second, &instrument, sizeof instrument) == 0) return;
    known->second = instrument;
    if (!is_storable_text(instrument.native.view()) || !is_storable_text(instrument.base.view()) ||
        !is_storable_text(instrument.quote.view()) || !is_storable_text(instrument.settle.view()) ||
        market::find_venue(record.venue) == nullptr) {
      batch_.refused.push_back({std::string(instrument.base.view()), "", 0, reader_->position(),
                                "instruments", "",
                                "the venue is unknown or a name is not valid UTF-8"});
      return;
    }
    batch_.statements.push_back(instrument_statement(record));
    ++batch_.instruments;
    return;
  }
  if (record.type == market::RecordType::gap) {
    const market::Instrument* instrument =
        record.instrument == 0 ? nullptr : reader_->find_instrument(record.instrument);
    const std::string symbol = instrument == nullptr ? std::string() : fact_symbol(*instrument);
    if (is_storable_text(symbol))
      batch_.statements.push_back(gap_statement(record, symbol));
    else
      batch_.refused.push_back(
          {symbol, "", 0, reader_->position(), "data_gaps", "", "the symbol is not valid UTF-8"});
    return;
  }
  if (reader_->position() < events_from_) return;  // stored before the number of lanes changed
  if (record.type == market::RecordType::feed_status) {
    const market::Instrument* instrument =
        record.instrument == 0 ? nullptr : reader_->find_instrument(record.instrument);
    batch_.statements.push_back(status_statement(
        record, instrument == nullptr ? std::string_view() : instrument->native.view()));
    ++batch_.status_rows;
  } else {
    batch_.statements.push_back(error_statement(record));
    ++batch_.error_rows;
  }
}

// Places that the reader stepped over are facts somebody must learn of: said aloud, and a row in
// perp_errors.
void Lane::note_damage() {
  if (reader_->damage_count() == damages_told_) return;
  const std::span<const journal::Damage> damages = reader_->damages();
  for (std::uint64_t i = damages_told_; lane_ == 0 && i < damages.size(); ++i) {
    tell(fmt::format("journal damaged: segment {} offset {}, {} bytes skipped: {}",
                     damages[i].segment, damages[i].offset, damages[i].bytes, damages[i].why));
    batch_.statements.push_back(damage_statement(damages[i]));
    ++batch_.error_rows;
  }
  damages_told_ = reader_->damage_count();
}

}  // namespace perp::warehouse
