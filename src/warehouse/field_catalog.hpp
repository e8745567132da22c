#pragma once
// Which columns a perpspec fills, as perpspec_schema says, and which columns perp_data and
// perp_metrics have: read once per connection, again when somebody changed them (NOTIFY), and every
// 10 s.
#include "warehouse/column_catalog.hpp"

#include <perp/warehouse/connection.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

/// In table order.
struct CatalogColumns {
  std::vector<CatalogColumn> data;
  std::vector<CatalogColumn> metrics;
};

class FieldCatalog {
 public:
  explicit FieldCatalog(Connection& connection);

  /// Whether a row of one of the perpspecs may have a value in that column, a change being that of
  /// its raw column. True for every column of one that is not registered: nothing is known of it.
  bool may_hold(std::span<const std::string> perpspecs, std::string_view column) const;

  const CatalogColumns& columns() const { return *connection_.columns_; }

 private:
  const Connection& connection_;
};

}  // namespace perp::warehouse
