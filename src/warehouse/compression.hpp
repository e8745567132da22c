#pragma once
// Compression of series' chunks, which only TimescaleDB's Community edition has: what is wanted
// (perp_series.compress_days), the server's policies that do it, and what is in force.
#include <perp/warehouse/migrate.hpp>

#include <string>
#include <vector>

namespace perp::warehouse {

/// Stores what `options` say of compression; without a word of it all stays. On an edition that has
/// none nothing is stored, and a wish for it is a warning. @throws core::Error on a table that is
/// no series, DatabaseError
void store_compression(Connection& connection, Backend backend, const SetupOptions& options,
                       std::vector<std::string>& warnings);

/// Community edition: makes, changes or removes the policy of every series of which something is
/// stored; one that is right already is not touched. What is refused is told.
void set_compression(Connection& connection, std::vector<std::string>& warnings);

/// Community edition: what the server does, and has done, to each series of `tables`.
void read_compression(Connection& connection, std::vector<Info::TableInfo>& tables);

}  // namespace perp::warehouse
