#pragma once
// THE command table: each row adds one subcommand and says what runs. main.cpp walks it.
#include <CLI/CLI.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <string>

namespace perp::app {

/// Exit codes of every command.
enum ExitCode : int {
  exit_ok = 0,
  exit_failure = 1,
  exit_usage = 2,
  exit_partial = 3,  ///< it ran, but some input was refused or some rows were set aside
};

/// What commands share.
struct Context {
  std::string format = "table";
  std::string dsn;
  const std::atomic<bool>* stop = nullptr;  ///< SIGINT or SIGTERM came
  int exit_code = exit_ok;                  ///< set by the command that ran
};

void add_replay(CLI::App& app, Context& context);
void add_run(CLI::App& app, Context& context);
void add_backfill(CLI::App& app, Context& context);
void add_collect(CLI::App& app, Context& context);
void add_config(CLI::App& app, Context& context);
void add_gaps(CLI::App& app, Context& context);
void add_query(CLI::App& app, Context& context);
void add_db(CLI::App& app, Context& context);
void add_db_upkeep(CLI::App& db, Context& context);  ///< its stats, clean, update-fees
void add_metrics(CLI::App& app, Context& context);
void add_perpspec(CLI::App& app, Context& context);
void add_verify(CLI::App& app, Context& context);
void add_prune(CLI::App& app, Context& context);
void add_status(CLI::App& app, Context& context);
void add_errors(CLI::App& app, Context& context);
void add_journal(CLI::App& app, Context& context);
void add_sim(CLI::App& app, Context& context);
void add_capture(CLI::App& app, Context& context);
void add_venues(CLI::App& app, Context& context);
void add_doctor(CLI::App& app, Context& context);
void add_version(CLI::App& app, Context& context);

using AddCommand = void (*)(CLI::App&, Context&);
inline constexpr auto commands = std::to_array<AddCommand>(
    {add_run,    add_replay,  add_backfill, add_collect,  add_capture, add_config, add_gaps,
     add_query,  add_db,      add_metrics,  add_perpspec, add_verify,  add_prune,  add_status,
     add_errors, add_journal, add_sim,      add_venues,   add_doctor,  add_version});

/// The --format option, with the choices a command offers.
void add_format(CLI::App& command, Context& context, const std::vector<std::string>& choices);
/// The --db option; `required` commands fail with usage when neither it nor DATABASE_URL is given.
void add_dsn(CLI::App& command, Context& context, bool required);

}  // namespace perp::app
