#include "warehouse/content_hash.hpp"
#include "warehouse/journal_rows.hpp"
#include "warehouse/lane.hpp"
#include "warehouse/wire.hpp"

#include <perp/core/error.hpp>
#include <perp/core/time.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/loader.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/table.hpp>
#include <perp/warehouse/verify.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <map>
#include <set>
#include <span>
#include <unordered_map>

namespace perp::warehouse {
namespace {

using journal::Position;

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::uint32_t null_length = 0xffffffff;

struct StoredTable {
  std::vector<ColumnKind> kinds;  // by column
  std::int64_t chunk_ms = 0;
  std::int64_t retention_days = 0;
};

// Where in the journal an hour's rows are.
struct Hour {
  std::uint64_t rows = 0;
  Position first = 0;
  Position last = 0;
};

struct Window {
  std::int64_t from_ms;
  std::int64_t to_ms;
  Position first = 0;
  Position last = 0;
  bool has_records = false;
};

struct Kept {
  std::string row;
  bool is_left_out = false;
  bool is_found = false;
};
using Rows = std::unordered_map<std::string, Kept>;

std::string time_text(std::int64_t ms) {
  const std::int64_t second = core::floor_to(ms, 1000);
  const std::chrono::sys_seconds time{std::chrono::seconds(second / 1000)};
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", time, ms - second);
}

std::string hexadecimal(std::string_view bytes) {
  std::string out;
  for (char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string value_text(std::string_view field, ColumnKind kind, bool is_time) {
  const std::uint32_t length = read_u32(field.data());
  if (length == null_length) return "NULL";
  const std::string_view bytes = field.substr(4);
  if (kind == ColumnKind::float64)
    return fmt::format("{}", std::bit_cast<double>(read_u64(bytes.data())));
  if (kind == ColumnKind::text) {
    const bool is_plain =
        std::all_of(bytes.begin(), bytes.end(), [](char c) { return c >= ' ' && c <= '~'; });
    return is_plain ? std::string(bytes) : "\\x" + hexadecimal(bytes);
  }
  switch (length) {
    case 8: {
      const auto number = static_cast<std::int64_t>(read_u64(bytes.data()));
      return is_time ? time_text(number) : std::to_string(number);
    }
    case 4: return std::to_string(static_cast<std::int32_t>(read_u32(bytes.data())));
    case 2: return std::to_string(static_cast<std::int16_t>(read_u16(bytes.data())));
    default: return bytes[0] != '\0' ? "true" : "false";
  }
}

class Verifier {
 public:
  explicit Verifier(const VerifyOptions& options)
      : options_(options), connection_(options.dsn, "perp verify") {
    if (options.range_ms <= 0 || options.range_ms % hour_ms != 0)
      throw core::Error("bad range", "verify", "expected whole hours");
    if (options.from_ms >= options.to_ms)
      throw core::Error("bad times", "verify", "the first is not before the last");
    std::vector<std::string> names = options.tables;
    if (names.empty()) {
      names = default_fact_tables();
      names.insert(names.begin(), {perp_data().name(), perp_metrics().name()});
    }
    for (const std::string& name : names) tables_.push_back(compared_table(name));
  }

  VerifyReport run() {
    static_cast<void>(require_schema(connection_, "perp verify"));
    connection_.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    journal::Reader reader(options_.journal_folder);
    report_.journal_end = reader.durable();
    read_database_facts();
    find_hours(reader);
    for (const Window& window : windows()) compare(window);
    connection_.execute("COMMIT");
    finish();
    return std::move(report_);
  }

 private:
  void read_database_facts() {
    for (const ComparedTable& table : tables_) {
      const QueryResult series = connection_.query(
          "SELECT chunk_ms, retention_days::bigint FROM perp_series WHERE table_name = $1",
          {table.name});
      StoredTable stored;
      stored.chunk_ms = series.columns[0].ints.at(0);
      stored.retention_days = series.columns[1].ints.at(0);
      for (const ColumnData& column :
           connection_
               .query(fmt::format("SELECT {} FROM {} WHERE false", list(table),
                                  quote_identifier(table.name)))
               .columns)
        stored.kinds.push_back(column.kind);
      stored_.push_back(std::move(stored));
    }
    for (const market::Perpspec& spec : market::perpspecs)
      perpspecs_.insert(market::perpspec_name(spec.id));
    const QueryResult inactive =
        connection_.query("SELECT perpspec_name FROM perpspec_schema WHERE NOT active");
    for (std::size_t i = 0; i < inactive.rows; ++i)
      perpspecs_.erase(std::string(inactive.columns[0].text(i)));
    // What the server refused lies at its position in perp_errors.
    const QueryResult refused = connection_.query(
        "SELECT (details->>'journal_position')::bigint, details->>'symbol' FROM perp_errors WHERE "
        "error_code = 'INSERT_FAILED' AND details->>'sqlstate' <> ''");
    for (std::size_t i = 0; i < refused.rows; ++i)
      refused_.emplace(static_cast<Position>(refused.columns[0].ints[i]),
                       std::string(refused.columns[1].text(i)));
  }

  static std::string list(const ComparedTable& table) {
    std::string out;
    for (const std::string& column : table.columns)
      out += (out.empty() ? "" : ",") + quote_identifier(column);
    return out;
  }

  // The first pass: how many rows of which hour lie where.
  void find_hours(journal::Reader& reader) {
    reader.next();  // opens the first segment, which says whose journal it is
    if (reader.journal_id() != 0) report_.journal = journal_name(reader.journal_id());
    const QueryResult rows = connection_.query(
        "SELECT position, lanes::bigint FROM perp_load_cursors WHERE journal = $1 ORDER BY lane",
        {report_.journal});
    for (std::size_t i = 0; i < rows.rows; ++i)
      report_.cursors.push_back(static_cast<Position>(rows.columns[0].ints[i]));
    if (rows.rows != 0 && rows.columns[1].ints[0] != static_cast<std::int64_t>(rows.rows))
      throw core::Error("the load cursors are not whole", "verify",
                        fmt::format("{} of {} lanes have one", rows.rows, rows.columns[1].ints[0]));
    report_.other_journals = static_cast<std::uint64_t>(
        connection_
            .query("SELECT count(DISTINCT journal) FROM perp_load_cursors WHERE journal <> $1",
                   {report_.journal})
            .columns[0]
            .ints[0]);
    journal::Reader first_pass(options_.journal_folder);
    const JournalRows::Counts counts =
        JournalRows(tables_, perpspecs_, report_.cursors)
            .read(first_pass, report_.journal_end, {options_.from_ms, options_.to_ms, false},
                  [&](JournalRow&& row) {
                    Hour& hour = hours_[core::floor_to(row.ts, hour_ms)];
                    if (hour.rows++ == 0) hour.first = row.position;
                    hour.last = row.position;
                  });
    report_.records_refused = counts.refused;
    report_.records_not_primary = counts.not_primary;
    report_.journal_damages = first_pass.damage_count();
  }

  // Whole hours side by side, together no more rows than may be held; from the first time asked for
  // to the last, since the database may hold rows of which the journal knows nothing.
  std::vector<Window> windows() const {
    std::vector<Window> out{{options_.from_ms, options_.to_ms}};
    std::uint64_t rows = 0;
    for (const auto& [at, hour] : hours_) {
      if (rows != 0 && rows + hour.rows > options_.window_rows) {
        out.back().to_ms = at;
        out.push_back({at, options_.to_ms});
        rows = 0;
      }
      Window& window = out.back();
      window.first = window.has_records ? std::min(window.first, hour.first) : hour.first;
      window.last = std::max(window.last, hour.last);
      window.has_records = true;
      rows += hour.rows;
    }
    return out;
  }

  void compare(const Window& window) {
    std::vector<Rows> kept(tables_.size());
    if (window.has_records) {
      journal::Reader reader(options_.journal_folder, window.first);
      JournalRows(tables_, perpspecs_, report_.cursors)
          .read(reader, window.last + 1, {window.from_ms, window.to_ms, true},
                [&](JournalRow&& row) { keep(kept[row.table], std::move(row)); });
    }
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      read_stored(i, window, kept[i]);
      for (const auto& [key, row] : kept[i]) {
        if (row.is_left_out) continue;
        VerifiedRange& range = range_of(i, ts_of(row.row));
        add_row(range.journal, row.row);
        if (!row.is_found) note(range, i, DifferenceKind::missing, key, {}, {});
      }
    }
  }

  void keep(Rows& rows, JournalRow&& row) {
    const ComparedTable& table = tables_[row.table];
    const auto [place, is_new] =
        rows.try_emplace(std::string(key_of(row.fields, table.key_fields)));
    Kept& kept = place->second;
    const auto [first, last] = refused_.equal_range(row.position);
    const bool is_refused =
        std::any_of(first, last, [&](const auto& refused) { return refused.second == row.symbol; });
    if (!kept.is_left_out && (!row.is_loaded || is_refused)) {
      kept.is_left_out = true;
      ++(is_refused ? report_.keys_refused : report_.keys_pending);
    }
    kept.row = is_new ? std::move(row.fields) : merged(table, kept.row, row.fields);
  }

  void read_stored(std::size_t index, const Window& window, Rows& rows) {
    const ComparedTable& table = tables_[index];
    std::string key;
    connection_.copy_out(
        fmt::format("COPY (SELECT {} FROM {} WHERE ts >= {} AND ts < {}) TO STDOUT (FORMAT binary)",
                    list(table), quote_identifier(table.name), std::max(window.from_ms, ts_least),
                    std::min(window.to_ms, ts_most)),
        [&](std::span<const char> sent) {
          const std::string_view row(sent.data() + 2, sent.size() - 2);  // behind the field count
          key.assign(key_of(row, table.key_fields));
          const auto known = rows.find(key);
          if (known == rows.end() && table.fact == ComparedTable::hot && !is_compared(row)) return;
          if (known != rows.end() && known->second.is_left_out) return;
          VerifiedRange& range = range_of(index, ts_of(row));
          add_row(range.database, row);
          if (known == rows.end()) {
            note(range, index, DifferenceKind::extra, key, {}, {});
          } else {
            known->second.is_found = true;
            if (known->second.row != row)
              note(range, index, DifferenceKind::different, key, known->second.row, row);
          }
        });
  }

  bool is_compared(std::string_view row) {
    const std::vector<std::size_t> at = field_offsets(row, 3);
    return perpspecs_.contains(std::string(row.substr(at[2] + 4, at[3] - at[2] - 4)));
  }

  VerifiedRange& range_of(std::size_t table, std::int64_t ts) {
    VerifiedRange& range = ranges_[{table, core::floor_to(ts, options_.range_ms)}];
    if (range.table.empty()) {
      range.table = tables_[table].name;
      range.from_ms = core::floor_to(ts, options_.range_ms);
    }
    return range;
  }

  // Of a range's differences those with the least keys are kept; the key begins with the time.
  void note(VerifiedRange& range, std::size_t table, DifferenceKind kind, const std::string& key,
            std::string_view journal, std::string_view database) {
    ++range.differing_keys;
    if (options_.keys_per_range == 0) return;
    auto& noted = differences_[&range];
    if (noted.size() == options_.keys_per_range && std::prev(noted.end())->first < key) return;
    noted[key] = describe(table, kind, key, journal, database);
    if (noted.size() > options_.keys_per_range) noted.erase(std::prev(noted.end()));
  }

  Difference describe(std::size_t index, DifferenceKind kind, std::string_view key,
                      std::string_view journal, std::string_view database) const {
    const ComparedTable& table = tables_[index];
    const StoredTable& stored = stored_[index];
    Difference out;
    out.kind = kind;
    std::vector<std::size_t> at = field_offsets(key, table.key_fields);
    for (std::size_t i = 0; i < table.key_fields; ++i)
      out.key += (i == 0 ? "" : " ") +
                 value_text(key.substr(at[i], at[i + 1] - at[i]), stored.kinds[i], i == 0);
    if (kind != DifferenceKind::different) return out;
    at = field_offsets(journal, table.columns.size());
    const std::vector<std::size_t> there = field_offsets(database, table.columns.size());
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const std::string_view ours = journal.substr(at[i], at[i + 1] - at[i]);
      const std::string_view theirs = database.substr(there[i], there[i + 1] - there[i]);
      if (ours == theirs) continue;
      out.column = table.columns[i];
      out.journal = value_text(ours, stored.kinds[i], false);
      out.database = value_text(theirs, stored.kinds[i], false);
      break;
    }
    return out;
  }

  // A chunk that is past its retention and has no row at all was dropped, or never taken in.
  void finish() {
    const std::int64_t now_ms = core::wall_now().ns / core::ns_per_ms;
    std::set<std::pair<std::size_t, std::int64_t>> alive;
    const auto chunk_of = [&](std::size_t table, std::int64_t ts) {
      return std::pair(table, core::floor_to(ts, stored_[table].chunk_ms));
    };
    for (const auto& [at, range] : ranges_)
      if (range.database.rows != 0) alive.insert(chunk_of(at.first, range.from_ms));
    for (auto& [at, range] : ranges_) {
      const StoredTable& stored = stored_[at.first];
      const auto chunk = chunk_of(at.first, range.from_ms);
      range.is_expired = stored.retention_days != 0 && !alive.contains(chunk) &&
                         chunk.second + stored.chunk_ms <= now_ms - stored.retention_days * day_ms;
      for (auto& [key, difference] : differences_[&range])
        range.differences.push_back(std::move(difference));
      report_.ranges.push_back(std::move(range));
    }
  }

  static constexpr std::int64_t ts_least = -9'000'000'000'000'000, ts_most = 9'000'000'000'000'000;

  const VerifyOptions& options_;
  Connection connection_;
  std::vector<ComparedTable> tables_;
  std::vector<StoredTable> stored_;
  std::set<std::string> perpspecs_;
  std::multimap<Position, std::string> refused_;  // position, symbol
  std::map<std::int64_t, Hour> hours_;
  std::map<std::pair<std::size_t, std::int64_t>, VerifiedRange> ranges_;
  std::map<const VerifiedRange*, std::map<std::string, Difference>> differences_;
  VerifyReport report_;
};

}  // namespace

std::string_view to_string(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::missing: return "missing";
    case DifferenceKind::extra: return "extra";
    case DifferenceKind::different: return "different";
  }
  return "unknown";
}

std::string ContentHash::text() const { return fmt::format("{:016x}{:016x}", high, low); }

bool VerifyReport::is_equal() const {
  return std::all_of(ranges.begin(), ranges.end(),
                     [](const VerifiedRange& range) { return range.is_equal(); });
}

VerifyReport verify(const VerifyOptions& options) { return Verifier(options).run(); }

}  // namespace perp::warehouse
