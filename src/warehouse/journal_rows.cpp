#include "warehouse/journal_rows.hpp"

#include "warehouse/events.hpp"
#include "warehouse/facts.hpp"
#include "warehouse/lane.hpp"
#include "warehouse/wire.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/warehouse/rollup.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>

namespace perp::warehouse {
namespace {

using Merge = ComparedTable::Merge;

constexpr std::uint32_t null_length = 0xffffffff;
constexpr std::size_t column_ids = 1024;
// Kinds of subjects: a perpspec's minutes, a fact table's records.
constexpr std::size_t fact_kinds = 1u << 20;

void put(std::string& out, std::string_view bytes) {
  append_u32(out, static_cast<std::uint32_t>(bytes.size()));
  out += bytes;
}

void put_null(std::string& out) { append_u32(out, null_length); }

void put_integer(std::string& out, std::int64_t value, bool is_wide) {
  append_u32(out, is_wide ? 8 : 4);
  if (is_wide)
    append_u64(out, static_cast<std::uint64_t>(value));
  else
    append_u32(out, static_cast<std::uint32_t>(static_cast<std::int32_t>(value)));
}

void put_value(std::string& out, const TableColumn& column, double value) {
  if (std::isnan(value)) return put_null(out);
  if (column.type == SqlType::position_side) return put(out, value == 1 ? "long" : "short");
  if (column.type == SqlType::int4)
    return put_integer(out, static_cast<std::int64_t>(value), false);
  append_u32(out, 8);
  append_u64(out, std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value));
}

// SMALLINT[] of the change windows: one dimension, no NULL, the element's type, length, lower
// bound.
std::string window_sizes_bytes() {
  std::string out;
  append_u32(out, 1);
  append_u32(out, 0);
  append_u32(out, oid_int2);
  append_u32(out, static_cast<std::uint32_t>(market::change_windows_minutes.size()));
  append_u32(out, 1);
  for (auto minutes : market::change_windows_minutes) {
    append_u32(out, 2);
    append_u16(out, static_cast<std::uint16_t>(minutes));
  }
  return out;
}

ComparedTable hot_table(const Table& table, bool keeps_known) {
  ComparedTable out;
  out.name = table.name();
  out.key_fields = 3;
  out.fact = ComparedTable::hot;
  for (const TableColumn& column : table.columns()) {
    const bool is_value = column.role == ColumnRole::value;
    out.columns.push_back(column.name);
    out.merges.push_back(is_value && keeps_known ? Merge::keep_known : Merge::replace);
  }
  return out;
}

const Table& hot_definition(const ComparedTable& table) {
  return table.name == perp_data().name() ? perp_data() : perp_metrics();
}

// Why a minute is no row; what loading refuses before it asks the server.
bool is_bad(const market::Minute& minute, std::int64_t ts) {
  if (ts < ts_earliest || ts > ts_latest || minute.open_ns % core::ns_per_minute != 0) return true;
  for (const market::MinuteValue& value : market::values(minute)) {
    const double number = value.value;
    if (std::isnan(number)) continue;
    if (std::isinf(number)) return true;
    const std::size_t raw = value.column % 256;
    const bool is_side = raw < market::column_count &&
                         market::columns[raw].type == market::ColumnType::position_side;
    if (is_side && number != 1 && number != 2) return true;
    if (value.column == static_cast<std::uint16_t>(market::column("age_ms")) &&
        (number != std::trunc(number) || std::abs(number) > 2147483647.0))
      return true;
  }
  return false;
}

std::int64_t ms_of(std::int64_t ns) {
  return ns == core::unknown_ns ? 0 : core::floor_to(ns, core::ns_per_ms) / core::ns_per_ms;
}

}  // namespace

ComparedTable compared_table(std::string_view name) {
  if (name == perp_data().name()) return hot_table(perp_data(), true);
  if (name == perp_metrics().name()) return hot_table(perp_metrics(), false);
  const std::size_t index = find_fact_table(name);
  for (const RollupLevel& level : rollup_levels())
    if (level.table == name)
      throw core::Error("not made of a journal", std::string(name),
                        "it is made of perp_data; `perp db rollup --from --to` computes it again");
  if (index == fact_tables().size())
    throw core::Error("cannot be compared with a journal", std::string(name),
                      "expected perp_data, perp_metrics or a table of facts");
  const FactTable& fact = fact_tables()[index];
  ComparedTable out;
  out.name = fact.name;
  out.columns.assign(fact.columns.begin(), fact.columns.end());
  out.merges.assign(out.columns.size(),
                    fact.merge == FactMerge::keep_first ? Merge::keep_first : Merge::keep_known);
  out.key_fields = fact.key_fields;
  out.fact = index;
  return out;
}

