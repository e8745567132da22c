#pragma once
// The warehouse's questions: rows of one or several series as columns, wick rejections, gaps.
// Values travel bound and in binary. A Connection keeps its prepared statements and its symbol
// list, so keep it for repeated use; the forms with a DSN connect each time. One thread per
// Connection. Throws DatabaseError and core::Error.
//
// A symbol may be spelled SOL, SOLUSDT, SOL/USDT, SOL-USDT, SOL-USDT-PERP, 1000PEPEUSDT,
// binance:SOL-USDT-PERP, in any case. Times are epoch milliseconds. Of perp_metrics only the
// columns that the registry (perpspec_schema) lists for the asked perpspecs travel; the others are
// NULL in their rows by contract, and in the answer, as window_sizes and exchange are what the
// table's definition makes them.
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

/// perp_data of one series, from_ms <= ts < to_ms, ascending. All 20 + extension columns and
/// `exchange`.
QueryResult query_perp_data(Connection& connection, std::string_view perpspec,
                            std::string_view symbol, std::int64_t from_ms, std::int64_t to_ms);
QueryResult query_perp_data(const std::string& dsn, std::string_view perpspec,
                            std::string_view symbol, std::int64_t from_ms, std::int64_t to_ms);

/// perp_metrics of several series, from_ms <= ts <= to_ms, by (ts, symbol, perpspec).
QueryResult query_metrics(Connection& connection, std::span<const std::string> symbols,
                          std::span<const std::string> perpspecs, std::int64_t from_ms,
                          std::int64_t to_ms);
QueryResult query_metrics(const std::string& dsn, std::span<const std::string> symbols,
                          std::span<const std::string> perpspecs, std::int64_t from_ms,
                          std::int64_t to_ms);

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

/// Holes inside a series: prev_ts, ts, missing (rows between the two), from_ms <= ts < to_ms.
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
