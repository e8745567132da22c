#pragma once
// The schema: created, brought up to date, described. Cold path, one connection, any thread; two
// setups at once wait for each other. Running setup again changes nothing that is already right; it
// never drops unless told to.
#include <perp/market/venue_id.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

class Connection;

enum class Backend {
  automatic,  ///< what the server offers; what the database already has
  timescale,  ///< hypertables, retention policy by the server (Community licence)
  apache,  ///< hypertables, retention by our own scheduler (Apache licence, as distributions build
           ///< it)
  plain,   ///< daily partitions, made by setup and loader, retention by our own scheduler
};
std::string_view to_string(Backend backend);
/// Throws core::Error on anything but auto, automatic, timescale, apache, plain.
Backend parse_backend(std::string_view text);

struct SetupOptions {
  bool drop = false;        ///< delete every perp table first, with all data
  int retention_days = 10;  ///< of perp_data and perp_metrics; 0 keeps for ever
  Backend backend = Backend::automatic;
  std::vector<market::VenueId> venues{};  ///< enabled: registers their specs beyond the 19
};

struct Info {
  struct TableInfo {
    std::string name;
    std::int64_t rows = 0;
    bool is_estimate = false;  ///< from the server's statistics: more than a million rows
    std::int64_t bytes = 0;    ///< with indexes and partitions
    std::int64_t partitions = 0;
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
  int retention_days = 0;
  std::vector<TableInfo> tables;
  std::int64_t perpspecs = 0;
  std::int64_t seed_perpspecs = 0;
  std::vector<Cursor> cursors;
};

struct SetupReport {
  Info info;
  std::vector<std::string> applied;  ///< migrations that were not there yet
  std::vector<std::string>
      warnings;  ///< features that the server refused, and what is done instead
};

/// @throws DatabaseError, or core::Error where the wish cannot be had (backend, newer schema)
SetupReport setup(const std::string& dsn, const SetupOptions& options);
Info info(const std::string& dsn);

/// The backend that setup recorded; automatic if there is no perp schema.
Backend stored_backend(Connection& connection);

}  // namespace perp::warehouse
