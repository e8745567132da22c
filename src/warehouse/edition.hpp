#pragma once
// What a server can do, and the policies that only TimescaleDB's Community edition has.
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace perp::warehouse {

/// How often the server's policies run: as often as perp's own maintenance does the same on the
/// other editions. The server's defaults are days.
inline constexpr std::string_view policy_interval = "INTERVAL '1 hour'";

/// What the server can do, the extension created if it is wanted and offered. @throws core::Error
/// if `wanted` is not to be had
Backend server_backend(Connection& connection, Backend wanted, std::vector<std::string>& warnings);

/// Community edition: retention, order and compression of the series by the server. What is
/// refused at run time is told (a warning and a row of perp_status); our own maintenance then does
/// it, or it is not done.
void set_policies(Connection& connection, std::vector<std::string>& warnings);

/// Runs what only the Community edition has; a refusal ("what: refused (...); instead") is a
/// warning, also in the database.
void try_policy(Connection& connection, std::vector<std::string>& warnings, const char* what,
                const char* instead, const std::vector<Statement>& statements);

/// Community edition: the policies of our tables whose last run failed, each in a sentence with the
/// server's reason. Nobody else tells: the server only logs it. @throws DatabaseError
std::vector<std::string> failed_policies(Connection& connection);

}  // namespace perp::warehouse
