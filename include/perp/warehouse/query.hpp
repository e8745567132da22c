#pragma once
// The warehouse's questions: rows of one or several series as columns, wick rejections, gaps.
// Values travel bound and in binary. A Connection keeps its prepared statements and its symbol
// list, so keep it for repeated use; the forms with a DSN connect each time. One thread per
// Connection. Throws DatabaseError and core::Error.
//
// A symbol may be spelled SOL, SOLUSDT, SOL/USDT, SOL-USDT, SOL-USDT-PERP, 1000PEPEUSDT,
// binance:SOL-USDT-PERP, in any case. Times are epoch milliseconds. Which columns there are the
// database says: one added to a running system is in the answers within 10 s. Of perp_metrics only
// those travel that the registry (perpspec_schema) lists for the asked perpspecs; the others are
// NULL in their rows by contract, and in the answer, as window_sizes and exchange are what the
// table's definition makes them.
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perp::warehouse {

/// perp_data of one series, from_ms <= ts < to_ms, ascending. All 20 + extension columns and
/// `exchange`.
QueryResult query_perp_data(Connection& connection, std::string_view perpspec,
                            std::string_view symbol, std::int64_t from_ms, std::int64_t to_ms);
QueryResult query_perp_data(const std::string& dsn, std::string_view perpspec,
                            std::string_view symbol, std::int64_t from_ms, std::int64_t to_ms);

/// perp_metrics of several series, from_ms <= ts <= to_ms, by (ts, symbol, perpspec), as of one
/// moment.
/// @param columns what is wanted beside ts, symbol and perpspec; empty: all. Only these travel.
/// @throws core::Error on a column that perp_metrics has not
QueryResult query_metrics(Connection& connection, std::span<const std::string> symbols,
                          std::span<const std::string> perpspecs, std::int64_t from_ms,
                          std::int64_t to_ms, std::span<const std::string> columns = {});
QueryResult query_metrics(const std::string& dsn, std::span<const std::string> symbols,
                          std::span<const std::string> perpspecs, std::int64_t from_ms,
                          std::int64_t to_ms, std::span<const std::string> columns = {});

/// The same side by side: one row for each minute and symbol that has any of the perpspecs, by (ts,
/// symbol): ts, symbol, then by perpspec the columns that it fills, each named `perpspec.column`
/// ("bin-ohlcv.c_chg_5m"). A perpspec without a row there is NULL.
/// @param columns of perp_metrics, without the perpspec; empty: all
QueryResult query_metrics_wide(Connection& connection, std::span<const std::string> symbols,
                               std::span<const std::string> perpspecs, std::int64_t from_ms,
                               std::int64_t to_ms, std::span<const std::string> columns = {});

/// perp_metrics of one symbol and minute: at most one row per perpspec, by perpspec.
QueryResult query_metrics_at(Connection& connection, std::string_view symbol,
                             std::span<const std::string> perpspecs, std::int64_t ts_ms);
QueryResult query_metrics_at(const std::string& dsn, std::string_view symbol,
                             std::span<const std::string> perpspecs, std::int64_t ts_ms);

/// Bars of from_ms <= ts < to_ms with an upper or lower wick above `threshold_pct`, one row per
/// such wick: ts, symbol, perpspec, o, h, l, c, side (upper: resistance, lower: support),
/// upper_wick_pct, lower_wick_pct, range_pct, upper_ratio, wick_ratio (this side's), is_rejection
/// (wick_ratio >= 0.5 and the close one minute later does not pass the wick's extreme; NULL without
/// that bar).
QueryResult query_wick_rejections(Connection& connection, std::string_view symbol,
                                  std::string_view perpspec, std::int64_t from_ms,
                                  std::int64_t to_ms, double threshold_pct);
QueryResult query_wick_rejections(const std::string& dsn, std::string_view symbol,
                                  std::string_view perpspec, std::int64_t from_ms,
                                  std::int64_t to_ms, double threshold_pct);

/// One series of any table that perp_series lists: the columns of its key beside ts, and what they
/// are. Texts, numbers too ("1000" of trade_amount); the venue of an exchange_id as its name
/// ("binance") or code ("bin"). A symbol may be spelled in any way.
struct SeriesKey {
  std::string table = "perp_data";
  std::vector<std::pair<std::string, std::string>> equal;
};

/// Holes inside a series: prev_ts, ts, missing (rows between the two), from_ms <= ts < to_ms.
/// @throws core::Error on a table that is no series, a column that is not of its key or is given
/// twice, one of its key that tells series apart (venue, symbol, perpspec, interval, trade_amount,
/// ...) and is not given, a text where the key has a number, interval_ms <= 0
QueryResult query_gaps(Connection& connection, const SeriesKey& series, std::int64_t from_ms,
                       std::int64_t to_ms, std::int64_t interval_ms);
/// Of perp_data.
QueryResult query_gaps(Connection& connection, std::string_view perpspec, std::string_view symbol,
                       std::int64_t from_ms, std::int64_t to_ms, std::int64_t interval_ms = 60'000);

/// Names in perpspec_schema, ascending.
std::vector<std::string> query_perpspec_names(Connection& connection);
/// A row per registered perpspec: perpspec, seed, perp_data and perp_metrics rows, symbols, first
/// and last ts. Counts every row: seconds on a large warehouse.
QueryResult query_perpspec_rows(Connection& connection);

/// The base that the perp tables know a spelling by; one that no instrument explains loses its
/// separators and a trailing PERP, USDT, USDC or USD. @throws core::Error on an empty or overlong
/// (> 64) text
std::string resolve_symbol(Connection& connection, std::string_view spelling);

/// The registered name of a perpspec: "bin-rsi" is "rsi". @throws core::Error unless it looks like
/// a name
std::string resolve_perpspec(std::string_view name);

}  // namespace perp::warehouse
