#pragma once
// The schema: created, brought up to date, described. Cold path, one connection, any thread; two
// setups at once wait for each other. Running setup again changes nothing that is already right; it
// never drops unless told to.
#include <perp/market/venue_id.hpp>
#include <perp/warehouse/backend.hpp>
#include <perp/warehouse/perpspecs.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

class Connection;

struct SetupOptions {
  bool drop = false;  ///< delete every perp table first, with all data
  /// Of perp_data and perp_metrics; 0 keeps for ever. Nothing given: 10 in a new database, else
  /// what is stored.
  std::optional<int> retention_days{};
  std::map<std::string, int> retention{};  ///< of other series, by table name
  /// Community edition: chunks of perp_data and perp_metrics are compressed a day after their end
  /// from now on (true) or no more (false).
  std::optional<bool> compress{};
  /// The same of any series, by table name: how many days after their end; 0: no more.
  std::map<std::string, int> compression{};
  Backend backend = Backend::automatic;
  /// Creates the roles perp_reader (SELECT) and perp_writer (what loading needs, no DDL, no DROP),
  /// both without login: `GRANT perp_reader TO somebody`.
  bool roles = false;
  std::vector<market::VenueId> venues{};    ///< enabled: registers their specs beyond the 19
  std::vector<PerpspecFields> perpspecs{};  ///< registered too; their fields are columns
};

struct Info {
  struct TableInfo {
    std::string name;
    std::int64_t rows = 0;
    bool is_estimate = false;  ///< from the server's statistics: more than a million rows
    std::int64_t bytes = 0;    ///< with indexes and partitions
    std::int64_t partitions = 0;
    std::optional<int> retention_days{};  ///< of a series; 0: kept for ever
    /// Of a series: how long after their end chunks are to be compressed. 0: no more; nothing:
    /// setup was never told.
    std::optional<int> compress_days{};
    /// The same of the server's policy that is in force, whoever made it; nothing: there is none.
    std::optional<std::int64_t> compress_after_ms{};
    bool is_compression_paused = false;  ///< the server was told not to run that policy
    std::int64_t compressed_chunks = 0;
  };
  struct Cursor {
    int lane = 0;
    int lanes = 0;
    std::string journal;
    std::int64_t position = 0;
    std::int64_t updated_ms = 0;
  };
  Backend backend = Backend::automatic;  ///< automatic: there is no perp schema here yet
  std::string server_version;
  std::string timescale_version;  ///< empty without the extension
  std::string timescale_license;  ///< "timescale" (Community) or "apache"
  int retention_days = 0;         ///< of perp_data and perp_metrics
  /// Community edition: policies of the server whose last run failed, a sentence each.
  std::vector<std::string> failed_policies{};
  std::vector<TableInfo> tables;  ///< series first, then the rest, each by name
  std::int64_t perpspecs = 0;
  std::int64_t seed_perpspecs = 0;
  std::vector<Cursor> cursors;
  std::int64_t sealed_partitions = 0;  ///< plain backend: days rewritten in order of their series
  std::int64_t rollups_due = 0;        ///< what writers touched and nobody has computed yet
  /// The end of the oldest bucket among it that is over; nothing: rollups are up to date.
  std::optional<std::int64_t> rollups_due_since_ms{};
};

struct SetupReport {
  Info info;
  std::vector<std::string> applied;  ///< migrations that were not there yet
  std::vector<std::string>
      warnings;  ///< features that the server refused, and what is done instead
};

/// Creates what is missing. @throws DatabaseError, or core::Error where the wish cannot be had
/// (backend, newer schema, retention or compression of what is no series)
SetupReport setup(const std::string& dsn, const SetupOptions& options);
/// Brings an existing schema up to date and touches nothing else. @throws core::Error without a
/// schema, or on a newer one
SetupReport migrate(const std::string& dsn);
Info info(const std::string& dsn);

/// The backend that setup recorded; automatic if there is no perp schema.
Backend stored_backend(Connection& connection);
/// The same, and the schema must be this program's. @throws core::Error without a schema, on an
/// older or a newer one
Backend require_schema(Connection& connection, const std::string& who);

}  // namespace perp::warehouse
