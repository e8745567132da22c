#pragma once
// The tables of rollups and the statement that fills one, made from the columns that perp_data has;
// and how a writer of perp_data says what it touched.
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/rollup.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace perp::warehouse {

/// Creates what is missing. Inside the transaction of setup or migrate.
void create_rollup_tables(Connection& connection);
/// Columns alone, those that perp_data has got since. Inside the caller's transaction, with the
/// owner's rights.
void add_rollup_columns(Connection& connection);

/// `INSERT ... SELECT ... ON CONFLICT` of one level's buckets in [$1, $2), which are whole ones.
/// Returns a row for each that was inserted or changed.
std::string rollup_statement(Connection& connection, std::size_t level, bool replaces_fuller);

/// The buckets of the finest level that a transaction touches.
class TouchedBuckets {
 public:
  void add(std::int64_t ts);
  /// To be sent in the transaction that stores the rows; nothing if none was added.
  std::optional<Statement> statement();

 private:
  std::vector<std::int64_t> buckets_;
};

struct BucketRange {
  std::int64_t from;
  std::int64_t until;
};
/// Sorted, those that touch or overlap joined.
std::vector<BucketRange> joined(std::vector<BucketRange> ranges);
Statement due_statement(std::int64_t level_ms, const std::vector<BucketRange>& ranges);

}  // namespace perp::warehouse
