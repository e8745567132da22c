#include "warehouse/roles.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/table.hpp>

#include <fmt/format.h>

namespace perp::warehouse {
namespace {

// Beside the series, which a writer fills: what else it writes, and how.
struct Grant {
  const char* rights;
  const char* tables;
};
constexpr Grant writer_grants[] = {
    {"INSERT, UPDATE",
     "instruments, perpspec_schema, data_gaps, hl_addresses, kline_discovery_cache, "
     "open_interest_liquid_history, user_cross_alerts"},
    {"INSERT, UPDATE, DELETE", "perp_load_cursors, open_interest_liquid_symbols"},
    {"INSERT, DELETE", "perp_rollup_due"},
    {"INSERT",
     "perp_status, perp_errors, ingest_events, data_versions, quality_checks, "
     "open_interest_alerts, volume_alerts, saved_algos"},
};

std::string series_list(Connection& connection) {
  const QueryResult names = connection.query("SELECT table_name FROM perp_series");
  std::string out;
  for (std::size_t i = 0; i < names.rows; ++i)
    out += (i == 0 ? "" : ", ") + quote_identifier(names.columns[0].text(i));
  return out;
}

}  // namespace

void grant_roles(Connection& connection) {
  if (connection.query("SELECT 1 FROM perp_settings WHERE name = 'roles' AND value = 'on'").rows ==
      0)
    return;
  for (const char* role : {"perp_reader", "perp_writer"})
    if (connection.query("SELECT 1 FROM pg_roles WHERE rolname = $1", {std::string(role)}).rows ==
        0)
      connection.execute(fmt::format("CREATE ROLE {} NOLOGIN", role));
  const std::string schema(
      connection.query("SELECT quote_ident(current_schema())").columns[0].text(0));
  const std::string series = series_list(connection);
  std::string others;
  for (std::string_view table : other_tables()) others += ", " + quote_identifier(table);
  connection.execute(fmt::format(
      "GRANT USAGE ON SCHEMA {} TO perp_reader, perp_writer; "
      "GRANT SELECT ON {}{}, perp_wide, latest_perp, ohlcv, oi_price_1h TO "
      "perp_reader, perp_writer; "
      "GRANT INSERT, UPDATE ON {} TO perp_writer; "
      "GRANT USAGE ON SEQUENCE open_interest_snapshots_id_seq TO perp_writer; "
      // They act with their owner's rights: not for everybody.
      "REVOKE EXECUTE ON FUNCTION perp_ensure_partition, perp_ensure_chunk FROM PUBLIC; "
      "GRANT EXECUTE ON FUNCTION perp_ensure_partition, perp_ensure_chunk TO perp_writer",
      schema, series, others, series));
  for (const Grant& grant : writer_grants)
    connection.execute(fmt::format("GRANT {} ON {} TO perp_writer", grant.rights, grant.tables));
}

}  // namespace perp::warehouse
