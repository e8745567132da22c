#include "app/commands.hpp"
#include "app/output.hpp"

#include <perp/core/error.hpp>
#include <perp/warehouse/connection.hpp>
#include <perp/warehouse/migrate.hpp>
#include <perp/warehouse/perpspecs.hpp>
#include <perp/warehouse/query.hpp>

#include <cstdio>
#include <memory>

namespace perp::app {
namespace {

struct Arguments {
  std::string name;
  std::string fields;
  double native_interval_s = 60;
  bool creates_columns = false;
};

warehouse::Connection open(const Context& context) {
  warehouse::Connection connection(context.dsn, "perp perpspec");
  static_cast<void>(warehouse::require_schema(connection, "perp perpspec"));
  return connection;
}

void add(const Context& context, const Arguments& arguments) {
  warehouse::Connection connection = open(context);
  try {
    warehouse::PerpspecFields spec = warehouse::parse_perpspec(arguments.name, arguments.fields);
    spec.native_interval_ms = static_cast<std::int32_t>(arguments.native_interval_s * 1000);
    warehouse::add_perpspec(connection, spec, arguments.creates_columns);
  } catch (const warehouse::DatabaseError&) {
    throw;
  } catch (const core::Error& error) {
    throw CLI::ValidationError("perpspec add", error.what());  // what was asked for cannot be had
  }
  std::printf("%s is registered\n", arguments.name.c_str());
}

}  // namespace

void add_perpspec(CLI::App& app, Context& context) {
  auto* perpspec = app.add_subcommand(
      "perpspec", "The registry of perpspecs: which columns of perp_data each one fills.");
  perpspec->require_subcommand(1);
  perpspec->footer(
      "Examples:\n  perp perpspec add bin-x c,v\n  perp perpspec add bin-basis basis "
      "--create-columns\n  perp perpspec list --format json");
  auto arguments = std::make_shared<Arguments>();

  auto* add_spec = perpspec->add_subcommand(
      "add", "Register a perpspec. Running programs know it within two seconds.");
  add_dsn(*add_spec, context, true);
  add_spec
      ->add_option("name", arguments->name, "For example bin-x: the venue's code, a dash, a word")
      ->required();
  add_spec->add_option("fields", arguments->fields, "Columns of perp_data, for example c,v")
      ->required();
  add_spec->add_flag(
      "--create-columns", arguments->creates_columns,
      "Fields that are no column yet become numbers with changes over 1, 5, 10 minutes");
  add_spec
      ->add_option("--native-interval", arguments->native_interval_s,
                   "Seconds between two samples at the source")
      ->capture_default_str()
      ->check(CLI::Range(1, 86'400));
  add_spec->callback([&context, arguments] { add(context, *arguments); });

  const auto print = [&context](const std::string& name) {
    warehouse::Connection connection = open(context);
    std::fputs(render(warehouse::query_perpspecs(connection, name), context.format).c_str(),
               stdout);
  };
  auto* list = perpspec->add_subcommand("list", "Every registered perpspec with its fields.");
  add_dsn(*list, context, true);
  add_format(*list, context, {"table", "json", "csv"});
  list->callback([print] { print({}); });

  auto* show = perpspec->add_subcommand("show", "One perpspec.");
  add_dsn(*show, context, true);
  add_format(*show, context, {"table", "json", "csv"});
  show->add_option("name", arguments->name, "For example bin-tv")->required();
  show->callback([print, arguments] { print(warehouse::resolve_perpspec(arguments->name)); });
}

}  // namespace perp::app
