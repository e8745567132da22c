#pragma once
// `perp db`'s parts that stand in files of their own.
#include <CLI/CLI.hpp>

namespace perp::app {

struct Context;

void add_db_versions(CLI::App& db, Context& context);

}  // namespace perp::app
