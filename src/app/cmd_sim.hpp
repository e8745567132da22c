#pragma once
// The subcommands of `perp sim` that have sources of their own.
#include "app/commands.hpp"

namespace perp::app {

void add_sim_serve(CLI::App& sim, Context& context);
void add_sim_check(CLI::App& sim, Context& context);
void add_sim_faults(CLI::App& sim, Context& context);

}  // namespace perp::app
