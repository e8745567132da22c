#pragma once
// Minutes for tests: written to a journal on one side, folded by an oracle on the other. The oracle
// keeps one map per table and compares with what the database says in text; it shares no code with
// the loader.
#include "warehouse/database.hpp"

#include <perp/journal/writer.hpp>
#include <perp/market/perpspec.hpp>
#include <perp/market/record.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace perp::warehouse::test {

inline constexpr std::int64_t day_0 = 1'735'689'600'000;  // 2025-01-01

/// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "perp-warehouse-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

template <class Payload>
struct Whole {
  market::RecordHeader header;
  Payload payload;
};

inline Whole<market::Instrument> instrument_record(market::VenueId venue, std::uint32_t index,
                                                   const std::string& base, bool is_primary = true,
                                                   const std::string& quote = "USDT",
                                                   const std::string& native = "") {
  Whole<market::Instrument> out;
  out.header.size = sizeof out;
  out.header.type = market::RecordType::instrument;
  out.header.venue = venue;
  out.header.instrument = static_cast<std::uint32_t>(venue) << 24 | index;
  out.header.receive_ns = day_0 * 1'000'000;
  out.payload.native.assign_cut(native.empty() ? base + quote : native);
  out.payload.base.assign_cut(base);
  out.payload.quote.assign_cut(quote);
  out.payload.settle.assign_cut(quote);
  out.payload.contract_type = market::ContractType::linear_perpetual;
  out.payload.status = market::InstrumentStatus::live;
  out.payload.is_primary = is_primary ? 1 : 0;
  out.payload.tick_size = 0.1;
  return out;
}

/// A derived book_snapshot, as the engine's samples of levels are.
inline void append_levels(journal::Writer& writer, market::VenueId venue, std::uint32_t index,
                          std::int64_t ts, const std::vector<market::Level>& bids,
                          const std::vector<market::Level>& asks, std::int64_t last_id,
                          std::uint8_t flags = market::flag_derived) {
  std::vector<std::uint64_t> words((sizeof(market::RecordHeader) + sizeof(market::Book)) / 8 +
                                   2 * (bids.size() + asks.size()));
  auto& header = *new (words.data()) market::RecordHeader;
  header.size = static_cast<std::uint32_t>(words.size() * 8);
  header.type = market::RecordType::book_snapshot;
  header.venue = venue;
  header.flags = flags;
  header.instrument = static_cast<std::uint32_t>(venue) << 24 | index;
  header.exchange_ns = header.receive_ns = ts * 1'000'000;
  auto& book = *new (&header + 1) market::Book;
  book.bid_count = static_cast<std::uint32_t>(bids.size());
  book.ask_count = static_cast<std::uint32_t>(asks.size());
  book.last_id = last_id;
  auto* level = reinterpret_cast<market::Level*>(&book + 1);
  for (const auto* side : {&bids, &asks})
    for (const market::Level& one : *side) *level++ = one;
  writer.append(header);
}

using Values = std::map<market::ColumnId, double>;

struct Fact {
  market::VenueId venue = market::VenueId::binance;
  std::uint32_t index = 0;
  std::string symbol;
  market::SpecKind kind = market::SpecKind::ohlcv;
  std::int64_t ts = 0;
  Values values;
  std::uint8_t flags = market::flag_derived;
  market::MinuteOrigin origin = market::MinuteOrigin::candle;
};