std::vector<std::size_t> field_offsets(std::string_view row, std::size_t fields) {
  std::vector<std::size_t> out;
  std::size_t at = 0;
  for (std::size_t field = 0; field < fields; ++field) {
    out.push_back(at);
    if (row.size() < at + 4) throw core::Error("torn row", "verify", "a field is missing");
    const std::uint32_t length = read_u32(row.data() + at);
    at += 4 + (length == null_length ? 0 : length);
    if (at > row.size()) throw core::Error("torn row", "verify", "a field is cut");
  }
  out.push_back(at);
  return out;
}

std::int64_t ts_of(std::string_view row) {
  return static_cast<std::int64_t>(read_u64(row.data() + 4));
}

std::string_view key_of(std::string_view row, std::size_t fields) {
  return row.substr(0, field_offsets(row, fields).back());
}

std::string merged(const ComparedTable& table, const std::string& older, const std::string& newer) {
  if (table.merges.back() == Merge::keep_first) return older;
  const std::vector<std::size_t> before = field_offsets(older, table.columns.size());
  const std::vector<std::size_t> after = field_offsets(newer, table.columns.size());
  std::string out;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const bool is_unknown = read_u32(newer.data() + after[i]) == null_length;
    if (table.merges[i] == Merge::keep_known && is_unknown)
      out.append(older, before[i], before[i + 1] - before[i]);
    else
      out.append(newer, after[i], after[i + 1] - after[i]);
  }
  return out;
}

struct JournalRows::Pass {
  journal::Reader& reader;
  const RowWish& wish;
  const Take& take;
  Repeats repeats{};
  Counts counts{};
};

JournalRows::JournalRows(const std::vector<ComparedTable>& tables,
                         const std::set<std::string>& perpspecs,
                         std::vector<journal::Position> cursors)
    : tables_(tables), perpspecs_(perpspecs), cursors_(std::move(cursors)) {}

journal::Position JournalRows::cursor_of(std::string_view symbol, std::string_view series) const {
  if (cursors_.empty()) return 0;
  return cursors_[lane_of(symbol, series, static_cast<unsigned>(cursors_.size()))];
}

const JournalRows::Subject* JournalRows::find_subject(const Pass& pass,
                                                      const market::RecordHeader& record,
                                                      std::size_t kind) {
  const std::pair key(record.instrument, kind);
  if (const auto known = subjects_.find(key); known != subjects_.end()) return &known->second;
  const market::Instrument* instrument = pass.reader.find_instrument(record.instrument);
  if (instrument == nullptr) return nullptr;
  Subject subject;
  subject.is_primary = instrument->is_primary != 0;
  if (kind >= fact_kinds) {
    const bool is_perpetual = instrument->contract_type == market::ContractType::linear_perpetual ||
                              instrument->contract_type == market::ContractType::inverse_perpetual;
    subject.symbol = std::string(instrument->base.view());
    if (!subject.is_primary) subject.symbol += "-" + std::string(instrument->quote.view());
    subject.is_row = is_perpetual;
    subject.cursor = cursor_of(subject.symbol, tables_[kind - fact_kinds].name);
  } else {
    const auto id = static_cast<market::PerpspecId>(kind);
    subject.symbol = std::string(instrument->base.view());
    if (market::has_perpspec(market::venue_of(id), market::kind_of(id))) {
      subject.perpspec = market::perpspec_name(id);
      subject.is_row = subject.is_primary && perpspecs_.contains(subject.perpspec);
      subject.cursor = cursor_of(subject.symbol, subject.perpspec);
    }
  }
  return &subjects_.emplace(key, std::move(subject)).first->second;
}

