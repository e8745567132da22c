#pragma once
// THE command table: each row adds one subcommand and says what runs. main.cpp walks it.
#include <CLI/CLI.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

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

struct Command {
  std::string_view name;
  void (*add)(CLI::App&, Context&);  ///< a subcommand of that name
};
inline constexpr auto commands = std::to_array<Command>({
    {"run", add_run},         {"replay", add_replay},     {"backfill", add_backfill},
    {"collect", add_collect}, {"capture", add_capture},   {"config", add_config},
    {"gaps", add_gaps},       {"query", add_query},       {"db", add_db},
    {"metrics", add_metrics}, {"perpspec", add_perpspec}, {"verify", add_verify},
    {"prune", add_prune},     {"status", add_status},     {"errors", add_errors},
    {"journal", add_journal}, {"sim", add_sim},           {"venues", add_venues},
    {"doctor", add_doctor},   {"version", add_version},
});

/// The --format option, with the choices a command offers.
void add_format(CLI::App& command, Context& context, const std::vector<std::string>& choices);
/// An option that `variable` of the environment answers where the command line does not.
CLI::Option* add_option_or_variable(CLI::App& command, const std::string& names, std::string& value,
                                    const char* variable, const std::string& help);
/// The --db option; `required` commands fail with usage when neither it nor DATABASE_URL is given.
void add_dsn(CLI::App& command, Context& context, bool required);

}  // namespace perp::app
