#include "app/commands.hpp"
#include "app/output.hpp"
#include "app/status_color.hpp"

#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/upkeep.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace perp::app {
namespace {

struct Arguments {
  std::int64_t limit = 10;
  bool errors = false;
  bool no_color = false;
};

void print(const Context& context, const Arguments& arguments) {
  warehouse::Connection connection(context.dsn, "perp status");
  static_cast<void>(warehouse::require_schema(connection, "perp status"));
  const warehouse::QueryResult rows = arguments.errors
                                          ? warehouse::query_errors(connection, arguments.limit)
                                          : warehouse::query_status(connection, arguments.limit);
  const bool has_colour = context.format == "table" && !arguments.errors && !arguments.no_color &&
                          std::getenv("NO_COLOR") == nullptr && isatty(STDOUT_FILENO) != 0;
  const std::string text = render(rows, context.format);
  std::printf("%s%s%s", has_colour ? status_color : "", text.c_str(),
              has_colour ? plain_color : "");
}

void add(CLI::App& command, Context& context, const std::shared_ptr<Arguments>& arguments) {
  add_dsn(command, context, true);
  add_format(command, context, {"table", "json", "csv"});
  command.add_option("--limit", arguments->limit, "How many rows, newest first")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command.callback([&context, arguments] { print(context, *arguments); });
}

}  // namespace

void add_status(CLI::App& app, Context& context) {
  auto* status = app.add_subcommand(
      "status", "The latest rows of perp_status: what started, is live, went stale, stopped.");
  auto arguments = std::make_shared<Arguments>();
  status->add_flag("--errors", arguments->errors, "The latest rows of perp_errors instead");
  status->add_flag("--no-color", arguments->no_color, "No colour, as with NO_COLOR set");
  add(*status, context, arguments);
}

void add_errors(CLI::App& app, Context& context) {
  auto* errors = app.add_subcommand(
      "errors", "The latest rows of perp_errors: refused messages, refused rows, damage.");
  auto arguments = std::make_shared<Arguments>();
  arguments->errors = true;
  add(*errors, context, arguments);
}

}  // namespace perp::app
