#pragma once
// The two roles of a warehouse: who only asks, and who only loads.
namespace perp::warehouse {

class Connection;

/// Creates them if setup was ever told to, and gives them what the present tables need. Inside the
/// caller's transaction.
/// @throws DatabaseError where the setup's own role may not create roles
void grant_roles(Connection& connection);

}  // namespace perp::warehouse
