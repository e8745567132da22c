#include <perp/warehouse/query.hpp>

namespace perp::warehouse {

std::vector<std::string> query_perpspec_names(Connection& connection) {
  const QueryResult result = connection.query(
      "SELECT perpspec_name FROM perpspec_schema ORDER BY perpspec_name COLLATE \"C\"");
  std::vector<std::string> names;
  for (std::size_t row = 0; row < result.rows; ++row)
    names.emplace_back(result.column("perpspec_name").text(row));
  return names;
}

QueryResult query_perpspec_rows(Connection& connection) {
  return connection.query(
      "SELECT s.perpspec_name AS perpspec, CASE WHEN s.seed THEN 'seed' ELSE 'venue' END AS "
      "registered, "
      "coalesce(d.n, 0) AS perp_data, coalesce(m.n, 0) AS perp_metrics, coalesce(d.symbols, 0) AS "
      "symbols, "
      "d.first_ts, d.last_ts FROM perpspec_schema s "
      "LEFT JOIN (SELECT perpspec, count(*) AS n, count(DISTINCT symbol) AS symbols, min(ts) AS "
      "first_ts, max(ts) AS last_ts "
      "FROM perp_data GROUP BY perpspec) d ON d.perpspec = s.perpspec_name "
      "LEFT JOIN (SELECT perpspec, count(*) AS n FROM perp_metrics GROUP BY perpspec) m ON "
      "m.perpspec = s.perpspec_name "
      "ORDER BY s.seed DESC, s.perpspec_name COLLATE \"C\"");
}

}  // namespace perp::warehouse