inline void append(journal::Writer& writer, const Fact& fact) {
  alignas(8) std::byte bytes[sizeof(market::RecordHeader) + sizeof(market::Minute) +
                             128 * sizeof(market::MinuteValue)] = {};
  auto& header = *new (bytes) market::RecordHeader;
  header.type = market::RecordType::minute;
  header.venue = fact.venue;
  header.instrument = static_cast<std::uint32_t>(fact.venue) << 24 | fact.index;
  header.flags = fact.flags;
  header.receive_ns = (fact.ts + 62'000) * 1'000'000;
  header.size = static_cast<std::uint32_t>(sizeof(market::RecordHeader) + sizeof(market::Minute) +
                                           fact.values.size() * sizeof(market::MinuteValue));
  auto& minute = *new (&header + 1) market::Minute;
  minute.open_ns = fact.ts * 1'000'000;
  minute.perpspec = static_cast<std::uint16_t>(market::perpspec_id(fact.venue, fact.kind));
  minute.count = static_cast<std::uint16_t>(fact.values.size());
  minute.origin = static_cast<std::uint8_t>(fact.origin);
  auto* value = reinterpret_cast<market::MinuteValue*>(&minute + 1);
  for (const auto& [column, number] : fact.values)
    *value++ = market::MinuteValue{static_cast<std::uint16_t>(column), {}, number};
  writer.append(header);
}

/// What the tables must hold once the facts are loaded, in journal order.
class Oracle {
 public:
  void apply(const Fact& fact) {
    const Key key{fact.symbol, name_of(fact), fact.ts};
    Cells& data = data_[key];
    Cells metrics;
    for (const auto& [column, number] : fact.values) {
      if (std::isnan(number)) continue;
      if (!market::is_change(column)) data[cell_name(column)] = cell(column, number);
      metrics[cell_name(column)] = cell(column, number);
    }
    for (const char* absent : {"prem", "oi_contracts", "age_ms"}) metrics.erase(absent);
    data.erase("notes");
    if (fact.origin == market::MinuteOrigin::trades) data["notes"] = "trades";
    metrics_[key] = metrics;
  }

  std::size_t size() const { return data_.size(); }

  /// Every row and every column of both tables, in key order.
  void expect_equal(const std::string& dsn) const {
    Text text(dsn);
    expect_table(text, "perp_data", data_);
    expect_table(text, "perp_metrics", metrics_);
  }

 private:
  using Key = std::tuple<std::string, std::string, std::int64_t>;
  using Cells = std::map<std::string, std::string>;

  static std::string name_of(const Fact& fact) {
    static const char* const suffixes[] = {"ohlcv", "oi", "pfr", "lsr", "tv", "lq", "rsi"};
    static const char* const codes[] = {"", "bin", "byb", "okx", "hyp"};
    if (fact.kind == market::SpecKind::rsi) return "rsi";
    return std::string(codes[static_cast<int>(fact.venue)]) + "-" +
           suffixes[static_cast<int>(fact.kind)];
  }
  static std::string cell_name(market::ColumnId id) {
    static const char* const windows[] = {"_chg_1m", "_chg_5m", "_chg_10m"};
    const auto raw = static_cast<std::size_t>(id) % 256;
    const auto window = static_cast<std::size_t>(id) / 256;
    return std::string(market::columns[raw].name) + (window == 0 ? "" : windows[window - 1]);
  }
  static std::string cell(market::ColumnId id, double number) {
    if (static_cast<std::size_t>(id) % 256 == static_cast<std::size_t>(market::column("lqside")))
      return number == 1 ? "long" : "short";
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", number == 0 ? 0.0 : number);
    return text;
  }

  static void expect_table(Text& text, const std::string& table,
                           const std::map<Key, Cells>& expected) {
    const std::vector<std::string> names =
        text.list("SELECT attname FROM pg_attribute WHERE attrelid = '" + table +
                  "'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum");
    std::string columns;
    for (const std::string& name : names) columns += (columns.empty() ? "\"" : ",\"") + name + "\"";
    const std::vector<TextRow> rows =
        text.rows("SELECT " + columns + " FROM " + table + " ORDER BY symbol, perpspec, ts");
    ASSERT_EQ(rows.size(), expected.size()) << table;
    auto at = expected.begin();
    for (const TextRow& row : rows) {
      const auto& [key, cells] = *at++;
      const auto& [symbol, perpspec, ts] = key;
      for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string where =
            table + " " + symbol + " " + perpspec + " " + std::to_string(ts) + " " + names[i];
        const std::string got = row[i].value_or("NULL");
        if (names[i] == "ts")
          ASSERT_EQ(got, std::to_string(ts)) << where;
        else if (names[i] == "symbol")
          ASSERT_EQ(got, symbol) << where;
        else if (names[i] == "perpspec" || names[i] == "source")
          ASSERT_EQ(got, perpspec) << where;
        else if (names[i] == "interval")
          ASSERT_EQ(got, "1min") << where;
        else if (names[i] == "window_sizes")
          ASSERT_EQ(got, "{1,5,10}") << where;
        else if (names[i] == "exchange")
          ASSERT_EQ(got, perpspec == "rsi" ? "bin" : perpspec.substr(0, perpspec.find('-')))
              << where;
        else if (const auto cell = cells.find(names[i]); cell == cells.end())
          ASSERT_EQ(got, "NULL") << where;
        else if (std::isdigit(static_cast<unsigned char>(cell->second.back())) == 0)
          ASSERT_EQ(got, cell->second) << where;
        else
          ASSERT_EQ(std::strtod(got.c_str(), nullptr), std::strtod(cell->second.c_str(), nullptr))
              << where << " " << got;
      }
    }
  }

  std::map<Key, Cells> data_;
  std::map<Key, Cells> metrics_;
};

