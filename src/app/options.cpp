#include "app/commands.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace perp::app {

void add_format(CLI::App& command, Context& context, const std::vector<std::string>& choices) {
  command.add_option("--format", context.format, "Output format")
      ->check(CLI::IsMember(choices))
      ->capture_default_str();
}

// Not by CLI11's envname: it writes the variable through the option of every sibling that was not
// called, and with a value that they share `perp db clean --db THIS` emptied what the variable
// named.
CLI::Option* add_option_or_variable(CLI::App& command, const std::string& names, std::string& value,
                                    const char* variable, const std::string& help) {
  if (const char* text = std::getenv(variable)) value = text;
  return command.add_option(names, value, fmt::format("{} (or {})", help, variable));
}

void add_dsn(CLI::App& command, Context& context, bool required) {
  auto* option = add_option_or_variable(
      command, "--db,--database-url", context.dsn, "DATABASE_URL",
      "PostgreSQL connection: a URL or `host=... port=... dbname=... user=...`");
  if (required && context.dsn.empty()) option->required();
}

}  // namespace perp::app
