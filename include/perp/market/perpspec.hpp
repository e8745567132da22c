#pragma once
// THE tables of warehouse columns and perpspecs. A perpspec is one venue's one kind of per-minute
// facts: "bin-ohlcv" = Binance, o h l c v. Ids are on disk (minute records): rows are only
// appended. perp_data, perp_metrics, queries and the engine's minutes all follow from here.
#include <perp/market/venue_id.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace perp::market {

enum class ColumnType : std::uint8_t { number, position_side };

/// Which one value stands for a column's known values of several minutes.
enum class Rollup : std::uint8_t { first, max, min, last, sum };

/// A raw column of perp_data. Its id is its index. Change columns have ids of their own
/// (change_column()).
struct Column {
  std::string_view name;
  ColumnType type;
  bool has_change;    ///< has <name>_chg_{1,5,10}m in perp_metrics
  bool is_extension;  ///< comes after the 20 seed columns
  std::string_view unit;
  Rollup rollup;
};

inline constexpr auto columns = std::to_array<Column>({
    {"o", ColumnType::number, false, false, "quote", Rollup::first},
    {"h", ColumnType::number, false, false, "quote", Rollup::max},
    {"l", ColumnType::number, false, false, "quote", Rollup::min},
    {"c", ColumnType::number, true, false, "quote", Rollup::last},
    {"v", ColumnType::number, true, false, "quote notional", Rollup::sum},
    {"oi", ColumnType::number, true, false, "USD single-sided", Rollup::last},
    {"pfr", ColumnType::number, true, false, "fraction per interval", Rollup::last},
    {"lsr", ColumnType::number, true, false, "ratio", Rollup::last},
    {"rsi1", ColumnType::number, true, false, "0..100", Rollup::last},
    {"rsi60", ColumnType::number, true, false, "0..100", Rollup::last},
    {"tbv", ColumnType::number, true, false, "quote notional", Rollup::sum},
    {"tsv", ColumnType::number, true, false, "quote notional", Rollup::sum},
    {"lqside", ColumnType::position_side, true, false, "long|short", Rollup::last},
    {"lqprice", ColumnType::number, true, false, "quote", Rollup::last},
    {"lqqty", ColumnType::number, true, false, "coins", Rollup::sum},
    {"lql", ColumnType::number, true, true, "USD", Rollup::sum},
    {"lqs", ColumnType::number, true, true, "USD", Rollup::sum},
    {"prem", ColumnType::number, false, true, "fraction", Rollup::last},
    {"oi_contracts", ColumnType::number, false, true, "native contracts", Rollup::last},
    {"age_ms", ColumnType::number, false, true, "ms since the sample", Rollup::last},
});
inline constexpr std::size_t column_count = columns.size();

enum class ColumnId : std::uint16_t {};

consteval ColumnId column(std::string_view name) {
  for (std::size_t i = 0; i < column_count; ++i)
    if (columns[i].name == name) return static_cast<ColumnId>(i);
  throw "unknown column";
}

inline constexpr auto change_windows_minutes = std::to_array<int>({1, 5, 10});

/// Id of `<column>_chg_<window>m`: 256 x (1 + window index) + column. A Minute record carries such
/// ids too.
constexpr ColumnId change_column(ColumnId column, std::size_t window_index) {
  return static_cast<ColumnId>(256 * (1 + window_index) + static_cast<std::size_t>(column));
}
constexpr bool is_change(ColumnId id) { return static_cast<std::size_t>(id) >= 256; }
constexpr std::size_t window_index_of(ColumnId id) {
  return static_cast<std::size_t>(id) / 256 - 1;
}
constexpr ColumnId raw_column_of(ColumnId id) {
  return static_cast<ColumnId>(static_cast<std::size_t>(id) % 256);
}

/// The kinds of per-minute facts; with a venue it makes a perpspec.
enum class SpecKind : std::uint8_t { ohlcv = 0, oi = 1, pfr = 2, lsr = 3, tv = 4, lq = 5, rsi = 6 };

struct SpecRow {
  SpecKind kind;
  std::string_view suffix;
  std::array<ColumnId, 5> fields;  ///< its seed fields, in table order
  std::size_t field_count;
  std::array<ColumnId, 2> extras;  ///< extension columns it also fills
  std::size_t extra_count;
  std::int64_t native_interval_ms;
};

