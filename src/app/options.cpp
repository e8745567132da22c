#include "app/commands.hpp"

#include <cstdlib>

namespace perp::app {

void add_format(CLI::App& command, Context& context, const std::vector<std::string>& choices) {
  command.add_option("--format", context.format, "Output format")
      ->check(CLI::IsMember(choices))
      ->capture_default_str();
}

void add_dsn(CLI::App& command, Context& context, bool required) {
  auto* option =
      command.add_option("--db,--database-url", context.dsn,
                         "PostgreSQL connection: a URL or `host=... port=... dbname=... user=...`");
  option->envname("DATABASE_URL");
  if (required) option->required();
}

}  // namespace perp::app
