#pragma once
// Which columns a perpspec fills, as perpspec_schema says: read once per connection, again when
// somebody changed them (NOTIFY), and every 10 s.
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/table.hpp>

#include <span>
#include <string>

namespace perp::warehouse {

class FieldCatalog {
 public:
  explicit FieldCatalog(Connection& connection);

  /// Whether a row of one of the perpspecs may have a value there. True for every column of one
  /// that is not registered: nothing is known of it.
  bool may_hold(std::span<const std::string> perpspecs, const TableColumn& column) const;

 private:
  const Connection& connection_;
};

}  // namespace perp::warehouse
