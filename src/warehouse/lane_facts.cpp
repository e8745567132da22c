// The part of a lane that loads facts into tables of their own: which records, whose series, what
// may meet a stored row.
#include "warehouse/events.hpp"
#include "warehouse/lane.hpp"

#include <perp/market/record_kind.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace perp::warehouse {
namespace {

bool is_perpetual(market::ContractType type) {
  return type == market::ContractType::linear_perpetual ||
         type == market::ContractType::inverse_perpetual;
}

std::int64_t ms_of(std::int64_t ns) {
  return ns == core::unknown_ns ? 0 : core::floor_to(ns, core::ns_per_ms) / core::ns_per_ms;
}

bool is_plausible(std::int64_t ts) { return ts >= ts_earliest && ts <= ts_latest; }

}  // namespace

std::vector<FactTableState> read_fact_states(Connection& connection,
                                             const std::vector<std::string>& wanted) {
  std::vector<FactTableState> states(fact_tables().size());
  for (std::size_t i = 0; i < states.size(); ++i) {
    const FactTable& table = fact_tables()[i];
    const QueryResult row = connection.query(
        "SELECT chunk_ms, retention_days::bigint FROM perp_series WHERE table_name = $1",
        {std::string(table.name)});
    states[i].is_loaded = std::find(wanted.begin(), wanted.end(), table.name) != wanted.end();
    states[i].chunk_ms = row.columns[0].ints.at(0);
    states[i].retention_days = row.columns[1].ints.at(0);
  }
  return states;
}

void Lane::take_fact(const market::RecordHeader& record) {
  for (std::size_t i = 0; i < fact_tables().size(); ++i) {
    const FactTable& table = fact_tables()[i];
    if (table.record != record.type || !session_->facts[i].is_loaded) continue;
    const std::int64_t ns = table.time(record);
    if (ns != skip) take_fact(record, i, ms_of(ns));
  }
}

void Lane::take_fact(const market::RecordHeader& record, std::size_t table_index, std::int64_t ts) {
  const FactTable& table = fact_tables()[table_index];
  const std::uint32_t index = find_fact_series(record, table_index);
  if (index == not_ours) return;
  const LaneFactSeries& series = fact_series_[index];
  std::string reason;
  if (!is_plausible(ts))
    reason = "its time is unknown or not between 2010 and 2100";
  else if (!is_storable_text(series.symbol) || series.symbol.empty())
    reason = "the symbol is empty or not valid UTF-8";
  if (!reason.empty()) {
    batch_.refused.push_back(
        {series.symbol, "", ts, reader_->position(), std::string(table.name), "", reason});
    return;
  }
  FactBatch& batch = batch_.facts[table_index];
  FactSubject subject{series.exchange, series.symbol, ts,
                      table.has_event_id ? repeats_.count(record, ts, reader_->position()) : 0};
  for (const std::uint32_t rows = table.rows(record); subject.part < rows; ++subject.part) {
    FactRow row;
    row.begin = static_cast<std::uint32_t>(batch.bytes.size());
    row.series = index;
    row.ts = ts;
    row.position = reader_->position();
    row.flags = record.flags;
    row.key_size = write_row(table, record, subject, batch.bytes);
    row.size = static_cast<std::uint32_t>(batch.bytes.size()) - row.begin;
    batch.rows.push_back(row);
  }
}

// What came shortly before the cursor is stored, and counts all the same: an equal event behind the
// cursor is not the first of its millisecond.
void Lane::recall_repeats() {
  repeats_ = {};
  if (cursor_ == 0) return;
  journal::Reader before(
      options_.journal_folder,
      journal::block_before(options_.journal_folder, cursor_, Repeats::reach_bytes));
  while (const market::RecordHeader* record = before.next()) {
    if (before.position() >= cursor_) return;
    for (std::size_t i = 0; i < fact_tables().size(); ++i) {
      const FactTable& table = fact_tables()[i];
      if (table.record != record->type || !table.has_event_id || !session_->facts[i].is_loaded)
        continue;
      const market::Instrument* instrument = before.find_instrument(record->instrument);
      if (instrument == nullptr || !is_perpetual(instrument->contract_type)) continue;
      const std::int64_t ns = table.time(*record);
      if (ns != skip && is_plausible(ms_of(ns)))
        repeats_.count(*record, ms_of(ns), before.position());
    }
  }
}

