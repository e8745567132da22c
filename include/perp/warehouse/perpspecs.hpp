#pragma once
// The registry of perpspecs, perpspec_schema: which columns of perp_data each one fills. Whoever
// changes it notifies `perpspec_channel` in the same transaction; loaders, queries and metrics calc
// listen, so that a new spec is known to them within two seconds, without a restart. Cold path, one
// thread per Connection. Throws DatabaseError and core::Error.
#include <perp/warehouse/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

class Connection;

inline constexpr const char* perpspec_channel = "perp_perpspec";

struct PerpspecFields {
  std::string name;  ///< [a-z][a-z0-9_-]{0,62}; the part before the first '-' is the venue
  std::vector<std::string> fields;  ///< columns of perp_data; the five common ones are implied
  std::int32_t native_interval_ms = 60'000;
};

/// "c,v" or "ts,symbol,source,perpspec,interval,c". @throws core::Error unless all of them look
/// like columns
PerpspecFields parse_perpspec(std::string_view name, std::string_view fields);
/// "bin-x:c,v"
PerpspecFields parse_perpspec(std::string_view name_and_fields);

/// Stores the spec, in one transaction with the notification. Told again, it replaces its fields.
/// @param create_columns fields that perp_data lacks become numbers there and in perp_metrics, with
/// their changes over 1, 5 and 10 minutes; this needs the owner's rights.
/// @throws core::Error on a field that is no column, on a name that is none, or on a spec that is
/// built in
void add_perpspec(Connection& connection, const PerpspecFields& spec, bool create_columns = false);
/// The same inside the caller's transaction.
void put_perpspec(Connection& connection, const PerpspecFields& spec, bool create_columns);

/// perpspec, fields (without the common ones, extensions included), native_interval_ms, seed,
/// active, last_updated_ts (epoch ms), by name. @param name one, or empty for all
QueryResult query_perpspecs(Connection& connection, std::string_view name = {});

}  // namespace perp::warehouse