inline constexpr auto spec_kinds = std::to_array<SpecRow>({
    {SpecKind::ohlcv,
     "ohlcv",
     {column("o"), column("h"), column("l"), column("c"), column("v")},
     5,
     {},
     0,
     60'000},
    {SpecKind::oi, "oi", {column("oi")}, 1, {column("oi_contracts"), column("age_ms")}, 2, 60'000},
    {SpecKind::pfr, "pfr", {column("pfr")}, 1, {column("age_ms")}, 1, 60'000},
    {SpecKind::lsr, "lsr", {column("lsr")}, 1, {column("age_ms")}, 1, 300'000},
    {SpecKind::tv, "tv", {column("tbv"), column("tsv")}, 2, {}, 0, 60'000},
    {SpecKind::lq,
     "lq",
     {column("lqside"), column("lqprice"), column("lqqty")},
     3,
     {column("lql"), column("lqs")},
     2,
     60'000},
    {SpecKind::rsi, "rsi", {column("rsi1"), column("rsi60")}, 2, {}, 0, 60'000},
});

constexpr std::span<const ColumnId> fields(const SpecRow& row) {
  return {row.fields.data(), row.field_count};
}
constexpr std::span<const ColumnId> extras(const SpecRow& row) {
  return {row.extras.data(), row.extra_count};
}
constexpr const SpecRow& spec_row(SpecKind kind) {
  return spec_kinds[static_cast<std::size_t>(kind)];
}

/// venue << 8 | kind, as in Minute::perpspec.
enum class PerpspecId : std::uint16_t {};

constexpr PerpspecId perpspec_id(VenueId venue, SpecKind kind) {
  return static_cast<PerpspecId>(static_cast<unsigned>(venue) << 8 | static_cast<unsigned>(kind));
}
constexpr VenueId venue_of(PerpspecId id) {
  return static_cast<VenueId>(static_cast<unsigned>(id) >> 8);
}
constexpr SpecKind kind_of(PerpspecId id) {
  return static_cast<SpecKind>(static_cast<unsigned>(id) & 0xff);
}

struct Perpspec {
  PerpspecId id;
  bool is_seed;  ///< one of the 19
};

/// All perpspecs that some venue's inputs can fill: the 19 seeds, then those of further venues.
inline constexpr auto perpspecs = std::to_array<Perpspec>({
    {perpspec_id(VenueId::binance, SpecKind::ohlcv), true},
    {perpspec_id(VenueId::bybit, SpecKind::ohlcv), true},
    {perpspec_id(VenueId::okx, SpecKind::ohlcv), true},
    {perpspec_id(VenueId::binance, SpecKind::oi), true},
    {perpspec_id(VenueId::bybit, SpecKind::oi), true},
    {perpspec_id(VenueId::okx, SpecKind::oi), true},
    {perpspec_id(VenueId::binance, SpecKind::pfr), true},
    {perpspec_id(VenueId::bybit, SpecKind::pfr), true},
    {perpspec_id(VenueId::okx, SpecKind::pfr), true},
    {perpspec_id(VenueId::binance, SpecKind::lsr), true},
    {perpspec_id(VenueId::bybit, SpecKind::lsr), true},
    {perpspec_id(VenueId::okx, SpecKind::lsr), true},
    {perpspec_id(VenueId::binance, SpecKind::tv), true},
    {perpspec_id(VenueId::bybit, SpecKind::tv), true},
    {perpspec_id(VenueId::okx, SpecKind::tv), true},
    {perpspec_id(VenueId::binance, SpecKind::lq), true},
    {perpspec_id(VenueId::bybit, SpecKind::lq), true},
    {perpspec_id(VenueId::okx, SpecKind::lq), true},
    {perpspec_id(VenueId::binance, SpecKind::rsi), true},
    {perpspec_id(VenueId::hyperliquid, SpecKind::ohlcv), false},
    {perpspec_id(VenueId::hyperliquid, SpecKind::oi), false},
    {perpspec_id(VenueId::hyperliquid, SpecKind::pfr), false},
    {perpspec_id(VenueId::hyperliquid, SpecKind::tv), false},
});

/// Whether this venue gives what the kind needs (Hyperliquid has no lsr and no liquidation stream).
constexpr bool has_perpspec(VenueId venue, SpecKind kind) {
  for (const Perpspec& spec : perpspecs)
    if (spec.id == perpspec_id(venue, kind)) return true;
  return false;
}

/// "bin-ohlcv"; the RSI of Binance closes is plain "rsi".
std::string perpspec_name(PerpspecId id);
/// Reads a name; "bin-rsi" is accepted for "rsi". @returns false when no row has it.
[[nodiscard]] bool find_perpspec(std::string_view name, PerpspecId& id);

}  // namespace perp::market