std::uint32_t Lane::find_fact_series(const market::RecordHeader& record, std::size_t table) {
  const std::uint64_t key = std::uint64_t{record.instrument} << 16 | table;
  if (const auto known = fact_series_by_id_.find(key); known != fact_series_by_id_.end())
    return known->second;
  const market::Instrument* instrument = reader_->find_instrument(record.instrument);
  if (instrument == nullptr) {
    if (lane_ == 0) ++pending_.undefined;  // not remembered: a definition may follow
    return not_ours;
  }
  const std::string symbol = fact_symbol(*instrument);
  std::uint32_t index = not_ours;
  if (is_perpetual(instrument->contract_type) &&
      lane_of(symbol, fact_tables()[table].name, options_.lanes) == lane_) {
    const auto exchange = static_cast<std::int16_t>(record.venue);
    const auto [place, is_new] =
        fact_series_by_name_.try_emplace(fmt::format("{} {} {}", table, exchange, symbol),
                                         static_cast<std::uint32_t>(fact_series_.size()));
    if (is_new) fact_series_.push_back({table, symbol, exchange});
    index = place->second;
  }
  fact_series_by_id_.emplace(key, index);
  return index;
}

/// Everything that fact rows need before their transaction; may be repeated on a new connection.
void Lane::prepare_facts() {
  if (session_->backend != Backend::plain) return;
  for (std::size_t i = 0; i < batch_.facts.size(); ++i) {
    const std::int64_t chunk_ms = session_->facts[i].chunk_ms;
    for (const FactRow& row : batch_.facts[i].rows) {
      const std::int64_t first = core::floor_to(row.ts, chunk_ms);
      if (!fact_chunks_.insert({i, first}).second) continue;
      ensure_partition(session_->connection, fact_tables()[i].name, first);
    }
  }
}

// A row may meet a stored one if it is told to be history, or is not above what this session has
// stored of its series. Of a series that is new to the session nothing is known: its first rows are
// merged.
void Lane::judge_facts() {
  for (std::size_t i = 0; i < batch_.facts.size(); ++i) {
    const FactTable& table = fact_tables()[i];
    FactBatch& batch = batch_.facts[i];
    batch_.folded += sort_and_fold(batch, table);
    batch.needs_merge = std::any_of(batch.rows.begin(), batch.rows.end(), [&](const FactRow& row) {
      const LaneFactSeries& series = fact_series_[row.series];
      return (row.flags &
              (market::flag_backfill | market::flag_revision | market::flag_snapshot)) != 0 ||
             !series.is_known || row.ts < series.ts_max ||
             (row.ts == series.ts_max && !table.has_event_id);
    });
  }
}

void Lane::refuse_expired_facts() {
  if (!options_.keeps_retention || session_->backend != Backend::plain) return;
  const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms;
  for (std::size_t i = 0; i < batch_.facts.size(); ++i) {
    const FactTableState& state = session_->facts[i];
    if (state.retention_days == 0) continue;
    const std::int64_t oldest =
        core::floor_to(now_ms - state.retention_days * day_ms, state.chunk_ms);
    pending_.rows_expired +=
        std::erase_if(batch_.facts[i].rows, [&](const FactRow& row) { return row.ts < oldest; });
  }
}

void Lane::finish_facts() {
  for (const FactBatch& batch : batch_.facts)
    for (const FactRow& row : batch.rows) {
      LaneFactSeries& series = fact_series_[row.series];
      series.ts_max = series.is_known ? std::max(series.ts_max, row.ts) : row.ts;
      series.is_known = true;
    }
}

}  // namespace perp::warehouse
