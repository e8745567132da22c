#pragma once
// perp_data, perp_metrics, their rollups and their wide view: made from the column table of
// market/perpspec.hpp, not from a file of sql/, so that a new column is one row there.
namespace perp::warehouse {

class Connection;

/// Creates what is missing of them: tables, columns, indexes, views. `retention_days` counts where
/// they are new. Inside the caller's transaction.
void create_hot_tables(Connection& connection, int retention_days);
/// The views alone, over the columns that perp_metrics has now.
void create_hot_views(Connection& connection);

}  // namespace perp::warehouse
