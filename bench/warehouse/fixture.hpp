#pragma once
// What the warehouse benchmarks share: a database of their own on the server of PERP_BENCH_DSN, and
// a journal of a market day: symbols x 18 perpspecs x minutes, in the order in which they happen.
#include <perp/journal/writer.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <libpq-fe.h>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace perp::bench {

inline constexpr std::int64_t day_0 = 1'735'689'600'000;

/// nullptr: the server's benchmarks are skipped.
inline const char* bench_dsn() { return std::getenv("PERP_BENCH_DSN"); }

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
  explicit Database(const std::string& name)
      : name_("perp_bench_" + std::to_string(getpid()) + "_" + name) {
    run_sql(bench_dsn(), "CREATE DATABASE " + name_);
  }
  ~Database() {
    try {
      run_sql(bench_dsn(), "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s is left over: %s\n", name_.c_str(), error.what());
    }
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  // A later key wins, so the name at the end replaces the DSN's own.
  std::string dsn() const { return std::string(bench_dsn()) + " dbname=" + name_; }

 private:
  std::string name_;
};

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

struct MinuteRow {
  std::string symbol;
  std::string perpspec;
  std::int64_t ts = 0;
  std::vector<market::MinuteValue> values;
};

inline std::string symbol_name(int index) { return "COIN" + std::to_string(index); }

/// Calls `visit` with each row in arrival order: minute by minute, symbol by symbol, spec by spec.
inline void for_each_minute(
    int symbols, int minutes,
    const std::function<void(market::PerpspecId, std::uint32_t, MinuteRow&)>& visit) {
  std::mt19937 random(7);
  std::uniform_real_distribution<> unit(0, 1);
  MinuteRow row;
  for (int minute = 0; minute < minutes; ++minute)
    for (int symbol = 0; symbol < symbols; ++symbol) {
      row.symbol = symbol_name(symbol);
      for (const market::Perpspec& spec : market::perpspecs) {
        const market::SpecKind kind = market::kind_of(spec.id);
        if (!spec.is_seed || kind == market::SpecKind::rsi) continue;
        row.perpspec = market::perpspec_name(spec.id);
        row.ts = day_0 + minute * 60'000;
        row.values.clear();
        for (market::ColumnId id : market::fields(market::spec_row(kind))) {
          const bool is_side = market::columns[static_cast<std::size_t>(id)].type ==
                               market::ColumnType::position_side;
          row.values.push_back({static_cast<std::uint16_t>(id),
                                {},
                                is_side ? 1 : std::round(unit(random) * 1e8) / 1e3});
          if (is_side || !market::columns[static_cast<std::size_t>(id)].has_change) continue;
          for (std::size_t window = 0; window < 3; ++window)
            row.values.push_back({static_cast<std::uint16_t>(market::change_column(id, window)),
                                  {},
                                  std::round((unit(random) - 0.5) * 1e4) / 1e3});
        }
        visit(spec.id, static_cast<std::uint32_t>(symbol), row);
      }
    }
}

/// Writes the day into a journal. @returns the number of minutes
inline std::uint64_t write_journal(const std::string& folder, int symbols, int minutes,
                                   journal::Position& end) {
  journal::Writer writer({.folder = folder});
  struct {
    market::RecordHeader header;
    market::Instrument payload;
  } instrument;
  for (market::VenueId venue :
       {market::VenueId::binance, market::VenueId::bybit, market::VenueId::okx})
    for (int symbol = 0; symbol < symbols; ++symbol) {
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
  std::uint64_t count = 0;
  for_each_minute(
      symbols, minutes, [&](market::PerpspecId id, std::uint32_t symbol, const MinuteRow& row) {
        record.header.type = market::RecordType::minute;
        record.header.venue = market::venue_of(id);
        record.header.flags = market::flag_derived;
        record.header.instrument = static_cast<std::uint32_t>(record.header.venue) << 24 | symbol;
        record.header.size =
            static_cast<std::uint32_t>(sizeof record.header + sizeof record.minute +
                                       row.values.size() * sizeof(market::MinuteValue));
        record.minute.open_ns = row.ts * 1'000'000;
        record.minute.perpspec = static_cast<std::uint16_t>(id);
        record.minute.count = static_cast<std::uint16_t>(row.values.size());
        std::copy(row.values.begin(), row.values.end(), record.values);
        writer.append(record.header);
        ++count;
      });
  writer.sync();
  end = writer.end();
  writer.close();
  return count;
}

}  // namespace perp::bench
