#pragma once
// What the warehouse benchmarks share: databases of their own on the servers of PERP_BENCH_DSN
// (plain PostgreSQL) and PERP_BENCH_TIMESCALE_DSN, and minutes of a market: symbols x 18 perpspecs
// x minutes, whose values follow from their key alone, so that every order holds the same rows.
#include <perp/journal/writer.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/retention.hpp>
#include <perp/warehouse/table.hpp>

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <libpq-fe.h>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace perp::bench {

inline constexpr std::int64_t day_0 = 1'735'689'600'000;

struct Server {
  const char* name;      ///< as benchmarks are named
  const char* variable;  ///< of the environment, has its DSN
  /// nullptr: its benchmarks are skipped.
  const char* dsn() const { return std::getenv(variable); }
};
inline constexpr Server servers[] = {{"plain", "PERP_BENCH_DSN"},
                                     {"timescale", "PERP_BENCH_TIMESCALE_DSN"}};

inline int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

/// @returns the first field of the first row
inline std::string run_sql(const std::string& dsn, const std::string& sql) {
  PGconn* connection = PQconnectdb(dsn.c_str());
  PQsetNoticeProcessor(
      connection, [](void*, const char*) {}, nullptr);
  PGresult* result = PQexec(connection, sql.c_str());
  const ExecStatusType status = PQresultStatus(result);
  const std::string error = PQerrorMessage(connection);
  std::string out =
      status == PGRES_TUPLES_OK && PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
  PQclear(result);
  PQfinish(connection);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    throw std::runtime_error(sql.substr(0, 100) + ": " + error);
  return out;
}

/// A database that goes with the object.
class Database {
 public:
  Database(const char* server_dsn, const std::string& name)
      : server_dsn_(server_dsn), name_("perp_bench_" + std::to_string(getpid()) + "_" + name) {
    run_sql(server_dsn_, "CREATE DATABASE " + name_);
  }
  ~Database() {
    try {
      run_sql(server_dsn_, "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s is left over: %s\n", name_.c_str(), error.what());
    }
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  // A later key wins, so the name at the end replaces the DSN's own.
  std::string dsn() const { return server_dsn_ + " dbname=" + name_; }

 private:
  std::string server_dsn_;
  std::string name_;
};

/// One T per server, kept until the program ends. What it drops then it drops by a connection:
/// OpenSSL, which ends before all that was made before its first use, has to be the older one.
template <class T>
T& kept(const Server& server) {
  run_sql(server.dsn(), "SELECT 1");
  static std::map<std::string, std::unique_ptr<T>> made;
  std::unique_ptr<T>& one = made[server.name];
  if (!one) one = std::make_unique<T>(server);
  return *one;
}

/// Our schema, for rows of `days` days from day_0 on.
inline void set_up(const std::string& dsn, int days) {
  warehouse::SetupOptions options;
  options.retention_days = 0;
  warehouse::setup(dsn, options);
  warehouse::Connection connection(dsn);
  if (warehouse::stored_backend(connection) == warehouse::Backend::plain)
    for (const char* table : {"perp_data", "perp_metrics"})
      warehouse::ensure_partitions(connection, table, day_0, days);
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "perp-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

enum class Order { arrival, series };

/// Which minutes.
struct Minutes {
  int symbols = 0;
  int count = 0;  ///< minutes of each series
  std::int64_t first_ms = day_0;
  Order order = Order::arrival;
  std::uint64_t seed = 7;  ///< another one: the same keys with other values
  int part = 0;            ///< of so many `parts`, each with its share of the symbols
  int parts = 1;

  /// Of all parts.
  std::int64_t rows() const { return std::int64_t{18} * symbols * count; }
};

struct MinuteRow {
  int symbol_index = 0;
  std::string symbol;
  market::PerpspecId id{};
  std::string perpspec;
  std::int64_t ts = 0;
  std::vector<market::MinuteValue> values;
};

inline std::string symbol_name(int index) { return "COIN" + std::to_string(index); }

/// The 18: those of the seed without the RSI, which is computed.
inline const std::vector<market::PerpspecId>& minute_specs() {
  static const std::vector<market::PerpspecId> specs = [] {
    std::vector<market::PerpspecId> out;
    for (const market::Perpspec& spec : market::perpspecs)
      if (spec.is_seed && market::kind_of(spec.id) != market::SpecKind::rsi) out.push_back(spec.id);
    return out;
  }();
  return specs;
}

/// splitmix64.
inline std::uint64_t mixed(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

inline void fill_row(const Minutes& minutes, int symbol, std::size_t spec, int minute,
                     MinuteRow& row) {
  const market::PerpspecId id = minute_specs()[spec];
  if (row.symbol_index != symbol || row.symbol.empty()) row.symbol = symbol_name(symbol);
  if (row.id != id || row.perpspec.empty()) row.perpspec = market::perpspec_name(id);
  row.symbol_index = symbol;
  row.id = id;
  row.ts = minutes.first_ms + minute * warehouse::minute_ms;
  row.values.clear();
  std::uint64_t state =
      mixed(minutes.seed ^ mixed(static_cast<std::uint64_t>(row.ts) +
                                 (static_cast<std::uint64_t>(symbol) << 8) + spec));
  const auto unit = [&] { return static_cast<double>((state = mixed(state)) >> 11) * 0x1p-53; };
  for (market::ColumnId column : market::fields(market::spec_row(market::kind_of(id)))) {
    const market::Column& of = market::columns[static_cast<std::size_t>(column)];
    const bool is_side = of.type == market::ColumnType::position_side;
    row.values.push_back(
        {static_cast<std::uint16_t>(column), {}, is_side ? 1 : std::round(unit() * 1e8) / 1e3});
    if (is_side || !of.has_change) continue;
    for (std::size_t window = 0; window < market::change_windows_minutes.size(); ++window)
      row.values.push_back({static_cast<std::uint16_t>(market::change_column(column, window)),
                            {},
                            std::round((unit() - 0.5) * 1e4) / 1e3 + 0.0});  // no -0
  }
}

/// Calls `visit(const MinuteRow&)` with each row of the part, minute by minute or series by series.
template <class Visit>
void for_each_minute(const Minutes& minutes, Visit visit) {
  MinuteRow row;
  const std::size_t specs = minute_specs().size();
  if (minutes.order == Order::arrival) {
    for (int minute = 0; minute < minutes.count; ++minute)
      for (int symbol = minutes.part; symbol < minutes.symbols; symbol += minutes.parts)
        for (std::size_t spec = 0; spec < specs; ++spec) {
          fill_row(minutes, symbol, spec, minute, row);
          visit(row);
        }
  } else {
    for (int symbol = minutes.part; symbol < minutes.symbols; symbol += minutes.parts)
      for (std::size_t spec = 0; spec < specs; ++spec)
        for (int minute = 0; minute < minutes.count; ++minute) {
          fill_row(minutes, symbol, spec, minute, row);
          visit(row);
        }
  }
}

/// Writes them into a journal. @param flags of the minutes beside flag_derived. @returns its end
inline journal::Position write_journal(const std::string& folder, const Minutes& minutes,
                                       std::uint8_t flags = 0) {
  journal::Writer writer({.folder = folder});
  struct {
    market::RecordHeader header;
    market::Instrument payload;
  } instrument;
  for (market::VenueId venue :
       {market::VenueId::binance, market::VenueId::bybit, market::VenueId::okx})
    for (int symbol = 0; symbol < minutes.symbols; ++symbol) {
      instrument.header.size = sizeof instrument;
      instrument.header.type = market::RecordType::instrument;
      instrument.header.venue = venue;
      instrument.header.instrument =
          static_cast<std::uint32_t>(venue) << 24 | static_cast<std::uint32_t>(symbol);
      instrument.payload.native.assign_cut(symbol_name(symbol) + "USDT");
      instrument.payload.base.assign_cut(symbol_name(symbol));
      instrument.payload.quote.assign_cut("USDT");
      instrument.payload.contract_type = market::ContractType::linear_perpetual;
      instrument.payload.status = market::InstrumentStatus::live;
      instrument.payload.is_primary = 1;
      writer.append(instrument.header);
    }
  struct {
    market::RecordHeader header;
    market::Minute minute;
    market::MinuteValue values[64];
  } record;
  for_each_minute(minutes, [&](const MinuteRow& row) {
    record.header.type = market::RecordType::minute;
    record.header.venue = market::venue_of(row.id);
    record.header.flags = static_cast<std::uint8_t>(market::flag_derived | flags);
    record.header.instrument = static_cast<std::uint32_t>(record.header.venue) << 24 |
                               static_cast<std::uint32_t>(row.symbol_index);
    record.header.size =
        static_cast<std::uint32_t>(sizeof record.header + sizeof record.minute +
                                   row.values.size() * sizeof(market::MinuteValue));
    record.minute.open_ns = row.ts * 1'000'000;
    record.minute.perpspec = static_cast<std::uint16_t>(row.id);
    record.minute.count = static_cast<std::uint16_t>(row.values.size());
    std::copy(row.values.begin(), row.values.end(), record.values);
    writer.append(record.header);
  });
  writer.sync();
  const journal::Position end = writer.end();
  writer.close();
  return end;
}

}  // namespace perp::bench