/// Random minutes of the three seed venues. Prints its seed through the caller.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  static constexpr const char* symbols[] = {"BTC", "ETH", "SOL", "PEPE", "DOGE", "XRP"};

  void define_all(journal::Writer& writer) const {
    for (market::VenueId venue :
         {market::VenueId::binance, market::VenueId::bybit, market::VenueId::okx})
      for (std::uint32_t i = 0; i < std::size(symbols); ++i)
        writer.append(instrument_record(venue, i, symbols[i]).header);
  }

  Fact fact(market::VenueId venue, std::uint32_t index, market::SpecKind kind, std::int64_t ts) {
    Fact out;
    out.venue = venue;
    out.index = index;
    out.symbol = symbols[index];
    out.kind = kind;
    out.ts = ts;
    const market::SpecRow& row = market::spec_row(kind);
    for (std::span<const market::ColumnId> ids : {market::fields(row), market::extras(row)})
      for (market::ColumnId id : ids) {
        if (chance(0.1)) continue;
        out.values[id] = value(id);
        if (!market::columns[static_cast<std::size_t>(id)].has_change) continue;
        for (std::size_t window = 0; window < 3; ++window)
          if (chance(0.7)) out.values[market::change_column(id, window)] = value(id);
      }
    if (venue == market::VenueId::okx && kind == market::SpecKind::tv)
      out.origin = market::MinuteOrigin::trades;
    return out;
  }

  /// All 19 specs of all symbols, `minutes` minutes from `from`, in the order in which they would
  /// happen.
  std::vector<Fact> minutes(std::int64_t from, int count) {
    std::vector<Fact> out;
    for (int m = 0; m < count; ++m)
      for (std::uint32_t i = 0; i < std::size(symbols); ++i)
        for (const market::Perpspec& spec : market::perpspecs)
          if (spec.is_seed && !chance(0.02))
            out.push_back(
                fact(market::venue_of(spec.id), i, market::kind_of(spec.id), from + m * 60'000));
    return out;
  }

  bool chance(double p) { return std::uniform_real_distribution<>(0, 1)(random_) < p; }
  std::mt19937& random() { return random_; }

 private:
  double value(market::ColumnId id) {
    if (id == market::column("lqside")) return chance(0.5) ? 1 : 2;
    if (id == market::column("age_ms"))
      return static_cast<double>(std::uniform_int_distribution<>(-1000, 300'000)(random_));
    if (chance(0.05)) return chance(0.5) ? 0.0 : -0.0;
    return std::ldexp(std::uniform_real_distribution<>(-1, 1)(random_),
                      std::uniform_int_distribution<>(-30, 50)(random_));
  }
  std::mt19937 random_;
};

}  // namespace perp::warehouse::test
