#pragma once
// Rows from other programs into perp_data and perp_metrics. What the registry does not allow is
// refused row by row and told in perp_errors; the rest is stored, 50,000 rows a transaction, in one
// order, so that two writers of the same keys wait for each other instead of blocking for ever.
// After a deadlock the transaction is repeated, after 1, 2 and 3 s. Cold path, one thread per
// Connection. Throws DatabaseError and core::Error; what was stored of earlier transactions stays.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace perp::warehouse {

class Connection;

using FieldValue = std::variant<double, std::string>;  ///< NaN and "" are NULL

struct InsertRow {
  std::int64_t ts = 0;     ///< epoch ms; stored floored to the minute
  std::string symbol{};    ///< spelled any way
  std::string perpspec{};  ///< insert_metrics only
  std::string source{};    ///< empty: the perpspec
  std::vector<std::pair<std::string, FieldValue>> fields{};
};

struct InsertReport {
  std::int64_t rows = 0;      ///< taken: all but the refused ones
  std::int64_t keys = 0;      ///< different keys among them: of one key's rows the later values win
  std::int64_t rejected = 0;  ///< in perp_errors, with the field's name
  /// Of the rejected ones: older than the series' retention (plain backend, as with the loader).
  std::int64_t expired = 0;
  std::int64_t retries = 0;  ///< transactions repeated
};

/// Into perp_data. A NULL, or a field that a row does not have, leaves what is stored.
/// @throws core::Error if the perpspec is not registered
InsertReport insert_data(Connection& connection, std::string_view perpspec,
                         std::span<const InsertRow> rows);

/// Into perp_metrics, whole rows: a field that is not given becomes NULL. Fields are those of the
/// row's perpspec and their changes (c_chg_5m). `metrics calc` would compute them from perp_data.
InsertReport insert_metrics(Connection& connection, std::span<const InsertRow> rows);

}  // namespace perp::warehouse