void JournalRows::take_minute(Pass& pass, const market::RecordHeader& record) {
  const auto& minute = market::payload<market::Minute>(record);
  const Subject* subject = find_subject(pass, record, minute.perpspec);
  if (subject == nullptr) return;
  if (!subject->is_primary) ++pass.counts.not_primary;
  if (!subject->is_row) return;
  const std::int64_t ts = ms_of(minute.open_ns);
  if (is_bad(minute, ts) || subject->symbol.empty() || !is_storable_text(subject->symbol)) {
    ++pass.counts.refused;
    return;
  }
  if (ts < pass.wish.from_ms || ts >= pass.wish.to_ms) return;
  std::array<double, column_ids> numbers;
  if (pass.wish.wants_fields) {
    numbers.fill(market::missing);
    for (const market::MinuteValue& value : market::values(minute))
      if (value.column < column_ids) numbers[value.column] = value.value;
  }
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    if (tables_[i].fact != ComparedTable::hot) continue;
    JournalRow row{
        i, ts, subject->symbol, pass.reader.position(), pass.reader.position() < subject->cursor,
        {}};
    if (pass.wish.wants_fields) {
      for (const TableColumn& column : hot_definition(tables_[i]).columns()) {
        if (column.role == ColumnRole::value)
          put_value(row.fields, column, numbers[static_cast<std::size_t>(column.id)]);
        else if (column.name == "ts")
          put_integer(row.fields, ts, true);
        else if (column.name == "symbol")
          put(row.fields, subject->symbol);
        else if (column.name == "perpspec" || column.name == "source")
          put(row.fields, subject->perpspec);
        else if (column.name == "interval")
          put(row.fields, "1min");
        else if (column.name == "window_sizes")
          put(row.fields, window_sizes_bytes());
        else if (column.name == "notes" &&
                 minute.origin == static_cast<std::uint8_t>(market::MinuteOrigin::trades))
          put(row.fields, "trades");
        else
          put_null(row.fields);
      }
    }
    pass.take(std::move(row));
  }
}

void JournalRows::take_fact(Pass& pass, const market::RecordHeader& record, std::size_t table) {
  const Subject* subject = find_subject(pass, record, fact_kinds + table);
  if (subject == nullptr || !subject->is_row) return;
  const FactTable& fact = fact_tables()[tables_[table].fact];
  const std::int64_t ns = fact.time(record);
  if (ns == skip) return;
  const std::int64_t ts = ms_of(ns);
  if (ts < ts_earliest || ts > ts_latest || subject->symbol.empty() ||
      !is_storable_text(subject->symbol)) {
    ++pass.counts.refused;
    return;
  }
  // Counted for every row: what came before in its millisecond may lie outside the wish.
  const std::uint32_t repeat =
      fact.has_event_id ? pass.repeats.count(record, ts, pass.reader.position()) : 0;
  if (ts < pass.wish.from_ms || ts >= pass.wish.to_ms) return;
  const std::uint32_t rows = fact.rows(record);
  for (std::uint32_t part = 0; part < rows; ++part) {
    JournalRow row{table,
                   ts,
                   subject->symbol,
                   pass.reader.position(),
                   pass.reader.position() < subject->cursor,
                   {}};
    if (pass.wish.wants_fields)
      write_row(fact, record,
                {static_cast<std::int16_t>(record.venue), subject->symbol, ts, repeat, part},
                row.fields);
    pass.take(std::move(row));
  }
}

JournalRows::Counts JournalRows::read(journal::Reader& reader, journal::Position to,
                                      const RowWish& wish, const Take& take) {
  Pass pass{reader, wish, take};
  subjects_.clear();
  while (const market::RecordHeader* record = reader.next()) {
    if (reader.position() >= to) break;
    if (record->type == market::RecordType::instrument) {
      // Its name or its being primary may have changed.
      std::erase_if(subjects_,
                    [&](const auto& entry) { return entry.first.first == record->instrument; });
      continue;
    }
    if (record->type == market::RecordType::minute) {
      take_minute(pass, *record);
      continue;
    }
    for (std::size_t i = 0; i < tables_.size(); ++i)
      if (tables_[i].fact != ComparedTable::hot &&
          fact_tables()[tables_[i].fact].record == record->type)
        take_fact(pass, *record, i);
  }
  return pass.counts;
}

}  // namespace perp::warehouse
