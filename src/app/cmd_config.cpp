// perp config: is it right, what is in force and why, what keys there are.
#include "app/commands.hpp"
#include "app/config_import.hpp"
#include "app/config_options.hpp"

#include <perp/core/error.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

namespace perp::app {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw core::Error("cannot be read", path, "expected a YAML or JSON file");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void check(Context& context, const ConfigArguments& arguments) {
  const Config config = load_config(arguments);
  if (!tell_faults(config)) {
    context.exit_code = exit_usage;
    return;
  }
  std::size_t set = 0;
  for (const Setting& setting : settings())
    if (config.is_set(setting.name)) ++set;
  fmt::print("{}: right; {} of {} keys are set\n",
             arguments.file.empty() ? "no file, environment and flags" : arguments.file, set,
             settings().size());
}

}  // namespace

void add_config(CLI::App& app, Context& context) {
  auto* group = app.add_subcommand("config", "The configuration: check it, show what is in force.");
  group->require_subcommand(1);
  group->footer(
      "A later source wins: default, file (--config or PERP_CONFIG), environment, flag.\n"
      "Examples:\n"
      "  perp config check /etc/perp/perp.toml        (exit 2 and every fault with its place)\n"
      "  PERP_IO=epoll perp config show --origin --config perp.toml\n"
      "  perp config keys");

  auto arguments = std::make_shared<ConfigArguments>();
  auto* check_command = group->add_subcommand(
      "check", "Reads file, environment and flags as `perp run` would; lists every fault.");
  check_command->add_option("file", arguments->file, "The file, instead of --config");
  add_config_options(*check_command, *arguments);
  check_command->callback([&context, arguments] { check(context, *arguments); });

  auto shown = std::make_shared<ConfigArguments>();
  auto format = std::make_shared<std::string>("toml");
  auto with_origin = std::make_shared<bool>(false);
  auto* show = group->add_subcommand("show", "The value of every key, secrets left out.");
  add_config_options(*show, *shown);
  show->add_flag("--origin", *with_origin, "And where it came from");
  show->add_option("--format", *format, "Output format")
      ->check(CLI::IsMember({"toml", "json"}))
      ->capture_default_str();
  show->callback([&context, shown, format, with_origin] {
    const Config config = load_config(*shown);
    if (!tell_faults(config)) {
      context.exit_code = exit_usage;
      return;
    }
    const std::string text =
        *format == "json" ? config_json(config, *with_origin) : config_toml(config, *with_origin);
    std::fputs(text.c_str(), stdout);
  });

  auto old_file = std::make_shared<std::string>();
  auto* import = group->add_subcommand(
      "import", "A file of ours from a YAML or JSON file of a program that came before.");
  import->add_option("file", *old_file, "config.yaml, default.json")->required();
  import->footer(
      "The file goes to stdout; what has no place in it, secrets among it, is listed on stderr.\n"
      "Example:\n"
      "  perp config import config.yaml >perp.toml");
  import->callback([old_file] {
    const ImportedConfig imported = import_config(read_text(*old_file), *old_file);
  std::fputs(imported.toml.c_str(), stdout);
  for (const std::string& line : imported.left) fmt::print(stderr, "not taken: {}\n", line);
  fmt::print(stderr, "{} keys taken, {} not\n", imported.taken, imported.left.size());
});

group->add_subcommand("keys", "Every key with its variable, flag, bounds and default (Markdown).")
    ->callback([] { std::fputs(settings_markdown().c_str(), stdout); });
}  // namespace perp::app

}  // namespace perp::app
