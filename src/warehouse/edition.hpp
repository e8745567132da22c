#pragma once
// What a server can do, and the policies that only TimescaleDB's Community edition has.
#include <perp/warehouse/migrate.hpp>

#include <string>
#include <vector>

namespace perp::warehouse {

/// What the server can do, the extension created if it is wanted and offered. @throws core::Error
/// if `wanted` is not to be had
Backend server_backend(Connection& connection, Backend wanted, std::vector<std::string>& warnings);

/// Community edition: retention of every series by the server, compression if wanted. What is
/// refused at run time is told (a warning and a row of perp_status); our own maintenance then does
/// it, or it is not done.
void set_policies(Connection& connection, std::vector<std::string>& warnings);

/// Community edition: the policies of our tables whose last run failed, each in a sentence with the
/// server's reason. Nobody else tells: the server only logs it. @throws DatabaseError
std::vector<std::string> failed_policies(Connection& connection);

}  // namespace perp::warehouse
